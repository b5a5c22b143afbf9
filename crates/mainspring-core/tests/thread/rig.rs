//! An engine under test, and a clock that says when the timer thread has looked at it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Dispatch, EngineHandle, Firing, Item, StoreId};
use mainspring_core::job::{Ended, Fire, JobKey, RunPolicy};
use mainspring_core::store::{MemoryStore, NewJob, SharedStore};
use mainspring_core::time::{Clock, ManualClock, SystemClock};
use mainspring_core::trigger::{IntervalTrigger, Trigger};

pub const LIMIT: Duration = Duration::from_secs(60);
pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;

/// A clock moved by hand that says when the timer thread has looked at it.
pub struct WatchedClock {
    pub clock: ManualClock,
    looks: Mutex<u64>,
    looked: Condvar,
}

impl WatchedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { clock: ManualClock::new(at(0)), looks: Mutex::new(0), looked: Condvar::new() })
    }

    /// Waits until the timer thread has begun and ended a whole round from now on.
    pub fn wait_for_a_round(&self, engine: &EngineHandle) {
        // The round that is under way, the one that is looked for, and the look that ends it.
        for _ in 0..3 {
            let looks = self.looks.lock().unwrap();
            let before = *looks;
            engine.wake();
            let waited = self.looked.wait_timeout_while(looks, LIMIT, |looks| *looks == before).unwrap().1;
            assert!(!waited.timed_out(), "the timer thread looks at its clock no more");
        }
    }
}

impl Clock for WatchedClock {
    fn now(&self) -> UtcMicros {
        self.clock.now()
    }

    /// Asked for once a round, by the detector of steps.
    fn monotonic(&self) -> Duration {
        *self.looks.lock().unwrap() += 1;
        self.looked.notify_all();
        self.clock.monotonic()
    }
}

/// Sends on what is dispatched.
pub struct Recorder(pub Mutex<Sender<Item>>);

impl Dispatch for Recorder {
    fn dispatch(&self, batch: &mut Vec<Item>) {
        let sender = self.0.lock().unwrap();
        for item in batch.drain(..) {
            // The test may have ended and dropped its end.
            let _unheard = sender.send(item);
        }
    }
}

/// An engine with one store and what it hands over.
pub struct Rig {
    pub engine: EngineHandle,
    pub store: Arc<SharedStore<&'static str>>,
    pub items: Receiver<Item>,
}

impl Rig {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (sender, items) = channel();
        let engine = EngineHandle::new(clock, Arc::new(Recorder(Mutex::new(sender))));
        let store = attach(&engine, 0);
        Self { engine, store, items }
    }

    pub fn started(clock: Arc<dyn Clock>) -> Self {
        let rig = Self::new(clock);
        rig.engine.start().unwrap();
        rig
    }

    pub fn add(&self, id: &'static str, trigger: Trigger, next: UtcMicros) -> JobKey {
        self.store.change(|s| s.add(job(id, trigger, next))).unwrap()
    }

    pub fn next(&self) -> Item {
        self.items.recv_timeout(LIMIT).expect("something is dispatched")
    }

    pub fn next_run(&self) -> Firing {
        match self.next() {
            Item::Run(firing) => firing,
            other => panic!("not a run: {other:?}"),
        }
    }

    /// The next item is a run of `key`, which is then done.
    pub fn runs(&self, key: JobKey) -> UtcMicros {
        let firing = self.next_run();
        assert_eq!(firing.key, key);
        self.store.change(|s| s.finish(fire(key), Ended::Executed));
        firing.run_times.as_slice()[0]
    }

    pub fn quiet(&self) {
        assert_eq!(self.items.try_recv().ok(), None);
    }
}

pub fn attach(engine: &EngineHandle, number: u32) -> Arc<SharedStore<&'static str>> {
    let store = Arc::new(SharedStore::new(MemoryStore::new(1)));
    store.change(|s| s.set_id(StoreId(number)));
    store.set_waker(Some(Arc::clone(engine.waker())));
    engine.attach(StoreId(number), Arc::clone(&store) as _);
    store
}

pub fn job(id: &'static str, trigger: Trigger, next: UtcMicros) -> NewJob<&'static str> {
    let (trigger, policy) = (Arc::new(trigger), RunPolicy::default());
    NewJob { id: id.into(), trigger, policy, route: 0, next: Some(next), payload: id }
}

/// A fire of a job, to give its slot back with.
pub fn fire(key: JobKey) -> Fire {
    Fire::first(key, at(0))
}

pub fn at(micros: i64) -> UtcMicros {
    UtcMicros::new(micros).unwrap()
}

pub fn every(micros: i64) -> Trigger {
    Trigger::Interval(IntervalTrigger::new(micros, at(0), None, 0).unwrap())
}

pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}
