//! The contract rule by rule, each on a store of its own: what a store that breaks it is told first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::samples::*;
use super::{HostVerdict, NewJob, Store};
use crate::engine::{Firing, Item, StoreId};
use crate::error::ErrorKind;
use crate::job::due::MAX_RUN_TIMES;
use crate::job::{Ended, JobKey, RunPolicy};

macro_rules! named {
    ($store:ident: $($rule:ident)*) => { [$((stringify!($rule), $rule::<$store> as fn())),*] };
}

/// Every rule with its name.
pub(super) fn all<S: Store>() -> impl IntoIterator<Item = (&'static str, fn())> {
    named![S:
        an_id_is_taken_once
        a_job_is_seen_as_it_was_added
        a_planned_fire_time_gives_way_to_what_was_handed_over_meanwhile
        a_key_never_comes_to_mean_another_job
        a_job_removed_during_its_runs_is_kept_for_the_last_of_them
        an_ended_job_waits_for_its_runs_and_the_notice_in_any_order
        a_job_that_ends_without_a_free_instance_is_freed_too
        release_means_nothing_to_a_living_job
        pause_reschedule_resume
        update_changes_all_but_id_and_fire_time
        the_host_settles_what_it_was_asked
        an_answer_of_the_host_to_an_old_question_is_stale
        the_host_is_asked_anew_about_a_new_trigger
        the_host_parks_a_job_whose_trigger_fails
        max_instances_admits_so_many_and_no_more
        a_job_that_may_never_run_is_skipped_and_moves_on
        missed_fire_times_run_as_one_or_each
        fires_of_ten_years_become_one
        a_job_far_behind_catches_up_in_pieces_and_holds_no_other_up
        a_job_far_behind_can_be_paused_rescheduled_and_removed
        a_job_far_behind_with_all_instances_taken_skips_in_pieces
        remove_all_keeps_what_runs
        ties_run_in_the_order_of_addition
        a_sweep_stops_at_its_limit_and_says_that_more_is_due
        a_backward_step_fires_nothing_twice
    ]
}

fn an_id_is_taken_once<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    let error = store.add(job("a", every(2), DEFAULT, 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingId);
    assert_eq!(error.message(), "Job identifier (a) conflicts with an existing job");
    assert_eq!((store.len(), store.key("a"), store.key("b")), (1, Some(key), None));
    assert_eq!(store.next_deadline(), Some(at(1)));
}

fn a_job_is_seen_as_it_was_added<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let trigger = every(5);
    let key = add(&mut store, "a", Arc::clone(&trigger), EACH, 5);
    let seen = store.get(key).unwrap();
    assert_eq!((seen.key, &*seen.id, seen.policy, seen.route), (key, "a", EACH, 7));
    assert_eq!((seen.trigger, seen.next, seen.handed_over), (trigger, Some(at(5)), None));
    assert_eq!((seen.revision, seen.running, seen.payload), (0, 0, tag("a")));
}

fn a_planned_fire_time_gives_way_to_what_was_handed_over_meanwhile<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    let seen = store.get(key).unwrap().revision;
    assert_eq!(sweep(&mut store, 1), [run(key, DEFAULT, one(1))]);
    assert!(!store.plan(key, Some(at(1)), seen).unwrap());
    assert_eq!(store.next_deadline(), Some(at(2)));
    let seen = store.get(key).unwrap();
    assert_eq!(seen.handed_over, Some(at(1)));
    assert!(store.plan(key, Some(at(5)), seen.revision).unwrap());
    assert_eq!(store.next_deadline(), Some(at(5)));
    // An equal trigger keeps what is known of the job, another one does not.
    store.update(key, every(1), DEFAULT, 7, tag("a")).unwrap();
    let kept = store.get(key).unwrap();
    assert_eq!((kept.revision, kept.handed_over), (seen.revision, Some(at(1))));
    store.update(key, every(2), DEFAULT, 7, tag("a")).unwrap();
    assert!(!store.plan(key, Some(at(6)), seen.revision).unwrap());
    assert_eq!(store.get(key).unwrap().handed_over, None);
}

fn a_key_never_comes_to_mean_another_job<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let old = add(&mut store, "old", every(1), DEFAULT, 1);
    assert_eq!(store.remove("old").unwrap(), Some(tag("old")));
    let new = add(&mut store, "new", host(), DEFAULT, 1);
    assert_ne!(old, new);
    assert_eq!(sweep(&mut store, 1), [host_due(new, 1)]);

    assert!(store.get(old).is_none() && store.get_retired(old).is_none());
    assert_eq!(store.set_next(old, None).unwrap_err().kind(), ErrorKind::JobLookup);
    assert_eq!((store.finish(fire(old), Ended::Executed), store.release(old)), (None, None));
    assert_eq!(store.settle_host(old, at(1), due(1, None), at(1)), HostVerdict::Stale);
    assert!(!store.park_host(old, at(1)));
    assert_eq!(store.update(old, every(1), DEFAULT, 8, tag("x")).unwrap_err().kind(), ErrorKind::JobLookup);

    let HostVerdict::Run(firing) = store.settle_host(new, at(1), due(1, Some(2)), at(1)) else { panic!() };
    assert_eq!(firing.route, 7);
    assert_eq!(store.get(new).unwrap().next, Some(at(2)));
}

fn a_job_removed_during_its_runs_is_kept_for_the_last_of_them<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let policy = RunPolicy { max_instances: 2, ..DEFAULT };
    let key = add(&mut store, "a", every(1), policy, 1);
    assert_eq!(sweep(&mut store, 1), [run(key, policy, one(1))]);
    assert_eq!(sweep(&mut store, 2), [run(key, policy, one(2))]);
    assert_eq!(store.remove("a").unwrap(), None);
    assert_eq!(store.remove("a").unwrap_err().message(), "No job by the id of a was found");
    assert!(store.get(key).is_none() && store.is_empty());
    assert_eq!(store.get_retired(key).unwrap().running, 2);
    assert_eq!(sweep(&mut store, 9), []);

    // The id is free again, and the runs of the old job leave the new one alone.
    let again = add(&mut store, "a", every(1), DEFAULT, 10);
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(store.finish(fire(key), Ended::Executed), Some(tag("a")));
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!((store.key("a"), store.get(again).unwrap().running), (Some(again), 0));
}

fn an_ended_job_waits_for_its_runs_and_the_notice_in_any_order<S: Store>() {
    for released_after in 0..3 {
        let mut store = S::empty(StoreId(0));
        let policy = RunPolicy { max_instances: 2, ..DEFAULT };
        let key = add(&mut store, "a", every_until(1, 2), policy, 1);
        assert_eq!(sweep(&mut store, 1), [run(key, policy, one(1))]);
        assert_eq!(sweep(&mut store, 2), [last_run(key, policy, one(2))]);
        assert_eq!(store.remove("a").unwrap_err().kind(), ErrorKind::JobLookup);
        assert_eq!(store.get_retired(key).unwrap().next, Some(at(2)));

        let mut returned = Vec::new();
        for step in 0..3 {
            returned.push(if step == released_after {
                store.release(key)
            } else {
                store.finish(fire(key), Ended::Executed)
            });
        }
        assert_eq!(returned, [None, None, Some(tag("a"))]);
        assert!(store.get_retired(key).is_none());
    }
}

fn a_job_that_ends_without_a_free_instance_is_freed_too<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every_until(1, 2), DEFAULT, 1);
    assert_eq!(sweep(&mut store, 1), [run(key, DEFAULT, one(1))]);
    assert_eq!(sweep(&mut store, 2), [skipped(key, one(2)), ended(key)]);
    assert_eq!((store.finish(fire(key), Ended::Executed), store.release(key)), (None, Some(tag("a"))));
}

fn release_means_nothing_to_a_living_job<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!((store.release(key), store.finish(fire(key), Ended::Executed)), (None, None));
    assert!(store.get(key).is_some());
}

fn pause_reschedule_resume<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    store.set_next(key, None).unwrap();
    assert_eq!((store.next_deadline(), sweep(&mut store, 5)), (None, vec![]));
    assert_eq!(store.get(key).unwrap().next, None);
    store.set_next(key, Some(at(9))).unwrap();
    store.set_next(key, Some(at(6))).unwrap();
    assert_eq!(sweep(&mut store, 6), [run(key, DEFAULT, one(6))]);
    assert_eq!(store.next_deadline(), Some(at(7)));

    let paused = store.add(NewJob { next: None, ..job("b", every(1), DEFAULT, 0) }).unwrap();
    assert_eq!(store.next_deadline(), Some(at(7)));
    store.set_next(paused, Some(at(6))).unwrap();
    assert_eq!(sweep(&mut store, 6), [run(paused, DEFAULT, one(6))]);
}

fn update_changes_all_but_id_and_fire_time<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!(store.update(key, every(10), EACH, 8, tag("new")).unwrap(), tag("a"));
    let mut out = Vec::new();
    store.sweep(at(1), 1, &mut out);
    let Item::Run(firing) = &out[0] else { panic!("{out:?}") };
    assert_eq!((firing.route, firing.misfire_grace_seconds), (8, None));
    assert_eq!(store.next_deadline(), Some(at(11)));
    assert_eq!(store.remove("a").unwrap(), None);
    assert_eq!(store.finish(fire(key), Ended::Executed), Some(tag("new")));
}

fn the_host_settles_what_it_was_asked<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", host(), DEFAULT, 1);
    assert_eq!(store.settle_host(key, at(1), due(1, None), at(1)), HostVerdict::Stale, "not asked yet");
    assert_eq!(sweep(&mut store, 1), [host_due(key, 1)]);
    assert_eq!((store.next_deadline(), sweep(&mut store, 5)), (None, vec![]));
    let verdict = store.settle_host(key, at(1), due(1, Some(6)), at(5));
    assert!(matches!(verdict, HostVerdict::Run(f) if f.key == key && f.run_times == one(1)));
    assert_eq!(store.settle_host(key, at(1), due(1, Some(7)), at(5)), HostVerdict::Stale, "answered twice");
    assert_eq!(sweep(&mut store, 6), [host_due(key, 6)]);
    assert_eq!(store.settle_host(key, at(6), due(6, Some(8)), at(6)), HostVerdict::Skipped(one(6)));
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(sweep(&mut store, 8), [host_due(key, 8)]);
    assert!(matches!(store.settle_host(key, at(8), due(8, None), at(8)), HostVerdict::Run(_)));
    assert!(store.is_empty());
    assert_eq!((store.release(key), store.finish(fire(key), Ended::Executed)), (None, Some(tag("a"))));
}

fn an_answer_of_the_host_to_an_old_question_is_stale<S: Store>() {
    let changes: [fn(&mut S, JobKey); 5] = [
        |store, key| store.set_next(key, None).unwrap(),
        |store, key| store.set_next(key, Some(at(1))).unwrap(),
        |store, key| store.set_next(key, Some(at(9))).unwrap(),
        // Rescheduled and due again: the answer to the first question is not one to the second.
        |store, key| {
            store.set_next(key, Some(at(3))).unwrap();
            assert_eq!(sweep(store, 3), [host_due(key, 3)]);
        },
        |store, _| assert!(store.remove("a").is_ok()),
    ];
    for change in changes {
        let mut store = S::empty(StoreId(0));
        let key = add(&mut store, "a", host(), DEFAULT, 1);
        sweep(&mut store, 1);
        change(&mut store, key);
        let next = store.get(key).and_then(|job| job.next);
        assert_eq!(store.settle_host(key, at(1), due(1, Some(2)), at(4)), HostVerdict::Stale);
        assert!(!store.park_host(key, at(1)));
        assert_eq!(store.get(key).and_then(|job| job.next), next);
    }
}

fn the_host_is_asked_anew_about_a_new_trigger<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", host(), DEFAULT, 1);
    assert_eq!(sweep(&mut store, 1), [host_due(key, 1)]);
    store.update(key, host(), DEFAULT, 7, tag("a")).unwrap();
    assert_eq!(store.settle_host(key, at(1), due(1, Some(2)), at(1)), HostVerdict::Stale);
    assert_eq!(sweep(&mut store, 2), [host_due(key, 1)]);
    assert!(matches!(store.settle_host(key, at(1), due(1, Some(3)), at(2)), HostVerdict::Run(_)));
    assert_eq!(store.next_deadline(), Some(at(3)));
}

fn the_host_parks_a_job_whose_trigger_fails<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", host(), DEFAULT, 1);
    let other = add(&mut store, "b", every(1), DEFAULT, 1);
    assert_eq!(sweep(&mut store, 1), [host_due(key, 1), run(other, DEFAULT, one(1))]);
    assert!(store.park_host(key, at(1)));
    assert!(!store.park_host(key, at(1)));
    assert_eq!(store.get(key).unwrap().next, None);
    assert_eq!(store.finish(fire(other), Ended::Executed), None);
    assert_eq!(sweep(&mut store, 2), [run(other, DEFAULT, one(2))]);
    store.set_next(key, Some(at(3))).unwrap();
    assert_eq!(sweep(&mut store, 3)[0], host_due(key, 3));
}

fn max_instances_admits_so_many_and_no_more<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let policy = RunPolicy { max_instances: 2, ..DEFAULT };
    let key = add(&mut store, "a", every(1), policy, 1);
    for second in 1..=2 {
        assert_eq!(sweep(&mut store, second), [run(key, policy, one(second))]);
    }
    assert_eq!(sweep(&mut store, 3), [skipped(key, one(3))]);
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(sweep(&mut store, 4), [run(key, policy, one(4))]);
    assert_eq!(sweep(&mut store, 5), [skipped(key, one(5))]);
    assert_eq!(store.get(key).unwrap().running, 2);
}

fn a_job_that_may_never_run_is_skipped_and_moves_on<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let policy = RunPolicy { max_instances: 0, ..EACH };
    let key = add(&mut store, "a", every(1), policy, 1);
    let chunk = MAX_RUN_TIMES as i64;
    let skips = [skipped(key, times(1..=chunk)), skipped(key, one(chunk + 1))];
    assert_eq!(sweep(&mut store, chunk + 1), skips);
    assert_eq!(store.next_deadline(), Some(at(chunk + 2)));
}

fn missed_fire_times_run_as_one_or_each<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let one_run = add(&mut store, "coalesced", every(2), DEFAULT, 2);
    let each = add(&mut store, "each", every(2), EACH, 2);
    let all = times([2, 4, 6, 8]);
    assert_eq!(sweep(&mut store, 9), [run(one_run, DEFAULT, one(8)), run(each, EACH, all)]);
    assert_eq!(store.next_deadline(), Some(at(10)));
    assert_eq!(sweep(&mut store, 13), [skipped(one_run, one(12)), skipped(each, times([10, 12]))]);
}

fn fires_of_ten_years_become_one<S: Store>() {
    let ten_years = 10 * 365 * 86_400;
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!(sweep(&mut store, ten_years), [run(key, DEFAULT, one(ten_years))]);
    assert_eq!(store.next_deadline(), Some(at(ten_years + 1)));
}

fn a_job_far_behind_catches_up_in_pieces_and_holds_no_other_up<S: Store>() {
    let chunk = MAX_RUN_TIMES as i64;
    let now = 2 * chunk + 5;
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), EACH, 1);
    let other = add(&mut store, "b", every(1), DEFAULT, now);
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(1..=chunk)), run(other, DEFAULT, one(now))]);
    // The rest is neither skipped as another instance nor handed over while the first piece runs.
    assert_eq!((store.get(key).unwrap().next, sweep(&mut store, now)), (Some(at(chunk + 1)), vec![]));
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(store.next_deadline(), Some(at(chunk + 1)));
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(chunk + 1..=2 * chunk))]);
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(2 * chunk + 1..=now))]);
    assert_eq!(store.next_deadline(), Some(at(now + 1)));
}

fn a_job_far_behind_can_be_paused_rescheduled_and_removed<S: Store>() {
    let now = 2 * MAX_RUN_TIMES as i64;
    let behind = || {
        let mut store = S::empty(StoreId(0));
        let key = add(&mut store, "a", every(1), EACH, 1);
        assert_eq!(sweep(&mut store, now).len(), 1);
        (store, key)
    };
    let (mut store, key) = behind();
    store.set_next(key, None).unwrap();
    assert_eq!((store.finish(fire(key), Ended::Executed), store.next_deadline()), (None, None));

    let (mut store, key) = behind();
    store.set_next(key, Some(at(now + 5))).unwrap();
    assert_eq!((store.finish(fire(key), Ended::Executed), store.next_deadline()), (None, Some(at(now + 5))));

    let (mut store, key) = behind();
    assert_eq!(store.remove("a").unwrap(), None);
    assert_eq!((store.finish(fire(key), Ended::Executed), store.next_deadline()), (Some(tag("a")), None));
}

fn a_job_far_behind_with_all_instances_taken_skips_in_pieces<S: Store>() {
    let chunk = MAX_RUN_TIMES as i64;
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(1), EACH, 1);
    assert_eq!(sweep(&mut store, 1), [run(key, EACH, one(1))]);
    assert_eq!(sweep(&mut store, chunk + 3), [skipped(key, times(2..=chunk + 1))]);
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    assert_eq!(sweep(&mut store, chunk + 3), [run(key, EACH, times([chunk + 2, chunk + 3]))]);
}

fn remove_all_keeps_what_runs<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let running = add(&mut store, "running", every(1), DEFAULT, 1);
    let asked = add(&mut store, "asked", host(), DEFAULT, 1);
    let ending = add(&mut store, "ending", once(1), DEFAULT, 1);
    add(&mut store, "idle", every(1), DEFAULT, 5);
    assert_eq!(sweep(&mut store, 1).len(), 3);
    let payloads: BTreeSet<usize> = store.remove_all().into_iter().collect();
    assert_eq!(payloads, BTreeSet::from([tag("asked"), tag("idle")]));
    assert_eq!((store.len(), store.next_deadline(), store.jobs().len()), (0, None, 0));
    assert_eq!(store.settle_host(asked, at(1), due(1, Some(2)), at(1)), HostVerdict::Stale);
    assert_eq!(store.finish(fire(running), Ended::Executed), Some(tag("running")));
    assert_eq!(
        (store.finish(fire(ending), Ended::Executed), store.release(ending)),
        (None, Some(tag("ending")))
    );
    assert!([running, asked, ending].iter().all(|&key| store.get_retired(key).is_none()));
}

fn ties_run_in_the_order_of_addition<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let ids = ["e", "b", "d", "a", "c"];
    let mut keys: Vec<JobKey> = ids.iter().map(|&id| add(&mut store, id, every(1), DEFAULT, 1)).collect();
    // A job that is added after another was removed goes to the end; a job that is rescheduled keeps its place.
    store.remove("b").unwrap();
    keys.remove(1);
    keys.push(add(&mut store, "z", every(1), DEFAULT, 1));
    store.set_next(keys[0], Some(at(9))).unwrap();
    store.set_next(keys[0], Some(at(1))).unwrap();
    for second in 1..4 {
        let runs: Vec<Item> = keys.iter().map(|&key| run(key, DEFAULT, one(second))).collect();
        assert_eq!(sweep(&mut store, second), runs);
        assert!(keys.iter().all(|&key| store.finish(fire(key), Ended::Executed).is_none()));
    }
}

fn a_sweep_stops_at_its_limit_and_says_that_more_is_due<S: Store>() {
    let mut store = S::empty(StoreId(4));
    for id in ["a", "b", "c"] {
        add(&mut store, id, once(1), DEFAULT, 1);
    }
    let mut out = Vec::new();
    assert_eq!(store.sweep(at(1), 2, &mut out), Some(at(1)));
    assert_eq!(out.len(), 2);
    assert_eq!(store.sweep(at(1), 4, &mut out), None);
    assert_eq!(out.len(), 3);
    for mut item in out {
        assert!(matches!(item.part_end(), Some(Item::Ended { store: StoreId(4), .. })));
        assert!(matches!(item, Item::Run(Firing { store: StoreId(4), last: false, .. })));
        assert_eq!(item.part_end(), None);
    }
}

fn a_backward_step_fires_nothing_twice<S: Store>() {
    let mut store = S::empty(StoreId(0));
    let key = add(&mut store, "a", every(10), DEFAULT, 10);
    assert_eq!(sweep(&mut store, 10), [run(key, DEFAULT, one(10))]);
    assert_eq!(store.finish(fire(key), Ended::Executed), None);
    for now in [-1_000, 0, 10, 19] {
        let mut out = Vec::new();
        assert_eq!(store.sweep(at(now), usize::MAX, &mut out), Some(at(20)));
        assert_eq!(out, []);
    }
    assert_eq!(sweep(&mut store, 20), [run(key, DEFAULT, one(20))]);
}
