//! The queue of a pool of worker threads, and which of them wait for it.
//!
//! Ground rules: `state` is locked for one step and never while Python code runs; nothing of Python is dropped under it.
//! What feeds the queue may be the timer thread, which is detached from Python. A worker waits here detached.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainspring_core::engine::Firing;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::dispatch::aside::Aside;
use crate::dispatch::driver::Segment;
use crate::dispatch::hub::Hub;
use crate::dispatch::turn::Turn;
use crate::process::fork::Origin;
use crate::process::late_thread;

thread_local! {
    /// The pool that the current thread is a worker of.
    static WORKS_FOR: Cell<*const Pool> = const { Cell::new(std::ptr::null()) };
}

/// Something for a worker to do.
pub enum Task {
    /// Run a job of a native store.
    Run(Arc<Hub>, Firing),
    /// Call a function with arguments.
    Call(Py<PyAny>, Py<PyTuple>),
    /// Drive engines, for as long as their runs are this pool's.
    Drive(Box<dyn Segment>),
}

#[derive(Default)]
pub struct State {
    queue: VecDeque<Task>,
    pub threads: Vec<Py<PyAny>>,
    /// The numbers of the workers that live, or are being started.
    pub workers: HashSet<usize>,
    idle: usize,
    started: usize,
    closed: bool,
    /// Whether threads that are started in a worker are daemons; by default as in the thread that starts the worker.
    pub daemon: Option<bool>,
}

/// The pool's queue and its workers.
pub struct Pool {
    state: Mutex<State>,
    ready: Condvar,
    /// Told whenever a worker has ended.
    ended: Condvar,
    max_workers: usize,
    pub prefix: String,
    /// The process in which the workers live.
    pub origin: Origin,
    pub initializer: Option<(Py<PyAny>, Py<PyTuple>)>,
    turn: Turn,
    /// Starts the first worker.
    pub begin: fn(Python<'_>, Arc<Pool>) -> PyResult<()>,
    /// Whether there has ever been a worker.
    has_begun: AtomicBool,
    /// Who starts the first worker where the timer thread wants one.
    beginning: Aside,
    /// How many workers are kept by runs for which the thread that drives the engines does not wait.
    pub stuck: AtomicUsize,
}

impl Pool {
    pub fn new(
        max_workers: usize,
        prefix: &str,
        initializer: Option<(Py<PyAny>, Py<PyTuple>)>,
        begin: fn(Python<'_>, Arc<Self>) -> PyResult<()>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            ended: Condvar::new(),
            max_workers,
            prefix: prefix.to_owned(),
            origin: Origin::here(),
            initializer,
            turn: Turn::default(),
            begin,
            has_begun: AtomicBool::new(false),
            beginning: Aside::default(),
            stuck: AtomicUsize::new(0),
        }
    }

    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a worker has ever been started, which sees to it that there is one to spare.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Whether there is something to do, and has never been a worker.
    pub fn wants_first_worker(&self) -> bool {
        !self.has_begun() && !self.lock().queue.is_empty()
    }

    /// Has the first worker started, which starts the others, in a thread that may wait for Python.
    pub fn begin_aside(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        self.beginning.start("mainspring-work", move |py| match (pool.begin)(py, Arc::clone(&pool)) {
            Err(error) if !late_thread::is_too_late(py, &error) => error.write_unraisable(py, None),
            _ => {}
        });
    }

    /// Waits until a first worker that is being started has been.
    pub fn join_aside(&self) {
        if self.origin.is_here() {
            self.beginning.join();
        }
    }

    /// Queues tasks; gives them back when the pool is shut down.
    pub fn push(&self, tasks: Vec<Task>) -> Vec<Task> {
        let mut state = self.lock();
        if state.closed {
            return tasks;
        }
        state.queue.extend(tasks);
        drop(state);
        // One worker is enough to begin with: it wakes the next when there is more to do.
        self.ready.notify_one();
        Vec::new()
    }

    /// Calls `wait` detached from Python, and comes back when it is this worker's turn.
    pub fn detached<T: Send>(&self, py: Python<'_>, wait: impl FnOnce() -> T + Send) -> T {
        let waited = py.detach(|| {
            let waited = wait();
            self.turn.take();
            waited
        });
        self.turn.give();
        waited
    }

    /// The next task, if there is one.
    pub fn try_pop(&self) -> Option<Task> {
        let mut state = self.lock();
        let task = state.queue.pop_front();
        if !state.queue.is_empty() && state.idle > 0 {
            self.ready.notify_one();
        }
        task
    }

    /// The next task; waits for it. `None` when the pool is shut down and its queue is empty.
    pub fn pop(&self) -> Option<Task> {
        let mut state = self.lock();
        state.idle += 1;
        while state.queue.is_empty() && !state.closed {
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle -= 1;
        let task = state.queue.pop_front();
        if !state.queue.is_empty() && state.idle > 0 {
            self.ready.notify_one();
        }
        task
    }

    /// Waits until no worker is left, but for the calling thread if it is one, for `longest` at most; says whether that
    /// is so.
    pub fn wait_ended(&self, longest: Duration) -> bool {
        let own = usize::from(WORKS_FOR.get() == std::ptr::from_ref(self));
        let state = self.lock();
        let alive = |state: &mut State| state.workers.len() > own;
        match self.ended.wait_timeout_while(state, longest, alive) {
            Ok((_, waited)) => !waited.timed_out(),
            Err(poisoned) => !poisoned.into_inner().1.timed_out(),
        }
    }

    /// How many workers have something to do, and how much waits for them.
    pub fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.workers.len().saturating_sub(state.idle), state.queue.len())
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Counts the calling thread as a worker, in the midst of its beginning.
    pub fn begin_worker(&self, number: usize) {
        WORKS_FOR.set(self);
        // Counted already, unless the thread that started it was interrupted in that.
        self.lock().workers.insert(number);
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// The calling thread is no worker any more.
    pub fn leave() {
        WORKS_FOR.set(std::ptr::null());
    }

    /// Counts a worker as ended; returns how many are left.
    pub fn end_worker(&self, number: usize) -> usize {
        let mut state = self.lock();
        state.workers.remove(&number);
        self.ended.notify_all();
        state.workers.len()
    }

    /// Whether another worker should be started, so that one is to spare; counts it as started.
    pub fn claim_worker(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.closed || state.idle > 0 || state.workers.len() >= self.max_workers {
            return None;
        }
        let number = state.started;
        state.started += 1;
        state.workers.insert(number);
        Some(number)
    }
}
