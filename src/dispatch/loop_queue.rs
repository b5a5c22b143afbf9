//! The queue of an event loop: work for the loop's thread, from any thread and without Python.
//!
//! A loop is woken once per batch: on the edge from *empty* to *armed*. While there is work left the wake
//! descriptor stays readable, so the loop comes back after it has run its own callbacks.
//!
//! Ground rules: `queue` is locked for the length of a few moves, never while Python code runs. `waker` is locked for
//! one system call, also by a thread that has `queue`; a thread that has `waker` never waits for `queue`. `bound` and `tasks` are touched by attached threads only, and
//! nothing of Python is dropped under their locks.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Firing, Item, StoreId};
use mainspring_core::job::JobKey;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::TaskLocals;

use crate::dispatch::run::Run;
use crate::dispatch::wake::Waker;

/// How many pieces of work are taken from the queue at a time.
const CHUNK: usize = 64;

/// How many skipped runs are kept to be told of, for a loop that leaves its inbox alone.
const MOST_SKIPPED: usize = 10_000;

/// A piece of work for the loop's thread.
pub enum Work {
    /// Something the engine handed over.
    Item(Item),
    /// A run whose function has been called in a worker thread and returned this awaitable.
    Await(Box<Run>, Py<PyAny>),
    /// An event for the listeners, and the context in which to tell them.
    Event(Py<PyAny>, Option<Py<PyAny>>),
    /// So many skipped runs were more than [`MOST_SKIPPED`] and have not been kept.
    NoticesDropped(u64),
}

/// What waits for the loop.
#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    /// The jobs of which `work` has notices that runs were skipped. Telling of each by itself may take a loop that is
    /// behind for longer than it takes until the next.
    skipped: HashMap<(StoreId, JobKey), Skipped>,
    /// How many skipped runs are to be told of, and how many more there would be.
    notices: usize,
    notices_dropped: u64,
    /// Whether the loop has been woken and will drain.
    armed: bool,
    /// Whether it has been woken only to see whether it runs.
    pinged: bool,
    /// When the loop was woken, or last took work.
    last_sign: Option<Instant>,
}

/// What the queue knows of a job whose runs were skipped.
#[derive(Default)]
struct Skipped {
    /// How many notices of it are queued.
    notices: usize,
    /// The run times to be told of with the last of them.
    more: Vec<UtcMicros>,
}

impl Queue {
    fn extend(&mut self, work: Vec<Work>) {
        for work in work {
            if let Work::Item(Item::Skipped { store, key, ref run_times }) = work {
                let times = run_times.as_slice();
                if self.notices >= MOST_SKIPPED {
                    self.notices_dropped += times.len() as u64;
                    continue;
                }
                self.notices += times.len();
                let skipped = self.skipped.entry((store, key)).or_default();
                if skipped.notices > 0 {
                    skipped.more.extend(times);
                    continue;
                }
                skipped.notices = 1;
            }
            self.work.push_back(work);
        }
    }

    fn take(&mut self, count: usize, chunk: &mut VecDeque<Work>) {
        for mut work in self.work.drain(..count) {
            if let Work::Item(Item::Skipped { store, key, run_times }) = &mut work {
                if let Entry::Occupied(mut skipped) = self.skipped.entry((*store, *key)) {
                    skipped.get_mut().notices -= 1;
                    if skipped.get().notices == 0 {
                        let more = skipped.remove().more;
                        if !more.is_empty() {
                            *run_times = [run_times.as_slice(), &more].concat().into();
                        }
                    }
                }
                self.notices -= run_times.as_slice().len();
            }
            chunk.push_back(work);
        }
        if self.notices_dropped > 0 {
            chunk.push_back(Work::NoticesDropped(std::mem::take(&mut self.notices_dropped)));
        }
    }
}

/// The job that the loop's drain is at.
///
/// Two atomics rather than a lock, since they are set for every run; a thread that reads them in the midst of a
/// change is told of a job that is not there.
#[derive(Default)]
struct InHand {
    /// The store's number and one; 0: no job.
    store: AtomicU64,
    key: AtomicU64,
}

/// The inbox of one event loop.
#[derive(Default)]
pub struct Inbox {
    queue: Mutex<Queue>,
    /// What wakes the loop while that watches.
    waker: Mutex<Option<Waker>>,
    bound: Mutex<Option<Binding>>,
    /// Whether `bound` holds a loop, for threads that must not wait for its lock.
    has_loop: AtomicBool,
    /// Whether that loop has run since it was bound, and watches the inbox.
    watched: AtomicBool,
    /// Whether the scheduler has been asked to look for a loop that runs, since this one does not.
    searched: AtomicBool,
    in_hand: InHand,
    /// How often the loop has taken work.
    turns: AtomicU64,
    /// The suspended runs by the address of their tasks, to which the loop's own references are weak.
    tasks: Mutex<HashMap<usize, Suspended>>,
}

/// A run that waits for its task.
pub struct Suspended {
    pub task: Py<PyAny>,
    /// Whether the task was made for the run; else the job's function returned it.
    pub task_is_ours: bool,
    /// Taken by what ends it: the callback of its task, or the end of its loop.
    pub run: Arc<Mutex<Option<Run>>>,
}

impl Suspended {
    pub fn take_run(&self) -> Option<Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The loop an inbox is bound to.
pub struct Binding {
    /// The loop and the context in which jobs run.
    pub locals: TaskLocals,
    /// Keyword arguments for `asyncio.Task`, where tasks can start eagerly (CPython 3.12).
    pub eager: Option<Py<PyDict>>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds the inbox, or takes it off its loop; returns what it was bound to.
    pub fn rebind(&self, binding: Option<Binding>) -> Option<Binding> {
        self.watched.store(false, Ordering::SeqCst);
        self.searched.store(false, Ordering::SeqCst);
        self.has_loop.store(binding.is_some(), Ordering::SeqCst);
        std::mem::replace(&mut *self.lock_bound(), binding)
    }

    pub fn lock_bound(&self) -> MutexGuard<'_, Option<Binding>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock_tasks(&self) -> MutexGuard<'_, HashMap<usize, Suspended>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work and wakes the loop unless it has been woken already.
    pub fn push(&self, work: Vec<Work>) {
        let mut queue = self.lock();
        queue.extend(work);
        let edge = !std::mem::replace(&mut queue.armed, true);
        if edge || std::mem::take(&mut queue.pinged) {
            queue.last_sign = Some(Instant::now());
        }
        drop(queue);
        if edge {
            self.wake();
        }
    }

    fn lock_waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the loop; nothing to do before it watches, when it looks by itself.
    fn wake(&self) {
        if let Some(waker) = &*self.lock_waker() {
            waker.wake();
        }
    }

    /// Forgets that the loop has been woken, since it has come.
    fn disarm(&self, queue: &mut Queue) {
        if let Some(waker) = &*self.lock_waker() {
            waker.clear();
        }
        queue.armed = false;
        queue.pinged = false;
    }

    /// Takes away what wakes the loop.
    pub fn take_waker(&self) -> Option<Waker> {
        self.lock_waker().take()
    }

    /// Takes up to [`CHUNK`] pieces of work. With none left, disarms.
    pub fn take(&self, chunk: &mut VecDeque<Work>) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.lock();
        queue.last_sign = Some(Instant::now());
        queue.pinged = false;
        if queue.work.is_empty() {
            return self.disarm(&mut queue);
        }
        let count = queue.work.len().min(CHUNK);
        queue.take(count, chunk);
    }

    /// For how long there has been work without a sign of the loop.
    pub fn silence(&self) -> Duration {
        let queue = self.lock();
        let has_work = queue.armed && !queue.pinged;
        queue.last_sign.filter(|_| has_work).map_or(Duration::ZERO, |sign| sign.elapsed())
    }

    /// Whether a loop has been woken and given no sign for longer than `patience`. One that had no reason to is woken
    /// to see whether it still runs.
    pub fn is_silent(&self, patience: Duration) -> bool {
        if !self.has_loop() {
            return false;
        }
        let mut queue = self.lock();
        if queue.last_sign.is_some_and(|sign| sign.elapsed() <= patience) {
            return false;
        }
        if queue.armed || !self.is_watched() {
            return queue.armed;
        }
        queue.armed = true;
        queue.pinged = true;
        queue.last_sign = Some(Instant::now());
        drop(queue);
        self.wake();
        false
    }

    /// Notes the job that the drain is at, until [`Inbox::lay_down`] or the next.
    pub fn take_in_hand(&self, firing: &Firing) {
        self.in_hand.store.store(u64::from(firing.store.0) + 1, Ordering::Relaxed);
        self.in_hand.key.store(firing.key.to_bits(), Ordering::Relaxed);
    }

    pub fn lay_down(&self) {
        self.in_hand.store.store(0, Ordering::Relaxed);
    }

    /// The job whose function or coroutine the drain is in. To be asked about a loop that stands still.
    pub fn in_hand(&self) -> Option<(StoreId, JobKey)> {
        let store = self.in_hand.store.load(Ordering::Relaxed).checked_sub(1)?;
        Some((StoreId(store as u32), JobKey::from_bits(self.in_hand.key.load(Ordering::Relaxed))))
    }

    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    pub fn notices_dropped(&self) -> u64 {
        self.lock().notices_dropped
    }

    /// Whether there is work for a loop that has never run, of which the scheduler has not been told before.
    pub fn begin_search(&self) -> bool {
        let waits = self.has_loop() && !self.is_watched() && self.lock().armed;
        waits && !self.searched.swap(true, Ordering::SeqCst)
    }

    /// Whether the loop has run since it was bound.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::SeqCst)
    }

    /// Takes everything and disarms.
    pub fn take_all(&self) -> VecDeque<Work> {
        let mut queue = self.lock();
        self.disarm(&mut queue);
        let mut all = VecDeque::new();
        let count = queue.work.len();
        queue.take(count, &mut all);
        all
    }

    /// Takes what must not wait for another loop: the runs that have begun, and the events of others.
    pub fn take_begun(&self) -> VecDeque<Work> {
        let mut queue = self.lock();
        // What tells of skipped runs is among the rest.
        let (begun, rest) = queue.work.drain(..).partition(|work| !matches!(work, Work::Item(_)));
        queue.work = rest;
        begun
    }

    /// Puts work that was taken back in front of the rest, and sees to it that the loop comes back.
    pub fn put_back(&self, chunk: &mut VecDeque<Work>) {
        let mut queue = self.lock();
        while let Some(work) = chunk.pop_back() {
            if let Work::Item(Item::Skipped { store, key, run_times }) = &work {
                queue.notices += run_times.as_slice().len();
                queue.skipped.entry((*store, *key)).or_default().notices += 1;
            }
            queue.work.push_front(work);
        }
        drop(queue);
        if let Some(waker) = self.lock_waker().as_ref().filter(|waker| !waker.lasts()) {
            waker.wake();
        }
    }

    /// Whether no work is queued.
    pub fn is_empty(&self) -> bool {
        self.lock().work.is_empty()
    }

    /// Notes that the loop watches from now on, woken by `waker`, and wakes it for whatever came before.
    pub fn watch_begins(&self, waker: Waker) {
        *self.lock_waker() = Some(waker);
        self.watched.store(true, Ordering::SeqCst);
        let mut queue = self.lock();
        queue.armed = true;
        queue.last_sign = Some(Instant::now());
        drop(queue);
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
}
