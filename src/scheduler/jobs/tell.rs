//! The last step of adding, changing or removing a job: listeners and the log are told of it.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Open;
use crate::job::handle::Job;
use crate::py::host::{self, cpython};
use crate::py::listeners::tell_listeners;
use crate::py::once::intern;
use crate::py::tell::Caller;
use crate::run::report::{INFO, code};
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
            self.dispatch(engine, code::JOB_ADDED, &job.getattr(intern!(py, "id"))?, alias)?;
        }
        if self.logs(py)? {
            let words = (
                intern!(py, "Added job \"%s\" to job store \"%s\""),
                job.getattr(intern!(py, "name"))?,
                alias,
            );
            Caller::RealAddJob.log(None, self.logger.bind(py), "info", words, None)?;
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
            let alias = job.get().jobstore_alias(py);
            self.dispatch(engine, code::JOB_MODIFIED, job_id, alias)?;
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
            self.dispatch(engine, code::JOB_REMOVED, job_id, store.owner(py).alias())?;
        }
        if self.logs(py)? {
            let words = (intern!(py, "Removed job %s"), job_id);
            Caller::RemoveJob.log(None, self.logger.bind(py), "info", words, None)?;
        }
        Ok(())
    }

    fn dispatch<'py>(
        &self,
        engine: &Engine,
        code: u32,
        job_id: &Bound<'py, PyAny>,
        alias: impl IntoPyObject<'py>,
    ) -> PyResult<()> {
        let py = job_id.py();
        let Some(scheduler) = engine.hub().scheduler(py) else { return Ok(()) };
        let event = host::job_event(py)?.call1((code::object(py, code)?, job_id, alias))?;
        if self.hooks.tell || (self.hooks.tell_on_loop && cpython::a_loop_runs_here(py)?) {
            return scheduler.dispatch_event()?.call1((event,)).map(drop);
        }
        tell_listeners(&scheduler.listeners()?, &event, None, || scheduler.note_failed_listener())
    }
}
