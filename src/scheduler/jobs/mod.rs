//! `NativeJobs`: the short way of a scheduler's methods to the jobs of its native stores.
//!
//! What most calls ask for is done here step by step: check, trigger, defaults, first fire time, put, tell. Up to the
//! last one nothing is changed, and whatever is out of the ordinary (a store written in Python, a hook that has been
//! overridden, an argument of an unusual type, any error) ends it: the method returns `None` or false, and the
//! scheduler's method goes on in the ordinary way, which alone knows the rules and the messages. So nothing may depend
//! on which way it was. Listeners and the log are told as by that way.
//!
//! Ground rules: everything here runs attached to Python. `open` is locked for the length of one assignment.

mod add;
mod call;
mod change;
mod crons;
mod ids;
mod spec;
mod tell;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::job::RunPolicy;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::job::fields::{Field, Fields, Place};
use crate::py::host::{Scheduler, cpython};
use crate::scheduler::engine::Engine;
use crate::time::zone::TimeZone;
use crate::trigger;

/// The jobs in the native stores of one scheduler.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct NativeJobs {
    engine: Py<Engine>,
    open: Mutex<Option<Arc<Open>>>,
}

/// What is known of a scheduler while this way is open.
struct Open {
    defaults: RunPolicy,
    zone: Arc<TimeZone>,
    /// The scheduler's job stores by alias, a dictionary.
    stores: Py<PyDict>,
    /// The trigger classes by alias, a dictionary.
    trigger_classes: Py<PyDict>,
    logger: Py<PyAny>,
    is_enabled_for: Py<PyAny>,
    /// The loop of the coroutine jobs, where it tells which default executor it has, and that executor.
    event_loop: Option<Py<PyAny>>,
    default_executor: Mutex<Option<Py<PyAny>>>,
    records: spec::Records,
    crons: crons::Crons,
    /// How many calls have looked things up.
    calls: AtomicU64,
}

/// The outcome of the short way, where an error means that it is not to be taken.
fn or_ordinary<T>(py: Python<'_>, outcome: PyResult<Option<T>>) -> PyResult<Option<T>> {
    match outcome {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        outcome => outcome,
    }
}

impl Open {
    /// What is known of a scheduler; an error where its defaults are none that a job can have.
    fn of(scheduler: &Scheduler<'_>) -> PyResult<Self> {
        let given = scheduler.job_defaults()?;
        let mut defaults = Fields::default();
        for field in Field::in_place(Place::Policy) {
            defaults.check(field, &given.get_item(field.name())?)?;
        }
        let logger = scheduler.logger()?;
        let event_loop = scheduler.coroutine_loop()?;
        let default_executor = cpython::default_executor(&event_loop)?;
        Ok(Self {
            defaults: defaults.whole_policy()?,
            zone: TimeZone::of(&scheduler.timezone()?)?,
            stores: scheduler.stores()?.unbind(),
            trigger_classes: scheduler.trigger_classes()?.unbind(),
            is_enabled_for: logger.getattr("isEnabledFor")?.unbind(),
            logger: logger.unbind(),
            event_loop: default_executor.is_some().then(|| event_loop.unbind()),
            default_executor: Mutex::new(default_executor.map(Bound::unbind)),
            records: spec::Records::default(),
            crons: crons::Crons::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// The default executor of the loop.
    fn executor<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.event_loop {
            Some(event_loop) => cpython::default_executor(event_loop.bind(py)),
            None => Ok(None),
        }
    }

    /// Whether that is another one than was known, which only the ordinary way takes notice of.
    fn has_new_executor(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(found) = self.executor(py)? else { return Ok(false) };
        let known = self.default_executor.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.as_ref().is_none_or(|known| !known.is(&found)))
    }

    /// The number of another call.
    fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

impl NativeJobs {
    /// What is known of the scheduler, if it is of this process.
    fn opened(&self, py: Python<'_>) -> Option<(Arc<Open>, &Engine)> {
        let engine = self.engine.bind(py).get();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().filter(|_| engine.hub().origin.is_here())?;
        Some((Arc::clone(open), self.engine.get()))
    }

    /// What is known of it, if there is nothing new that only the ordinary way of adding jobs takes notice of.
    fn opened_to_add(&self, py: Python<'_>) -> PyResult<Option<(Arc<Open>, &Engine)>> {
        let Some((open, engine)) = self.opened(py) else { return Ok(None) };
        Ok((!open.has_new_executor(py)?).then_some((open, engine)))
    }
}

#[pymethods]
impl NativeJobs {
    #[new]
    fn new(engine: Py<Engine>) -> Self {
        Self { engine, open: Mutex::default() }
    }

    /// Opens this way for a scheduler that is running and whose methods are all its own; not where something
    /// of it is so odd that the ordinary way must say so.
    fn open(&self, scheduler: Bound<'_, PyAny>) -> PyResult<()> {
        let py = scheduler.py();
        let open = or_ordinary(py, Open::of(&Scheduler::of(scheduler)).map(Some))?;
        self.replace(open.map(Arc::new));
        Ok(())
    }

    /// Takes note of the loop's default executor, which jobs run in from now on.
    fn note_executor(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(open) = open else { return Ok(()) };
        let found = open.executor(py)?.map(Bound::unbind);
        let mut known = open.default_executor.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *known, found);
        drop(known);
        drop(old);
        Ok(())
    }

    /// Closes this way.
    fn close(&self) {
        self.replace(None);
    }
}

impl NativeJobs {
    fn replace(&self, open: Option<Arc<Open>>) {
        let old = std::mem::replace(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner), open);
        drop(old);
    }
}
