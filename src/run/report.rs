//! Telling of a run: events to the scheduler's listeners and log records, in the words of APScheduler 3.x.
//!
//! Nothing is built that nobody wants: events outside the listeners' mask and log records of a disabled
//! level cost one comparison.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mainspring_core::UtcMicros;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::dispatch::hub::Hub;
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::run::{Outcome, Run};
use crate::job::handle::Job;
use crate::job::record::Route;
use crate::job::seen::{self, Seen};
use crate::py::error::raised;
use crate::py::host::{self, Scheduler};
use crate::py::imports;
use crate::py::once::intern;
use crate::py::tell::{self, Arguments, Caller};
use crate::run::batch::Batch;
use crate::run::submitting;

/// APScheduler's event codes, as far as runs produce them.
pub mod code {
    pub const JOB_ADDED: u32 = 1 << 9;
    pub const JOB_REMOVED: u32 = 1 << 10;
    pub const JOB_MODIFIED: u32 = 1 << 11;
    pub const JOB_EXECUTED: u32 = 1 << 12;
    pub const JOB_ERROR: u32 = 1 << 13;
    pub const JOB_MISSED: u32 = 1 << 14;
    pub const JOB_SUBMITTED: u32 = 1 << 15;
    pub const JOB_MAX_INSTANCES: u32 = 1 << 16;
}

/// `logging.INFO`.
pub const INFO: u8 = 20;

/// What the runs handled in one go share: the scheduler, the listeners' mask, which loggers are enabled, and
/// their [`Batch`].
pub struct Env<'py> {
    pub py: Python<'py>,
    pub hub: Arc<Hub>,
    pub scheduler: Scheduler<'py>,
    /// Whose context jobs run in copies of that have none of their own.
    inbox: Arc<Inbox>,
    /// Makes those copies.
    copy_context: OnceCell<Bound<'py, PyAny>>,
    mask: u32,
    /// Whether events are sent to the control loop instead of being handed to listeners here.
    defers_events: bool,
    /// Whether this is in the midst of a run, in whose context the thread is already.
    in_run: bool,
    /// Whether the runs are cancelled because their loop has come to its end.
    after_its_loop: bool,
    submit_is_replaced: OnceCell<bool>,
    scheduler_logger: OnceCell<Logger<'py>>,
    executors: RefCell<Vec<(u32, Rc<ExecutorHere<'py>>)>>,
    pub batch: Batch,
    interrupt: Cell<Option<PyErr>>,
    later: RefCell<Vec<Later<'py>>>,
}

/// An executor as the runs of one go see it.
pub struct ExecutorHere<'py> {
    /// Whether the engine runs its jobs without asking Python.
    pub native: bool,
    logger: Logger<'py>,
}

/// An event, and the context in which to tell of it.
type Later<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

struct Logger<'py> {
    logger: Bound<'py, PyAny>,
    info: bool,
}

impl<'py> Logger<'py> {
    fn new(env: &Env<'py>, logger: Bound<'py, PyAny>) -> PyResult<Self> {
        let info = env.despite_interrupt(|| {
            logger.call_method1(intern!(logger.py(), "isEnabledFor"), (INFO,))?.is_truthy()
        })?;
        Ok(Self { logger, info })
    }
}

impl<'py> Env<'py> {
    /// `None` when the scheduler is gone.
    pub fn new(py: Python<'py>, hub: &Arc<Hub>) -> Option<Self> {
        Some(Self {
            py,
            hub: Arc::clone(hub),
            scheduler: hub.scheduler(py)?,
            inbox: Arc::clone(&hub.control),
            copy_context: OnceCell::new(),
            mask: hub.mask(),
            defers_events: false,
            in_run: false,
            after_its_loop: false,
            submit_is_replaced: OnceCell::new(),
            scheduler_logger: OnceCell::new(),
            executors: RefCell::default(),
            batch: Batch::default(),
            interrupt: Cell::new(None),
            later: RefCell::default(),
        })
    }

    /// The same on the loop of `inbox`; elsewhere than on the control loop a scheduler may not want its
    /// listeners called.
    pub fn at_loop(py: Python<'py>, hub: &Arc<Hub>, inbox: &Arc<Inbox>) -> Option<Self> {
        if Arc::ptr_eq(inbox, &hub.control) {
            return Self::new(py, hub);
        }
        let mut env = Self::in_worker(py, hub)?;
        env.inbox = Arc::clone(inbox);
        Some(env)
    }

    /// The same in a worker thread, where a scheduler may not want its listeners called either.
    pub fn in_worker(py: Python<'py>, hub: &Arc<Hub>) -> Option<Self> {
        let defers_events = hub.events_on_loop.load(Ordering::Relaxed);
        let mut env = Self::new(py, hub)?;
        env.defers_events = defers_events;
        Some(env)
    }

    /// The same for runs that are cancelled because their loop has come to its end.
    pub fn after_its_loop(mut self) -> Self {
        self.after_its_loop = true;
        self
    }

    /// The same for one run whose context the thread has entered.
    pub fn in_run(mut self) -> Self {
        self.in_run = true;
        self
    }

    /// The same for many runs, one after the other.
    pub fn for_many(mut self) -> Self {
        self.batch = Batch::of_many();
        self
    }

    /// A context for one run: a copy of the job's own, where it has one, or of that which the loop was bound with.
    /// Its own context follows another clock than the system's, too.
    pub fn run_context(&self, own: Option<&Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        if self.in_run {
            return imports::copy_context(self.py)?.call0();
        }
        let Some(own) = own else { return self.copy_context()?.call0() };
        let context = own.bind(self.py).call_method0(intern!(self.py, "copy"))?;
        if !self.hub.driver.is_the_systems() {
            self.scheduler.follow_clock(&context)?;
        }
        Ok(context)
    }

    fn copy_context(&self) -> PyResult<&Bound<'py, PyAny>> {
        if let Some(copy) = self.copy_context.get() {
            return Ok(copy);
        }
        let copy = match self.inbox.context(self.py) {
            Some(context) => context.getattr(intern!(self.py, "copy"))?,
            None => imports::copy_context(self.py)?.clone(),
        };
        Ok(self.copy_context.get_or_init(|| copy))
    }

    /// Whether what is submitted to a thread pool has something put around it.
    pub fn submit_is_replaced(&self) -> bool {
        *self.submit_is_replaced.get_or_init(|| {
            submitting::submit_is_replaced(self.py).unwrap_or_else(|error| {
                self.never_fails(Err(error));
                false
            })
        })
    }

    pub fn wants(&self, code: u32) -> bool {
        self.mask & code != 0
    }

    /// Logs with the scheduler's own logger; `arguments` are only made for a level that is logged.
    pub fn log_info<A>(&self, caller: Caller, arguments: impl FnOnce() -> PyResult<A>) -> PyResult<()>
    where
        A: Arguments<'py>,
    {
        let logger = self.scheduler_logger()?;
        if logger.info {
            caller.log(None, &logger.logger, "info", arguments()?, None)?;
            self.batch.forget_clock();
        }
        Ok(())
    }

    /// The scheduler's own logger, for records of warnings and errors.
    pub fn logger(&self) -> PyResult<&Bound<'py, PyAny>> {
        self.scheduler_logger().map(|logger| &logger.logger)
    }

    fn scheduler_logger(&self) -> PyResult<&Logger<'py>> {
        if let Some(logger) = self.scheduler_logger.get() {
            return Ok(logger);
        }
        let logger = Logger::new(self, self.scheduler.logger()?)?;
        Ok(self.scheduler_logger.get_or_init(|| logger))
    }

    /// The executor with this number.
    pub fn executor(&self, number: u32) -> PyResult<Rc<ExecutorHere<'py>>> {
        if let Some((_, executor)) = self.executors.borrow().iter().find(|(known, _)| *known == number) {
            return Ok(Rc::clone(executor));
        }
        let (native, logger) = match self.hub.executor(number) {
            Some(executor) => (executor.pool.is_some(), executor.logger.bind(self.py).clone()),
            None => (false, host::get_logger(self.py)?.call1(("executors",))?),
        };
        let executor = Rc::new(ExecutorHere { native, logger: Logger::new(self, logger)? });
        self.executors.borrow_mut().push((number, Rc::clone(&executor)));
        Ok(executor)
    }

    /// Hands an event to the scheduler, which tells its listeners, in `context` where one is given. What a
    /// listener raises the scheduler logs.
    pub fn dispatch(&self, event: &Bound<'py, PyAny>, context: Option<&Bound<'py, PyAny>>) -> PyResult<()> {
        if !self.hub.origin.is_here() {
            // The parent tells of its runs, a forked child does not.
            return Ok(());
        }
        if self.defers_events && self.hub.control.has_loop() {
            // As it is now: the run goes on meanwhile.
            let copy = |context: &Bound<'py, PyAny>| context.call_method0(intern!(self.py, "copy"));
            let context = context.map(copy).transpose()?.map(Bound::unbind);
            self.hub.control.push(vec![Work::Event(event.clone().unbind(), context)]);
            return Ok(());
        }
        let dispatch = self.scheduler.dispatch_event()?;
        let told = tell::tell_in(context, &dispatch, &PyTuple::new(self.py, [event])?, None);
        self.batch.forget_clock();
        told
    }

    /// Takes note of what went wrong in telling of a run: a listener's or a log handler's fault never stops
    /// the rest. A Ctrl-C that arrives meanwhile is kept for [`Env::interrupted`].
    pub fn never_fails(&self, result: PyResult<()>) {
        match result {
            Err(error) if is_interrupt(self.py, &error) => self.interrupt.set(Some(error)),
            Err(error) => error.write_unraisable(self.py, Some(self.scheduler.as_any())),
            Ok(()) => {}
        }
    }

    /// Calls again what a Ctrl-C has cut short, which is kept for [`Env::interrupted`]. The first Python code that
    /// a drain calls is where uvloop's interrupts arrive.
    pub fn despite_interrupt<T>(&self, call: impl Fn() -> PyResult<T>) -> PyResult<T> {
        match call() {
            Err(error) if is_interrupt(self.py, &error) => {
                self.interrupt.set(Some(error));
                call()
            }
            result => result,
        }
    }

    /// Keeps an event for [`Env::dispatch_later`].
    pub fn later(&self, event: Bound<'py, PyAny>, context: Option<Bound<'py, PyAny>>) {
        self.later.borrow_mut().push((event, context));
    }

    /// Hands over the events that were kept.
    pub fn dispatch_later(&self) {
        for (event, context) in self.later.take() {
            self.never_fails(self.dispatch(&event, context.as_ref()));
        }
    }

    /// Fails with the Ctrl-C that arrived, which must reach the user's program.
    pub fn interrupted(&self) -> PyResult<()> {
        self.interrupt.take().map_or(Ok(()), Err)
    }
}

impl Drop for Env<'_> {
    fn drop(&mut self) {
        self.batch.settle(&self.hub);
    }
}

/// Whether `error` is `SystemExit` or Ctrl-C.
pub fn is_exit(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

/// Whether `error` is to end the program and not only a run: Ctrl-C, or what a signal handler raised.
pub fn is_interrupt(py: Python<'_>, error: &PyErr) -> bool {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return true;
    }
    error.is_instance_of::<PySystemExit>(py)
        && host::is_exit_of_program(py)
            .and_then(|is_exit| is_exit.call1((error.value(py), error.traceback(py))))
            .and_then(|answer| answer.is_truthy())
            .unwrap_or(false)
}

impl Run {
    /// The context of the current run time: that in which the function is called and the end of it told. It is
    /// made when it is first asked for.
    pub fn context<'py>(&mut self, env: &Env<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(context) = &self.context {
            return Ok(context.bind(env.py).clone());
        }
        let context = env.run_context(self.seen.record.context.as_ref())?;
        self.context = Some(context.clone().unbind());
        Ok(context)
    }

    /// A copy of the job's own context, where it has one: for what is told of it beside its runs.
    pub fn own_context<'py>(&self, env: &Env<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.seen.record.context.as_ref().map(|own| env.run_context(Some(own))).transpose()
    }

    /// EVENT_JOB_SUBMITTED, if it is wanted.
    pub fn tell_submitted(&mut self, env: &Env<'_>) -> PyResult<()> {
        if !env.wants(code::JOB_SUBMITTED) {
            return Ok(());
        }
        let context = self.context(env)?;
        self.submission_event(env, code::JOB_SUBMITTED, Some(&context))
    }

    /// EVENT_JOB_SUBMITTED and the like: an event about the whole submission.
    pub fn submission_event<'py>(
        &self,
        env: &Env<'py>,
        code: u32,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        if !env.wants(code) {
            return Ok(());
        }
        let py = env.py;
        let run_times = PyList::empty(py);
        for &at in self.run_times() {
            run_times.append(self.datetime(env, at)?)?;
        }
        let event = host::job_submission_event(py)?.call1((code, self.id(py), self.alias(py), run_times))?;
        env.dispatch(&event, context)
    }

    /// Logs with the executor's logger, in the run's context.
    fn log<'py>(
        &mut self,
        env: &Env<'py>,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let context = self.context(env)?;
        let logger = &env.executor(self.executor())?.logger.logger;
        let caller = match Route::unpack(self.firing.route).coroutine {
            true => Caller::RunCoroutineJob,
            false => Caller::RunJob,
        };
        caller.log(Some(&context), logger, level, arguments, exc_info)
    }

    /// 'Running job ...'.
    pub fn log_start(&mut self, env: &Env<'_>, at: UtcMicros) -> PyResult<()> {
        if !env.executor(self.executor())?.logger.info {
            return Ok(());
        }
        let message = intern!(env.py, "Running job \"%s\" (scheduled at %s)");
        let arguments = (message, self.job(env)?, self.datetime(env, at)?);
        self.log(env, "info", arguments, None)
    }

    /// Log record and event of a run that has ended.
    pub fn report<'py>(&mut self, env: &Env<'py>, at: UtcMicros, outcome: Outcome<'py>) -> PyResult<()> {
        let py = env.py;
        match outcome {
            Outcome::Returned(value) => {
                if env.executor(self.executor())?.logger.info {
                    let message = intern!(py, "Job \"%s\" executed successfully");
                    self.log(env, "info", (message, self.job(env)?), None)?;
                }
                if env.wants(code::JOB_EXECUTED) {
                    self.execution_event(env, code::JOB_EXECUTED, at, |options| {
                        options.set_item(intern!(py, "retval"), value)
                    })?;
                }
                Ok(())
            }
            Outcome::Missed(late_micros) => {
                let late = imports::timedelta(py)?.call1((0, 0, late_micros))?;
                let message = "Run time of job \"%s\" was missed by %s";
                self.log(env, "warning", (message, self.job(env)?, late), None)?;
                if env.wants(code::JOB_MISSED) {
                    self.execution_event(env, code::JOB_MISSED, at, |_| Ok(()))?;
                }
                Ok(())
            }
            Outcome::Raised(error) => self.report_error(env, at, &error),
        }
    }

    fn report_error(&mut self, env: &Env<'_>, at: UtcMicros, error: &PyErr) -> PyResult<()> {
        let py = env.py;
        let exception = raised(py, error);
        let traceback = error.traceback(py);
        if exception.is_instance(imports::cancelled_error(py)?)? {
            // What ends with its loop is no news to whoever ends that.
            let ends = env.after_its_loop || host::loop_is_ending(py)?.call0()?.is_truthy()?;
            let level = if ends { "debug" } else { "info" };
            let reason = exception.str()?;
            if reason.is_empty()? {
                self.log(env, level, ("Run of job \"%s\" was cancelled", self.job(env)?), None)?;
            } else {
                let arguments = ("Run of job \"%s\" was cancelled: %s", self.job(env)?, reason);
                self.log(env, level, arguments, None)?;
            }
        } else if is_interrupt(py, error) {
            // The interpreter shows the interrupt itself, where it ends.
            self.log(env, "info", ("Run of job \"%s\" was interrupted", self.job(env)?), None)?;
        } else {
            if error.is_instance_of::<PyRuntimeError>(py) {
                host::explain(py)?.call1((&exception, &traceback))?;
            }
            let arguments = ("Job \"%s\" raised an exception", self.job(env)?);
            self.log(env, "error", arguments, Some(exception.as_any()))?;
        }
        if env.wants(code::JOB_ERROR) {
            let lines = imports::format_tb(py)?.call1((&traceback,))?;
            let text = PyString::new(py, "").call_method1("join", (lines,))?;
            self.execution_event(env, code::JOB_ERROR, at, |options| {
                options.set_item("exception", &exception)?;
                options.set_item("traceback", text)
            })?;
        }
        if let Some(traceback) = traceback {
            // As APScheduler does: the frames of a failed job would keep its variables alive.
            imports::clear_frames(py)?.call1((traceback,))?;
        }
        Ok(())
    }

    fn execution_event(
        &mut self,
        env: &Env<'_>,
        code: u32,
        at: UtcMicros,
        fill: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
    ) -> PyResult<()> {
        let py = env.py;
        let options = PyDict::new(py);
        fill(&options)?;
        let arguments = (code, self.id(py), self.alias(py), self.datetime(env, at)?);
        let event = host::job_execution_event(py)?.call(arguments, Some(&options))?;
        env.dispatch(&event, Some(&self.context(env)?))
    }

    /// A handle on the job, for log records, which show it as text, and for Python executors.
    pub fn job<'py>(&self, env: &Env<'py>) -> PyResult<Bound<'py, Job>> {
        let seen = Seen::read(&self.store.store, self.firing.key).unwrap_or_else(|| self.seen.clone());
        let scheduler = Some(env.scheduler.as_any().clone().unbind());
        let alias = Some(self.alias(env.py).unbind());
        let job = Job::linked(Arc::clone(&self.store.store), self.firing.key, seen, scheduler, alias);
        Bound::new(env.py, job)
    }

    pub fn datetime<'py>(&self, env: &Env<'py>, at: UtcMicros) -> PyResult<Bound<'py, PyAny>> {
        seen::zone_of(env.py, &self.seen.record, Some(env.scheduler.as_any()))?.datetime(env.py, at)
    }
}
