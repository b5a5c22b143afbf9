//! Keeps the process from being forked in the midst of a sweep, whose locks the child could never release.
//!
//! A fork copies every lock as it is and no thread but the caller's, so a lock that another thread holds in
//! that moment is never released in the child. Sweeps are what locks stores without the host's knowledge, so
//! the host calls [`before`] to keep new sweeps from beginning and to wait for those under way, and
//! [`in_parent`] and [`in_child`] to let them go on.
//!
//! Ground rules: there are two counters and no lock, since that could be copied while it is held. A thread
//! that waits for a sweep must hold no lock of a store. A sweep that waits for a fork holds none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a waiting thread looks again: a fork and a pass of a sweep both take less than a few of these.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// How many threads are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);
/// How many sweeps are under way.
static SWEEPING: AtomicUsize = AtomicUsize::new(0);

/// Waits until no sweep of the process is under way; none begins until [`in_parent`] or [`in_child`].
pub fn before() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    while SWEEPING.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Lets sweeps begin again after a fork, or after an attempt at one.
pub fn in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// Lets sweeps begin in the child of a fork, whose other threads are gone.
pub fn in_child() {
    SWEEPING.store(0, Ordering::SeqCst);
    FORKING.store(0, Ordering::SeqCst);
}

/// A sweep that is under way.
pub(crate) struct Sweeping(());

impl Sweeping {
    /// Begins when no thread forks.
    pub(crate) fn begin() -> Self {
        loop {
            // Announced before the look: of a sweep and a fork that begin at once, one sees the other.
            SWEEPING.fetch_add(1, Ordering::SeqCst);
            let sweeping = Self(());
            if FORKING.load(Ordering::SeqCst) == 0 {
                return sweeping;
            }
            drop(sweeping);
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        SWEEPING.fetch_sub(1, Ordering::SeqCst);
    }
}
