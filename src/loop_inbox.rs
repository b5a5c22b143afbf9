//! `LoopInbox`: the queue through which the engine reaches an event loop.
//!
//! The timer thread and the workers push, from any thread and without Python; `drain` runs on the loop's
//! thread. A loop is woken once per batch: on the edge from *empty* to *armed*. While there is work left
//! the wake descriptor stays readable, so the loop comes back after it has run its own callbacks, and a
//! drain that ends early - at the end of its time, or with an exception - loses nothing.
//!
//! Ground rules: `queue` is locked for the length of a few moves, never while Python code runs. `bound` and
//! `tasks` are touched by attached threads only, and nothing of Python is dropped under their locks.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainspring_core::dispatch::Item;
use pyo3::exceptions::{PyAttributeError, PyNotImplementedError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::TaskLocals;

use crate::engine::Engine;
use crate::hub::Hub;
use crate::python;
use crate::record::Route;
use crate::report::{self, Env, Outcome, code};
use crate::runner::{self, Run};
#[cfg(unix)]
use crate::wake::WakeFd;
use crate::wake::WakeThread;

/// How long one drain may keep the loop from its own callbacks, a run that blocks not counted.
const BUDGET: Duration = Duration::from_millis(1);

/// How many pieces of work are taken from the queue at a time.
const CHUNK: usize = 64;

/// A piece of work for the loop's thread.
pub enum Work {
    /// Something the engine handed over.
    Item(Item),
    /// A run whose function has been called in a worker thread and returned this awaitable.
    Await(Box<Run>, Py<PyAny>),
    /// An event for the listeners.
    Event(Py<PyAny>),
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    /// Whether the loop has been woken and will drain.
    armed: bool,
    /// When the loop was woken, or last took work.
    last_sign: Option<Instant>,
}

/// The inbox of one event loop.
pub struct Inbox {
    queue: Mutex<Queue>,
    #[cfg(unix)]
    wake_fd: WakeFd,
    wake_thread: Mutex<Option<WakeThread>>,
    bound: Mutex<Option<Binding>>,
    /// Whether `bound` holds a loop, for threads that must not wait for its lock.
    has_loop: AtomicBool,
    /// The suspended runs by the address of their tasks, to which the loop's own references are weak.
    tasks: Mutex<HashMap<usize, Suspended>>,
}

/// A run that waits for its task.
struct Suspended {
    task: Py<PyAny>,
    resume: Py<Resume>,
}

/// The loop an inbox is bound to.
struct Binding {
    /// The loop and the context in which jobs run.
    locals: TaskLocals,
    /// Keyword arguments for `asyncio.Task`, where tasks can start eagerly (CPython 3.12).
    eager: Option<Py<PyDict>>,
    registered: bool,
}

impl Inbox {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            #[cfg(unix)]
            wake_fd: WakeFd::new()?,
            wake_thread: Mutex::default(),
            bound: Mutex::default(),
            has_loop: AtomicBool::new(false),
            tasks: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_bound(&self) -> MutexGuard<'_, Option<Binding>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_tasks(&self) -> MutexGuard<'_, HashMap<usize, Suspended>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work and wakes the loop if nobody has.
    pub fn push(&self, work: Vec<Work>) {
        let mut queue = self.lock();
        queue.work.extend(work);
        let edge = !std::mem::replace(&mut queue.armed, true);
        if edge {
            queue.last_sign = Some(Instant::now());
        }
        drop(queue);
        if edge {
            self.wake();
        }
    }

    fn wake(&self) {
        let thread = self.wake_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.as_ref() {
            return thread.wake();
        }
        #[cfg(unix)]
        self.wake_fd.wake();
    }

    /// Takes up to [`CHUNK`] pieces of work. With none left, disarms.
    fn take(&self, chunk: &mut VecDeque<Work>) {
        let mut queue = self.lock();
        queue.last_sign = Some(Instant::now());
        if queue.work.is_empty() {
            #[cfg(unix)]
            self.wake_fd.clear();
            queue.armed = false;
            return;
        }
        let count = queue.work.len().min(CHUNK);
        chunk.extend(queue.work.drain(..count));
    }

    /// Whether there has been work for `time` without a sign of the loop.
    pub fn silent_for(&self, time: Duration) -> bool {
        let queue = self.lock();
        queue.armed && queue.last_sign.is_some_and(|sign| sign.elapsed() > time)
    }

    /// Takes everything and disarms.
    fn take_all(&self) -> VecDeque<Work> {
        let mut queue = self.lock();
        #[cfg(unix)]
        self.wake_fd.clear();
        queue.armed = false;
        std::mem::take(&mut queue.work)
    }

    /// Puts work that was taken back in front of the rest, and sees to it that the loop comes back.
    fn put_back(&self, chunk: &mut VecDeque<Work>) {
        let mut queue = self.lock();
        while let Some(work) = chunk.pop_back() {
            queue.work.push_front(work);
        }
        drop(queue);
        // A watched descriptor is still readable; a loop without one must be told again.
        if self.wake_thread.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.wake();
        }
    }

    /// Whether there is a loop to run coroutines on.
    pub fn has_loop(&self) -> bool {
        self.has_loop.load(Ordering::SeqCst)
    }

    /// The loop; `None` while unbound.
    fn event_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.lock_bound().as_ref().map(|bound| bound.locals.event_loop(py))
    }

    /// The loop and context, for awaiting Rust futures on that loop.
    fn locals(&self) -> Option<TaskLocals> {
        self.lock_bound().as_ref().map(|bound| bound.locals.clone())
    }

    /// A context for one run: a copy of the one the loop was bound with.
    pub fn run_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let context = self.lock_bound().as_ref().map(|bound| bound.locals.context(py));
        match context {
            Some(context) => context.call_method0(intern!(py, "copy")),
            None => python::copy_context(py)?.call0(),
        }
    }
}

/// Work taken from the queue; what is not done goes back.
struct Chunk<'a> {
    inbox: &'a Inbox,
    work: VecDeque<Work>,
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        if !self.work.is_empty() {
            self.inbox.put_back(&mut self.work);
        }
    }
}

/// The inbox of one event loop, as Python sees it.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct LoopInbox {
    pub inbox: Arc<Inbox>,
    pub hub: Arc<Hub>,
}

impl LoopInbox {
    /// What a drain does; `Ok` when the queue is empty or the time is up.
    fn drain_some(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let (inbox, hub) = (&slf.get().inbox, &slf.get().hub);
        let Some(env) = Env::new(py, hub) else {
            // The scheduler is gone, and with it whoever could run this.
            drop(inbox.take_all());
            return Ok(());
        };
        let end = Instant::now() + BUDGET;
        let mut chunk = Chunk { inbox, work: VecDeque::new() };
        let tasks = TaskStarter::new(slf, &env)?;
        loop {
            inbox.take(&mut chunk.work);
            if chunk.work.is_empty() {
                env.dispatch_later();
                return env.interrupted();
            }
            while let Some(work) = chunk.work.pop_front() {
                match work {
                    Work::Item(Item::Run(firing)) if Route::unpack(firing.route).coroutine => {
                        let executor = env.executor(Route::unpack(firing.route).executor);
                        if !executor.is_ok_and(|executor| executor.native) {
                            runner::handle_item(&env, Item::Run(firing));
                        } else if let Some(run) = Run::begin(&env, firing) {
                            env.never_fails(run.submission_event(&env, code::JOB_SUBMITTED));
                            tasks.run(run)?;
                        }
                    }
                    Work::Item(item) => runner::handle_item(&env, item),
                    Work::Event(event) => env.never_fails(env.dispatch(event.bind(py))),
                    Work::Await(run, awaitable) => tasks.go_on(*run, Ok(awaitable.into_bound(py)))?,
                }
                if let Err(interrupt) = env.interrupted() {
                    env.dispatch_later();
                    return Err(interrupt);
                }
                if Instant::now() >= end {
                    env.dispatch_later();
                    // Even with nothing left here: the next drain finds the queue empty and disarms.
                    let mut rest = std::mem::take(&mut chunk.work);
                    inbox.put_back(&mut rest);
                    return Ok(());
                }
            }
        }
    }

    /// Lets the loop watch the inbox. On the loop's thread only.
    fn register(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let inbox = &slf.get().inbox;
        let Some(event_loop) = inbox.event_loop(py) else { return Ok(()) };
        let drain = slf.getattr(intern!(py, "_drain"))?;
        if !watch(inbox, &event_loop, &drain)? {
            let thread = WakeThread::start(event_loop.unbind(), drain.unbind())?;
            *inbox.wake_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        if let Some(bound) = inbox.lock_bound().as_mut() {
            bound.registered = true;
        }
        // Whatever came while nobody watched.
        inbox.lock().armed = true;
        inbox.wake();
        Ok(())
    }
}

/// Lets the loop watch the wake descriptor; `false` where it cannot.
#[cfg(unix)]
fn watch(inbox: &Inbox, event_loop: &Bound<'_, PyAny>, drain: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    match event_loop.call_method1("add_reader", (inbox.wake_fd.number(), drain)) {
        Ok(_) => Ok(true),
        Err(e) if e.is_instance_of::<PyNotImplementedError>(py) => Ok(false),
        Err(e) if e.is_instance_of::<PyAttributeError>(py) => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
fn watch(_inbox: &Inbox, _event_loop: &Bound<'_, PyAny>, _drain: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(false)
}

#[pymethods]
impl LoopInbox {
    /// A further inbox of `engine`, for another loop than that of `engine.control`.
    #[new]
    fn new(engine: &Bound<'_, Engine>) -> PyResult<Self> {
        Ok(Self { inbox: Arc::new(Inbox::new()?), hub: Arc::clone(engine.get().hub()) })
    }

    /// Binds the inbox to `event_loop`; jobs run in copies of `context`. From any thread.
    fn bind(slf: &Bound<'_, Self>, event_loop: Bound<'_, PyAny>, context: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        Self::unbind(slf)?;
        let eager = match py.version_info() >= (3, 12) {
            true => {
                let options = PyDict::new(py);
                options.set_item("loop", &event_loop)?;
                options.set_item("eager_start", true)?;
                Some(options.unbind())
            }
            false => None,
        };
        let locals = TaskLocals::new(event_loop.clone()).with_context(context);
        let inbox = &slf.get().inbox;
        *inbox.lock_bound() = Some(Binding { locals, eager, registered: false });
        inbox.has_loop.store(true, Ordering::SeqCst);
        if is_running_here(&event_loop)? {
            Self::register(slf)
        } else {
            event_loop.call_method1("call_soon_threadsafe", (slf.getattr("_register")?,)).map(drop)
        }
    }

    /// Takes the inbox off its loop. What is queued stays queued.
    fn unbind(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let inbox = &slf.get().inbox;
        inbox.has_loop.store(false, Ordering::SeqCst);
        let old = inbox.lock_bound().take();
        let thread = inbox.wake_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(thread);
        let Some(old) = old else { return Ok(()) };
        let event_loop = old.locals.event_loop(py);
        if !old.registered || event_loop.call_method0("is_closed")?.is_truthy()? {
            return Ok(());
        }
        #[cfg(unix)]
        {
            let number = inbox.wake_fd.number();
            if is_running_here(&event_loop)? || !event_loop.call_method0("is_running")?.is_truthy()? {
                event_loop.call_method1("remove_reader", (number,))?;
            } else {
                let remove = event_loop.getattr("remove_reader")?;
                let asked = event_loop.call_method1("call_soon_threadsafe", (remove, number));
                if let Err(error) = asked {
                    // The loop closed in the meantime, and with it went the reader.
                    if !error.is_instance_of::<PyRuntimeError>(py) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// The loop the inbox is bound to.
    #[getter(r#loop)]
    fn event_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.inbox.event_loop(py)
    }

    /// Cancels the runs that are suspended on the loop, but for the one that asks; returns how many.
    fn cancel_running(&self, py: Python<'_>) -> PyResult<usize> {
        let tasks: Vec<Py<PyAny>> =
            self.inbox.lock_tasks().values().map(|run| run.task.clone_ref(py)).collect();
        let Some(event_loop) = self.inbox.event_loop(py) else { return Ok(0) };
        if event_loop.call_method0("is_closed")?.is_truthy()? {
            return Ok(0);
        }
        let here = is_running_here(&event_loop)?;
        let current = if here { Some(python::current_task(py)?.call0()?) } else { None };
        for task in &tasks {
            if current.as_ref().is_some_and(|current| task.bind(py).is(current)) {
                continue;
            }
            let cancel = task.bind(py).getattr("cancel")?;
            if here {
                cancel.call0()?;
            } else {
                event_loop.call_method1("call_soon_threadsafe", (cancel,))?;
            }
        }
        Ok(tasks.len())
    }

    /// Ends the suspended runs as cancelled, where their loop is closed and cannot.
    fn abandon_running(&self, py: Python<'_>) -> PyResult<()> {
        let runs: Vec<Suspended> = self.inbox.lock_tasks().drain().map(|(_, run)| run).collect();
        let Some(env) = Env::new(py, &self.hub) else { return Ok(()) };
        for suspended in runs {
            let run = suspended.resume.get().run.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut run) = run {
                suspended.resume.get().close_coroutine(py)?;
                let error = python::cancelled_error(py)?.call1(("the event loop was closed",))?;
                run.abandon(&env, &PyErr::from_value(error));
            }
        }
        Ok(())
    }

    /// Called by the loop when there is work.
    fn _drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::drain_some(slf)
    }

    /// Handles everything that is queued, in the calling thread.
    fn _drain_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        while !slf.get().inbox.lock().work.is_empty() {
            Self::drain_some(slf)?;
        }
        Ok(())
    }

    fn _register(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::register(slf)
    }
}

fn is_coroutine(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.get_type().is(python::coroutine_type(value.py())?))
}

/// Lets the coroutine of a job's task go by the name of the job's own.
fn name_after(coroutine: &Bound<'_, PyAny>, inner: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = coroutine.py();
    for name in [intern!(py, "__name__"), intern!(py, "__qualname__")] {
        coroutine.setattr(name, inner.getattr(name)?)?;
    }
    Ok(())
}

/// Takes the exception out that was contained on its way through the task.
pub fn contained_exit<'py>(
    py: Python<'py>,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match result {
        Err(error) if error.value(py).is_instance(python::job_exit_error(py)?)? => {
            Err(PyErr::from_value(error.value(py).getattr(intern!(py, "exit"))?))
        }
        result => result,
    }
}

fn is_running_here(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    match python::get_running_loop(py)?.call0() {
        Ok(running) => Ok(running.is(event_loop)),
        Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Starts the tasks of runs on one loop.
struct TaskStarter<'a, 'py> {
    inbox: &'a Bound<'py, LoopInbox>,
    env: &'a Env<'py>,
    event_loop: Option<Bound<'py, PyAny>>,
    /// Arguments for an eagerly started `asyncio.Task`; `None` where the interpreter cannot, or the loop
    /// has a task factory of its own.
    eager: Option<Bound<'py, PyDict>>,
}

impl<'a, 'py> TaskStarter<'a, 'py> {
    fn new(inbox: &'a Bound<'py, LoopInbox>, env: &'a Env<'py>) -> PyResult<Self> {
        let py = env.py;
        let bound = inbox.get().inbox.lock_bound();
        let event_loop = bound.as_ref().map(|bound| bound.locals.event_loop(py));
        let eager = bound.as_ref().and_then(|bound| bound.eager.as_ref().map(|e| e.bind(py).clone()));
        drop(bound);
        let eager = match (&event_loop, eager) {
            (Some(event_loop), Some(eager)) => {
                let factory = event_loop.call_method0(intern!(py, "get_task_factory"))?;
                factory.is_none().then_some(eager)
            }
            _ => None,
        };
        Ok(Self { inbox, env, event_loop, eager })
    }

    /// Runs a coroutine function's firing. Fails only with the user's interrupt.
    fn run(&self, mut run: Run) -> PyResult<()> {
        match run.next_in_time(self.env) {
            Some(_) => {
                let result = run.seen.record.call(self.env.py);
                self.go_on(run, result)
            }
            None => Ok(()),
        }
    }

    /// Goes on with a run whose function has been called.
    fn go_on(&self, mut run: Run, mut result: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let py = self.env.py;
        loop {
            if let Ok(value) = &result {
                if runner::is_awaitable(value).unwrap_or(false) {
                    match self.start(value) {
                        Ok(task) if !task.call_method0(intern!(py, "done"))?.is_truthy()? => {
                            // An eagerly started task has taken its first step.
                            let waits = self.eager.is_none() && is_coroutine(value)?;
                            return self.suspend(run, &task, waits.then(|| value.clone()));
                        }
                        Ok(task) => result = self.result_of(&task),
                        Err(error) => result = Err(error),
                    }
                }
            }
            self.settle(&mut run, result)?;
            if run.next_in_time(self.env).is_none() {
                return Ok(());
            }
            result = run.seen.record.call(py);
        }
    }

    fn settle(&self, run: &mut Run, result: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let py = self.env.py;
        match result {
            Err(error) if error.value(py).is_instance(python::cancelled_error(py)?)? => {
                run.abandon(self.env, &error);
                Ok(())
            }
            Err(error) if report::is_interrupt(py, &error) => {
                run.abandon(self.env, &error);
                Err(error)
            }
            result => {
                run.settle(self.env, Outcome::of(result));
                Ok(())
            }
        }
    }

    /// A task, or another future, for an awaitable.
    fn start(&self, awaitable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        let is_coroutine = is_coroutine(awaitable)?;
        // As `asyncio.isfuture` asks, without a call of Python code for every run.
        if !is_coroutine && awaitable.get_type().hasattr(intern!(py, "_asyncio_future_blocking"))? {
            return Ok(awaitable.clone());
        }
        let coroutine = python::contained(py)?.call1((awaitable,))?;
        let context = self.inbox.get().inbox.run_context(py)?;
        if let Some(options) = &self.eager {
            // `asyncio.Task` copies what it needs, and a drain is never entered twice on one loop.
            options.set_item(intern!(py, "context"), context)?;
            let task = python::asyncio_task(py)?.call((&coroutine,), Some(options))?;
            // A task that is done is seen by nobody any more.
            if is_coroutine && !task.call_method0(intern!(py, "done"))?.is_truthy()? {
                name_after(&coroutine, awaitable)?;
            }
            return Ok(task);
        }
        if is_coroutine {
            name_after(&coroutine, awaitable)?;
        }
        let Some(event_loop) = &self.event_loop else {
            return Err(PyRuntimeError::new_err("the scheduler is not bound to an event loop"));
        };
        let create_task = event_loop.getattr(intern!(py, "create_task"))?;
        if py.version_info() >= (3, 11) {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "context"), context)?;
            create_task.call((coroutine,), Some(&options))
        } else {
            context.call_method1(intern!(py, "run"), (create_task, coroutine))
        }
    }

    /// The result of a task that is done.
    fn result_of(&self, task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        contained_exit(py, task.call_method0(intern!(py, "result")))
    }

    /// Lets a run wait for its task.
    fn suspend(
        &self,
        run: Run,
        task: &Bound<'py, PyAny>,
        coroutine: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = self.env.py;
        let inbox = self.inbox.get();
        let address = task.as_ptr() as usize;
        let resume = Resume {
            inbox: self.inbox.clone().unbind(),
            coroutine: coroutine.map(Bound::unbind),
            run: Mutex::new(Some(run)),
        };
        let resume = Bound::new(py, resume)?;
        let options = PyDict::new(py);
        if let Some(locals) = inbox.inbox.locals() {
            options.set_item(intern!(py, "context"), locals.context(py))?;
        }
        let suspended = Suspended { task: task.clone().unbind(), resume: resume.clone().unbind() };
        let old = inbox.inbox.lock_tasks().insert(address, suspended);
        drop(old);
        task.call_method(intern!(py, "add_done_callback"), (resume,), Some(&options)).map(drop)
    }
}

/// The callback of a suspended run's task.
#[pyclass(frozen)]
struct Resume {
    inbox: Py<LoopInbox>,
    /// The coroutine of the job itself. A task that is cancelled before its first step leaves it unawaited.
    coroutine: Option<Py<PyAny>>,
    run: Mutex<Option<Run>>,
}

impl Resume {
    fn close_coroutine(&self, py: Python<'_>) -> PyResult<()> {
        match &self.coroutine {
            Some(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
            None => Ok(()),
        }
    }
}

#[pymethods]
impl Resume {
    fn __call__(&self, task: Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        let inbox = self.inbox.bind(py);
        let old = inbox.get().inbox.lock_tasks().remove(&(task.as_ptr() as usize));
        drop(old);
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut run) = run else { return Ok(()) };
        self.close_coroutine(py)?;
        let Some(env) = Env::new(py, &inbox.get().hub) else {
            inbox.get().hub.finish(&run.firing);
            return Ok(());
        };
        let tasks = TaskStarter::new(inbox, &env)?;
        tasks.settle(&mut run, tasks.result_of(&task))?;
        tasks.run(run)?;
        env.interrupted()
    }
}
