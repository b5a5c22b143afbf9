//! What the runs that are handled in one go share: the scheduler, the loggers, the listeners' mask, and what has gone
//! wrong in telling of them.
//!
//! Nothing is built that nobody wants: events outside the listeners' mask and log records of a disabled
//! level cost one comparison.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mainspring_core::engine::Runner;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::dispatch::hub::{Executor, Hub};
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::py::host::{self, Scheduler, cpython};
use crate::py::imports;
use crate::py::listeners::tell_listeners;
use crate::py::once::intern;
use crate::py::tell::{self, Arguments, Caller};
use crate::run::batch::Batch;
use crate::run::report::INFO;
use crate::run::submitting;
use crate::time::datetime::Std;

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
    /// The listeners, where they are called from here and not by a method of the scheduler.
    listeners: OnceCell<Option<Bound<'py, PyList>>>,
    /// Whether events are sent to the control loop instead of being handed to listeners here.
    defers_events: bool,
    /// Whether this is in the midst of a run, in whose context the thread is already.
    in_run: bool,
    /// Whether the runs are cancelled because their loop has come to its end.
    pub after_its_loop: bool,
    submit_is_replaced: OnceCell<bool>,
    scheduler_logger: OnceCell<Logger<'py>>,
    executors: RefCell<Vec<(u32, Rc<ExecutorHere<'py>>)>>,
    pub batch: Batch,
    interrupt: Cell<Option<PyErr>>,
    later: RefCell<Vec<Later<'py>>>,
}

/// An executor as the runs of one go see it.
pub struct ExecutorHere<'py> {
    /// How it runs what it is given.
    pub runner: Runner,
    pub logger: Logger<'py>,
}

/// An event, and the context in which to tell of it.
pub type Later<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// A logger, whether it has records of level INFO, and whether they may be made here.
pub struct Logger<'py> {
    pub logger: Bound<'py, PyAny>,
    pub info: bool,
    is_plain: bool,
}

impl<'py> Logger<'py> {
    fn new(env: &Env<'py>, logger: Bound<'py, PyAny>) -> PyResult<Self> {
        let info = env.despite_interrupt(|| {
            logger.call_method1(intern!(logger.py(), "isEnabledFor"), (INFO,))?.is_truthy()
        })?;
        let is_plain = info && host::is_plain_logger(logger.py())?.call1((&logger,))?.is_truthy()?;
        Ok(Self { logger, info, is_plain })
    }

    /// Logs, in `context` where one is given.
    pub fn log(
        &self,
        caller: Caller,
        context: Option<&Bound<'py, PyAny>>,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        if self.is_plain && level == "info" && exc_info.is_none() {
            // As of now: what was told of the record before may have changed it.
            if cpython::kept_answer(&self.logger, INFO)? == Some(true) {
                return caller.log_plainly(context, &self.logger, INFO, arguments);
            }
        }
        caller.log(context, &self.logger, level, arguments, exc_info)
    }
}

impl<'py> Env<'py> {
    /// What runs share in a thread where listeners may be called; `None` when the scheduler is gone.
    pub fn new(py: Python<'py>, hub: &Arc<Hub>) -> Option<Self> {
        Some(Self {
            py,
            hub: Arc::clone(hub),
            scheduler: hub.scheduler(py)?,
            inbox: Arc::clone(&hub.control),
            copy_context: OnceCell::new(),
            mask: hub.mask(),
            listeners: OnceCell::new(),
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

    /// What runs on the loop of `inbox` share; `None` when the scheduler is gone. Elsewhere than on the control loop a
    /// scheduler may not want its listeners called.
    pub fn at_loop(py: Python<'py>, hub: &Arc<Hub>, inbox: &Arc<Inbox>) -> Option<Self> {
        if Arc::ptr_eq(inbox, &hub.control) {
            return Self::new(py, hub);
        }
        let mut env = Self::in_worker(py, hub)?;
        env.inbox = Arc::clone(inbox);
        Some(env)
    }

    /// What runs in a worker thread share, where a scheduler may not want its listeners called; `None` when the
    /// scheduler is gone.
    pub fn in_worker(py: Python<'py>, hub: &Arc<Hub>) -> Option<Self> {
        let defers_events = hub.events_on_loop.load(Ordering::Relaxed);
        let mut env = Self::new(py, hub)?;
        env.defers_events = defers_events;
        Some(env)
    }

    /// Makes it serve runs that are cancelled because their loop has come to its end.
    pub fn after_its_loop(mut self) -> Self {
        self.after_its_loop = true;
        self
    }

    /// Makes it serve one run whose context the thread has entered.
    pub fn in_run(mut self) -> Self {
        self.in_run = true;
        self
    }

    /// Makes it serve many runs, one after the other.
    pub fn for_many(mut self) -> Self {
        self.batch = Batch::of_many();
        self
    }

    /// A context for one run: a copy of the job's own, where it has one, or of that which the loop was bound with.
    /// A job's own context is made to follow the scheduler's clock too, where that is not the system's.
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
            logger.log(caller, None, "info", arguments()?, None)?;
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
        let known = self.hub.executor(number);
        let logger = match &known {
            Some(executor) => executor.logger.bind(self.py).clone(),
            None => host::get_logger(self.py)?.call1(("executors",))?,
        };
        let runner = match Executor::runner(known.as_ref()) {
            // By the clock that a test may have put there: runs in Python go by it.
            Runner::Caller if !host::EXECUTORS.datetime(self.py)?.is(&Std::get(self.py)?.datetime) => {
                Runner::Own
            }
            runner => runner,
        };
        let executor = Rc::new(ExecutorHere { runner, logger: Logger::new(self, logger)? });
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
        let copy = || context.map(tell::copy_of).transpose();
        if self.defers_events && self.hub.control.has_loop() {
            // As it is now: the run goes on meanwhile.
            let context = copy()?.map(Bound::unbind);
            self.hub.control.push(vec![Work::Event(event.clone().unbind(), context)]);
            return Ok(());
        }
        let told = match self.listeners()? {
            Some(listeners) => {
                // In a copy, as in `tell_in`.
                let failed = || self.scheduler.note_failed_listener();
                tell_listeners(listeners, event, copy()?.as_ref(), failed)
            }
            None => {
                let dispatch = self.scheduler.dispatch_event()?;
                tell::tell_in(context, &dispatch, &PyTuple::new(self.py, [event])?, None)
            }
        };
        self.batch.forget_clock();
        told
    }

    /// The listeners, where they may be called from here. Asked once for the runs of one go, for it is a question about
    /// the methods of a class.
    fn listeners(&self) -> PyResult<Option<&Bound<'py, PyList>>> {
        if let Some(known) = self.listeners.get() {
            return Ok(known.as_ref());
        }
        let is_direct = self.scheduler.telling()?.is_direct_here(self.py)?;
        let listeners = is_direct.then(|| self.scheduler.listeners()).transpose()?;
        Ok(self.listeners.get_or_init(|| listeners).as_ref())
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
