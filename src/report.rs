//! Telling of a run: events to the scheduler's listeners and log records, in the words of APScheduler 3.x.
//!
//! Nothing is built that nobody wants: events outside the listeners' mask and log records of a disabled
//! level cost one comparison.

use std::cell::RefCell;
use std::sync::Arc;

use mainspring_core::UtcMicros;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::hub::Hub;
use crate::job::{self, Job, Seen};
use crate::python;
use crate::runner::Run;

/// APScheduler's event codes, as far as runs produce them.
pub mod code {
    pub const JOB_REMOVED: u32 = 1 << 10;
    pub const JOB_EXECUTED: u32 = 1 << 12;
    pub const JOB_ERROR: u32 = 1 << 13;
    pub const JOB_MISSED: u32 = 1 << 14;
    pub const JOB_SUBMITTED: u32 = 1 << 15;
    pub const JOB_MAX_INSTANCES: u32 = 1 << 16;
}

const INFO: u8 = 20;

/// What the runs handled in one go share: the scheduler, the listeners' mask, which loggers are enabled.
pub struct Env<'py> {
    pub py: Python<'py>,
    pub hub: Arc<Hub>,
    pub scheduler: Bound<'py, PyAny>,
    mask: u32,
    loggers: RefCell<Vec<(u32, Logger<'py>)>>,
}

#[derive(Clone)]
struct Logger<'py> {
    logger: Bound<'py, PyAny>,
    info: bool,
}

/// How a run ended.
pub enum Outcome<'py> {
    Missed(i64),
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
}

impl<'py> Env<'py> {
    /// `None` when the scheduler is gone.
    pub fn new(py: Python<'py>, hub: &Arc<Hub>) -> Option<Self> {
        Some(Self {
            py,
            hub: Arc::clone(hub),
            scheduler: hub.scheduler(py)?,
            mask: hub.mask(),
            loggers: RefCell::default(),
        })
    }

    pub fn wants(&self, code: u32) -> bool {
        self.mask & code != 0
    }

    /// The scheduler's own logger.
    pub fn scheduler_logger(&self) -> PyResult<Bound<'py, PyAny>> {
        self.scheduler.getattr(intern!(self.py, "_logger"))
    }

    /// The logger of an executor, and whether it takes records of level INFO.
    fn logger(&self, executor: u32) -> PyResult<Logger<'py>> {
        if let Some((_, logger)) = self.loggers.borrow().iter().find(|(number, _)| *number == executor) {
            return Ok(logger.clone());
        }
        let logger = match self.hub.executor(executor) {
            Some(executor) => executor.logger.bind(self.py).clone(),
            None => python::get_logger(self.py)?.call1(("mainspring.executors",))?,
        };
        let info = logger.call_method1(intern!(self.py, "isEnabledFor"), (INFO,))?.is_truthy()?;
        let logger = Logger { logger, info };
        self.loggers.borrow_mut().push((executor, logger.clone()));
        Ok(logger)
    }

    /// Hands an event to the scheduler, which tells its listeners. What a listener raises the scheduler logs.
    pub fn dispatch(&self, event: &Bound<'py, PyAny>) -> PyResult<()> {
        self.scheduler.call_method1(intern!(self.py, "_dispatch_event"), (event,)).map(drop)
    }

    /// Logs what went wrong in telling of a run: a listener's or a log handler's fault never stops the rest.
    pub fn never_fails(&self, result: PyResult<()>) {
        if let Err(error) = result {
            error.write_unraisable(self.py, Some(&self.scheduler));
        }
    }
}

impl Run {
    /// EVENT_JOB_SUBMITTED and the like: an event about the whole submission.
    pub fn submission_event(&self, env: &Env<'_>, code: u32) -> PyResult<()> {
        if !env.wants(code) {
            return Ok(());
        }
        let py = env.py;
        let run_times = PyList::empty(py);
        for &at in self.run_times() {
            run_times.append(self.datetime(env, at)?)?;
        }
        let event =
            python::job_submission_event(py)?.call1((code, self.id(py), self.alias(py), run_times))?;
        env.dispatch(&event)
    }

    /// 'Running job ...'.
    pub fn log_start(&self, env: &Env<'_>, at: UtcMicros) -> PyResult<()> {
        let logger = env.logger(self.executor())?;
        if logger.info {
            let arguments = (
                intern!(env.py, "Running job \"%s\" (scheduled at %s)"),
                self.job(env)?,
                self.datetime(env, at)?,
            );
            logger.logger.call_method1(intern!(env.py, "info"), arguments)?;
        }
        Ok(())
    }

    /// Log record and event of a run that has ended.
    pub fn report(&self, env: &Env<'_>, at: UtcMicros, outcome: Outcome<'_>) -> PyResult<()> {
        let py = env.py;
        match outcome {
            Outcome::Returned(value) => {
                let logger = env.logger(self.executor())?;
                if logger.info {
                    let message = intern!(py, "Job \"%s\" executed successfully");
                    logger.logger.call_method1(intern!(py, "info"), (message, self.job(env)?))?;
                }
                if env.wants(code::JOB_EXECUTED) {
                    self.execution_event(env, code::JOB_EXECUTED, at, |options| {
                        options.set_item(intern!(py, "retval"), value)
                    })?;
                }
                Ok(())
            }
            Outcome::Missed(late_micros) => {
                let late = python::timedelta(py)?.call1((0, 0, late_micros))?;
                let message = "Run time of job \"%s\" was missed by %s";
                let logger = env.logger(self.executor())?.logger;
                logger.call_method1("warning", (message, self.job(env)?, late))?;
                if env.wants(code::JOB_MISSED) {
                    self.execution_event(env, code::JOB_MISSED, at, |_| Ok(()))?;
                }
                Ok(())
            }
            Outcome::Raised(error) => self.report_error(env, at, &error),
        }
    }

    fn report_error(&self, env: &Env<'_>, at: UtcMicros, error: &PyErr) -> PyResult<()> {
        let py = env.py;
        let logger = env.logger(self.executor())?.logger;
        let exception = error.value(py);
        let traceback = error.traceback(py);
        if exception.is_instance(python::cancelled_error(py)?)? {
            logger.call_method1("info", ("Run of job \"%s\" was cancelled", self.job(env)?))?;
        } else {
            let options = PyDict::new(py);
            options.set_item("exc_info", exception)?;
            let message = "Job \"%s\" raised an exception";
            logger.call_method("error", (message, self.job(env)?), Some(&options))?;
        }
        if env.wants(code::JOB_ERROR) {
            let lines = python::format_tb(py)?.call1((&traceback,))?;
            let text = PyString::new(py, "").call_method1("join", (lines,))?;
            self.execution_event(env, code::JOB_ERROR, at, |options| {
                options.set_item("exception", exception)?;
                options.set_item("traceback", text)
            })?;
        }
        if let Some(traceback) = traceback {
            // As APScheduler does: the frames of a failed job would keep its variables alive.
            python::clear_frames(py)?.call1((traceback,))?;
        }
        Ok(())
    }

    fn execution_event(
        &self,
        env: &Env<'_>,
        code: u32,
        at: UtcMicros,
        fill: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
    ) -> PyResult<()> {
        let py = env.py;
        let options = PyDict::new(py);
        fill(&options)?;
        let arguments = (code, self.id(py), self.alias(py), self.datetime(env, at)?);
        let event = python::job_execution_event(py)?.call(arguments, Some(&options))?;
        env.dispatch(&event)
    }

    /// A handle on the job, for log records, which show it as text, and for Python executors.
    pub fn job<'py>(&self, env: &Env<'py>) -> PyResult<Bound<'py, Job>> {
        let seen = Seen::read(&self.store, self.firing.key).unwrap_or_else(|| self.seen.clone());
        let scheduler = Some(env.scheduler.clone().unbind());
        let alias = self.alias(env.py).map(Bound::unbind);
        let job = Job::linked(Arc::clone(&self.store), self.firing.key, seen, scheduler, alias);
        Bound::new(env.py, job)
    }

    pub fn datetime<'py>(&self, env: &Env<'py>, at: UtcMicros) -> PyResult<Bound<'py, PyAny>> {
        job::zone_of(env.py, &self.seen.record, Some(&env.scheduler))?.datetime(env.py, at)
    }
}
