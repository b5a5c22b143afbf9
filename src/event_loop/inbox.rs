//! `LoopInbox`: an event loop's inbox as Python sees it. What it does when the loop calls it is in `drain.rs`.
//!
//! Ground rules: everything here is called by threads attached to Python. The loop's own thread drains and lets the loop
//! watch; `_drain_all` drains in its caller's thread. All else may be called in any thread, also while the loop runs in
//! another: what touches its selector or its tasks is handed to the loop then. The locks are those of
//! `dispatch/loop_queue.rs`: what is needed is taken out of them, and Python called after that.

#[cfg(unix)]
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};

use pyo3::exceptions::{PyAttributeError, PyNotImplementedError, PyRuntimeError};
use pyo3::prelude::*;
#[cfg(unix)]
use pyo3::types::PyCFunction;
use pyo3::types::{PyDict, PyString};
use pyo3_async_runtimes::TaskLocals;

use crate::dispatch::hub::Hub;
use crate::dispatch::loop_queue::{Binding, Inbox, Suspended};
use crate::dispatch::run::Outcome;
#[cfg(unix)]
use crate::dispatch::wake::WakeFd;
use crate::dispatch::wake::{WakeThread, Waker};
use crate::event_loop::drain;
use crate::event_loop::task;
use crate::job::seen::{self, Seen};
use crate::process::exit::Inside;
use crate::py::host::{cpython, scheduler};
use crate::py::imports;
use crate::py::once::intern;
use crate::py::text;
use crate::run::awaitables;
use crate::run::env::Env;

/// Why runs are cancelled that have lost their loop.
const LOOP_CLOSED: &str = "the event loop was closed";

/// Task, job id, store alias and run times of a suspended run.
type SuspendedRun<'py> =
    (Bound<'py, PyAny>, Bound<'py, PyString>, Bound<'py, PyString>, Vec<Bound<'py, PyAny>>);

/// The inbox of one event loop, as Python sees it.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct LoopInbox {
    pub inbox: Arc<Inbox>,
    pub hub: Arc<Hub>,
}

impl LoopInbox {
    /// Takes the inbox off its loop. What is queued stays queued.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        let inbox = &slf.get().inbox;
        let old = inbox.rebind(None);
        let waker = inbox.take_waker();
        match (old, waker) {
            #[cfg(unix)]
            (Some(old), Some(Waker::Fd(fd))) => unwatch(&old.locals.event_loop(slf.py()), fd),
            _ => Ok(()),
        }
    }

    /// Lets the loop watch the inbox. On the loop's thread only.
    fn register(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let inbox = &slf.get().inbox;
        if !slf.get().hub.origin.is_here() {
            return Ok(());
        }
        let Some(event_loop) = inbox.event_loop(py) else { return Ok(()) };
        if !is_running_here(&event_loop)? {
            // The inbox was bound to another loop before this one ran.
            return Ok(());
        }
        if inbox.is_watched() {
            // It was bound to this one twice before.
            return Ok(());
        }
        let drain = slf.getattr(intern!(py, "_drain"))?;
        let waker = match watch(&event_loop, &drain)? {
            Some(waker) => waker,
            None => Waker::Thread(wake_thread(event_loop.clone().unbind(), drain.unbind())?),
        };
        if !inbox.event_loop(py).is_some_and(|bound| bound.is(&event_loop)) {
            // Another thread has taken the inbox off this loop meanwhile, and found nothing that wakes it.
            return match waker {
                #[cfg(unix)]
                Waker::Fd(fd) => unwatch(&event_loop, fd),
                Waker::Thread(_) => Ok(()),
            };
        }
        inbox.watch_begins(waker);
        Ok(())
    }
}

/// The thread that has a loop call `drain` which cannot watch a descriptor.
fn wake_thread(event_loop: Py<PyAny>, drain: Py<PyAny>) -> std::io::Result<WakeThread> {
    WakeThread::start(move |py| {
        // A closed loop needs no waking; its inbox is bound anew before anything is lost.
        let _closed = event_loop.call_method1(py, "call_soon_threadsafe", (&drain,)).is_err();
    })
}

/// Lets the loop watch a wake descriptor; `None` where it cannot.
#[cfg(unix)]
fn watch(event_loop: &Bound<'_, PyAny>, drain: &Bound<'_, PyAny>) -> PyResult<Option<Waker>> {
    let py = event_loop.py();
    let fd = WakeFd::new()?;
    match event_loop.call_method1("add_reader", (fd.number(), drain)) {
        Ok(_) => Ok(Some(Waker::Fd(fd))),
        Err(e) if e.is_instance_of::<PyNotImplementedError>(py) => Ok(None),
        Err(e) if e.is_instance_of::<PyAttributeError>(py) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
fn watch(_event_loop: &Bound<'_, PyAny>, _drain: &Bound<'_, PyAny>) -> PyResult<Option<Waker>> {
    Ok(None)
}

/// Has the loop watch a wake descriptor no longer, which is closed then.
#[cfg(unix)]
fn unwatch(event_loop: &Bound<'_, PyAny>, fd: WakeFd) -> PyResult<()> {
    let py = event_loop.py();
    if event_loop.call_method0("is_closed")?.is_truthy()? {
        return Ok(());
    }
    let number = fd.number();
    if is_running_here(event_loop)? || !event_loop.call_method0("is_running")?.is_truthy()? {
        return event_loop.call_method1("remove_reader", (number,)).map(drop);
    }
    let fd = Mutex::new(Some(fd));
    let remove_reader = event_loop.getattr("remove_reader")?.unbind();
    let remove = PyCFunction::new_closure(py, None, None, move |args, _| -> PyResult<()> {
        remove_reader.call1(args.py(), (number,))?;
        drop(fd.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    })?;
    match event_loop.call_method1("call_soon_threadsafe", (remove,)) {
        // The loop closed in the meantime, and with it went the reader.
        Err(error) if !error.is_instance_of::<PyRuntimeError>(py) => Err(error),
        _ => Ok(()),
    }
}

#[pymethods]
impl LoopInbox {
    /// Binds the inbox to `event_loop`; jobs run in copies of `context`. From any thread.
    fn bind(slf: &Bound<'_, Self>, event_loop: Bound<'_, PyAny>, context: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        Self::release(slf)?;
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
        drop(inbox.rebind(Some(Binding { locals, eager })));
        if is_running_here(&event_loop)? {
            Self::register(slf)
        } else {
            event_loop.call_method1("call_soon_threadsafe", (slf.getattr("_register")?,)).map(drop)
        }
    }

    /// Takes the inbox off its loop, on which nothing is awaited any more; the rest of the queue stays.
    fn unbind(slf: &Bound<'_, Self>) -> PyResult<()> {
        let released = Self::release(slf);
        let LoopInbox { inbox, hub } = slf.get();
        if let Some(env) = Env::new(slf.py(), hub) {
            awaitables::abandon_queued(&env, inbox, awaitables::SHUT_DOWN);
        }
        released
    }

    /// The loop the inbox is bound to.
    #[getter(r#loop)]
    fn event_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.inbox.event_loop(py)
    }

    /// Whether the loop has run since it was bound.
    #[getter]
    fn watched(&self) -> bool {
        self.inbox.is_watched()
    }

    /// The id of the job that keeps the loop, if it is one that the scheduler has just called.
    #[getter]
    fn in_hand<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        let (store, key) = self.inbox.in_hand()?;
        let seen = Seen::read(&self.hub.attached(store)?.store, key)?;
        Some(text::string(py, &seen.id))
    }

    /// How often the loop has taken work.
    #[getter]
    fn turns(&self) -> u64 {
        self.inbox.turns()
    }

    /// How many skipped runs were too many to be kept for the loop.
    #[getter]
    fn notices_dropped(&self) -> u64 {
        self.inbox.notices_dropped()
    }

    /// For how many seconds there has been work without a sign of the loop.
    #[getter]
    fn silence(&self) -> f64 {
        self.inbox.silence().as_secs_f64()
    }

    /// The runs that are suspended on the loop: the task of each, its job's id and store, and the run times
    /// that it has not come to the end of.
    fn running<'py>(&self, py: Python<'py>) -> PyResult<Vec<SuspendedRun<'py>>> {
        let runs: Vec<_> = {
            let tasks = self.inbox.lock_tasks();
            tasks
                .values()
                .map(|suspended| (suspended.task.clone_ref(py), Arc::clone(&suspended.run)))
                .collect()
        };
        let Some(env) = Env::new(py, &self.hub) else { return Ok(Vec::new()) };
        let mut running = Vec::with_capacity(runs.len());
        for (task, run) in runs {
            let about = {
                let run = run.lock().unwrap_or_else(PoisonError::into_inner);
                run.as_ref().map(|run| (run.seen.clone(), run.store.clone(), run.times_left().to_vec()))
            };
            if let Some((seen, store, times)) = about {
                let zone = seen::zone_of(py, &seen.record, Some(env.scheduler.as_any()))?;
                let times = times.iter().map(|&at| zone.datetime(py, at)).collect::<PyResult<Vec<_>>>()?;
                let id = text::string(py, &seen.id);
                running.push((task.into_bound(py), id, store.alias.bind(py).clone(), times));
            }
        }
        Ok(running)
    }

    /// Cancels the runs that are suspended on the loop, but for the one that asks.
    fn cancel_running(&self, py: Python<'_>) -> PyResult<()> {
        let tasks: Vec<Py<PyAny>> =
            self.inbox.lock_tasks().values().map(|run| run.task.clone_ref(py)).collect();
        let Some(event_loop) = self.inbox.event_loop(py) else { return Ok(()) };
        if event_loop.call_method0("is_closed")?.is_truthy()? {
            return Ok(());
        }
        let here = is_running_here(&event_loop)?;
        let current = if here { Some(imports::current_task(py)?.call0()?) } else { None };
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
        Ok(())
    }

    /// Ends the runs that are suspended, or wait to be awaited, as cancelled, where their loop is closed and
    /// cannot.
    fn abandon_running(&self, py: Python<'_>) -> PyResult<()> {
        let runs: Vec<Suspended> = self.inbox.lock_tasks().drain().map(|(_, run)| run).collect();
        let Some(env) = Env::new(py, &self.hub).map(Env::after_its_loop) else { return Ok(()) };
        awaitables::abandon_queued(&env, &self.inbox, LOOP_CLOSED);
        for suspended in runs {
            if let Some(mut run) = suspended.take_run() {
                // Whatever the coroutine raises on its way out, the other runs are to be ended, too.
                env.never_fails(task::end_task(py, &suspended));
                run.settle(&env, &Outcome::Raised(imports::cancelled(py, LOOP_CLOSED)?));
            }
        }
        Ok(())
    }

    /// Ends what the loop will not come to, since the interpreter is about to exit.
    fn abandon_at_exit(&self, py: Python<'_>) -> PyResult<()> {
        let tasks: Vec<Py<PyAny>> =
            self.inbox.lock_tasks().values().map(|run| run.task.clone_ref(py)).collect();
        for task in &tasks {
            // That it is dropped while it waits is nothing to tell of. A user's own kind of task may not listen.
            let _deaf = cpython::silence(task.bind(py)).is_err();
        }
        // The tasks know their loop, which the inbox may have been taken off.
        let runs = match tasks.first() {
            Some(task) => task.bind(py).call_method0("get_loop")?.call_method0("is_running")?.is_truthy()?,
            None => false,
        };
        // On a loop that runs in another thread they still might come to their end.
        if runs { Ok(()) } else { self.abandon_running(py) }
    }

    /// Called by the loop when there is work.
    fn _drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if let Some(event_loop) = slf.get().inbox.event_loop(py) {
            if cpython::is_nested(&event_loop)? {
                // A job may run the loop, which would call this once more, by a handle whose context is entered.
                let drain = slf.getattr(intern!(py, "_drain_now"))?;
                return event_loop.call_method1(intern!(py, "call_soon"), (drain,)).map(drop);
            }
        }
        Self::_drain_now(slf)
    }

    /// Runs what is queued, while the inbox has a loop; at most for as long as one turn of the loop may take.
    fn _drain_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        let inbox = &slf.get().inbox;
        let Some(_inside) = Inside::enter().filter(|_| inbox.has_loop()) else { return Ok(()) };
        drain::drain(slf, || inbox.has_loop())
    }

    /// Handles everything that is queued, in the calling thread.
    fn _drain_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        while !slf.get().inbox.is_empty() {
            drain::drain(slf, || true)?;
        }
        Ok(())
    }

    /// Whether no work is queued.
    #[getter]
    fn empty(&self) -> bool {
        self.inbox.is_empty()
    }

    fn _register(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::register(slf)
    }
}

fn is_running_here(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    // What stands for a loop of another kind (`_scheduler/hosted.py`) is none that asyncio knows to be running.
    if let Some(is_here) = scheduler::hosted_loop_is_here(event_loop)? {
        return Ok(is_here);
    }
    match imports::get_running_loop(py)?.call0() {
        Ok(running) => Ok(running.is(event_loop)),
        Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(false),
        Err(error) => Err(error),
    }
}
