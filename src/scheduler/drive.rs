//! The drive of engines whose clock is moved by hand, in the timer thread's place.
//!
//! [`Drive`] sweeps the engines that are started on its clock, in the order of their starts, and keeps what
//! is due at the present instant. From there it goes item by item, in order, to the *destination* where it is
//! handled: an event loop, or a worker pool. The thread that drives takes the items of its own place and handles them
//! then and there, moves the clock to the next deadline when nothing is left, and so goes on for as long as
//! everything comes to its end at once; it stops at the first item of another place, or when a run goes on.
//! So a year of sync jobs takes one change of thread, not one a run.
//!
//! One thread drives at a time: that of the testing kit on its event loop (`python/mainspring/testing/_conductor.py`),
//! or the worker thread to which it has lent the drive as a [`Lent`]. A run that blocks its worker blocks
//! the segment; the kit then takes the drive back by [`Drive::reclaim`], which moves the `epoch` on, and the
//! worker, when it is free at last, finds that it is not its turn any more.
//!
//! Ground rules: `state` is locked for one step, and the engines' and stores' locks are taken under it; no
//! Python code runs meanwhile, and nothing of Python is in it to be dropped. The thread that drives is attached.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainspring_core::engine::{EngineHandle, Firing, Item, Runner};
use mainspring_core::random::SplitMix64;
use mainspring_core::time::{Clock, ManualClock, StepDetector};
use mainspring_core::{Error, UtcMicros};
use pyo3::prelude::*;

use crate::dispatch::driver::{Driver, Segment};
use crate::dispatch::hub::{Destination, Executor, Hub};
use crate::job::record::Route;
use crate::job::store::Store;
use crate::time::on_behalf::OnBehalf;

/// What is due at the present instant of a clock, and where the clock goes next.
pub struct Drive {
    pub clock: Arc<ManualClock>,
    state: Mutex<State>,
    /// Whether the kit is to look at what only Python knows of before time moves on.
    attention: AtomicBool,
    /// How many items have been handled.
    progress: AtomicU64,
    seed: u64,
    /// When it was made, by the machine's clock, which goes on where a test has stopped Python's clocks.
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

/// What the thread that drives is to do.
enum Next {
    /// Handle this.
    Item(Arc<Hub>, Item),
    /// Let this place go on.
    Elsewhere(Arc<Hub>, Destination),
    /// Nothing: the time has come to which the clock was to be moved, or the kit is to look at what only Python knows
    /// of, or the drive has been taken back.
    Done,
}

impl Drive {
    pub fn new(start: UtcMicros, seed: u64) -> Self {
        Self {
            clock: Arc::new(ManualClock::new(start)),
            state: Mutex::default(),
            attention: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            seed,
            made: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_started(&self, hub: &Arc<Hub>) -> bool {
        self.lock().engines.iter().any(|engine| Arc::ptr_eq(&engine.hub, hub))
    }

    /// Has an item handled before all others.
    fn put_first(&self, hub: &Arc<Hub>, item: Item) {
        let (first, then) = in_order(hub, item);
        let pending = &mut self.lock().pending;
        for item in [then, Some(first)].into_iter().flatten() {
            pending.push_front((Arc::clone(hub), item));
        }
    }

    /// One more seed for jitter.
    fn next_seed(&self) -> u64 {
        let mut state = self.lock();
        state.seeds += 1;
        SplitMix64::new(self.seed ^ state.seeds.rotate_left(32)).next_u64()
    }

    /// The next item for the loop of an inbox, up to the time `until`.
    pub fn next_on_loop(&self, here: &Destination, until: UtcMicros) -> Option<Item> {
        match self.next(None, Some(here), until) {
            Next::Item(_, item) => Some(item),
            _ => None,
        }
    }

    /// The place where the next item up to the time `until` is handled; `None` when there is none or the kit is to look
    /// at what only Python knows of.
    pub fn next_destination(&self, until: UtcMicros) -> Option<(Arc<Hub>, Destination)> {
        match self.next(None, None, until) {
            Next::Elsewhere(hub, destination) => Some((hub, destination)),
            Next::Item(..) | Next::Done => None,
        }
    }

    /// Sends the item that is next, and those after it that belong to the same place, where they are handled, as
    /// without a manual clock.
    pub fn hand_over(&self) {
        let mut items = Vec::new();
        let mut to = None;
        {
            let mut guard = self.lock();
            while let Some((hub, item)) = guard.pending.front() {
                let destination = hub.destination_of(item);
                let (first, same) = to.get_or_insert_with(|| (Arc::clone(hub), hub.destination_of(item)));
                if !(Arc::ptr_eq(first, hub) && same.is(&destination)) {
                    break;
                }
                items.extend(guard.pending.pop_front().map(|(_, item)| item));
            }
        }
        if let Some((hub, _)) = to {
            hub.deliver(&mut items);
        }
    }

    /// Steps the wall clock while no time passes, and has every scheduler told of it.
    pub fn step(&self, micros: i64) {
        self.clock.step(micros);
        if micros.abs() > StepDetector::TOLERANCE_MICROS {
            let mut guard = self.lock();
            let state = &mut *guard;
            for engine in &state.engines {
                state.pending.push_back((Arc::clone(&engine.hub), Item::ClockStepped(micros)));
            }
        }
    }

    /// The drive as lent to a worker, up to the time `until`.
    pub fn segment(self: &Arc<Self>, until: UtcMicros, done: Py<PyAny>) -> Lent {
        Lent { drive: Arc::clone(self), epoch: self.lock().epoch, until, done }
    }

    /// How many items have been handled.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Whether a run goes on, or a loop has something to do that a run or an event has left to it.
    pub fn is_busy(&self) -> bool {
        let state = self.lock();
        state.engines.iter().any(|engine| engine.hub.runs.count() > 0 || engine.hub.has_work_for_loops())
    }

    /// Whether time is not to move on before the kit has looked at what only Python knows of.
    pub fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::SeqCst)
    }

    pub fn set_attention(&self, value: bool) {
        self.attention.store(value, Ordering::SeqCst);
    }

    /// How much time has passed by the machine's clock since it was made.
    pub fn real(&self) -> Duration {
        self.made.elapsed()
    }

    /// Takes the next step, up to the time `until`, for the thread that drives at `here`. `epoch` is that of a segment.
    fn next(&self, epoch: Option<u64>, here: Option<&Destination>, until: UtcMicros) -> Next {
        let mut guard = self.lock();
        let state = &mut *guard;
        if epoch.is_some_and(|epoch| epoch != state.epoch) {
            return Next::Done;
        }
        state.in_hand = None;
        loop {
            if let Some((hub, item)) = state.pending.front() {
                let destination = hub.destination_of(item);
                if here.is_none_or(|here| !here.is(&destination)) {
                    return Next::Elsewhere(Arc::clone(hub), destination);
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
            if self.wants_attention() {
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
    pub fn reclaim(&self) -> Option<(Arc<Hub>, Firing)> {
        let mut state = self.lock();
        let epoch = state.epoch;
        state.epoch += 1;
        let stuck = state.in_hand.take()?;
        state.stuck.push(epoch);
        if let Destination::Pool(pool) = stuck.0.destination_of(&Item::Run(stuck.1.clone())) {
            pool.stuck.fetch_add(1, Ordering::SeqCst);
        }
        Some(stuck)
    }
}

impl Driver for Drive {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn is_the_systems(&self) -> bool {
        false
    }

    /// Sweeps an engine from now on.
    fn start(&self, _: Python<'_>, hub: &Arc<Hub>, engine: &Arc<EngineHandle>) -> Result<(), Error> {
        let mut state = self.lock();
        state.engines.retain(|engine| !Arc::ptr_eq(&engine.hub, hub));
        state.engines.push(Started { hub: Arc::clone(hub), handle: Arc::clone(engine) });
        Ok(())
    }

    /// No longer sweeps an engine. What is due in it and was not handled is sent where it runs.
    fn stop(&self, hub: &Arc<Hub>) {
        let mut state = self.lock();
        state.engines.retain(|engine| !Arc::ptr_eq(&engine.hub, hub));
        let (own, rest) = state.pending.drain(..).partition(|(other, _)| Arc::ptr_eq(other, hub));
        state.pending = rest;
        drop(state);
        let own: VecDeque<(Arc<Hub>, Item)> = own;
        hub.deliver(&mut own.into_iter().map(|(_, item)| item).collect());
    }

    fn drives(&self, hub: &Arc<Hub>, _: &EngineHandle) -> bool {
        self.is_started(hub)
    }

    fn adopt(&self, store: &Store, _: &EngineHandle) {
        let seed = self.next_seed();
        store.change(|s| s.set_seed(seed));
        // It is swept step by step: there is no timer thread to wake.
        store.set_waker(None);
    }

    fn send(&self, hub: &Arc<Hub>, firing: Firing) {
        let item = Item::Run(firing);
        match self.is_started(hub) {
            true => self.put_first(hub, item),
            false => hub.deliver(&mut vec![item]),
        }
    }

    /// Has the clock answer in this thread.
    fn on_behalf(&self) -> Option<OnBehalf> {
        Some(OnBehalf::begin(self.clock.now(), self.next_seed()))
    }
}

/// What is handled one after the other for an item: that a job has ended before its last run, where the hub
/// starts that itself, as it does where no clock is moved by hand.
fn in_order(hub: &Hub, mut item: Item) -> (Item, Option<Item>) {
    if let Item::Run(Firing { last: true, route, .. }) = &item {
        let executor = hub.executor(Route::unpack(*route).executor);
        if Executor::runner(executor.as_ref()) == Runner::Pool {
            if let Some(end) = item.part_end() {
                return (end, Some(item));
            }
        }
    }
    (item, None)
}

/// The drive as lent to a worker of one pool.
pub struct Lent {
    drive: Arc<Drive>,
    epoch: u64,
    until: UtcMicros,
    /// What is called when the drive has been given back.
    done: Py<PyAny>,
}

impl Segment for Lent {
    fn next(&self, pool: &Destination) -> Option<(Arc<Hub>, Firing)> {
        match self.drive.next(Some(self.epoch), Some(pool), self.until) {
            Next::Item(hub, Item::Run(firing)) => Some((hub, firing)),
            _ => None,
        }
    }

    fn end(&self, py: Python<'_>, pool: &Destination) -> PyResult<()> {
        let was_stuck = {
            let mut state = self.drive.lock();
            if state.epoch == self.epoch {
                state.in_hand = None;
            }
            let index = state.stuck.iter().position(|&epoch| epoch == self.epoch);
            index.map(|index| state.stuck.swap_remove(index)).is_some()
        };
        if let (true, Destination::Pool(pool)) = (was_stuck, pool) {
            pool.stuck.fetch_sub(1, Ordering::SeqCst);
        }
        self.done.bind(py).call0().map(drop)
    }
}
