//! The engine that threads share, and the thread that sweeps its stores when something is due.
//!
//! Ground rules of the timer thread:
//! - it never runs code of the host and never waits for it, so the host's locks cannot delay it;
//! - it holds a store's lock for at most [`PASS`](super::PASS) jobs at a time, and no lock at all while it
//!   dispatches or sleeps;
//! - it sleeps at most [`LONGEST_SLEEP`], and so notices within that time that the wall clock has stepped;
//! - it begins no pass while the process forks, see [`fork`];
//! - while it is awake, [`Waker`] says so, and every earlier deadline makes it sweep once more: a deadline
//!   that arrives between the sweep and the sleep is not lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::dispatch::{Dispatch, Item, StoreId};
use super::fork::Sweeping;
use super::sweep::{Engine, Sweep};
use super::waker::{ANY, NONE, Waker};
use crate::error::{Error, ErrorKind};
use crate::time::{Clock, StepDetector, UtcMicros};

/// How long the timer thread sleeps at most.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(1);

struct Shared {
    engine: Mutex<Engine>,
    clock: Arc<dyn Clock>,
    dispatch: Arc<dyn Dispatch>,
    waker: Arc<Waker>,
    paused: AtomicBool,
    stopping: AtomicBool,
}

impl Shared {
    /// One pass without its dispatch; returns the next deadline, or `None` while paused.
    fn sweep(&self, now: UtcMicros, batch: &mut Vec<Item>) -> Option<UtcMicros> {
        if self.paused.load(Ordering::SeqCst) {
            return None;
        }
        let _sweeping = Sweeping::begin();
        self.lock().sweep(now, batch)
    }

    /// One pass and its dispatch; returns the next deadline, or `None` while paused.
    fn pass(&self, now: UtcMicros, batch: &mut Vec<Item>) -> Option<UtcMicros> {
        let next = self.sweep(now, batch);
        if !batch.is_empty() {
            self.dispatch.dispatch(batch);
            batch.clear();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        set_timer_slack();
        let mut batch = Vec::new();
        let mut steps = StepDetector::new(&*self.clock);
        while !self.stopping.load(Ordering::SeqCst) {
            self.waker.sleeps_until(ANY);
            // One reading for both, so that a step is told before the runs that it makes due.
            let now = self.clock.now();
            if let Some(step) = steps.check(now, self.clock.monotonic()) {
                batch.push(Item::ClockStepped(step));
                self.dispatch.dispatch(&mut batch);
                batch.clear();
            }
            let next = self.pass(now, &mut batch);
            let time = match next {
                Some(next) if next <= now => {
                    // A thread that was given work may have been put on this processor.
                    std::thread::yield_now();
                    continue;
                }
                Some(next) => self.until(next),
                None => LONGEST_SLEEP,
            };
            if !time.is_zero() {
                self.waker.sleeps_until(match next {
                    Some(next) => next.get(),
                    // No deadline matters until `set_paused` wakes us.
                    None if self.paused.load(Ordering::SeqCst) => NONE,
                    None => ANY,
                });
                self.dispatch.tick();
                self.waker.sleep(time.min(LONGEST_SLEEP));
            }
        }
    }

    /// How long to sleep for the deadline `next`.
    fn until(&self, next: UtcMicros) -> Duration {
        Duration::from_micros(u64::try_from(next.micros_since(self.clock.now())).unwrap_or(0))
    }
}

/// An engine that several threads share, with its timer thread.
pub struct EngineHandle {
    shared: Arc<Shared>,
    thread: Mutex<Option<TimerThread>>,
}

/// A timer thread and the process it lives in: a fork copies the handle, not the thread.
struct TimerThread {
    process: u32,
    thread: JoinHandle<()>,
}

impl TimerThread {
    fn is_alive(&self) -> bool {
        self.process == std::process::id() && !self.thread.is_finished()
    }
}

impl EngineHandle {
    /// An engine without stores whose thread is not started.
    pub fn new(clock: Arc<dyn Clock>, dispatch: Arc<dyn Dispatch>) -> Self {
        let shared = Shared {
            engine: Mutex::new(Engine::new()),
            clock,
            dispatch,
            waker: Arc::new(Waker::new()),
            paused: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// The clock the engine goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// What wakes the timer thread.
    pub fn waker(&self) -> &Arc<Waker> {
        &self.shared.waker
    }

    /// Sweeps `store` from now on.
    pub fn attach(&self, id: StoreId, store: Arc<dyn Sweep>) {
        self.shared.lock().attach(id, store);
        self.shared.waker.wake();
    }

    /// No longer sweeps the store attached as `id`.
    pub fn detach(&self, id: StoreId) {
        self.shared.lock().detach(id);
    }

    /// Starts the timer thread; does nothing when it runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] when the operating system gives no thread.
    pub fn start(&self) -> Result<(), Error> {
        let mut thread = self.lock_thread();
        if thread.as_ref().is_some_and(TimerThread::is_alive) {
            return Ok(());
        }
        // One that came through a fork has ended with everything else of the parent.
        std::mem::forget(thread.take());
        self.shared.stopping.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        let run = move || {
            // A panic here is a bug of ours; it must cost one pass, not the scheduler.
            while catch_unwind(AssertUnwindSafe(|| shared.run())).is_err() {
                shared.waker.sleep(LONGEST_SLEEP);
            }
        };
        let spawned = std::thread::Builder::new().name("mainspring-timer".into()).spawn(run);
        let spawned = spawned
            .map_err(|e| Error::new(ErrorKind::Os, format!("the timer thread could not be started: {e}")))?;
        *thread = Some(TimerThread { process: std::process::id(), thread: spawned });
        Ok(())
    }

    /// Stops the timer thread and waits for its end, which is at most one pass away. The engine can be
    /// started again.
    pub fn stop(&self) {
        // Locked until the thread has ended: a `start` in between would tell it to carry on.
        let mut thread = self.lock_thread();
        if let Some(elsewhere) = thread.take_if(|t| t.process != std::process::id()) {
            // After a fork the thread is the parent's: here there is nothing to wake or to wait for.
            std::mem::forget(elsewhere);
            return;
        }
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.waker.wake();
        let thread = thread.take().map(|t| t.thread);
        // The timer thread itself gets here where its dispatch drops the last handle; it ends after that.
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            // The thread catches its own panics; there is nothing to learn from how it ended.
            drop(thread.join());
        }
    }

    /// Whether the timer thread lives.
    pub fn is_running(&self) -> bool {
        self.lock_thread().as_ref().is_some_and(TimerThread::is_alive)
    }

    /// Stops or resumes looking for due jobs.
    pub fn set_paused(&self, paused: bool) {
        self.shared.paused.store(paused, Ordering::SeqCst);
        self.shared.waker.wake();
    }

    /// Lets the timer thread look at the stores now.
    pub fn wake(&self) {
        self.shared.waker.wake();
    }

    /// Sweeps in the calling thread until nothing more is due at `now`, dispatching what is. Returns the next
    /// deadline, or `None` when there is none or the engine is paused.
    pub fn process(&self, now: UtcMicros) -> Option<UtcMicros> {
        // Of one instant, or jobs that are due again after a few microseconds would keep it here for ever.
        let mut batch = Vec::new();
        loop {
            match self.shared.pass(now, &mut batch) {
                Some(next) if next <= now => {}
                next => return next,
            }
        }
    }

    /// Makes one pass in the calling thread, which hands over by itself what is appended to `batch`. Returns
    /// the next deadline, not after `now` when more is due; `None` when there is none or the engine is paused.
    pub fn sweep(&self, now: UtcMicros, batch: &mut Vec<Item>) -> Option<UtcMicros> {
        self.shared.sweep(now, batch)
    }

    fn lock_thread(&self) -> MutexGuard<'_, Option<TimerThread>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks the kernel to wake this thread when it said, not up to 50 microseconds later.
#[cfg(target_os = "linux")]
fn set_timer_slack() {
    // Where the kernel refuses, the thread is merely less punctual.
    let _refused = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).is_err();
}

#[cfg(not(target_os = "linux"))]
fn set_timer_slack() {}
