//! Which run is under way in the current thread, for what a job's function calls.
//!
//! Ground rules: the stack is the thread's own; it is borrowed for the length of a push, a pop or a look.

use std::cell::RefCell;
use std::sync::Arc;

use mainspring_core::job::JobId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::engine::Engine;
use crate::hub::Hub;
use crate::text::{self, Text};

struct Current {
    hub: Arc<Hub>,
    job_id: JobId,
    /// Whether the hub counts the run as going on.
    counted: bool,
}

thread_local! {
    /// The innermost last.
    static HERE: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// Notes a run as being under way in this thread, for as long as it lives.
pub struct InThisThread(());

impl InThisThread {
    /// A run of the hub's own.
    pub fn enter(hub: &Arc<Hub>, job_id: &JobId) -> Self {
        Self::push(hub, Arc::clone(job_id), true)
    }

    fn push(hub: &Arc<Hub>, job_id: JobId, counted: bool) -> Self {
        let current = Current { hub: Arc::clone(hub), job_id, counted };
        HERE.with_borrow_mut(|here| here.push(current));
        Self(())
    }
}

impl Drop for InThisThread {
    fn drop(&mut self) {
        let ended = HERE.with_borrow_mut(Vec::pop);
        drop(ended);
    }
}

/// How many runs are under way in the calling thread: whoever waits for all others must leave them out.
#[pyfunction]
pub fn runs_in_this_thread() -> usize {
    HERE.with_borrow(|here| here.iter().filter(|current| current.counted).count())
}

/// The scheduler and the id of the job whose run is under way in this thread.
#[pyfunction]
pub fn current_run(py: Python<'_>) -> Option<(Bound<'_, PyAny>, Bound<'_, PyString>)> {
    let current = HERE.with_borrow(|here| {
        here.last().map(|current| (Arc::clone(&current.hub), Arc::clone(&current.job_id)))
    });
    let (hub, job_id) = current?;
    Some((hub.scheduler(py)?, text::string(py, &job_id)))
}

/// Calls a job's function for an executor written in Python, noted as this thread's current run.
#[pyfunction]
#[pyo3(signature = (engine, job_id, func, *args, **kwargs))]
pub fn noted<'py>(
    engine: &Bound<'py, Engine>,
    job_id: Text<'_>,
    func: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let _here = InThisThread::push(engine.get().hub(), Arc::from(job_id.as_str()), false);
    func.call(args, kwargs)
}
