//! The interpreter's exit: which threads it waits for, and that none of them begins to run Python code after it.
//!
//! A daemon thread ends with the interpreter, and with it the run that it was in (`thread_end.rs`). The threads of
//! worker pools are joined at exit. Threads that are not ours to join - a user's own that runs an event loop, one of the runtime
//! that tells a loop something - come *inside* for as long as they may run Python code for us.
//!
//! Ground rules: one counter and one flag, no lock, so that a fork finds nothing held.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::prelude::*;

use crate::process::fork::Origin;

/// How often the exit looks whether all threads are out.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

static INSIDE: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);

/// A thread that runs Python code for us; the exit waits until it is dropped.
pub struct Inside(Origin);

impl Inside {
    /// `None` once the interpreter is about to exit.
    pub fn enter() -> Option<Self> {
        // Counted before the look: of an exit and an entry at once, one sees the other.
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Self(Origin::here());
        (!CLOSED.load(Ordering::SeqCst)).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // In a child forked meanwhile no thread has been counted.
        if self.0.is_here() {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// In a forked child no thread is inside.
pub fn forget_others() {
    INSIDE.store(0, Ordering::SeqCst);
}

/// Lets no thread inside any more, and, with `wait`, waits until those who are have left. Called when the interpreter is
/// about to exit; without `wait` where an interrupt has ended the waiting: to attach to an interpreter that is being
/// taken down may crash. Fails when a signal handler raises meanwhile.
#[pyfunction]
pub fn wait_for_loops(py: Python<'_>, wait: bool) -> PyResult<()> {
    CLOSED.store(true, Ordering::SeqCst);
    while wait && INSIDE.load(Ordering::SeqCst) > 0 {
        py.detach(|| std::thread::sleep(LOOK_AGAIN));
        py.check_signals()?;
    }
    Ok(())
}
