//! The queue of an event loop: work for the loop's thread, from any thread and without Python.
//!
//! A loop is woken once per batch: on the edge from *empty* to *armed*. While there is work left the wake
//! descriptor stays readable, so the loop comes back after it has run its own callbacks.
//!
//! Ground rules: `queue` is locked for the length of a few moves, never while Python code runs. `bound` and
//! `tasks` are touched by attached threads only, and nothing of Python is dropped under their locks.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainspring_core::dispatch::Item;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::TaskLocals;

use crate::python;
use crate::runner::Run;
use crate::tasks::Resume;
#[cfg(unix)]
use crate::wake::WakeFd;
use crate::wake::WakeThread;

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

/// What waits for the loop.
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
    pub wake_fd: WakeFd,
    pub wake_thread: Mutex<Option<WakeThread>>,
    bound: Mutex<Option<Binding>>,
    /// Whether `bound` holds a loop, for threads that must not wait for its lock.
    has_loop: AtomicBool,
    /// The suspended runs by the address of their tasks, to which the loop's own references are weak.
    tasks: Mutex<HashMap<usize, Suspended>>,
}

/// A run that waits for its task.
pub struct Suspended {
    pub task: Py<PyAny>,
    pub resume: Py<Resume>,
}

/// The loop an inbox is bound to.
pub struct Binding {
    /// The loop and the context in which jobs run.
    pub locals: TaskLocals,
    /// Keyword arguments for `asyncio.Task`, where tasks can start eagerly (CPython 3.12).
    pub eager: Option<Py<PyDict>>,
    pub registered: bool,
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

    /// Binds the inbox, or takes it off its loop; returns what it was bound to.
    pub fn rebind(&self, binding: Option<Binding>) -> Option<Binding> {
        self.has_loop.store(binding.is_some(), Ordering::SeqCst);
        std::mem::replace(&mut *self.lock_bound(), binding)
    }

    pub fn lock_bound(&self) -> MutexGuard<'_, Option<Binding>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock_tasks(&self) -> MutexGuard<'_, HashMap<usize, Suspended>> {
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
    pub fn take(&self, chunk: &mut VecDeque<Work>) {
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
    pub fn take_all(&self) -> VecDeque<Work> {
        let mut queue = self.lock();
        #[cfg(unix)]
        self.wake_fd.clear();
        queue.armed = false;
        std::mem::take(&mut queue.work)
    }

    /// Takes out the runs whose awaitables wait for the loop; all other work stays.
    pub fn take_awaits(&self) -> Vec<(Box<Run>, Py<PyAny>)> {
        let mut queue = self.lock();
        let mut awaits = Vec::new();
        let work = std::mem::take(&mut queue.work);
        queue.work = work
            .into_iter()
            .filter_map(|work| match work {
                Work::Await(run, awaitable) => {
                    awaits.push((run, awaitable));
                    None
                }
                work => Some(work),
            })
            .collect();
        awaits
    }

    /// Puts work that was taken back in front of the rest, and sees to it that the loop comes back.
    pub fn put_back(&self, chunk: &mut VecDeque<Work>) {
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

    /// Whether no work is queued.
    pub fn is_empty(&self) -> bool {
        self.lock().work.is_empty()
    }

    /// Wakes a loop that has only now begun to watch, for whatever came before.
    pub fn rearm(&self) {
        self.lock().armed = true;
        self.wake();
    }

    /// Whether there is a loop to run coroutines on.
    pub fn has_loop(&self) -> bool {
        self.has_loop.load(Ordering::SeqCst)
    }

    /// The loop; `None` while unbound.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.lock_bound().as_ref().map(|bound| bound.locals.event_loop(py))
    }

    /// The context that the loop was bound with.
    pub fn context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.lock_bound().as_ref().map(|bound| bound.locals.context(py))
    }

    /// A context for one run: a copy of [`Inbox::context`].
    pub fn run_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.context(py) {
            Some(context) => context.call_method0(intern!(py, "copy")),
            None => python::copy_context(py)?.call0(),
        }
    }
}
