//! `NativeJobs`: what a scheduler's methods do with its jobs, step by step.
//!
//! To add a job is to make its trigger, to check the rest, and to put it among the pending jobs or into a store:
//! defaults, first fire time, put, tell. A step is done here, or by the method of the scheduler that does it in Python
//! where that one must be asked: a program has replaced it ([`Hooks`]), the store is written in Python, an argument is of
//! an unusual type, or anything is wrong. Such a method knows the rules and the messages, and nothing has been changed
//! before it is called; so nothing may depend on where a step is done.
//!
//! What finds, changes and removes a job is done here where there is no hook at all; else a method returns `None` or false
//! without having changed anything, and the scheduler's goes on.
//!
//! Ground rules: everything here runs attached to Python. `known` is locked for the length of one assignment.

mod add;
mod call;
mod change;
mod crons;
mod ids;
mod records;
mod spec;
mod tell;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::job::RunPolicy;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::job::fields::{Field, Fields, Part};
use crate::py::host::{Scheduler, Telling, cpython};
use crate::py::imports;
use crate::scheduler::engine::Engine;
use crate::time::zone::TimeZone;
use crate::trigger;

/// The jobs in the native stores of one scheduler.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct NativeJobs {
    engine: Py<Engine>,
    known: Mutex<Gate>,
    /// How often what was known has been forgotten; changed under the lock of `known`. What has been read of the
    /// scheduler counts only if it is still the number from before.
    version: AtomicU64,
}

/// Whether the steps are made here, by what is known of the scheduler.
#[derive(Default)]
enum Gate {
    /// Nothing: the next call is to ask the scheduler.
    #[default]
    Unknown,
    /// All steps are the business of its methods.
    Closed,
    Open(Arc<Open>),
}

/// The steps that go through a method which a program has replaced.
struct Hooks {
    /// The step that makes triggers.
    trigger: bool,
    /// The step that puts a job into its store.
    put: bool,
    /// A step that the one of `put` calls.
    within_put: bool,
    /// A step that finds, changes or removes jobs, or adds one of many.
    others: bool,
}

impl Hooks {
    fn of(replaced: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            trigger: replaced.contains("trigger")?,
            put: replaced.contains("put")?,
            within_put: replaced.contains("within put")?,
            others: replaced.contains("others")?,
        })
    }

    /// Whether there is one.
    fn any(&self) -> bool {
        self.trigger || self.put || self.within_put || self.others
    }
}

/// Where a job goes that is added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Adding {
    /// To the pending jobs.
    Pends,
    ToStore,
    /// To either, as the scheduler is just being started.
    Starts,
}

/// What is known of a scheduler that may be served here.
struct Open {
    hooks: Hooks,
    telling: Telling,
    adding: Adding,
    /// Whether its loop is a guess, so that it must know of each call in which thread it is.
    guesses: bool,
    defaults: RunPolicy,
    zone: Arc<TimeZone>,
    /// The scheduler's job stores by alias, a dictionary.
    stores: Py<PyDict>,
    /// The trigger classes by alias, a dictionary.
    trigger_classes: Py<PyDict>,
    logger: Py<PyAny>,
    is_enabled_for: Py<PyAny>,
    /// Whether that is the method of `logging.Logger`, which keeps its answers.
    keeps_answers: bool,
    /// The loop of the coroutine jobs, where it tells which default executor it has, and that executor.
    event_loop: Option<Py<PyAny>>,
    default_executor: Mutex<Option<Py<PyAny>>>,
    records: records::Records,
    crons: crons::Crons,
    /// How many calls have looked things up.
    calls: AtomicU64,
}

/// The outcome of a step, where an error means that it is to be done in Python.
fn or_in_python<T>(py: Python<'_>, outcome: PyResult<Option<T>>) -> PyResult<Option<T>> {
    match outcome {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        outcome => outcome,
    }
}

impl Open {
    /// What is known of a scheduler; an error where its defaults are none that a job can have.
    fn of(scheduler: &Scheduler<'_>, hooks: Hooks, adding: Adding, guesses: bool) -> PyResult<Self> {
        let py = scheduler.as_any().py();
        let given = scheduler.job_defaults()?;
        let mut defaults = Fields::default();
        for field in Field::in_part(Part::Policy) {
            defaults.check(field, &given.get_item(field.name())?)?;
        }
        let logger = scheduler.logger()?;
        let event_loop = match adding {
            Adding::ToStore => scheduler.coroutine_loop()?,
            Adding::Pends | Adding::Starts => py.None().into_bound(py),
        };
        let default_executor = cpython::default_executor(&event_loop)?;
        Ok(Self {
            hooks,
            telling: scheduler.telling()?,
            adding,
            guesses,
            defaults: defaults.whole_policy()?,
            zone: TimeZone::of(&scheduler.timezone()?)?,
            stores: scheduler.stores()?.unbind(),
            trigger_classes: scheduler.trigger_classes()?.unbind(),
            is_enabled_for: logger.getattr("isEnabledFor")?.unbind(),
            keeps_answers: logger.get_type().is(imports::logger_class(py)?)
                && !logger.getattr("__dict__")?.contains("isEnabledFor")?,
            logger: logger.unbind(),
            event_loop: default_executor.is_some().then(|| event_loop.unbind()),
            default_executor: Mutex::new(default_executor.map(Bound::unbind)),
            records: records::Records::default(),
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

    /// Whether that is another one than was known, which the scheduler's method takes notice of.
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
    fn look(&self, py: Python<'_>) -> PyResult<Option<(Arc<Open>, &Engine)>> {
        let engine = self.engine.bind(py).get();
        if !engine.hub().origin.is_here() {
            return Ok(None);
        }
        let Some(open) = self.known(py, engine)? else { return Ok(None) };
        if !open.guesses {
            return Ok(Some((open, self.engine.get())));
        }
        let Some(scheduler) = engine.hub().scheduler(py) else { return Ok(None) };
        scheduler.note_running_loop()?;
        Ok(self.known(py, engine)?.map(|open| (open, self.engine.get())))
    }

    /// What is known of it, and found out where it is not.
    fn known(&self, py: Python<'_>, engine: &Engine) -> PyResult<Option<Arc<Open>>> {
        let known = || match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Gate::Unknown => None,
            Gate::Closed => Some(None),
            Gate::Open(open) => Some(Some(Arc::clone(open))),
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        let Some(scheduler) = engine.hub().scheduler(py) else { return Ok(None) };
        scheduler.open_native_jobs()?;
        Ok(known().flatten())
    }

    /// What is known of a scheduler that runs and has no hooks.
    fn opened(&self, py: Python<'_>) -> PyResult<Option<(Arc<Open>, &Engine)>> {
        let known = or_in_python(py, self.look(py))?;
        Ok(known.filter(|(open, _)| open.adding == Adding::ToStore && !open.hooks.any()))
    }

    /// Whether what was known still holds, now that Python code has run.
    fn still(&self, open: &Open) -> bool {
        match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Gate::Open(known) => std::ptr::eq(&**known, open),
            _ => false,
        }
    }
}

#[pymethods]
impl NativeJobs {
    #[new]
    fn new(engine: Py<Engine>) -> Self {
        Self { engine, known: Mutex::default(), version: AtomicU64::new(0) }
    }

    /// Serves a scheduler, which says which steps go through methods that a program has replaced, whether jobs
    /// pend (`None`: it is just being started), and whether its loop is a guess. Where an attribute of it cannot be
    /// read here, all steps are left to its own methods, which raise what is to be said of that. Where `version` is not
    /// that of now, something has changed since this was read, and it is to be read again.
    #[pyo3(signature = (scheduler, replaced, pends, guesses, version=None))]
    fn open(
        &self,
        scheduler: Bound<'_, PyAny>,
        replaced: &Bound<'_, PyAny>,
        pends: Option<bool>,
        guesses: bool,
        version: Option<u64>,
    ) -> PyResult<()> {
        let adding = match pends {
            Some(true) => Adding::Pends,
            Some(false) => Adding::ToStore,
            None => Adding::Starts,
        };
        let py = scheduler.py();
        let open = Open::of(&Scheduler::of(scheduler), Hooks::of(replaced)?, adding, guesses);
        let open = or_in_python(py, open.map(Some))?;
        let new = open.map_or(Gate::Closed, |open| Gate::Open(Arc::new(open)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match version {
            Some(version) if version != self.version.load(Ordering::Relaxed) => new,
            _ => std::mem::replace(&mut *known, new),
        };
        drop(known);
        drop(old);
        Ok(())
    }

    /// Takes note of the loop's default executor, which jobs run in from now on.
    fn note_executor(&self, py: Python<'_>) -> PyResult<()> {
        let open = match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Gate::Open(open) => Arc::clone(open),
            _ => return Ok(()),
        };
        let found = open.executor(py)?.map(Bound::unbind);
        let mut known = open.default_executor.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *known, found);
        drop(known);
        drop(old);
        Ok(())
    }

    /// Leaves all steps to the scheduler's methods.
    fn close(&self) {
        self.replace(Gate::Closed);
    }

    /// What `open` is to be given, read before what it is told of the scheduler.
    #[getter]
    fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Forgets what is known of the scheduler, of which something has changed.
    fn forget(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::Relaxed);
        let old = std::mem::take(&mut *known);
        drop(known);
        drop(old);
    }
}

impl NativeJobs {
    fn replace(&self, known: Gate) {
        let old = std::mem::replace(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner), known);
        drop(old);
    }
}
