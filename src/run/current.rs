//! Which run is under way in the current thread, for what a job's function calls.
//!
//! Ground rules: the stack is the thread's own; it is borrowed for the length of a push, a pop or a look.

use std::cell::RefCell;
use std::sync::Arc;

use mainspring_core::job::JobId;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::hub::Hub;
use crate::py::text;
use crate::run::unawaited;

struct Current {
    /// `None` in a process that does not have the scheduler.
    hub: Option<Arc<Hub>>,
    job_id: JobId,
    /// Whether the hub counts the run as going on.
    counted: bool,
    /// The names of coroutines that were dropped meanwhile, and that nobody had awaited.
    unawaited: Vec<Py<PyString>>,
}

thread_local! {
    /// The innermost last.
    static HERE: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// Notes a run as being under way in this thread, for as long as it lives.
pub struct InThisThread<'py>(Python<'py>);

impl<'py> InThisThread<'py> {
    /// A run of the hub's own.
    pub fn enter(py: Python<'py>, hub: &Arc<Hub>, job_id: &JobId) -> Self {
        Self::push(py, Some(Arc::clone(hub)), Arc::clone(job_id), true)
    }

    /// A run of an executor written in Python, which counts it itself.
    pub fn enter_uncounted(py: Python<'py>, hub: Option<Arc<Hub>>, job_id: JobId) -> Self {
        Self::push(py, hub, job_id, false)
    }

    fn push(py: Python<'py>, hub: Option<Arc<Hub>>, job_id: JobId, counted: bool) -> Self {
        unawaited::watch(py);
        let current = Current { hub, job_id, counted, unawaited: Vec::new() };
        HERE.with_borrow_mut(|here| here.push(current));
        Self(py)
    }

    /// Tells of the coroutines that the job's function has left behind; it has returned.
    pub fn tell_unawaited(&self) {
        let left = HERE.with_borrow_mut(|here| {
            let current = here.last_mut().filter(|current| !current.unawaited.is_empty())?;
            Some((Arc::clone(&current.job_id), std::mem::take(&mut current.unawaited)))
        });
        if let Some((job_id, names)) = left {
            unawaited::tell(self.0, &job_id, names);
        }
    }
}

impl Drop for InThisThread<'_> {
    fn drop(&mut self) {
        // Those that the result or the exception had kept.
        self.tell_unawaited();
        let ended = HERE.with_borrow_mut(Vec::pop);
        drop(ended);
    }
}

/// Notes that a coroutine was dropped in this thread that nobody had awaited.
pub fn note_unawaited(name: Py<PyString>) {
    HERE.with_borrow_mut(|here| {
        if let Some(current) = here.last_mut() {
            current.unawaited.push(name);
        }
    });
}

/// How many runs are under way in the calling thread: a function that waits for all other runs must leave them out.
#[pyfunction]
pub fn runs_in_this_thread() -> usize {
    HERE.with_borrow(|here| here.iter().filter(|current| current.counted).count())
}

/// The scheduler and the id of the job whose run is under way in this thread.
#[pyfunction]
pub fn current_run(py: Python<'_>) -> Option<(Bound<'_, PyAny>, Bound<'_, PyString>)> {
    let current = HERE
        .with_borrow(|here| here.last().map(|current| (current.hub.clone(), Arc::clone(&current.job_id))));
    let (hub, job_id) = current?;
    Some((hub?.scheduler(py)?.into_any(), text::string(py, &job_id)))
}
