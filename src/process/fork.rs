//! A process that forks: what its child must leave alone, since it belongs to the parent.
//!
//! A child has a copy of everything and only the thread that forked. What its parent's other threads had
//! locked without holding the GIL stays locked in it, and what it shares with its parent - the wake
//! descriptor, the loop's selector - is the parent's still. So the child leaves engines, inboxes, pools and
//! the runtime of its parent alone, for ever, and makes new ones; only job stores go on, and
//! `mainspring_core::engine::fork` sees to it that they are unlocked.
//!
//! The C library tells of every fork, also where C code forks that knows nothing of Python. What is to be done in
//! Python is done there by `python/mainspring/_process/fork.py`, at the latest when a scheduler is next used.
//!
//! Ground rules: [`Origin`] is how an object knows whether it is the parent's. The thread that forked may be
//! in the midst of a drain, a run or a worker's life: Rust code that has called Python code asks before it goes on.
//! What is called while the process forks touches atomics alone.

use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(unix)]
use mainspring_core::engine::fork;
use pyo3::prelude::*;

#[cfg(unix)]
use crate::process::exit;

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

/// How often this process and those before it have been forked, since the module was loaded in the first.
#[pyfunction]
pub fn forks() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Has this module told of every fork of the process.
#[cfg(unix)]
pub fn watch_for_forks() -> std::io::Result<()> {
    static WATCHES: std::sync::Once = std::sync::Once::new();
    let mut status = 0;
    WATCHES.call_once(|| {
        // SAFETY: the functions take nothing, touch nothing but atomics, and are there until the process ends, as
        // CPython never unloads a module.
        status = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) }
    });
    match status {
        0 => Ok(()),
        errno => Err(std::io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(not(unix))]
pub fn watch_for_forks() -> std::io::Result<()> {
    Ok(())
}

/// Waits until no job store is locked by a sweep, and keeps it so. A sweep does not wait for Python, whatever the
/// thread that forks holds.
#[cfg(unix)]
extern "C" fn before() {
    fork::before();
}

/// Called also after a fork that has failed.
#[cfg(unix)]
extern "C" fn in_parent() {
    fork::in_parent();
}

#[cfg(unix)]
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    fork::in_child();
    exit::forget_others();
}

/// Keeps `object` alive until the process ends, the interpreter's own end included.
#[pyfunction]
pub fn keep_for_ever(object: Py<PyAny>) {
    std::mem::forget(object);
}
