//! A run that an executor written in Python makes, in this process or in a child, on its way through the run machine.
//!
//! Ground rules: `steps` is locked for single moves, never while Python code runs.

use std::sync::{Mutex, PoisonError};

use mainspring_core::job::due::missed_by;
use mainspring_core::job::{Ended, Settled, Steps};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};

use crate::dispatch::run::Outcome;
use crate::py::host;
use crate::py::once::intern;
use crate::py::tell::{Arguments, Caller};
use crate::run::env::is_interrupt;
use crate::run::report::Teller;
use crate::run::steps::{self, Submission};
use crate::time::datetime::instant;

/// The steps of one submission: `_runs/run.py` calls the job's function in between.
///
/// The job is any object with the attributes that are asked for here.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct RunSteps {
    job: Py<PyAny>,
    alias: Py<PyAny>,
    run_times: Vec<Py<PyAny>>,
    logger: Py<PyAny>,
    /// Tells the time, given the job.
    now: Py<PyAny>,
    /// What log records name.
    caller: Caller,
    steps: Mutex<Steps>,
    /// The events of the run times that have ended.
    #[pyo3(get)]
    events: Py<PyList>,
}

#[pymethods]
impl RunSteps {
    #[new]
    fn new(
        py: Python<'_>,
        job: Py<PyAny>,
        jobstore_alias: Py<PyAny>,
        run_times: Vec<Py<PyAny>>,
        logger: Py<PyAny>,
        now: Py<PyAny>,
        is_coroutine: bool,
    ) -> Self {
        let steps = Mutex::new(Steps::new(run_times.len()));
        let (caller, events) = (Caller::of_run(is_coroutine), PyList::empty(py).unbind());
        Self { job, alias: jobstore_alias, run_times, logger, now, caller, steps, events }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.job)?;
        visit.call(&self.now)?;
        visit.call(&self.events)
    }

    /// Goes on to the next run time that is not missed; says whether there is one, for which the job's function is to be
    /// called.
    fn next(&self, py: Python<'_>) -> PyResult<bool> {
        self.step(py, |steps| steps::next(steps).map(|next| next.is_some()))
    }

    /// The function has returned, or what it returned has given this when it was awaited.
    fn returned(&self, value: Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(value.py(), Outcome::Returned(value))
    }

    /// The function has raised this, or what it returned has when it was awaited.
    fn raised(&self, exception: Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(exception.py(), Outcome::Raised(PyErr::from_value(exception)))
    }
}

impl RunSteps {
    fn settle<'py>(&self, py: Python<'py>, outcome: Outcome<'py>) -> PyResult<()> {
        self.step(py, |steps| steps::settle(steps, &outcome).map(drop))
    }

    fn step<'py, T>(&self, py: Python<'py>, step: impl FnOnce(&mut Going<'_, 'py>) -> T) -> T {
        let lock = || self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut going = Going { py, run: self, steps: *lock() };
        let result = step(&mut going);
        *lock() = going.steps;
        result
    }
}

/// A submission within one step.
struct Going<'a, 'py> {
    py: Python<'py>,
    run: &'a RunSteps,
    steps: Steps,
}

impl<'py> Submission<'py> for Going<'_, 'py> {
    /// An executor takes the events that there are for the end of the submission.
    const TELLS_THE_REST: bool = false;

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }

    /// An executor that makes a run in a child process wants it made there.
    fn is_here(&self) -> bool {
        true
    }

    fn late(&mut self, index: usize) -> PyResult<Option<i64>> {
        let grace = self.run.job.bind(self.py).getattr(intern!(self.py, "misfire_grace_time"))?;
        if grace.is_none() {
            return Ok(None);
        }
        let now = self.run.now.bind(self.py).call1((&self.run.job,))?;
        let grace = (grace.extract::<f64>()? * 1e6).round() as i64;
        Ok(missed_by(instant(&self.run_time(index)?)?, instant(&now)?, Some(grace)))
    }

    /// The engine's `Watch` is told of the runs of executors written in Python when their events are.
    fn begins(&mut self, _index: usize) {}

    /// The executor gives its own slot back.
    fn ends(&mut self, _settled: Settled, _ended: Ended, _outcome: &Outcome<'py>) {}

    fn despite(&self, told: PyResult<()>) -> PyResult<()> {
        match told {
            Err(error) if !is_interrupt(self.py, &error) => {
                error.write_unraisable(self.py, Some(self.run.logger.bind(self.py)));
                Ok(())
            }
            told => told,
        }
    }
}

impl<'py> Teller<'py> for Going<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.py
    }

    fn job(&self) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.run.job.bind(self.py).clone())
    }

    fn id(&mut self) -> PyResult<Bound<'py, PyAny>> {
        self.run.job.bind(self.py).getattr(intern!(self.py, "id"))
    }

    fn alias(&self) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.run.alias.bind(self.py).clone())
    }

    fn run_time(&mut self, index: usize) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.run.run_times[index].bind(self.py).clone())
    }

    /// The logger knows.
    fn logs_info(&self) -> PyResult<bool> {
        Ok(true)
    }

    fn log(
        &mut self,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        self.run.caller.log(None, self.run.logger.bind(self.py), level, arguments, exc_info)
    }

    fn wants(&self, _code: u32) -> bool {
        true
    }

    fn send(&mut self, event: Bound<'py, PyAny>) -> PyResult<()> {
        self.run.events.bind(self.py).append(event)
    }

    fn loop_is_ending(&self) -> PyResult<bool> {
        host::loop_is_ending(self.py)?.call0()?.is_truthy()
    }

    /// The whole submission has one.
    fn forget_context(&mut self) {}
}
