//! How log records get out of Rust code: a function in Python calls the logger, in the context of the run.
//!
//! A record names the function that has called its logger, and programs filter by it; of Rust code it would name
//! whatever Python code is above.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::py::host;
use crate::py::once::intern;

/// Calls `function` in `context`.
pub fn call_in<'py>(
    context: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let run = context.getattr(intern!(py, "run"))?;
    if args.is_empty() && kwargs.is_none() {
        return run.call1((function,));
    }
    let mut all = Vec::with_capacity(args.len() + 1);
    all.push(function.clone());
    all.extend(args.iter());
    run.call(PyTuple::new(py, all)?, kwargs)
}

/// Calls `function` where the variables of a run have their values; without a context, in the current one.
///
/// In a copy, since the job may have given its context to something that is in it now.
pub fn tell_in<'py>(
    context: Option<&Bound<'py, PyAny>>,
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<()> {
    let told = match context {
        Some(context) => {
            call_in(&context.call_method0(intern!(context.py(), "copy"))?, function, args, kwargs)
        }
        None => function.call(args, kwargs),
    };
    told.map(drop)
}

/// The arguments of a call, or of a log record.
pub trait Arguments<'py>:
    IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>
{
}

impl<'py, A> Arguments<'py> for A where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>
{
}

/// The function that a record names, as APScheduler's records name theirs.
#[derive(Clone, Copy)]
pub enum Caller {
    RunJob,
    RunCoroutineJob,
    ProcessJobs,
    RemoveJob,
    AddJob,
    RealAddJob,
}

impl Caller {
    /// The caller that log records of a run name: one for coroutine functions, one for others.
    pub fn of_run(is_coroutine: bool) -> Self {
        if is_coroutine { Self::RunCoroutineJob } else { Self::RunJob }
    }

    fn function<'py>(self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
        match self {
            Self::RunJob => host::tells_as_run_job(py),
            Self::RunCoroutineJob => host::tells_as_run_coroutine_job(py),
            Self::ProcessJobs => host::tells_as_process_jobs(py),
            Self::RemoveJob => host::tells_as_remove_job(py),
            Self::AddJob => host::tells_as_add_job(py),
            Self::RealAddJob => host::tells_as_real_add_job(py),
        }
    }

    /// Logs with `logger` by its method `level`, in `context` where one is given.
    pub fn log<'py>(
        self,
        context: Option<&Bound<'py, PyAny>>,
        logger: &Bound<'py, PyAny>,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = logger.py();
        let options = match exc_info {
            Some(exception) => {
                let options = PyDict::new(py);
                options.set_item(intern!(py, "exc_info"), exception)?;
                Some(options)
            }
            None => None,
        };
        let mut all = vec![logger.getattr(level)?];
        all.extend(arguments.into_pyobject(py)?.iter());
        tell_in(context, self.function(py)?, &PyTuple::new(py, all)?, options.as_ref())
    }
}
