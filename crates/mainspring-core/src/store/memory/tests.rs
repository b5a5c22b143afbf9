//! What the memory store does beyond the contract of stores: slots, payloads, triggers that fail, a forked copy.

use super::super::conformance::samples::{
    DEFAULT, EACH, at, every, fire, host, host_due, job, once, one, run, tag,
};
use super::sweep::no_panic;
use super::*;
use crate::engine::{Firing, Item};
use crate::job::due::{Due, MAX_RUN_TIMES};

type Store = MemoryStore<usize>;

fn add(store: &mut Store, id: &'static str, trigger: Arc<Trigger>, policy: RunPolicy, next: i64) -> JobKey {
    store.add(job(id, trigger, policy, next)).unwrap()
}

/// Takes all that is due.
fn sweep(store: &mut Store, now: i64) -> Vec<Item> {
    let mut out = Vec::new();
    store.sweep(at(now), usize::MAX, &mut out);
    out
}

#[test]
fn a_refused_job_comes_back() {
    let mut store = Store::new(1);
    add(&mut store, "a", every(1), DEFAULT, 1);
    let (error, refused) = store.add(job("a", every(2), DEFAULT, 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingId);
    assert_eq!((&*refused.id, refused.payload), ("a", tag("a")));
}

#[test]
fn a_view_shows_the_job() {
    let mut store = Store::new(1);
    let trigger = every(5);
    let key = add(&mut store, "a", Arc::clone(&trigger), EACH, 5);
    let view = store.get(key).unwrap();
    assert_eq!((view.key, &**view.id, view.policy, view.next), (key, "a", EACH, Some(at(5))));
    assert!(Arc::ptr_eq(view.trigger, &trigger));
    assert_eq!((view.running, *view.payload), (0, tag("a")));
    add(&mut store, "b", every(1), DEFAULT, 9);
    let mut ids: Vec<&str> = store.jobs().map(|job| &**job.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(store.due(at(8)).collect::<Vec<_>>(), [key]);

    sweep(&mut store, 5);
    let view = store.get(key).unwrap();
    let by = |trigger: &Trigger| view.handed_over_by(trigger);
    assert_eq!((by(&trigger), by(&every(5)), by(&every(6))), (Some(at(5)), Some(at(5)), None));
}

#[test]
fn runs_are_sent_where_the_route_says_when_they_are_due() {
    let mut store = Store::new(1);
    let key = add(&mut store, "a", every(1), EACH, 1);
    store.set_route(key, 9);
    assert!(matches!(sweep(&mut store, 1)[..], [Item::Run(Firing { route: 9, .. })]));
    store.remove("a").unwrap();
    store.finish(fire(key), Ended::Executed);
    store.set_route(key, 8);
    let next = add(&mut store, "b", every(1), EACH, 2);
    assert_eq!((key.slot, sweep(&mut store, 2)), (next.slot, vec![run(next, EACH, one(2))]));
}

#[test]
fn a_slot_keeps_how_a_run_ended_for_nothing() {
    assert!(size_of::<Slot<usize>>() <= 96, "{}", size_of::<Slot<usize>>());
    assert!(size_of::<Firing>() <= 48 && size_of::<Item>() <= 56);
}

#[test]
fn slots_are_free_again_when_nothing_needs_their_jobs() {
    let mut store = Store::new(1);
    let running = add(&mut store, "running", every(1), DEFAULT, 1);
    let ending = add(&mut store, "ending", once(1), DEFAULT, 1);
    add(&mut store, "idle", every(1), DEFAULT, 5);
    sweep(&mut store, 1);
    store.remove_all();
    assert_eq!(store.free.len(), 1);
    let slot = |key| GivenBack::Slot(fire(key), Ended::Executed);
    store.take_back([slot(running), slot(ending), GivenBack::Key(ending)]);
    assert_eq!(store.free.len(), 3);
    assert!(store.slots.iter().all(|slot| slot.entry.is_none()));
}

#[test]
fn a_slot_whose_generations_are_used_up_is_not_let_again() {
    let mut store = Store::new(1);
    add(&mut store, "a", every(1), DEFAULT, 1);
    store.slots[0].generation = u32::MAX;
    let last = store.key("a").unwrap();
    assert_eq!(store.remove("a").unwrap(), Some(tag("a")));
    let next = add(&mut store, "b", every(1), DEFAULT, 1);
    assert_ne!(next.slot, last.slot);
    assert!(store.get_retired(last).is_none());
}

#[test]
fn what_only_the_caller_may_drop_waits_for_it() {
    let mut store = Store::new(1);
    let (mine, other) = (host(), host());
    let key = add(&mut store, "a", Arc::clone(&mine), DEFAULT, 1);
    store.update(key, Arc::clone(&other), DEFAULT, 7, tag("b")).unwrap();
    assert_eq!(Arc::strong_count(&mine), 2);
    drop(store.take_discarded());
    assert_eq!(Arc::strong_count(&mine), 1);
    store.remove("a").unwrap();
    assert_eq!(Arc::strong_count(&other), 2);
    store.update(key, Arc::clone(&mine), DEFAULT, 7, tag("refused")).unwrap_err();
    let discarded = store.take_discarded();
    assert_eq!((discarded.triggers.len(), &discarded.payloads[..]), (2, &[tag("refused")][..]));

    // A trigger of the core may be dropped anywhere.
    add(&mut store, "c", every(1), DEFAULT, 1);
    store.remove("c").unwrap();
    assert!(store.take_discarded().triggers.is_empty());
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

    assert_eq!(store.forget_runs(), [tag("ended"), tag("removed")]);
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
