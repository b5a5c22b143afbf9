//! `JobCoroutine`: what a job's task steps through, around the coroutine that the job's function returned.
//!
//! What the coroutine raises is the run's to tell of and does not leave the task, as in APScheduler: a library that
//! watches the tasks of the loop would report it once more, and an exit would stop the loop. A cancellation does leave
//! the task. `JobCoroutine` tells the run that waits for it when the coroutine is at its end. All else it leaves to the
//! coroutine, its attributes too, so that a debugger that looks at the task sees the job.
//!
//! Ground rules: stepped by its loop's thread. While the coroutine runs, Python code runs that Rust has called, so
//! the thread is *inside* (`exit.rs`) for as long; in the first step of an eagerly started task it is so already.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyIterator, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::event_loop::task::Resume;
use crate::process::exit::Inside;
use crate::py::imports;
use crate::py::once::intern;

/// A job's coroutine on its way through a task.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct JobCoroutine {
    coroutine: Py<PyAny>,
    state: AtomicU8,
    /// What it has raised, until the run takes that.
    raised: Mutex<Option<PyErr>>,
    /// The run that waits for the end.
    waiting: OnceLock<Py<Resume>>,
    /// A copy of the context at the end, where no run waits for that, and the context need not be the run's.
    end_context: OnceLock<Py<PyAny>>,
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
        let coroutine = coroutine.clone().unbind();
        let raised = Mutex::default();
        Self { coroutine, state, raised, waiting: OnceLock::new(), end_context: OnceLock::new() }
    }

    /// Whether the coroutine has come to its end.
    pub fn has_ended(&self) -> bool {
        self.state() >= RETURNED_NONE
    }

    /// Whether it has done so by returning None.
    pub fn returned_none(&self) -> bool {
        self.state() == RETURNED_NONE
    }

    /// What it has raised and no task has seen. Once.
    pub fn take_raised(&self) -> Option<PyErr> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The context in which it has ended, if that need not be the run's.
    pub fn end_context(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.end_context.get().map(|context| context.clone_ref(py))
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
        let in_drain = self.state() == IN_DRAIN;
        if in_drain {
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
        if self.has_ended() {
            return result;
        }
        let returned_none = matches!(&result, Ok(PySendResult::Return(value)) if value.is_none());
        self.state.store(if returned_none { RETURNED_NONE } else { ENDED }, Ordering::Relaxed);
        let returned = result.is_ok();
        let result = match result {
            Err(error) if !error.value(py).is_instance(imports::cancelled_error(py)?)? => {
                *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(PySendResult::Return(py.None().into_bound(py)))
            }
            result => result,
        };
        if let Some(run) = self.waiting.get() {
            Resume::at_end(run.bind(py), returned, self.take_raised())?;
        } else if !in_drain {
            drop(self.end_context.set(imports::copy_context(py)?.call0()?.unbind()));
        }
        drop(inside);
        result
    }
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
    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py).getattr(name)
    }
}

/// Sends a value into a coroutine.
fn send<'py>(coroutine: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<PySendResult<'py>> {
    // SAFETY: the wrapper of `PyIter_Send` asks for an iterator, the function itself for anything that has
    // `am_send`, which coroutines have, or can be called or iterated over otherwise.
    unsafe { coroutine.cast_unchecked::<PyIterator>() }.send(value)
}
