//! What wakes the timer thread before the deadline that it sleeps for.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::UtcMicros;

/// Wakes the timer thread, if it sleeps past a given deadline.
#[derive(Debug)]
pub struct Waker {
    /// Every deadline before this one wakes the thread: [`ANY`] while it is not asleep.
    asleep_until: AtomicI64,
    woken: Mutex<bool>,
    condition: Condvar,
}

/// In the place of a deadline: any deadline comes before it.
pub(super) const ANY: i64 = i64::MAX;
/// In the place of a deadline: none comes before it.
pub(super) const NONE: i64 = i64::MIN;

impl Waker {
    pub(super) fn new() -> Self {
        Self { asleep_until: AtomicI64::new(ANY), woken: Mutex::new(false), condition: Condvar::new() }
    }

    /// Wakes the timer thread unless it wakes by itself at or before `deadline`.
    pub fn wake_before(&self, deadline: UtcMicros) {
        if deadline.get() < self.asleep_until.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Wakes the timer thread, or lets it sweep once more before it sleeps.
    pub fn wake(&self) {
        *self.lock() = true;
        self.condition.notify_one();
    }

    /// Has every deadline before this one wake the thread from now on.
    pub(super) fn sleeps_until(&self, deadline: i64) {
        self.asleep_until.store(deadline, Ordering::SeqCst);
    }

    /// Sleeps for `time`, or until woken.
    pub(super) fn sleep(&self, time: Duration) {
        let woken = self.lock();
        let mut woken = match self.condition.wait_timeout_while(woken, time, |woken| !*woken) {
            Ok((woken, _)) => woken,
            Err(poisoned) => poisoned.into_inner().0,
        };
        *woken = false;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
