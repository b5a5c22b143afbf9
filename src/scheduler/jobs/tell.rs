//! The last step of adding, changing or removing a job: listeners and the log are told of it.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Open;
use crate::job::handle::Job;
use crate::py::host::cpython;
use crate::py::listeners::tell_listeners;
use crate::py::once::intern;
use crate::py::tell::Caller;
use crate::run::report::{INFO, code};
use crate::run::told;
use crate::scheduler::engine::Engine;
use crate::store::native::NativeStore;

/// Tells a scheduler's logger of a job that pends.
pub fn tell_pending(logger: &Bound<'_, PyAny>) -> PyResult<()> {
    let words = "Adding job tentatively -- it will be properly scheduled when the scheduler starts";
    Caller::AddJob.log(None, logger, "info", (words,), None)
}

impl Open {
    /// Whether a listener wants events of this kind.
    pub fn has_listeners(&self, engine: &Engine, code: u32) -> bool {
        engine.hub().mask() & code != 0
    }

    /// Whether the scheduler's logger wants to be told of what goes on.
    pub fn logs(&self, py: Python<'_>) -> PyResult<bool> {
        if self.keeps_answers {
            let logger = self.logger.bind(py);
            if let Some(answer) = cpython::kept_answer(logger, INFO)? {
                return Ok(answer);
            }
        }
        self.is_enabled_for.bind(py).call1((INFO,))?.is_truthy()
    }

    /// Tells of a job that pends.
    pub fn tell_pending(&self, py: Python<'_>) -> PyResult<()> {
        match self.logs(py)? {
            true => tell_pending(self.logger.bind(py)),
            false => Ok(()),
        }
    }

    /// Tells of a job that has been added.
    pub fn tell_added(
        &self,
        engine: &Engine,
        job: &Bound<'_, Job>,
        alias: &Bound<'_, PyString>,
    ) -> PyResult<()> {
        let py = job.py();
        if self.has_listeners(engine, code::JOB_ADDED) {
            self.dispatch(engine, &told::added_event(&job.getattr(intern!(py, "id"))?, alias)?)?;
        }
        if self.logs(py)? {
            told::log_added(self.logger.bind(py), &job.getattr(intern!(py, "name"))?, alias)?;
        }
        Ok(())
    }

    /// Tells of a job, if it has been changed; returns it.
    pub fn told_of_change(
        &self,
        engine: &Engine,
        job_id: &Bound<'_, PyAny>,
        changed: Option<Py<Job>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        if let Some(job) = changed.as_ref().filter(|_| self.has_listeners(engine, code::JOB_MODIFIED)) {
            let alias = job.get().jobstore_alias(py).into_pyobject(py)?;
            self.dispatch(engine, &told::modified_event(job_id, &alias)?)?;
        }
        Ok(changed)
    }

    /// Tells of a job that has been removed.
    pub fn tell_removed(
        &self,
        engine: &Engine,
        job_id: &Bound<'_, PyAny>,
        store: &NativeStore,
    ) -> PyResult<()> {
        let py = job_id.py();
        if self.has_listeners(engine, code::JOB_REMOVED) {
            let alias = store.owner(py).alias().into_pyobject(py)?;
            self.dispatch(engine, &told::removed_event(job_id, &alias)?)?;
        }
        if self.logs(py)? {
            told::log_removed(self.logger.bind(py), job_id)?;
        }
        Ok(())
    }

    fn dispatch(&self, engine: &Engine, event: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event.py();
        let Some(scheduler) = engine.hub().scheduler(py) else { return Ok(()) };
        if !self.telling.is_direct_here(py)? {
            return scheduler.dispatch_event()?.call1((event,)).map(drop);
        }
        tell_listeners(&scheduler.listeners()?, event, None, || scheduler.note_failed_listener())
    }
}
