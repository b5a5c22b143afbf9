//! `JobCoroutine`: what a job's task steps through, around the coroutine that the job's function returned.
//!
//! It contains the exits that would stop the loop if a task raised them (see `JobExitError`), and tells the run
//! that waits for it when the coroutine is at its end. All else it leaves to the coroutine, its attributes too, so
//! that whoever looks at the task sees the job.
//!
//! Ground rules: stepped by its loop's thread. While the coroutine runs, Python code runs that Rust has called, so
//! the thread is *inside* (`exit.rs`) for as long; in the first step of an eagerly started task it is so already.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyIterator, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::event_loop::task::Resume;
use crate::process::exit::Inside;
use crate::py::error::raised;
use crate::py::imports;
use crate::py::once::intern;
use crate::run::report::is_exit;

/// A job's coroutine on its way through a task.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct JobCoroutine {
    coroutine: Py<PyAny>,
    state: AtomicU8,
    /// The run that waits for the end.
    waiting: OnceLock<Py<Resume>>,
}

/// The next step is the first of an eagerly started task: a drain makes it, which is *inside* itself.
const IN_DRAIN: u8 = 0;
/// The next step is made by the loop.
const ON_LOOP: u8 = 1;
/// At its end, with the result None.
const RETURNED_NONE: u8 = 2;
/// At its end otherwise.
const ENDED: u8 = 3;

impl JobCoroutine {
    /// `coroutine` must be a coroutine of Python's own type; `eager`: a drain makes its first step.
    pub fn new(coroutine: &Bound<'_, PyAny>, eager: bool) -> Self {
        let state = AtomicU8::new(if eager { IN_DRAIN } else { ON_LOOP });
        Self { coroutine: coroutine.clone().unbind(), state, waiting: OnceLock::new() }
    }

    /// Whether the coroutine has come to its end.
    pub fn has_ended(&self) -> bool {
        self.state() >= RETURNED_NONE
    }

    /// Whether it has done so by returning None.
    pub fn returned_none(&self) -> bool {
        self.state() == RETURNED_NONE
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    /// Has a run told of the end, which must not have come. At most once.
    pub fn wait(&self, run: Py<Resume>) {
        drop(self.waiting.set(run));
    }

    /// Makes a step and takes note of the end, if that is it.
    fn step<'py>(
        &self,
        py: Python<'py>,
        step: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<PySendResult<'py>>,
    ) -> PyResult<PySendResult<'py>> {
        let mut inside = None;
        if self.state() == IN_DRAIN {
            self.state.store(ON_LOOP, Ordering::Relaxed);
        } else {
            inside = Inside::enter();
            if inside.is_none() {
                // The interpreter is about to exit: the step waits for a turn of the loop that does not come.
                return Ok(PySendResult::Next(py.None().into_bound(py)));
            }
        }
        let result = step(self.coroutine.bind(py));
        if matches!(result, Ok(PySendResult::Next(_))) {
            return result;
        }
        if result.is_err() && self.coroutine.bind(py).getattr(intern!(py, "cr_running"))?.is_truthy()? {
            // It was asked for a step in the midst of one.
            return result;
        }
        let told = self.has_ended();
        let returned_none = matches!(&result, Ok(PySendResult::Return(value)) if value.is_none());
        self.state.store(if returned_none { RETURNED_NONE } else { ENDED }, Ordering::Relaxed);
        if let Some(run) = self.waiting.get().filter(|_| !told) {
            Resume::at_end(run.bind(py), result.is_ok())?;
        }
        drop(inside);
        result.or_else(|error| Err(contain(py, error)?))
    }
}

/// The error that a task may raise in the place of this one.
fn contain(py: Python<'_>, error: PyErr) -> PyResult<PyErr> {
    if !is_exit(py, &error) {
        return Ok(error);
    }
    let contained = PyErr::from_value(imports::job_exit_error(py)?.call1((raised(py, &error),))?);
    contained.set_cause(py, Some(error));
    Ok(contained)
}

/// A result as Python's methods give it: the end is an exception.
fn or_stop<'py>(py: Python<'py>, result: PySendResult<'py>) -> PyResult<Bound<'py, PyAny>> {
    match result {
        PySendResult::Next(value) => Ok(value),
        // Made by hand, or a tuple would become the arguments of the exception.
        PySendResult::Return(value) => {
            Err(PyErr::from_value(py.get_type::<PyStopIteration>().call1((value,))?))
        }
    }
}

#[pymethods]
impl JobCoroutine {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.coroutine)
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.step(py, |coroutine| send(coroutine, &py.None().into_bound(py)))? {
            PySendResult::Next(value) => Ok(Some(value)),
            PySendResult::Return(value) if value.is_none() => Ok(None),
            end => or_stop(py, end).map(Some),
        }
    }

    fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        or_stop(py, self.step(py, |coroutine| send(coroutine, value))?)
    }

    #[pyo3(signature = (*exception))]
    fn throw<'py>(&self, exception: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = exception.py();
        let step =
            |coroutine: &Bound<'py, PyAny>| match coroutine.call_method1(intern!(py, "throw"), exception) {
                Ok(value) => Ok(PySendResult::Next(value)),
                Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                    error.value(py).getattr(intern!(py, "value")).map(PySendResult::Return)
                }
                Err(error) => Err(error),
            };
        or_stop(py, self.step(py, step)?)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.coroutine.call_method0(py, intern!(py, "close")).map(drop)
    }

    /// What is asked of a coroutine that is not said here: its name, its frame, its code.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py).getattr(name)
    }
}

/// Sends a value into a coroutine.
fn send<'py>(coroutine: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<PySendResult<'py>> {
    // SAFETY: the wrapper of `PyIter_Send` asks for an iterator, the function itself for anything that has
    // `am_send`, which coroutines have, or can be called or iterated over otherwise.
    unsafe { coroutine.cast_unchecked::<PyIterator>() }.send(value)
}
