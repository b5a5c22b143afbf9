//! The timer thread, seen from outside: what it hands over, and that nothing stops or delays it for ever.
//!
//! Tests wait for signals. A time limit only ends a test that has failed already.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::collections::HashSet;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Dispatch, EngineHandle, Firing, Item, StoreId, Sweep};
use mainspring_core::job::Ended;
use mainspring_core::store::{MemoryStore, NewJob, SharedStore};
use mainspring_core::time::Clock;
use mainspring_core::trigger::{DateTrigger, Trigger};
use rig::{HOUR, LIMIT, Recorder, Rig, SECOND, WatchedClock, at, attach, every, fire, job, system_clock};

#[test]
fn an_earlier_deadline_wakes_the_sleeper() {
    let clock = system_clock();
    let rig = Rig::started(Arc::clone(&clock));
    rig.add("far", every(HOUR), clock.now().saturating_add(HOUR));
    let key = rig.add("near", every(HOUR), clock.now().saturating_add(HOUR));
    let begun = Instant::now();
    // Every deadline that were noticed only at the end of the longest sleep would cost up to a second.
    for _ in 0..1_000 {
        let due = clock.now();
        rig.store.change(|s| s.set_next(key, Some(due))).unwrap();
        assert_eq!(rig.runs(key), due);
        assert!(begun.elapsed() < LIMIT * 2, "wake-ups are lost");
    }
}

#[test]
fn a_run_is_never_early() {
    let clock = system_clock();
    let rig = Rig::started(Arc::clone(&clock));
    let key = rig.add("a", every(700), clock.now().saturating_add(1_000));
    for _ in 0..200 {
        let run_times = match rig.next() {
            Item::Run(firing) => {
                rig.store.change(|s| s.finish(fire(key), Ended::Executed));
                firing.run_times
            }
            // On a busy machine the run before it has just been looked at.
            Item::Skipped { run_times, .. } => run_times,
            other => panic!("unexpected {other:?}"),
        };
        assert!(run_times.as_slice().iter().all(|due| *due <= clock.now()));
    }
}

#[test]
fn a_cancelled_deadline_is_forgotten() {
    let clock = WatchedClock::new();
    let rig = Rig::started(Arc::clone(&clock) as _);
    rig.add("a", every(HOUR), at(10));
    let moved = rig.add("b", every(HOUR), at(15));
    let key = rig.add("c", every(HOUR), at(20));
    rig.store.change(|s| s.remove("a")).unwrap();
    rig.store.change(|s| s.set_next(moved, Some(at(30)))).unwrap();
    clock.clock.advance(Duration::from_micros(20));
    rig.engine.wake();
    assert_eq!(rig.runs(key), at(20));
    clock.wait_for_a_round(&rig.engine);
    rig.quiet();
}

#[test]
fn while_paused_nothing_is_handed_over() {
    let clock = WatchedClock::new();
    let rig = Rig::started(Arc::clone(&clock) as _);
    let key = rig.add("a", every(10), at(10));
    rig.engine.set_paused(true);
    clock.wait_for_a_round(&rig.engine);
    clock.clock.advance(Duration::from_micros(35));
    clock.wait_for_a_round(&rig.engine);
    assert_eq!(rig.engine.process(clock.now()), None);
    rig.quiet();
    rig.engine.set_paused(false);
    assert_eq!(rig.runs(key), at(30));
    clock.wait_for_a_round(&rig.engine);
    rig.quiet();
}

#[test]
fn the_engine_stops_and_starts_again() {
    let clock = WatchedClock::new();
    let rig = Rig::new(Arc::clone(&clock) as _);
    let key = rig.add("a", every(10), at(10));
    for round in 1..=5 {
        assert!(!rig.engine.is_running());
        clock.clock.advance_to(at(round * 10));
        rig.quiet();
        rig.engine.start().unwrap();
        rig.engine.start().unwrap();
        assert!(rig.engine.is_running());
        assert_eq!(rig.runs(key), at(round * 10));
        rig.engine.stop();
        rig.engine.stop();
    }
}

/// A store in which something is always due.
struct Endless;

impl Sweep for Endless {
    fn sweep(&self, now: UtcMicros, _limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        out.push(Item::ClockStepped(0));
        Some(now)
    }
}

#[test]
fn a_busy_engine_stops() {
    let rig = Rig::started(system_clock());
    rig.engine.attach(StoreId(1), Arc::new(Endless));
    rig.next();
    rig.engine.stop();
    assert!(!rig.engine.is_running());
    while rig.items.try_recv().is_ok() {}
    rig.engine.detach(StoreId(1));
    rig.engine.start().unwrap();
    let clock = rig.engine.clock().now();
    let key = rig.add("a", every(HOUR), clock);
    rig.runs(key);
}

#[test]
fn starts_and_stops_from_many_threads_leave_one_thread_or_none() {
    let (sender, _items) = channel();
    let dispatch = Arc::new(Recorder(Mutex::new(sender)));
    let engine = EngineHandle::new(system_clock(), Arc::clone(&dispatch) as _);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    engine.start().unwrap();
                    engine.stop();
                }
            });
        }
    });
    engine.start().unwrap();
    assert!(engine.is_running());
    drop(engine);
    // A thread that still lived would hold the dispatch.
    assert_eq!(Arc::strong_count(&dispatch), 1);
}

/// Panics when first called; without the message that a `panic!` prints.
struct PanicsOnce<T>(T, Mutex<bool>);

impl<T> PanicsOnce<T> {
    fn new(inner: T) -> Arc<Self> {
        Arc::new(Self(inner, Mutex::new(false)))
    }

    fn call(&self) -> &T {
        if !std::mem::replace(&mut *self.1.lock().unwrap(), true) {
            std::panic::resume_unwind(Box::new("a bug"));
        }
        &self.0
    }
}

impl Dispatch for PanicsOnce<Recorder> {
    fn dispatch(&self, batch: &mut Vec<Item>) {
        self.call().dispatch(batch);
    }
}

impl Sweep for PanicsOnce<Arc<SharedStore<&'static str>>> {
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        self.call().sweep(now, limit, out)
    }
}

#[test]
fn a_panic_in_dispatch_costs_one_batch() {
    let (sender, items) = channel();
    let engine = EngineHandle::new(system_clock(), PanicsOnce::new(Recorder(Mutex::new(sender))));
    let store = attach(&engine, 0);
    let rig = Rig { engine, store, items };
    let now = rig.engine.clock().now();
    let lost = rig.add("lost", Trigger::Date(DateTrigger::new(now)), now);
    rig.engine.start().unwrap();
    let key = rig.add("a", every(HOUR), now.saturating_add(SECOND / 5));
    rig.runs(key);
    assert!(rig.engine.is_running());
    assert!(rig.store.read(|s| s.get(lost).is_none()));
}

#[test]
fn a_panic_in_a_store_does_not_end_the_thread() {
    let rig = Rig::new(system_clock());
    let inner = attach(&rig.engine, 1);
    rig.engine.detach(StoreId(1));
    rig.engine.attach(StoreId(1), PanicsOnce::new(Arc::clone(&inner)));
    rig.engine.start().unwrap();
    let now = rig.engine.clock().now();
    let key = inner.change(|s| s.add(job("a", every(HOUR), now))).unwrap();
    let firing = rig.next_run();
    assert_eq!((firing.store, firing.key), (StoreId(1), key));
}

#[test]
fn steps_of_the_wall_clock_are_noticed_without_a_wake() {
    let clock = WatchedClock::new();
    let rig = Rig::started(Arc::clone(&clock) as _);
    let key = rig.add("a", every(HOUR), at(HOUR));
    clock.wait_for_a_round(&rig.engine);
    clock.clock.step(5 * HOUR / 2);
    assert_eq!(rig.next(), Item::ClockStepped(5 * HOUR / 2));
    assert_eq!(rig.runs(key), at(2 * HOUR));
    clock.clock.step(-2 * HOUR);
    assert_eq!(rig.next(), Item::ClockStepped(-2 * HOUR));
    clock.clock.step(2 * HOUR + HOUR / 2);
    assert_eq!(rig.next(), Item::ClockStepped(2 * HOUR + HOUR / 2));
    assert_eq!(rig.runs(key), at(3 * HOUR), "what ran before the step back does not run again");
}

#[test]
fn threads_that_add_at_once_lose_nothing() {
    const THREADS: usize = 8;
    const EACH: usize = 1_000;
    let clock = system_clock();
    let rig = Rig::started(Arc::clone(&clock));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (rig, clock) = (&rig.store, &clock);
            scope.spawn(move || {
                for number in 0..EACH {
                    // Due now or up to a tenth of a second later, in no order.
                    let due = clock.now().saturating_add((number * 7_919 % 100) as i64 * 1_000);
                    let id = format!("{thread} {number}");
                    let new = NewJob { id: id.into(), ..job("", Trigger::Date(DateTrigger::new(due)), due) };
                    rig.change(|s| s.add(new)).unwrap();
                    if number % 4 == 0 {
                        let never = format!("never {thread} {number}");
                        let due = due.saturating_add(HOUR);
                        rig.change(|s| {
                            s.add(NewJob { id: never.as_str().into(), ..job("", every(HOUR), due) })
                        })
                        .unwrap();
                        rig.change(|s| s.remove(&never)).unwrap();
                    }
                }
            });
        }
    });
    let (mut ran, mut ended, mut payloads) = (HashSet::new(), HashSet::new(), 0);
    while ended.len() < THREADS * EACH {
        let Firing { key, last, .. } = rig.next_run();
        assert!(ran.insert(key), "ran twice");
        assert!(last && ended.insert(key), "does not end, or twice");
        assert!(rig.store.change(|s| s.finish(fire(key), Ended::Executed)).is_none());
        payloads += usize::from(rig.store.change(|s| s.release(key)).is_some());
    }
    assert_eq!((ran.len(), payloads), (THREADS * EACH, THREADS * EACH));
    assert!(rig.store.read(|s| s.is_empty() && s.next_deadline().is_none()));
    rig.engine.stop();
    rig.quiet();
}

#[test]
fn a_detached_store_is_left_alone_and_can_come_back() {
    let clock = WatchedClock::new();
    let rig = Rig::started(Arc::clone(&clock) as _);
    let second = attach(&rig.engine, 1);
    let key = second.change(|s| s.add(job("a", every(10), at(10)))).unwrap();
    rig.engine.detach(StoreId(1));
    clock.clock.advance(Duration::from_micros(25));
    clock.wait_for_a_round(&rig.engine);
    rig.quiet();
    rig.engine.attach(StoreId(1), Arc::clone(&second) as _);
    let firing = rig.next_run();
    assert_eq!((firing.store, firing.key, firing.run_times.as_slice()), (StoreId(1), key, &[at(20)][..]));
}

#[test]
fn a_store_that_learns_of_its_waker_late_wakes_it() {
    let clock = WatchedClock::new();
    let rig = Rig::started(Arc::clone(&clock) as _);
    let store = Arc::new(SharedStore::new(MemoryStore::new(1)));
    rig.engine.attach(StoreId(1), Arc::clone(&store) as _);
    clock.wait_for_a_round(&rig.engine);
    store.change(|s| s.add(job("a", every(HOUR), at(0)))).unwrap();
    store.set_waker(Some(Arc::clone(rig.engine.waker())));
    rig.next_run();
}

#[test]
fn process_sweeps_in_the_calling_thread() {
    let clock = WatchedClock::new();
    let rig = Rig::new(Arc::clone(&clock) as _);
    assert_eq!(rig.engine.process(clock.now()), None);
    for id in ["a", "b", "c"] {
        rig.add(id, every(10), at(10));
    }
    assert_eq!(rig.engine.process(at(0)), Some(at(10)));
    rig.quiet();
    assert_eq!(rig.engine.process(at(12)), Some(at(20)));
    assert_eq!(rig.items.try_iter().count(), 3);
}

#[test]
fn process_returns_though_a_job_is_always_due_again() {
    let clock = system_clock();
    let rig = Rig::new(Arc::clone(&clock));
    rig.add("a", every(1), clock.now());
    assert!(rig.engine.process(clock.now()).is_some());
    rig.next_run();
}

/// Drops the engine that dispatches to it.
struct Suicide {
    engine: Mutex<Option<EngineHandle>>,
    gone: Mutex<Sender<()>>,
}

impl Dispatch for Suicide {
    fn dispatch(&self, _batch: &mut Vec<Item>) {
        drop(self.engine.lock().unwrap().take());
    }
}

impl Drop for Suicide {
    fn drop(&mut self) {
        self.gone.lock().unwrap().send(()).unwrap();
    }
}

#[test]
fn the_timer_thread_may_drop_the_last_handle() {
    let (sender, gone) = channel();
    let dispatch = Arc::new(Suicide { engine: Mutex::new(None), gone: Mutex::new(sender) });
    let engine = EngineHandle::new(system_clock(), Arc::clone(&dispatch) as _);
    engine.attach(StoreId(0), Arc::new(Endless));
    let mut place = dispatch.engine.lock().unwrap();
    engine.start().unwrap();
    *place = Some(engine);
    drop(place);
    drop(dispatch);
    gone.recv_timeout(LIMIT).expect("the thread ends and lets go of its dispatch");
}
