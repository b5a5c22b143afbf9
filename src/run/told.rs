//! What is told of a job and of a submission from more than one place, in Rust and in Python: each event and each log
//! record is written here, once.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::py::host;
use crate::py::once::intern;
use crate::py::tell::{Arguments, Caller};
use crate::run::report::code;

/// What makes an event of a submission: of the job's id, the alias of its store, and the run times.
pub type SubmissionEvent = for<'a, 'py> fn(
    &'a Bound<'py, PyAny>,
    &'a Bound<'py, PyAny>,
    &'a Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>>;

/// EVENT_JOB_ADDED.
#[pyfunction]
pub fn added_event<'py>(
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    job_event(code::JOB_ADDED, job_id, alias)
}

/// EVENT_JOB_MODIFIED.
#[pyfunction]
pub fn modified_event<'py>(
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    job_event(code::JOB_MODIFIED, job_id, alias)
}

/// EVENT_JOB_REMOVED.
#[pyfunction]
pub fn removed_event<'py>(
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    job_event(code::JOB_REMOVED, job_id, alias)
}

fn job_event<'py>(
    code: u32,
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    host::job_event(job_id.py())?.call1((code::object(job_id.py(), code)?, job_id, alias))
}

/// EVENT_JOB_SUBMITTED.
#[pyfunction]
pub fn submitted_event<'py>(
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
    run_times: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    submission_event(code::JOB_SUBMITTED, job_id, alias, run_times)
}

/// EVENT_JOB_MAX_INSTANCES.
#[pyfunction]
pub fn skipped_event<'py>(
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
    run_times: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    submission_event(code::JOB_MAX_INSTANCES, job_id, alias, run_times)
}

fn submission_event<'py>(
    code: u32,
    job_id: &Bound<'py, PyAny>,
    alias: &Bound<'py, PyAny>,
    run_times: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let code = code::object(job_id.py(), code)?;
    host::job_submission_event(job_id.py())?.call1((code, job_id, alias, run_times))
}

/// Logs that a job has been added, given its name.
#[pyfunction]
pub fn log_added(
    logger: &Bound<'_, PyAny>,
    name: &Bound<'_, PyAny>,
    alias: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let words = (intern!(logger.py(), "Added job \"%s\" to job store \"%s\""), name, alias);
    Caller::RealAddJob.log(None, logger, "info", words, None)
}

/// Logs that a job has been removed.
#[pyfunction]
pub fn log_removed(logger: &Bound<'_, PyAny>, job_id: &Bound<'_, PyAny>) -> PyResult<()> {
    Caller::RemoveJob.log(None, logger, "info", removed(job_id), None)
}

/// What the log record of a removed job says.
pub fn removed<'py>(job_id: &Bound<'py, PyAny>) -> impl Arguments<'py> {
    let words: Bound<'_, PyString> = intern!(job_id.py(), "Removed job %s").clone();
    (words, job_id.clone())
}
