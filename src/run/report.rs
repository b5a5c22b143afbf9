//! Telling of a run, wherever it is made: its log records and its events, in the words of APScheduler 3.x.

use mainspring_core::job::Ended;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::dispatch::run::Outcome;
use crate::py::error::raised;
use crate::py::host;
use crate::py::imports;
use crate::py::once::intern;
use crate::py::tell::Arguments;

/// APScheduler's event codes, as far as runs produce them.
pub mod code {
    use pyo3::prelude::*;

    use crate::py::once::Once;

    pub const JOB_ADDED: u32 = 1 << 9;
    pub const JOB_REMOVED: u32 = 1 << 10;
    pub const JOB_MODIFIED: u32 = 1 << 11;
    pub const JOB_EXECUTED: u32 = 1 << 12;
    pub const JOB_ERROR: u32 = 1 << 13;
    pub const JOB_MISSED: u32 = 1 << 14;
    pub const JOB_SUBMITTED: u32 = 1 << 15;
    pub const JOB_MAX_INSTANCES: u32 = 1 << 16;

    /// A code as Python has it, made once.
    pub fn object(py: Python<'_>, code: u32) -> PyResult<&Bound<'_, PyAny>> {
        static OBJECTS: [Once<Py<PyAny>>; 17] = [const { Once::new() }; 17];
        let known = &OBJECTS[code.trailing_zeros() as usize % OBJECTS.len()];
        let make = || Ok::<_, PyErr>(code.into_pyobject(py)?.into_any().unbind());
        known.get_or_try_init(py, make).map(|object| object.bind(py))
    }
}

/// `logging.INFO`.
pub const INFO: u8 = 20;

/// Whose run it is that is told of, and what becomes of the records and events. Run times are named by their places.
pub trait Teller<'py> {
    fn py(&self) -> Python<'py>;

    /// The job, which records show as text.
    fn job(&self) -> PyResult<Bound<'py, PyAny>>;

    fn id(&mut self) -> PyResult<Bound<'py, PyAny>>;

    /// The alias of the job's store.
    fn alias(&self) -> PyResult<Bound<'py, PyAny>>;

    fn run_time(&mut self, index: usize) -> PyResult<Bound<'py, PyAny>>;

    /// Whether records of level INFO are to be made.
    fn logs_info(&self) -> PyResult<bool>;

    /// Logs with the executor's logger, where the variables of the run have their values.
    fn log(
        &mut self,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()>;

    /// Whether events of this code are to be made.
    fn wants(&self, code: u32) -> bool;

    /// Hands over an event of the run.
    fn send(&mut self, event: Bound<'py, PyAny>) -> PyResult<()>;

    /// Whether the loop only runs to end what is left on it: what ends with its loop is no news to the code that ends
    /// the loop.
    fn loop_is_ending(&self) -> PyResult<bool>;

    /// The run time has been told of: the next one has a context of its own.
    fn forget_context(&mut self);
}

/// Tells that a run time begins.
pub fn start<'py>(run: &mut impl Teller<'py>, index: usize) -> PyResult<()> {
    if !run.logs_info()? {
        return Ok(());
    }
    let message = intern!(run.py(), "Running job \"%s\" (scheduled at %s)");
    let arguments = (message, run.job()?, run.run_time(index)?);
    run.log("info", arguments, None)
}

/// Logs how a run time ended.
pub fn log_end<'py>(run: &mut impl Teller<'py>, ended: Ended, outcome: &Outcome<'py>) -> PyResult<()> {
    let py = run.py();
    match outcome {
        Outcome::Returned(_) => {
            if !run.logs_info()? {
                return Ok(());
            }
            let arguments = (intern!(py, "Job \"%s\" executed successfully"), run.job()?);
            run.log("info", arguments, None)
        }
        Outcome::Missed(late_micros) => {
            let late = imports::timedelta(py)?.call1((0, 0, late_micros))?;
            let arguments = ("Run time of job \"%s\" was missed by %s", run.job()?, late);
            run.log("warning", arguments, None)
        }
        Outcome::Raised(error) => log_exception(run, ended, error),
    }
}

fn log_exception<'py>(run: &mut impl Teller<'py>, ended: Ended, error: &PyErr) -> PyResult<()> {
    let py = run.py();
    let exception = raised(py, error);
    match ended {
        Ended::Cancelled => {
            let level = if run.loop_is_ending()? { "debug" } else { "info" };
            let reason = exception.str()?;
            let job = run.job()?;
            if reason.is_empty()? {
                run.log(level, ("Run of job \"%s\" was cancelled", job), None)
            } else {
                run.log(level, ("Run of job \"%s\" was cancelled: %s", job, reason), None)
            }
        }
        Ended::Interrupted => {
            // The interpreter shows the interrupt itself, where it ends.
            let arguments = ("Run of job \"%s\" was interrupted", run.job()?);
            run.log("info", arguments, None)
        }
        _ => {
            if error.is_instance_of::<PyRuntimeError>(py) {
                host::explain(py)?.call1((&exception, error.traceback(py)))?;
            }
            let arguments = ("Job \"%s\" raised an exception", run.job()?);
            run.log("error", arguments, Some(exception.as_any()))
        }
    }
}

/// Sends the event of a run time that has ended, if it is wanted. After its record, as in APScheduler, also where that
/// could not be made.
pub fn send_end<'py>(run: &mut impl Teller<'py>, index: usize, outcome: &Outcome<'py>) -> PyResult<()> {
    let py = run.py();
    match outcome {
        Outcome::Returned(value) => {
            if !run.wants(code::JOB_EXECUTED) {
                return Ok(());
            }
            let code = code::object(py, code::JOB_EXECUTED)?;
            let about = (code, run.id()?, run.alias()?, run.run_time(index)?, value);
            run.send(host::job_execution_event(py)?.call1(about)?)
        }
        Outcome::Missed(_) => event(run, code::JOB_MISSED, index, |_| Ok(())),
        Outcome::Raised(error) => {
            let (exception, traceback) = (raised(py, error), error.traceback(py));
            let sent = event(run, code::JOB_ERROR, index, |options| {
                exception_in(options, exception.as_any(), traceback.as_deref())
            });
            if let Some(traceback) = traceback {
                // As APScheduler does: the frames of a failed job would keep its variables alive.
                imports::clear_frames(py)?.call1((traceback,))?;
            }
            sent
        }
    }
}

/// Makes the event of a run time, if it is wanted, and hands it over.
fn event<'py>(
    run: &mut impl Teller<'py>,
    code: u32,
    index: usize,
    fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
) -> PyResult<()> {
    if !run.wants(code) {
        return Ok(());
    }
    let event = execution_event(code, run.id()?, run.alias()?, run.run_time(index)?, fill)?;
    run.send(event)
}

fn execution_event<'py>(
    code: u32,
    id: Bound<'py, PyAny>,
    alias: Bound<'py, PyAny>,
    run_time: Bound<'py, PyAny>,
    fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = id.py();
    let options = PyDict::new(py);
    fill(&options)?;
    host::job_execution_event(py)?.call((code::object(py, code)?, id, alias, run_time), Some(&options))
}

fn exception_in<'py>(
    options: &Bound<'py, PyDict>,
    exception: &Bound<'py, PyAny>,
    traceback: Option<&Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = options.py();
    let lines = imports::format_tb(py)?.call1((traceback,))?;
    options.set_item("exception", exception)?;
    options.set_item("traceback", PyString::new(py, "").call_method1("join", (lines,))?)
}

/// The event of a run time that has ended with an exception outside the job's function: in a pool that is broken, or
/// on its way from a child process.
#[pyfunction]
pub fn error_event<'py>(
    job_id: Bound<'py, PyAny>,
    alias: Bound<'py, PyAny>,
    run_time: Bound<'py, PyAny>,
    exception: &Bound<'py, PyAny>,
    traceback: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    execution_event(code::JOB_ERROR, job_id, alias, run_time, |options| {
        exception_in(options, exception, traceback)
    })
}
