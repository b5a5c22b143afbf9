//! A fork waits for sweeps, and sweeps wait for a fork. The only test here, since a fork is the whole process's.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Dispatch, EngineHandle, Item, StoreId, Sweep, fork};
use mainspring_core::time::{Clock, SystemClock};

const LIMIT: Duration = Duration::from_secs(60);

/// A store whose sweep ends when the test says so, and takes note of that.
struct Slow {
    begun: Mutex<Sender<()>>,
    may_end: Mutex<Receiver<()>>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl Sweep for Slow {
    fn sweep(&self, _: UtcMicros, _: usize, _: &mut Vec<Item>) -> Option<UtcMicros> {
        self.begun.lock().unwrap().send(()).unwrap();
        self.may_end.lock().unwrap().recv_timeout(LIMIT).unwrap();
        self.log.lock().unwrap().push("swept");
        None
    }
}

struct Nowhere;

impl Dispatch for Nowhere {
    fn dispatch(&self, _: &mut Vec<Item>) {}
}

#[test]
fn a_fork_waits_for_a_sweep_and_a_sweep_for_a_fork() {
    let (begun, has_begun) = channel();
    let (end, may_end) = channel();
    let log = Arc::new(Mutex::new(Vec::new()));
    let store = Slow { begun: Mutex::new(begun), may_end: Mutex::new(may_end), log: Arc::clone(&log) };
    let engine = EngineHandle::new(Arc::new(SystemClock::new()), Arc::new(Nowhere));
    engine.attach(StoreId(0), Arc::new(store));

    std::thread::scope(|scope| {
        scope.spawn(|| engine.process(SystemClock::new().now()));
        has_begun.recv_timeout(LIMIT).unwrap();
        let forking = scope.spawn(|| {
            fork::before();
            log.lock().unwrap().push("forked");
        });
        end.send(()).unwrap();
        forking.join().unwrap();

        end.send(()).unwrap();
        let sweeping = scope.spawn(|| engine.process(SystemClock::new().now()));
        log.lock().unwrap().push("back in the parent");
        assert!(has_begun.try_recv().is_err(), "a sweep has begun in the midst of a fork");
        fork::in_parent();
        sweeping.join().unwrap();
    });
    assert_eq!(*log.lock().unwrap(), ["swept", "forked", "back in the parent", "swept"]);
}
