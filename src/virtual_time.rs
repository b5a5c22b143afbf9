//! Virtual time: what drives the engines of schedulers whose clock is moved by hand, in the timer thread's
//! place.
//!
//! [`Drive`] sweeps the engines that are started on its clock, in the order of their starts, and keeps what
//! is due at the present instant. From there it goes item by item, in order, to the *place* where it is
//! handled: an event loop, or a worker pool. Whoever drives takes the items of its own place and handles them
//! then and there, moves the clock to the next deadline when nothing is left, and so goes on for as long as
//! everything comes to its end at once; it stops at the first item of another place, or when a run goes on.
//! So a year of sync jobs takes one change of thread, not one a run.
//!
//! One party drives at a time: the testing kit on its event loop (`python/mainspring/testing/_conductor.py`),
//! or the worker thread to which it has lent the drive as a [`Segment`]. A run that blocks its worker blocks
//! the segment; the kit then takes the drive back by [`Drive::reclaim`], which moves the `epoch` on, and the
//! worker, when it is free at last, finds that it is not its turn any more.
//!
//! Ground rules: `state` is locked for one step, and the engines' and stores' locks are taken under it; no
//! Python code runs meanwhile, and nothing of Python is in it to be dropped. Whoever drives is attached.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainspring_core::UtcMicros;
use mainspring_core::engine::{EngineHandle, Firing, Item};
use mainspring_core::random::SplitMix64;
use mainspring_core::time::{Clock, ManualClock, StepDetector};
use mainspring_core::trigger::JitterSource;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::fields::Seen;
use crate::hub::{Hub, Place};
use crate::loop_inbox::LoopInbox;
use crate::pool::WorkerPool;
use crate::py::text;
use crate::record::Route;
use crate::time::datetime::instant;

/// What is due at the present instant of a clock, and where the clock goes next.
pub struct Drive {
    pub clock: Arc<ManualClock>,
    state: Mutex<State>,
    /// Whether the kit is to look at what only Python knows of before time moves on.
    attention: AtomicBool,
    /// How many items have been handled.
    progress: AtomicU64,
    seed: u64,
    /// When it was made, in real time, whoever has stopped Python's clocks.
    made: Instant,
}

#[derive(Default)]
struct State {
    engines: Vec<Started>,
    pending: VecDeque<(Arc<Hub>, Item)>,
    batch: Vec<Item>,
    epoch: u64,
    /// The run that the segment's worker is in.
    in_hand: Option<(Arc<Hub>, Firing)>,
    /// The epochs of segments that were taken back while they were in a run, until that ends.
    stuck: Vec<u64>,
    /// How many seeds for jitter have been given out.
    seeds: u64,
}

struct Started {
    hub: Arc<Hub>,
    handle: Arc<EngineHandle>,
}

/// What whoever drives is to do.
pub enum Next {
    /// Handle this.
    Item(Arc<Hub>, Item),
    /// Let this place go on.
    Elsewhere(Arc<Hub>, Place),
    /// Nothing: the time has come to which the clock was to be moved, or somebody is to look, or the drive has
    /// been taken back.
    Done,
}

impl Drive {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sweeps an engine from now on.
    pub fn add(&self, hub: &Arc<Hub>, handle: &Arc<EngineHandle>) {
        let mut state = self.lock();
        state.engines.retain(|engine| !Arc::ptr_eq(&engine.hub, hub));
        state.engines.push(Started { hub: Arc::clone(hub), handle: Arc::clone(handle) });
    }

    /// No longer sweeps an engine. What is due in it and was not handled is sent where it runs.
    pub fn remove(&self, hub: &Arc<Hub>) {
        let mut state = self.lock();
        state.engines.retain(|engine| !Arc::ptr_eq(&engine.hub, hub));
        let (own, rest) = state.pending.drain(..).partition(|(other, _)| Arc::ptr_eq(other, hub));
        state.pending = rest;
        drop(state);
        let own: VecDeque<(Arc<Hub>, Item)> = own;
        hub.deliver(&mut own.into_iter().map(|(_, item)| item).collect());
    }

    pub fn drives(&self, hub: &Arc<Hub>) -> bool {
        self.lock().engines.iter().any(|engine| Arc::ptr_eq(&engine.hub, hub))
    }

    /// Has an item handled before all others.
    pub fn put_first(&self, hub: &Arc<Hub>, item: Item) {
        let (first, then) = in_order(hub, item);
        let pending = &mut self.lock().pending;
        for item in [then, Some(first)].into_iter().flatten() {
            pending.push_front((Arc::clone(hub), item));
        }
    }

    /// One more seed for jitter.
    pub fn next_seed(&self) -> u64 {
        let mut state = self.lock();
        state.seeds += 1;
        SplitMix64::new(self.seed ^ state.seeds.rotate_left(32)).next_u64()
    }

    /// Takes the next step, up to the time `until`, for whoever drives at `here`. `epoch` is that of a segment.
    fn next(&self, epoch: Option<u64>, here: Option<&Place>, until: UtcMicros) -> Next {
        let mut guard = self.lock();
        let state = &mut *guard;
        if epoch.is_some_and(|epoch| epoch != state.epoch) {
            return Next::Done;
        }
        state.in_hand = None;
        loop {
            if let Some((hub, item)) = state.pending.front() {
                let place = hub.place_of(item);
                if here.is_none_or(|here| !here.is(&place)) {
                    return Next::Elsewhere(Arc::clone(hub), place);
                }
                let Some((hub, item)) = state.pending.pop_front() else { return Next::Done };
                if let Item::Run(firing) = &item {
                    hub.runs.add(1);
                    if epoch.is_some() {
                        state.in_hand = Some((Arc::clone(&hub), firing.clone()));
                    }
                }
                self.progress.fetch_add(1, Ordering::Relaxed);
                return Next::Item(hub, item);
            }
            if self.attention.load(Ordering::SeqCst) {
                return Next::Done;
            }
            let now = self.clock.now();
            let mut deadline: Option<UtcMicros> = None;
            for engine in &state.engines {
                let next = engine.handle.sweep(now, &mut state.batch);
                deadline = match (deadline, next) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                for item in state.batch.drain(..) {
                    let (first, then) = in_order(&engine.hub, item);
                    let items = [Some(first), then].into_iter().flatten();
                    state.pending.extend(items.map(|item| (Arc::clone(&engine.hub), item)));
                }
            }
            if !state.pending.is_empty() {
                continue;
            }
            match deadline {
                // More is due than one pass takes.
                Some(deadline) if deadline <= now => {}
                Some(deadline) if deadline <= until => self.clock.advance_to(deadline),
                _ => {
                    self.clock.advance_to(until);
                    return Next::Done;
                }
            }
        }
    }

    /// Takes the drive back from a worker; returns the run that keeps it, if it is in one.
    fn reclaim(&self) -> Option<(Arc<Hub>, Firing)> {
        let mut state = self.lock();
        let epoch = state.epoch;
        state.epoch += 1;
        let stuck = state.in_hand.take()?;
        state.stuck.push(epoch);
        if let Place::Pool(pool) = stuck.0.place_of(&Item::Run(stuck.1.clone())) {
            pool.stuck.fetch_add(1, Ordering::SeqCst);
        }
        Some(stuck)
    }
}

/// What is handled one after the other for an item: that a job has ended before its last run, where the hub
/// starts that itself, as it does where nobody drives by hand.
fn in_order(hub: &Hub, mut item: Item) -> (Item, Option<Item>) {
    if let Item::Run(Firing { last: true, route, .. }) = &item {
        let executor = hub.executor(Route::unpack(*route).executor);
        if executor.is_some_and(|executor| executor.pool.is_some()) {
            if let Some(end) = item.part_end() {
                return (end, Some(item));
            }
        }
    }
    (item, None)
}

/// The drive as lent to a worker of one pool.
pub struct Segment {
    drive: Arc<Drive>,
    epoch: u64,
    until: UtcMicros,
    done: Py<PyAny>,
}

impl Segment {
    /// The next run for the pool; `None` at the end of the segment.
    pub fn next(&self, pool: &Place) -> Option<(Arc<Hub>, Firing)> {
        match self.drive.next(Some(self.epoch), Some(pool), self.until) {
            Next::Item(hub, Item::Run(firing)) => Some((hub, firing)),
            _ => None,
        }
    }

    /// Gives the drive back, or takes note that it has been taken back.
    pub fn end(self, py: Python<'_>, pool: &Place) -> PyResult<()> {
        let was_stuck = {
            let mut state = self.drive.lock();
            if state.epoch == self.epoch {
                state.in_hand = None;
            }
            let index = state.stuck.iter().position(|&epoch| epoch == self.epoch);
            index.map(|index| state.stuck.swap_remove(index)).is_some()
        };
        if let (true, Place::Pool(pool)) = (was_stuck, pool) {
            pool.stuck.fetch_sub(1, Ordering::SeqCst);
        }
        self.done.bind(py).call0().map(drop)
    }
}

/// What a clock answers, in one thread, to those who ask for the time or for chance.
struct Answers {
    now: UtcMicros,
    jitter: SplitMix64,
}

thread_local! {
    /// `None`: the time is the system's, and jitter is drawn from Python's `random`.
    static ANSWERS: RefCell<Option<Answers>> = const { RefCell::new(None) };
}

/// A value drawn evenly from 0 to `longest` where the thread is on behalf of a manual clock.
pub fn drawn_here(longest: f64) -> Option<f64> {
    let micros = (longest * 1e6) as i64;
    ANSWERS.with_borrow_mut(|answers| answers.as_mut().map(|a| a.jitter.draw(micros) as f64 / 1e6))
}

/// The time now where the thread is on behalf of a manual clock.
pub fn now_here() -> Option<UtcMicros> {
    ANSWERS.with_borrow(|answers| answers.as_ref().map(|a| a.now))
}

/// Has a clock answer in this thread, for as long as it lives.
pub struct OnBehalf(Option<Answers>);

impl OnBehalf {
    pub fn of(drive: &Drive) -> Self {
        let jitter = SplitMix64::new(drive.next_seed());
        Self(ANSWERS.replace(Some(Answers { now: drive.clock.now(), jitter })))
    }
}

impl Drop for OnBehalf {
    fn drop(&mut self) {
        ANSWERS.set(self.0.take());
    }
}

/// The time of a manual clock, and the engines that go by it.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct VirtualTime {
    pub drive: Arc<Drive>,
}

#[pymethods]
impl VirtualTime {
    #[new]
    fn new(start: &Bound<'_, PyAny>, seed: u64) -> PyResult<Self> {
        let drive = Drive {
            clock: Arc::new(ManualClock::new(instant(start)?)),
            state: Mutex::default(),
            attention: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            seed,
            made: Instant::now(),
        };
        Ok(Self { drive: Arc::new(drive) })
    }

    /// The wall clock, in microseconds since the epoch.
    #[getter]
    fn wall(&self) -> i64 {
        self.drive.clock.now().get()
    }

    /// The time that has passed, in microseconds.
    #[getter]
    fn monotonic(&self) -> i64 {
        i64::try_from(self.drive.clock.monotonic().as_micros()).unwrap_or(i64::MAX)
    }

    /// How much real time has passed, in seconds.
    #[getter]
    fn real(&self) -> f64 {
        self.drive.made.elapsed().as_secs_f64()
    }

    /// Steps the wall clock while no time passes, and has every scheduler told of it.
    fn step(&self, micros: i64) {
        self.drive.clock.step(micros);
        if micros.abs() > StepDetector::TOLERANCE_MICROS {
            let mut guard = self.drive.lock();
            let state = &mut *guard;
            for engine in &state.engines {
                state.pending.push_back((Arc::clone(&engine.hub), Item::ClockStepped(micros)));
            }
        }
    }

    /// Lets time pass without looking for what is due.
    fn pass_time(&self, micros: u64) {
        self.drive.clock.advance(Duration::from_micros(micros));
    }

    /// Goes to the next item, up to the wall-clock time `until`, and returns the place where it is handled, or
    /// `None` when there is none or somebody is to look.
    fn next<'py>(&self, py: Python<'py>, until: i64) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.drive.next(None, None, UtcMicros::clamped(until)) {
            Next::Elsewhere(hub, Place::Inbox(inbox)) => {
                Ok(Some(Bound::new(py, LoopInbox { inbox, hub })?.into_any()))
            }
            Next::Elsewhere(_, Place::Pool(pool)) => {
                Ok(Some(Bound::new(py, WorkerPool::of(pool))?.into_any()))
            }
            Next::Item(..) | Next::Done => Ok(None),
        }
    }

    /// Sends the item that is next, and those after it that belong to the same place, where they are handled,
    /// as without a manual clock.
    fn hand_over(&self) {
        let mut items = Vec::new();
        let mut to = None;
        {
            let mut guard = self.drive.lock();
            while let Some((hub, item)) = guard.pending.front() {
                let place = hub.place_of(item);
                let (first, same) = to.get_or_insert_with(|| (Arc::clone(hub), hub.place_of(item)));
                if !(Arc::ptr_eq(first, hub) && same.is(&place)) {
                    break;
                }
                items.extend(guard.pending.pop_front().map(|(_, item)| item));
            }
        }
        if let Some((hub, _)) = to {
            hub.deliver(&mut items);
        }
    }

    /// Lends the drive to a worker of `pool` up to the wall-clock time `until`; `done()` is called in that thread
    /// when it is given back. `False` when runs keep all workers that the pool may have.
    fn lend(&self, pool: &Bound<'_, WorkerPool>, until: i64, done: Py<PyAny>) -> PyResult<bool> {
        let shared = pool.get().shared();
        if shared.stuck.load(Ordering::SeqCst) >= shared.max_workers() {
            return Ok(false);
        }
        let epoch = self.drive.lock().epoch;
        let until = UtcMicros::clamped(until);
        WorkerPool::drive(pool, Segment { drive: Arc::clone(&self.drive), epoch, until, done })
    }

    /// Takes the drive back from a worker that its run keeps; says which job that is, of which scheduler, and
    /// for which time. `None` when the worker is in no run.
    fn reclaim<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyString>, i64)> {
        let (hub, firing) = self.drive.reclaim()?;
        let seen = Seen::read(&hub.attached(firing.store)?.store, firing.key)?;
        let at = firing.run_times.as_slice().first().map_or(0, |at| at.get());
        Some((hub.scheduler(py)?, text::string(py, &seen.id), at))
    }

    /// How many items have been handled.
    #[getter]
    fn progress(&self) -> u64 {
        self.drive.progress.load(Ordering::Relaxed)
    }

    /// Whether a run goes on, or a loop has something to do that a run or an event has left to it.
    #[getter]
    fn busy(&self) -> bool {
        let state = self.drive.lock();
        state.engines.iter().any(|engine| engine.hub.runs.count() > 0 || engine.hub.has_work_for_loops())
    }

    /// Whether time is not to move on before somebody has looked at what only Python knows of.
    #[getter]
    fn attention(&self) -> bool {
        self.drive.attention.load(Ordering::SeqCst)
    }

    #[setter]
    fn set_attention(&self, value: bool) {
        self.drive.attention.store(value, Ordering::SeqCst);
    }

    /// Calls `function(*args, **kwargs)`; in this thread triggers that ask for the time meanwhile are told this
    /// clock's, and jitter follows from its seed.
    #[pyo3(signature = (function, *args, **kwargs))]
    fn on_behalf<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _answers = OnBehalf::of(&self.drive);
        function.call(args, kwargs)
    }
}

impl Drive {
    /// The next item for the loop of `inbox`.
    pub fn next_on_loop(&self, here: &Place, until: UtcMicros) -> Option<(Arc<Hub>, Item)> {
        match self.next(None, Some(here), until) {
            Next::Item(hub, item) => Some((hub, item)),
            _ => None,
        }
    }
}
