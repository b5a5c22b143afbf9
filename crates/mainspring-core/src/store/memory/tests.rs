use super::*;
use crate::engine::Firing;
use crate::job::due::MAX_RUN_TIMES;
use crate::job::due::RunTimes;
use crate::trigger::{DateTrigger, HostTrigger, IntervalTrigger};

type Store = MemoryStore<&'static str>;

const DEFAULT: RunPolicy = RunPolicy { misfire_grace_seconds: Some(1), coalesce: true, max_instances: 1 };
const EACH: RunPolicy = RunPolicy { misfire_grace_seconds: None, coalesce: false, max_instances: 1 };

fn at(seconds: i64) -> UtcMicros {
    UtcMicros::clamped(seconds * 1_000_000)
}

fn every(seconds: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Interval(IntervalTrigger::new(seconds * 1_000_000, at(0), None, 0).unwrap()))
}

fn every_until(seconds: i64, end: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Interval(IntervalTrigger::new(seconds * 1_000_000, at(0), Some(at(end)), 0).unwrap()))
}

fn once(seconds: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Date(DateTrigger::new(at(seconds))))
}

#[derive(Debug)]
struct Unasked;

impl HostTrigger for Unasked {
    fn next_fire_time(&self, _: Option<UtcMicros>, _: UtcMicros) -> Result<Option<UtcMicros>, Error> {
        unreachable!("the store never asks a trigger of the host")
    }
}

fn host() -> Arc<Trigger> {
    Arc::new(Trigger::Host(Arc::new(Unasked)))
}

fn job(id: &'static str, trigger: Arc<Trigger>, policy: RunPolicy, next: i64) -> NewJob<&'static str> {
    NewJob { id: id.into(), trigger, policy, route: 7, next: Some(at(next)), payload: id }
}

fn add(store: &mut Store, id: &'static str, trigger: Arc<Trigger>, policy: RunPolicy, next: i64) -> JobKey {
    store.add(job(id, trigger, policy, next)).unwrap()
}

fn sweep(store: &mut Store, now: i64) -> Vec<Item> {
    let mut out = Vec::new();
    let next = store.sweep(at(now), usize::MAX, &mut out);
    assert_eq!(next, store.next_deadline());
    assert!(next.is_none_or(|next| next > at(now)), "an unlimited sweep takes all that is due");
    out
}

fn run(key: JobKey, policy: RunPolicy, times: impl Into<RunTimes>) -> Item {
    let RunPolicy { misfire_grace_seconds, .. } = policy;
    let (store, run_times) = (StoreId(0), times.into());
    Item::Run(Firing { store, key, route: 7, misfire_grace_seconds, run_times, last: false })
}

fn last_run(key: JobKey, policy: RunPolicy, times: impl Into<RunTimes>) -> Item {
    match run(key, policy, times) {
        Item::Run(firing) => Item::Run(Firing { last: true, ..firing }),
        other => other,
    }
}

fn skipped(key: JobKey, times: impl Into<RunTimes>) -> Item {
    Item::Skipped { store: StoreId(0), key, run_times: times.into() }
}

fn ended(key: JobKey) -> Item {
    Item::Ended { store: StoreId(0), key }
}

fn host_due(key: JobKey, due: i64) -> Item {
    Item::HostDue { store: StoreId(0), key, due: at(due) }
}

fn due(run: i64, next: Option<i64>) -> Due {
    Due { run_times: one(run), next: next.map(at) }
}

fn one(seconds: i64) -> RunTimes {
    RunTimes::One(at(seconds))
}

fn times(seconds: impl IntoIterator<Item = i64>) -> Vec<UtcMicros> {
    seconds.into_iter().map(at).collect()
}

#[test]
fn an_id_is_taken_once_and_the_refused_job_comes_back() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    let (error, refused) = store.add(job("a", every(2), DEFAULT, 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingId);
    assert_eq!(error.message(), "Job identifier (a) conflicts with an existing job");
    assert_eq!((&*refused.id, refused.payload), ("a", "a"));
    assert_eq!((store.len(), store.key("a"), store.key("b")), (1, Some(key), None));
    assert_eq!(store.next_deadline(), Some(at(1)));
}

#[test]
fn a_view_shows_the_job() {
    let mut store = Store::new(1);
    let trigger = every(5);
    let key = add(&mut store, "a", Arc::clone(&trigger), EACH, 5);
    let view = store.get(key).unwrap();
    assert_eq!((view.key, &**view.id, view.policy, view.next), (key, "a", EACH, Some(at(5))));
    assert!(Arc::ptr_eq(view.trigger, &trigger));
    assert_eq!((view.running, *view.payload), (0, "a"));
    add(&mut store, "b", every(1), DEFAULT, 9);
    let mut ids: Vec<&str> = store.jobs().map(|job| *job.payload).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(store.due(at(8)).collect::<Vec<_>>(), [key]);
}

#[test]
fn a_key_never_comes_to_mean_the_next_tenant_of_its_slot() {
    let mut store = Store::new(1);
    let old = add(&mut store, "old", every(1), DEFAULT, 1);
    assert_eq!(store.remove("old").unwrap(), Some("old"));
    let new = add(&mut store, "new", host(), DEFAULT, 1);
    assert_eq!(old.slot, new.slot);
    assert_eq!(sweep(&mut store, 1), [host_due(new, 1)]);

    assert!(store.get(old).is_none() && store.get_retired(old).is_none());
    assert_eq!(store.set_next(old, None).unwrap_err().kind(), ErrorKind::JobLookup);
    assert_eq!((store.finish(old), store.release(old)), (None, None));
    assert_eq!(store.settle_host(old, at(1), due(1, None), at(1)), HostVerdict::Stale);
    assert!(!store.park_host(old, at(1)));
    store.set_route(old, 8);
    assert_eq!(store.update(old, every(1), DEFAULT, 8, "x").unwrap_err().kind(), ErrorKind::JobLookup);

    let HostVerdict::Run(firing) = store.settle_host(new, at(1), due(1, Some(2)), at(1)) else { panic!() };
    assert_eq!(firing.route, 7);
    assert_eq!(store.get(new).unwrap().next, Some(at(2)));
}

#[test]
fn a_slot_whose_generations_are_used_up_is_not_let_again() {
    let mut store = Store::new(1);
    add(&mut store, "a", every(1), DEFAULT, 1);
    store.slots[0].generation = u32::MAX;
    let last = store.key("a").unwrap();
    assert_eq!(store.remove("a").unwrap(), Some("a"));
    let next = add(&mut store, "b", every(1), DEFAULT, 1);
    assert_ne!(next.slot, last.slot);
    assert!(store.get_retired(last).is_none());
}

#[test]
fn a_job_removed_during_its_runs_is_kept_for_the_last_of_them() {
    let mut store = Store::new(1);
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
    assert_eq!(store.finish(key), None);
    assert_eq!(store.finish(key), Some("a"));
    assert_eq!(store.finish(key), None);
    assert_eq!((store.key("a"), store.get(again).unwrap().running), (Some(again), 0));
}

#[test]
fn an_ended_job_waits_for_its_runs_and_the_notice_in_any_order() {
    for released_after in 0..3 {
        let mut store = Store::new(1);
        let policy = RunPolicy { max_instances: 2, ..DEFAULT };
        let key = add(&mut store, "a", every_until(1, 2), policy, 1);
        assert_eq!(sweep(&mut store, 1), [run(key, policy, one(1))]);
        assert_eq!(sweep(&mut store, 2), [last_run(key, policy, one(2))]);
        assert_eq!(store.remove("a").unwrap_err().kind(), ErrorKind::JobLookup);
        assert_eq!(store.get_retired(key).unwrap().next, Some(at(2)));

        let mut returned = Vec::new();
        for step in 0..3 {
            returned.push(if step == released_after { store.release(key) } else { store.finish(key) });
        }
        assert_eq!(returned, [None, None, Some("a")]);
        assert!(store.get_retired(key).is_none());
    }
}

#[test]
fn a_job_that_ends_without_a_free_instance_is_freed_too() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every_until(1, 2), DEFAULT, 1);
    assert_eq!(sweep(&mut store, 1), [run(key, DEFAULT, one(1))]);
    assert_eq!(sweep(&mut store, 2), [skipped(key, one(2)), ended(key)]);
    assert_eq!((store.finish(key), store.release(key)), (None, Some("a")));
}

#[test]
fn release_means_nothing_to_a_living_job() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!((store.release(key), store.finish(key)), (None, None));
    assert!(store.get(key).is_some());
}

#[test]
fn pause_reschedule_resume() {
    let mut store = Store::new(1);
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

#[test]
fn update_changes_all_but_id_and_fire_time() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!(store.update(key, every(10), EACH, 8, "new").unwrap(), "a");
    let mut out = Vec::new();
    store.sweep(at(1), 1, &mut out);
    let Item::Run(firing) = &out[0] else { panic!("{out:?}") };
    assert_eq!((firing.route, firing.misfire_grace_seconds), (8, None));
    assert_eq!(store.next_deadline(), Some(at(11)));
    store.set_route(key, 9);
    assert_eq!(store.finish(key), None);
    store.sweep(at(11), 1, &mut out);
    let Item::Run(firing) = &out[1] else { panic!("{out:?}") };
    assert_eq!(firing.route, 9);
    assert_eq!(store.remove("a").unwrap(), None);
    assert_eq!(store.finish(key), Some("new"));
}

#[test]
fn what_only_the_caller_may_drop_waits_for_it() {
    let mut store = Store::new(1);
    let (mine, other) = (host(), host());
    let key = add(&mut store, "a", Arc::clone(&mine), DEFAULT, 1);
    store.update(key, Arc::clone(&other), DEFAULT, 7, "b").unwrap();
    assert_eq!(Arc::strong_count(&mine), 2);
    drop(store.take_discarded());
    assert_eq!(Arc::strong_count(&mine), 1);
    store.remove("a").unwrap();
    assert_eq!(Arc::strong_count(&other), 2);
    store.update(key, Arc::clone(&mine), DEFAULT, 7, "refused").unwrap_err();
    let discarded = store.take_discarded();
    assert_eq!((discarded.triggers.len(), &discarded.payloads[..]), (2, &["refused"][..]));

    // A trigger of the core is no such thing.
    add(&mut store, "c", every(1), DEFAULT, 1);
    store.remove("c").unwrap();
    assert!(store.take_discarded().triggers.is_empty());
}

#[test]
fn the_host_settles_what_it_was_asked() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", host(), DEFAULT, 1);
    assert_eq!(store.settle_host(key, at(1), due(1, None), at(1)), HostVerdict::Stale, "not asked yet");
    assert_eq!(sweep(&mut store, 1), [host_due(key, 1)]);
    assert_eq!((store.next_deadline(), sweep(&mut store, 5)), (None, vec![]));
    let verdict = store.settle_host(key, at(1), due(1, Some(6)), at(5));
    assert!(matches!(verdict, HostVerdict::Run(f) if f.key == key && f.run_times == one(1)));
    assert_eq!(store.settle_host(key, at(1), due(1, Some(7)), at(5)), HostVerdict::Stale, "answered twice");
    assert_eq!(sweep(&mut store, 6), [host_due(key, 6)]);
    assert_eq!(store.settle_host(key, at(6), due(6, Some(8)), at(6)), HostVerdict::Skipped(one(6)));
    assert_eq!(store.finish(key), None);
    assert_eq!(sweep(&mut store, 8), [host_due(key, 8)]);
    assert!(matches!(store.settle_host(key, at(8), due(8, None), at(8)), HostVerdict::Run(_)));
    assert!(store.is_empty());
    assert_eq!((store.release(key), store.finish(key)), (None, Some("a")));
}

#[test]
fn an_answer_of_the_host_to_an_old_question_is_stale() {
    let changes: [fn(&mut Store, JobKey); 5] = [
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
        let mut store = Store::new(1);
        let key = add(&mut store, "a", host(), DEFAULT, 1);
        sweep(&mut store, 1);
        change(&mut store, key);
        let next = store.get(key).and_then(|job| job.next);
        assert_eq!(store.settle_host(key, at(1), due(1, Some(2)), at(4)), HostVerdict::Stale);
        assert!(!store.park_host(key, at(1)));
        assert_eq!(store.get(key).and_then(|job| job.next), next);
    }
}

#[test]
fn the_host_parks_a_job_whose_trigger_fails() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", host(), DEFAULT, 1);
    let other = add(&mut store, "b", every(1), DEFAULT, 1);
    assert_eq!(sweep(&mut store, 1), [host_due(key, 1), run(other, DEFAULT, one(1))]);
    assert!(store.park_host(key, at(1)));
    assert!(!store.park_host(key, at(1)));
    assert_eq!(store.get(key).unwrap().next, None);
    assert_eq!(store.finish(other), None);
    assert_eq!(sweep(&mut store, 2), [run(other, DEFAULT, one(2))]);
    store.set_next(key, Some(at(3))).unwrap();
    assert_eq!(sweep(&mut store, 3)[0], host_due(key, 3));
}

#[test]
fn a_failing_trigger_parks_only_its_own_job() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    add(&mut store, "b", every(1), DEFAULT, 1);
    // No trigger of the core fails, so its answer is put in here.
    store.queue.cancel(key.slot);
    let mut out = Vec::new();
    let error = Error::new(ErrorKind::Host, "broken");
    store.settle(key, Err(error.clone()), at(1), &mut out);
    assert_eq!(out, [Item::Parked { store: StoreId(0), key, error }]);
    assert_eq!((store.len(), store.get(key).unwrap().next), (2, None));
    assert_eq!(sweep(&mut store, 1).len(), 1);
    store.set_next(key, Some(at(2))).unwrap();
    assert_eq!(sweep(&mut store, 2)[0], run(key, DEFAULT, one(2)));
}

#[test]
fn a_panicking_trigger_is_a_failing_one() {
    let error = no_panic::<Due>(|| panic!("broken")).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Host, "the trigger panicked"));
    assert_eq!(no_panic(|| Ok(1)), Ok(1));
}

#[test]
fn max_instances_admits_so_many_and_no_more() {
    let mut store = Store::new(1);
    let policy = RunPolicy { max_instances: 2, ..DEFAULT };
    let key = add(&mut store, "a", every(1), policy, 1);
    for second in 1..=2 {
        assert_eq!(sweep(&mut store, second), [run(key, policy, one(second))]);
    }
    assert_eq!(sweep(&mut store, 3), [skipped(key, one(3))]);
    assert_eq!(store.finish(key), None);
    assert_eq!(sweep(&mut store, 4), [run(key, policy, one(4))]);
    assert_eq!(sweep(&mut store, 5), [skipped(key, one(5))]);
    assert_eq!(store.get(key).unwrap().running, 2);
}

#[test]
fn a_job_that_may_never_run_is_skipped_and_moves_on() {
    let mut store = Store::new(1);
    let policy = RunPolicy { max_instances: 0, ..EACH };
    let key = add(&mut store, "a", every(1), policy, 1);
    let chunk = MAX_RUN_TIMES as i64;
    let skips = [skipped(key, times(1..=chunk)), skipped(key, one(chunk + 1))];
    assert_eq!(sweep(&mut store, chunk + 1), skips);
    assert_eq!(store.next_deadline(), Some(at(chunk + 2)));
}

#[test]
fn missed_fire_times_run_as_one_or_each() {
    let mut store = Store::new(1);
    let one_run = add(&mut store, "coalesced", every(2), DEFAULT, 2);
    let each = add(&mut store, "each", every(2), EACH, 2);
    let all = times([2, 4, 6, 8]);
    assert_eq!(sweep(&mut store, 9), [run(one_run, DEFAULT, one(8)), run(each, EACH, all)]);
    assert_eq!(store.next_deadline(), Some(at(10)));
    assert_eq!(sweep(&mut store, 13), [skipped(one_run, one(12)), skipped(each, times([10, 12]))]);
}

#[test]
fn fires_of_ten_years_become_one() {
    let ten_years = 10 * 365 * 86_400;
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), DEFAULT, 1);
    assert_eq!(sweep(&mut store, ten_years), [run(key, DEFAULT, one(ten_years))]);
    assert_eq!(store.next_deadline(), Some(at(ten_years + 1)));
}

#[test]
fn a_job_far_behind_catches_up_in_pieces_and_holds_nobody_up() {
    let chunk = MAX_RUN_TIMES as i64;
    let now = 2 * chunk + 5;
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), EACH, 1);
    let other = add(&mut store, "b", every(1), DEFAULT, now);
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(1..=chunk)), run(other, DEFAULT, one(now))]);
    // The rest is neither skipped as another instance nor handed over while the first piece runs.
    assert_eq!((store.get(key).unwrap().next, sweep(&mut store, now)), (Some(at(chunk + 1)), vec![]));
    assert_eq!(store.finish(key), None);
    assert_eq!(store.next_deadline(), Some(at(chunk + 1)));
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(chunk + 1..=2 * chunk))]);
    assert_eq!(store.finish(key), None);
    assert_eq!(sweep(&mut store, now), [run(key, EACH, times(2 * chunk + 1..=now))]);
    assert_eq!(store.next_deadline(), Some(at(now + 1)));
}

#[test]
fn a_job_far_behind_can_be_paused_rescheduled_and_removed() {
    let now = 2 * MAX_RUN_TIMES as i64;
    let behind = || {
        let mut store = Store::new(1);
        let key = add(&mut store, "a", every(1), EACH, 1);
        assert_eq!(sweep(&mut store, now).len(), 1);
        (store, key)
    };
    let (mut store, key) = behind();
    store.set_next(key, None).unwrap();
    assert_eq!((store.finish(key), store.next_deadline()), (None, None));

    let (mut store, key) = behind();
    store.set_next(key, Some(at(now + 5))).unwrap();
    assert_eq!((store.finish(key), store.next_deadline()), (None, Some(at(now + 5))));

    let (mut store, key) = behind();
    assert_eq!(store.remove("a").unwrap(), None);
    assert_eq!((store.finish(key), store.next_deadline()), (Some("a"), None));
}

#[test]
fn a_job_far_behind_with_all_instances_taken_skips_in_pieces() {
    let chunk = MAX_RUN_TIMES as i64;
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), EACH, 1);
    assert_eq!(sweep(&mut store, 1), [run(key, EACH, one(1))]);
    assert_eq!(sweep(&mut store, chunk + 3), [skipped(key, times(2..=chunk + 1))]);
    assert_eq!(store.finish(key), None);
    assert_eq!(sweep(&mut store, chunk + 3), [run(key, EACH, times([chunk + 2, chunk + 3]))]);
}

#[test]
fn remove_all_keeps_what_runs() {
    let mut store = Store::new(1);
    let running = add(&mut store, "running", every(1), DEFAULT, 1);
    let asked = add(&mut store, "asked", host(), DEFAULT, 1);
    let ending = add(&mut store, "ending", once(1), DEFAULT, 1);
    add(&mut store, "idle", every(1), DEFAULT, 5);
    assert_eq!(sweep(&mut store, 1).len(), 3);
    let mut payloads = store.remove_all();
    payloads.sort_unstable();
    assert_eq!(payloads, ["asked", "idle"]);
    assert_eq!((store.len(), store.next_deadline(), store.jobs().count()), (0, None, 0));
    assert_eq!(store.settle_host(asked, at(1), due(1, Some(2)), at(1)), HostVerdict::Stale);
    assert_eq!(store.finish(running), Some("running"));
    assert_eq!((store.finish(ending), store.release(ending)), (None, Some("ending")));
    assert_eq!(store.slots.iter().filter(|slot| slot.entry.is_some()).count(), 0);
    assert_eq!(store.free.len(), 4);
}

#[test]
fn ties_run_in_the_order_of_addition() {
    let mut store = Store::new(1);
    let ids = ["e", "b", "d", "a", "c"];
    let mut keys: Vec<JobKey> = ids.iter().map(|&id| add(&mut store, id, every(1), DEFAULT, 1)).collect();
    // A slot that is let again goes to the end; a job that is rescheduled keeps its place.
    store.remove("b").unwrap();
    keys.remove(1);
    keys.push(add(&mut store, "z", every(1), DEFAULT, 1));
    store.set_next(keys[0], Some(at(9))).unwrap();
    store.set_next(keys[0], Some(at(1))).unwrap();
    for second in 1..4 {
        let runs: Vec<Item> = keys.iter().map(|&key| run(key, DEFAULT, one(second))).collect();
        assert_eq!(sweep(&mut store, second), runs);
        assert!(keys.iter().all(|&key| store.finish(key).is_none()));
    }
}

#[test]
fn a_sweep_stops_at_its_limit_and_says_that_more_is_due() {
    let mut store = Store::new(1);
    store.set_id(StoreId(4));
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

#[test]
fn a_backward_step_fires_nothing_twice() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(10), DEFAULT, 10);
    assert_eq!(sweep(&mut store, 10), [run(key, DEFAULT, one(10))]);
    assert_eq!(store.finish(key), None);
    for now in [-1_000, 0, 10, 19] {
        let mut out = Vec::new();
        assert_eq!(store.sweep(at(now), usize::MAX, &mut out), Some(at(20)));
        assert_eq!(out, []);
    }
    assert_eq!(sweep(&mut store, 20), [run(key, DEFAULT, one(20))]);
}

#[test]
fn a_copy_in_another_process_forgets_the_runs_under_way() {
    let mut store = Store::new(1);
    let busy = add(&mut store, "busy", every(1), DEFAULT, 1);
    let asked = add(&mut store, "asked", host(), DEFAULT, 1);
    let far_behind = add(&mut store, "behind", every(1), EACH, 1 - 2 * MAX_RUN_TIMES as i64);
    let ended = add(&mut store, "ended", once(1), DEFAULT, 1);
    let removed = add(&mut store, "removed", every(1), DEFAULT, 1);
    let idle = add(&mut store, "idle", every(5), DEFAULT, 5);
    assert_eq!(sweep(&mut store, 1).len(), 5);
    assert_eq!(store.remove("removed"), Ok(None));

    assert_eq!(store.forget_runs(), ["ended", "removed"]);
    assert!(store.get_retired(ended).is_none() && store.get_retired(removed).is_none());
    assert_eq!(store.len(), 4);
    for key in [busy, asked, far_behind, idle] {
        assert_eq!(store.get(key).unwrap().running, 0);
    }
    let again = sweep(&mut store, 2);
    assert!(again.contains(&host_due(asked, 1)), "the host is asked anew");
    let runs = |key| again.iter().any(|item| matches!(item, Item::Run(firing) if firing.key == key));
    assert_eq!([busy, far_behind, idle].map(runs), [true, true, false]);
}
