//! The tasks of runs: starting one on a loop, eagerly where that is possible, and going on when it is done.
//!
//! Ground rules: everything here runs attached to Python, in the thread that drains the inbox: the loop's, or that which
//! calls `_drain_all`. [`end_task`] runs in any, since its loop is closed. The inbox's `bound` and `tasks`, and a suspended
//! run's `run`, `raised` and `interrupt`, are locked for single moves; no Python code runs meanwhile, and what comes out is
//! dropped afterwards. A suspended run belongs to whatever takes it out of `run`, which is to end it: the callback of its
//! task, the last step of that, or the end of the loop.

use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::engine::Runner;
use mainspring_core::job::Ended;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::dispatch::loop_queue::Suspended;
use crate::dispatch::run::{Outcome, Run};
use crate::event_loop::coroutine::JobCoroutine;
use crate::event_loop::inbox::LoopInbox;
use crate::job::record::Route;
use crate::process::exit::Inside;
use crate::py::host::{self, cpython};
use crate::py::imports;
use crate::py::once::intern;
use crate::run::awaitables;
use crate::run::current::InThisThread;
use crate::run::env::{self, Env};
use crate::run::report::{INFO, code};

/// Starts the tasks of runs on one loop.
pub struct TaskStarter<'a, 'py> {
    inbox: &'a Bound<'py, LoopInbox>,
    env: &'a Env<'py>,
    event_loop: Option<Bound<'py, PyAny>>,
    /// Arguments for an eagerly started `asyncio.Task`; `None` where the interpreter cannot, or the loop
    /// has a task factory of its own.
    eager: Option<Bound<'py, PyDict>>,
    /// Whether `create_task` takes a context (CPython 3.11). A task factory may not: asyncio itself only
    /// hands it one that the caller of `create_task` gave, which few do.
    takes_context: bool,
}

impl<'a, 'py> TaskStarter<'a, 'py> {
    pub fn new(inbox: &'a Bound<'py, LoopInbox>, env: &'a Env<'py>) -> PyResult<Self> {
        let py = env.py;
        let bound = inbox.get().inbox.lock_bound();
        let event_loop = bound.as_ref().map(|bound| bound.locals.event_loop(py));
        let eager = bound.as_ref().and_then(|bound| bound.eager.as_ref().map(|e| e.bind(py).clone()));
        drop(bound);
        let has_factory = match &event_loop {
            Some(event_loop) => {
                !env.despite_interrupt(|| event_loop.call_method0(intern!(py, "get_task_factory")))?.is_none()
            }
            None => false,
        };
        let eager = eager.filter(|_| !has_factory);
        let takes_context = !has_factory && py.version_info() >= (3, 11);
        Ok(Self { inbox, env, event_loop, eager, takes_context })
    }

    /// Makes a run, from its next run time on. Fails only with the user's interrupt.
    pub fn run(&self, mut run: Run) -> PyResult<()> {
        if !run.next(self.env) {
            return Ok(());
        }
        let result = self.call(&mut run);
        self.go_on(run, result)
    }

    /// Goes on with a run whose function has been called.
    pub fn go_on(&self, mut run: Run, mut result: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let py = self.env.py;
        loop {
            if let Ok(value) = &result {
                let is_coroutine = is_coroutine(value).unwrap_or(false);
                if is_coroutine
                    || self.env.despite_interrupt(|| awaitables::is_awaitable(value)).unwrap_or(false)
                {
                    let started = self.start(value, is_coroutine, &mut run);
                    match started.and_then(|started| Ok((started.has_ended(py)?, started))) {
                        Ok((true, started)) => {
                            let adopted =
                                self.adopt_context(&mut run, &started.task, started.coroutine.as_ref());
                            result = adopted.and_then(|()| self.result_of(&started));
                        }
                        Ok((false, started)) => match self.suspend(run, &started, value) {
                            None => return Ok(()),
                            Some((given_back, error)) => {
                                awaitables::leave(self.env, value);
                                run = given_back;
                                result = Err(error);
                            }
                        },
                        Err(error) => {
                            awaitables::leave(self.env, value);
                            result = Err(error);
                        }
                    }
                }
            }
            self.settle(&mut run, result)?;
            if !run.next(self.env) {
                return Ok(());
            }
            result = self.call(&mut run);
        }
    }

    /// Calls the function of a run. That of a coroutine only makes it.
    fn call(&self, run: &mut Run) -> PyResult<Bound<'py, PyAny>> {
        let route = Route::unpack(run.firing.route);
        match !route.coroutine && self.env.executor(route.executor)?.runner == Runner::Caller {
            true => self.call_here(run),
            false => run.seen.record.call(self.env.py),
        }
    }

    /// Calls a sync function in the loop's thread, where the program may see another loop or none.
    fn call_here(&self, run: &mut Run) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        let here = InThisThread::enter(py, &self.env.hub, &run.seen.id);
        let context = run.context(self.env)?;
        let hidden = self.env.scheduler.calling_out()?;
        hidden.call_method0(intern!(py, "__enter__"))?;
        let result = run.seen.record.call_in(&context);
        let shown = hidden.call_method1(intern!(py, "__exit__"), (py.None(), py.None(), py.None()));
        self.env.never_fails(shown.map(drop));
        here.tell_unawaited();
        result
    }

    fn settle(&self, run: &mut Run, result: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let outcome = Outcome::of(result);
        match outcome {
            Outcome::Raised(error) if !self.env.hub.origin.is_here() && env::is_exit(self.env.py, &error) => {
                // The job has forked, and this is the child, which it wants to end.
                return Err(error);
            }
            _ => {}
        }
        match (run.settle(self.env, &outcome), outcome) {
            (Ended::Interrupted, Outcome::Raised(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// A task, or another future, for an awaitable.
    fn start(
        &self,
        awaitable: &Bound<'py, PyAny>,
        is_coroutine: bool,
        run: &mut Run,
    ) -> PyResult<Started<'py>> {
        let py = self.env.py;
        if !is_coroutine && cpython::is_class_of_futures(&awaitable.get_type())? {
            let only = |task| Started { task, coroutine: None, is_direct: false };
            let loop_of = awaitable.call_method0(intern!(py, "get_loop"))?;
            return match &self.event_loop {
                Some(event_loop) if !loop_of.is(event_loop) => {
                    host::bridged(py)?.call1((awaitable,)).map(only)
                }
                _ => Ok(only(awaitable.clone())),
            };
        }
        let awaited = match is_coroutine {
            true => awaitable.clone(),
            false => host::awaited(py)?.call1((awaitable,))?,
        };
        let coroutine = Bound::new(py, JobCoroutine::new(&awaited, self.eager.is_some()))?;
        let task = match self.start_task(coroutine.as_any(), run) {
            Ok(task) => task,
            Err(error) => {
                // A task factory may raise; the run is reported with that, and nothing is left unawaited.
                awaitables::leave(self.env, &awaited);
                return Err(error);
            }
        };
        // A task factory, or a loop of another kind, may have wrapped it. A task that an eager factory has
        // brought to its end has no coroutine any more, and CPython 3.12.1 crashes when it is asked for it.
        let is_direct = self.eager.is_some()
            || !task.call_method0(intern!(py, "done"))?.is_truthy()?
                && task
                    .getattr_opt(intern!(py, "get_coro"))?
                    .map_or(Ok(false), |get_coro| Ok::<_, PyErr>(get_coro.call0()?.is(&coroutine)))?;
        Ok(Started { task, coroutine: Some(coroutine), is_direct })
    }

    /// A task for `coroutine`.
    fn start_task(&self, coroutine: &Bound<'py, PyAny>, run: &mut Run) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        let context = run.context(self.env)?;
        if let Some(options) = &self.eager {
            // `asyncio.Task` copies what it needs, and a drain is never entered twice on one loop.
            options.set_item(intern!(py, "context"), context)?;
            return imports::asyncio_task(py)?.call((coroutine,), Some(options));
        }
        let Some(event_loop) = &self.event_loop else {
            return Err(PyRuntimeError::new_err("the scheduler is not bound to an event loop"));
        };
        let create_task = event_loop.getattr(intern!(py, "create_task"))?;
        if self.takes_context {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "context"), context)?;
            create_task.call((coroutine,), Some(&options))
        } else {
            context.call_method1(intern!(py, "run"), (create_task, coroutine))
        }
    }

    /// Has the end of a run told in the context of its task, where that could not be given the run's.
    fn adopt_context(
        &self,
        run: &mut Run,
        task: &Bound<'py, PyAny>,
        coroutine: Option<&Bound<'py, JobCoroutine>>,
    ) -> PyResult<()> {
        let py = self.env.py;
        if let Some(context) = coroutine.and_then(|coroutine| coroutine.get().end_context(py)) {
            // Where the job has ended, which a wrapper around it has left since.
            run.context = Some(context);
        } else if !self.takes_context {
            // CPython 3.12.
            if let Some(get_context) = task.getattr_opt(intern!(py, "get_context"))? {
                run.context = Some(get_context.call0()?.unbind());
            }
        }
        Ok(())
    }

    /// The result of what has ended.
    fn result_of(&self, started: &Started<'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        let Started { task, coroutine, is_direct } = started;
        let Some(coroutine) = coroutine.as_ref().map(Bound::get) else { return result_of_task(task, None) };
        if *is_direct && coroutine.returned_none() {
            // As nearly all jobs do. Unless the task was cancelled in its last step, that is its result, too.
            if cpython::is_finished(task)? {
                return Ok(py.None().into_bound(py));
            }
        }
        result_of_task(task, coroutine.take_raised())
    }

    /// Lets a run wait for its task; gives it back with the error where that cannot be waited for, as a future of
    /// another kind may refuse.
    fn suspend(
        &self,
        run: Run,
        started: &Started<'py>,
        awaitable: &Bound<'py, PyAny>,
    ) -> Option<(Run, PyErr)> {
        let run = Arc::new(Mutex::new(Some(run)));
        let error = self.wait_for(&run, started, awaitable).err()?;
        let old = self.inbox.get().inbox.lock_tasks().remove(&(started.task.as_ptr() as usize));
        drop(old);
        let run = run.lock().unwrap_or_else(PoisonError::into_inner).take();
        run.map(|run| (run, error))
    }

    fn wait_for(
        &self,
        run: &Arc<Mutex<Option<Run>>>,
        started: &Started<'py>,
        awaitable: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = self.env.py;
        let inbox = self.inbox.get();
        let Started { task, coroutine, is_direct } = started;
        let address = task.as_ptr() as usize;
        let task_is_ours = !task.is(awaitable);
        let resume = Resume {
            inbox: self.inbox.clone().unbind(),
            address,
            task_is_ours,
            coroutine: coroutine.as_ref().filter(|_| !is_direct).map(|coroutine| coroutine.clone().unbind()),
            raised: Mutex::default(),
            interrupt: Mutex::default(),
            run: Arc::clone(run),
        };
        let resume = Bound::new(py, resume)?;
        let suspended = Suspended { task: task.clone().unbind(), task_is_ours, run: Arc::clone(run) };
        let old = inbox.inbox.lock_tasks().insert(address, suspended);
        drop(old);
        if let Some(coroutine) = coroutine.as_ref().filter(|_| *is_direct) {
            // The callback of the task is one turn of the loop later, and dearer.
            coroutine.get().wait(resume.unbind());
            return Ok(());
        }
        let options = PyDict::new(py);
        if let Some(context) = inbox.inbox.context(py) {
            options.set_item(intern!(py, "context"), context)?;
        }
        task.call_method(intern!(py, "add_done_callback"), (resume,), Some(&options)).map(drop)
    }
}

/// A task, or another future, that has been started.
struct Started<'py> {
    task: Bound<'py, PyAny>,
    /// What it steps through; `None`: the job's function has returned a future.
    coroutine: Option<Bound<'py, JobCoroutine>>,
    /// Whether there is nothing around that.
    is_direct: bool,
}

impl Started<'_> {
    fn has_ended(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.coroutine {
            Some(coroutine) if self.is_direct => Ok(coroutine.get().has_ended()),
            _ => self.task.call_method0(intern!(py, "done"))?.is_truthy(),
        }
    }
}

/// The callback of a suspended run's task.
#[pyclass(frozen)]
pub struct Resume {
    inbox: Py<LoopInbox>,
    /// The address of the task, by which the inbox knows it.
    address: usize,
    /// Whether the task was made here; else the job's function returned it.
    task_is_ours: bool,
    /// What the task steps through, with something around it that ends later.
    coroutine: Option<Py<JobCoroutine>>,
    /// What that has raised where there is nothing around it.
    raised: Mutex<Option<PyErr>>,
    /// What arrived in the last step and is to end the program.
    interrupt: Mutex<Option<PyErr>>,
    run: Arc<Mutex<Option<Run>>>,
}

impl Resume {
    /// Called in the last step of the run's task, whose coroutine has just returned or raised.
    pub fn at_end(slf: &Bound<'_, Self>, returned: bool, raised: Option<PyErr>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        *this.raised.lock().unwrap_or_else(PoisonError::into_inner) = raised;
        let LoopInbox { inbox, hub } = this.inbox.get();
        let task = inbox.lock_tasks().get(&this.address).map(|suspended| suspended.task.clone_ref(py));
        let Some(task) = task.filter(|_| hub.origin.is_here()) else { return Ok(()) };
        let task = task.bind(py);
        let unheard = returned
            && this.nobody_asks(task).unwrap_or_else(|error| {
                // Whatever it is, the run goes on when its task calls back; a Ctrl-C goes on after that.
                if env::is_exit(py, &error) {
                    this.keep(error);
                }
                false
            });
        if unheard {
            let old = inbox.lock_tasks().remove(&this.address);
            drop(old);
            if let Some(run) = this.take_run() {
                run.end_untold(hub);
            }
            return Ok(());
        }
        // The end is told in the context of this step, which is another than the run's where a task factory, or
        // CPython 3.10, has made a copy.
        let context = imports::copy_context(py)?.call0()?.unbind();
        let mut run = this.run.lock().unwrap_or_else(PoisonError::into_inner);
        let old = run.as_mut().and_then(|run| run.context.replace(context));
        drop(run);
        drop(old);
        // The task is done when this step is.
        let options = PyDict::new(py);
        if let Some(context) = inbox.context(py) {
            options.set_item(intern!(py, "context"), context)?;
        }
        let event_loop = task.call_method0(intern!(py, "get_loop"))?;
        let call_soon = || event_loop.call_method(intern!(py, "call_soon"), (slf, task), Some(&options));
        match call_soon() {
            Err(error) if env::is_interrupt(py, &error) => {
                this.keep(error);
                // Nobody knows whether it had got so far; a second call finds nothing to do.
                call_soon()
            }
            result => result,
        }
        .map(drop)
    }

    /// Keeps what is to end the program until the run has been told of.
    fn keep(&self, interrupt: PyErr) {
        let old = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).replace(interrupt);
        drop(old);
    }

    /// Whether there is nothing to do or to tell when the run has ended well, but to give its slot back.
    fn nobody_asks(&self, task: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = task.py();
        let hub = &self.inbox.get().hub;
        if hub.mask() & code::JOB_EXECUTED != 0 {
            return Ok(false);
        }
        let executor = {
            let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            run.as_ref().filter(|run| run.times_left().len() == 1 && run.watched.is_none()).map(Run::executor)
        };
        let Some(executor) = executor.and_then(|executor| hub.executor(executor)) else { return Ok(false) };
        if executor.logger.bind(py).call_method1(intern!(py, "isEnabledFor"), (INFO,))?.is_truthy()? {
            return Ok(false);
        }
        // Cancelled, though it has returned.
        Ok(cpython::must_cancel(task)? == Some(false))
    }

    fn take_run(&self) -> Option<Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Ends the task of a run whose loop is closed, without the words that asyncio has for a task that is lost: the end of the
/// run is reported, and that of the loop.
pub fn end_task(py: Python<'_>, suspended: &Suspended) -> PyResult<()> {
    if suspended.task_is_ours {
        let task = suspended.task.bind(py);
        // A task factory's own tasks need not have it.
        let silenced = cpython::silence(task);
        let closed = task.call_method0(intern!(py, "get_coro"))?.call_method0(intern!(py, "close"));
        silenced.or_else(|error| match error.is_instance_of::<PyAttributeError>(py) {
            true => Ok(()),
            false => Err(error),
        })?;
        closed?;
    }
    Ok(())
}

#[pymethods]
impl Resume {
    fn __call__(&self, task: Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        let Some(_inside) = Inside::enter() else { return Ok(()) };
        let inbox = self.inbox.bind(py);
        let old = inbox.get().inbox.lock_tasks().remove(&(task.as_ptr() as usize));
        drop(old);
        let Some(mut run) = self.take_run() else { return Ok(()) };
        let Some(env) = Env::at_loop(py, &inbox.get().hub, &inbox.get().inbox) else {
            inbox.get().hub.finish(&run.firing, Ended::Lost);
            return Ok(());
        };
        let tasks = TaskStarter::new(inbox, &env)?;
        let coroutine = self.coroutine.as_ref().map(|coroutine| coroutine.bind(py));
        if self.task_is_ours {
            tasks.adopt_context(&mut run, &task, coroutine)?;
        }
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        let raised = raised.or_else(|| coroutine.and_then(|coroutine| coroutine.get().take_raised()));
        tasks.settle(&mut run, result_of_task(&task, raised))?;
        tasks.run(run)?;
        env.interrupted()?;
        let interrupt = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).take();
        interrupt.map_or(Ok(()), Err)
    }
}

/// The result of a task that is done, unless what the job has `raised` was kept from it.
fn result_of_task<'py>(task: &Bound<'py, PyAny>, raised: Option<PyErr>) -> PyResult<Bound<'py, PyAny>> {
    // Asked for in any case, since what is around the job may have failed, too.
    let result = task.call_method0(intern!(task.py(), "result"));
    raised.map_or(result, Err)
}

fn is_coroutine(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.get_type().is(imports::coroutine_type(value.py())?))
}
