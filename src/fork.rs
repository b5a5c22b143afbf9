//! What a forked child must not touch.
//!
//! A child has a copy of everything and only the thread that forked. What its parent's other threads had
//! locked without holding the GIL stays locked in it, and what it shares with its parent - the wake
//! descriptor, the loop's selector - is the parent's still. So the child leaves engines, inboxes, pools and
//! the runtime of its parent alone, for ever, and makes new ones; only job stores go on, and
//! `mainspring_core::fork` sees to it that they are unlocked.
//!
//! Ground rules: [`Origin`] is how an object knows whether it is the parent's. The thread that forked may be
//! in the midst of a drain, a run or a worker's life: whoever has called Python code asks before it goes on.

use std::sync::atomic::{AtomicU32, Ordering};

use mainspring_core::fork;
use pyo3::prelude::*;

use crate::exit;

/// How many forks lie between this process and the first one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process in which an object was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u32);

impl Origin {
    /// This process.
    pub fn here() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether this is still the process in which the object was made.
    pub fn is_here(self) -> bool {
        self == Self::here()
    }
}

/// Called before the process forks: waits until no job store is locked, and keeps it so.
#[pyfunction]
pub fn before_fork() {
    // Attached meanwhile, which keeps others from forking; a sweep does not wait for Python.
    fork::before();
}

/// Called in the parent after a fork, or after an attempt at one.
#[pyfunction]
pub fn after_fork_in_parent() {
    fork::in_parent();
}

/// Called in the child after a fork.
#[pyfunction]
pub fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    fork::in_child();
    exit::forget_others();
}

/// Keeps `object` alive until the process ends, the interpreter's own end included.
#[pyfunction]
pub fn keep_for_ever(object: Py<PyAny>) {
    std::mem::forget(object);
}
