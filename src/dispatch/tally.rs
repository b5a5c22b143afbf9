//! How many runs of a scheduler are queued or under way, and who waits for them to end.
//!
//! Ground rules: `count` is locked for single moves, and while a thread waits for fewer; nothing of Python is in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dispatch::hub::Hub;

/// Counts the runs that are queued or under way, and tells who waits when there are none.
#[derive(Default)]
pub struct Runs {
    count: Mutex<Count>,
    fewer: Condvar,
    /// The most runs at which a call of [`wait_none`] goes on, since telling it is not free.
    awaited: AtomicUsize,
    few_enough: Arc<tokio::sync::Notify>,
}

#[derive(Default)]
struct Count {
    runs: usize,
    /// How many threads wait for fewer: to tell none costs a system call, too.
    waiting: usize,
}

impl Runs {
    pub fn add(&self, change: isize) {
        let mut count = self.lock();
        count.runs = count.runs.saturating_add_signed(change);
        if change < 0 && count.waiting > 0 {
            self.fewer.notify_all();
        }
        if count.runs <= self.awaited.load(Ordering::Relaxed) {
            self.few_enough.notify_waiters();
        }
    }

    pub fn count(&self) -> usize {
        self.lock().runs
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are at most `but` runs, at most for `timeout`; says whether that is so.
    pub fn wait_none(&self, but: usize, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut count = self.lock();
        count.waiting += 1;
        while count.runs > but {
            count = match deadline.map(|d| d.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => break,
                Some(left) => match self.fewer.wait_timeout(count, left) {
                    Ok((count, _)) => count,
                    Err(poisoned) => poisoned.into_inner().0,
                },
                None => self.fewer.wait(count).unwrap_or_else(PoisonError::into_inner),
            };
        }
        count.waiting -= 1;
        count.runs <= but
    }
}

/// Resolves when there are at most `but` runs.
pub async fn wait_none(hub: Arc<Hub>, but: usize) {
    hub.runs.awaited.fetch_max(but, Ordering::Relaxed);
    let notify = Arc::clone(&hub.runs.few_enough);
    loop {
        let mut few_enough = std::pin::pin!(notify.notified());
        // Registered before the count is read, so that a change in between is not missed.
        few_enough.as_mut().enable();
        if hub.runs.count() <= but {
            return;
        }
        few_enough.await;
    }
}
