//! How log records get out of Rust code: a function in Python calls the logger, in the context of the run.
//!
//! A record names the function that has called its logger, and programs filter by it; of Rust code it would name
//! whatever Python code is above.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::py::host;
use crate::py::once::{Once, intern};

/// Calls `function` in `context`: with at most two arguments, for which no tuple is made.
pub fn run_in<'py>(
    context: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    first: Option<&Bound<'py, PyAny>>,
    second: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let end = std::ptr::null_mut::<ffi::PyObject>();
    let pointer = |argument: Option<&Bound<'py, PyAny>>| argument.map_or(end, Bound::as_ptr);
    // SAFETY: the thread is attached, all pointers are those of live objects, and the first null ends the arguments.
    // What is returned is a new reference, or null with an exception set.
    unsafe {
        let result = ffi::PyObject_CallMethodObjArgs(
            context.as_ptr(),
            intern!(py, "run").as_ptr(),
            function.as_ptr(),
            pointer(first),
            pointer(second),
            end,
        );
        Bound::from_owned_ptr_or_err(py, result)
    }
}

/// Calls `function` in `context`.
pub fn call_in<'py>(
    context: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    if kwargs.is_none() && args.len() <= 2 {
        let mut args = args.iter_borrowed();
        return run_in(context, function, args.next().as_deref(), args.next().as_deref());
    }
    let run = context.getattr(intern!(py, "run"))?;
    let mut all = Vec::with_capacity(args.len() + 1);
    all.push(function.clone());
    all.extend(args.iter());
    run.call(PyTuple::new(py, all)?, kwargs)
}

/// A copy of a context.
pub fn copy_of<'py>(context: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    context.call_method0(intern!(context.py(), "copy"))
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
        Some(context) => call_in(&copy_of(context)?, function, args, kwargs),
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

    /// The file, the line and the function that records name.
    fn place<'py>(self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
        const COUNT: usize = Caller::RealAddJob as usize + 1;
        static PLACES: [Once<Py<PyTuple>>; COUNT] = [const { Once::new() }; COUNT];
        let make = || {
            let place = host::place_of_caller(py)?.call1((self.function(py)?,))?;
            Ok::<_, PyErr>(place.cast_into::<PyTuple>()?.unbind())
        };
        PLACES[self as usize].get_or_try_init(py, make).map(|place| place.bind(py))
    }

    /// Does what `logger`, a plain one that is enabled for the level, does with a message and its arguments, but for the
    /// search of the stack for who has called it.
    pub fn log_plainly<'py>(
        self,
        context: Option<&Bound<'py, PyAny>>,
        logger: &Bound<'py, PyAny>,
        level: u8,
        arguments: impl Arguments<'py>,
    ) -> PyResult<()> {
        let py = logger.py();
        let arguments = arguments.into_pyobject(py)?;
        let (place, context) = (self.place(py)?, context.map(copy_of).transpose()?);
        let about = (
            logger.getattr(intern!(py, "name"))?,
            level,
            place.get_item(0)?,
            place.get_item(1)?,
            arguments.get_item(0)?,
            arguments.get_slice(1, arguments.len()),
            py.None(),
            place.get_item(2)?,
        );
        let make = logger.getattr(intern!(py, "makeRecord"))?;
        let handle = logger.getattr(intern!(py, "handle"))?;
        let Some(context) = context else {
            return self.function(py)?.call1((handle, make.call1(about)?)).map(drop);
        };
        let record = call_in(&context, &make, &about.into_pyobject(py)?, None)?;
        run_in(&context, self.function(py)?, Some(&handle), Some(&record)).map(drop)
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
