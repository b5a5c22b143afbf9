//! The tasks of runs: starting one on a loop, eagerly where that is possible, and going on when it is done.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::exit::Inside;
use crate::inbox::Suspended;
use crate::loop_inbox::LoopInbox;
use crate::python;
use crate::report::{self, Env, Outcome};
use crate::runner::{self, Run};

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
            Some(event_loop) => !event_loop.call_method0(intern!(py, "get_task_factory"))?.is_none(),
            None => false,
        };
        let eager = eager.filter(|_| !has_factory);
        let takes_context = !has_factory && py.version_info() >= (3, 11);
        Ok(Self { inbox, env, event_loop, eager, takes_context })
    }

    /// Runs a coroutine function's firing. Fails only with the user's interrupt.
    pub fn run(&self, mut run: Run) -> PyResult<()> {
        match run.next_in_time(self.env) {
            Some(_) => {
                let result = run.seen.record.call(self.env.py);
                self.go_on(run, result)
            }
            None => Ok(()),
        }
    }

    /// Goes on with a run whose function has been called.
    pub fn go_on(&self, mut run: Run, mut result: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let py = self.env.py;
        loop {
            if let Ok(value) = &result {
                let is_coroutine = is_coroutine(value)?;
                if is_coroutine || runner::is_awaitable(value).unwrap_or(false) {
                    match self.start(value, is_coroutine, run.seen.record.context.as_ref()) {
                        Ok(task) if task.call_method0(intern!(py, "done"))?.is_truthy()? => {
                            result = self.result_of(&task);
                        }
                        Ok(task) => return self.suspend(run, &task, value, is_coroutine),
                        Err(error) => {
                            self.env.never_fails(runner::close(value));
                            result = Err(error);
                        }
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
            Err(error) if !self.env.hub.origin.is_here() && report::is_exit(py, &error) => {
                // The job has forked, and this is the child, which it wants to end.
                Err(error)
            }
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
    fn start(
        &self,
        awaitable: &Bound<'py, PyAny>,
        is_coroutine: bool,
        own_context: Option<&Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        // As `asyncio.isfuture` asks, without a call of Python code for every run.
        if !is_coroutine && awaitable.get_type().hasattr(intern!(py, "_asyncio_future_blocking"))? {
            let loop_of = awaitable.call_method0(intern!(py, "get_loop"))?;
            return match &self.event_loop {
                Some(event_loop) if !loop_of.is(event_loop) => python::bridged(py)?.call1((awaitable,)),
                _ => Ok(awaitable.clone()),
            };
        }
        let coroutine = python::contained(py)?.call1((awaitable,))?;
        let task = self.start_task(&coroutine, is_coroutine.then_some(awaitable), own_context);
        if task.is_err() {
            // A task factory may raise; the run is reported with that, and nothing is left unawaited.
            self.env.never_fails(runner::close(&coroutine));
        }
        task
    }

    /// A task for the coroutine `contained`, by the name of the coroutine inside.
    fn start_task(
        &self,
        contained: &Bound<'py, PyAny>,
        inside: Option<&Bound<'py, PyAny>>,
        own_context: Option<&Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.env.py;
        let context = self.env.run_context(&self.inbox.get().inbox, own_context)?;
        if let Some(options) = &self.eager {
            // `asyncio.Task` copies what it needs, and a drain is never entered twice on one loop.
            options.set_item(intern!(py, "context"), context)?;
            return python::asyncio_task(py)?.call((contained,), Some(options));
        }
        if let Some(inside) = inside {
            name_after(contained, inside)?;
        }
        let Some(event_loop) = &self.event_loop else {
            return Err(PyRuntimeError::new_err("the scheduler is not bound to an event loop"));
        };
        let create_task = event_loop.getattr(intern!(py, "create_task"))?;
        if self.takes_context {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "context"), context)?;
            create_task.call((contained,), Some(&options))
        } else {
            context.call_method1(intern!(py, "run"), (create_task, contained))
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
        awaitable: &Bound<'py, PyAny>,
        is_coroutine: bool,
    ) -> PyResult<()> {
        let py = self.env.py;
        let coroutine = is_coroutine.then_some(awaitable);
        if let (Some(coroutine), Some(_)) = (coroutine, &self.eager) {
            name_after(&task.call_method0(intern!(py, "get_coro"))?, coroutine)?;
        }
        let inbox = self.inbox.get();
        let address = task.as_ptr() as usize;
        let resume = Resume {
            inbox: self.inbox.clone().unbind(),
            // An eagerly started task has taken its first step.
            coroutine: coroutine.filter(|_| self.eager.is_none()).map(|c| c.clone().unbind()),
            task_is_ours: !task.is(awaitable),
            run: Mutex::new(Some(run)),
        };
        let resume = Bound::new(py, resume)?;
        let options = PyDict::new(py);
        if let Some(context) = inbox.inbox.context(py) {
            options.set_item(intern!(py, "context"), context)?;
        }
        let suspended = Suspended { task: task.clone().unbind(), resume: resume.clone().unbind() };
        let old = inbox.inbox.lock_tasks().insert(address, suspended);
        drop(old);
        task.call_method(intern!(py, "add_done_callback"), (resume,), Some(&options)).map(drop)
    }
}

/// The callback of a suspended run's task.
#[pyclass(frozen)]
pub struct Resume {
    inbox: Py<LoopInbox>,
    /// The coroutine of the job itself. A task that is cancelled before its first step leaves it unawaited.
    coroutine: Option<Py<PyAny>>,
    /// Whether the task was made here; else the job's function returned it.
    task_is_ours: bool,
    pub run: Mutex<Option<Run>>,
}

impl Resume {
    fn close_coroutine(&self, py: Python<'_>) -> PyResult<()> {
        match &self.coroutine {
            Some(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
            None => Ok(()),
        }
    }

    /// Ends a task whose loop is closed, without the words that asyncio has for a task that is lost: the
    /// end of the run is reported, and that of the loop.
    pub fn end_task(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        if self.task_is_ours {
            // A task factory's own tasks need not have it.
            let silenced = task.setattr(intern!(py, "_log_destroy_pending"), false);
            let closed = task.call_method0(intern!(py, "get_coro"))?.call_method0(intern!(py, "close"));
            silenced.or_else(|error| match error.is_instance_of::<PyAttributeError>(py) {
                true => Ok(()),
                false => Err(error),
            })?;
            closed?;
        }
        self.close_coroutine(py)
    }
}

#[pymethods]
impl Resume {
    fn __call__(&self, task: Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        let Some(_inside) = Inside::enter() else { return Ok(()) };
        let inbox = self.inbox.bind(py);
        let old = inbox.get().inbox.lock_tasks().remove(&(task.as_ptr() as usize));
        drop(old);
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut run) = run else { return Ok(()) };
        self.close_coroutine(py)?;
        let Some(env) = Env::at_loop(py, &inbox.get().hub, &inbox.get().inbox) else {
            inbox.get().hub.finish(&run.firing);
            return Ok(());
        };
        let tasks = TaskStarter::new(inbox, &env)?;
        tasks.settle(&mut run, tasks.result_of(&task))?;
        tasks.run(run)?;
        env.interrupted()
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
