//! The hub of one scheduler: takes what the engine hands over and sends it where it runs.
//!
//! Ground rules: `dispatch` and `tick` run on the timer thread, detached from Python. They take the read locks of
//! `executors` and `coroutines`, and one after the other the locks of queues, each for a few moves. Attached threads
//! write to `stores`, `executors` and `coroutines` for the length of an assignment, and look into `scheduler` for that of
//! a look; they run no Python code meanwhile. Nothing of Python is dropped under a lock.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use mainspring_core::engine::{Coroutines, Dispatch, Firing, Item, Placement, Runner, StoreId};
use mainspring_core::job::Ended;
use mainspring_core::time::Clock;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::aside::Aside;
use crate::dispatch::driver::Driver;
use crate::dispatch::ends::Ends;
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::tally::Runs;
use crate::dispatch::watch::Watch;
use crate::dispatch::worker_queue::{Pool, Task};
use crate::job::record::Route;
use crate::job::store::Store;
use crate::process::fork::Origin;
use crate::py::host::Scheduler;

/// How long a loop may leave its inbox alone before it is looked after.
const SILENCE: Duration = Duration::from_secs(1);

/// An executor as the hub sees it.
#[derive(Clone)]
pub struct Executor {
    /// Who runs its sync functions; `None`: the Python executor is asked for every run, unless it `calls_here`.
    pub pool: Option<Arc<Pool>>,
    /// Whether it does nothing with a sync function but call it at once, as a drain can where coroutine jobs run on that
    /// loop, too.
    pub calls_here: bool,
    pub logger: Arc<Py<PyAny>>,
}

impl Executor {
    /// How an executor runs what it is given. A missing one is asked, which fails and is told of.
    pub fn runner(executor: Option<&Self>) -> Runner {
        match executor {
            Some(Self { pool: Some(_), .. }) => Runner::Pool,
            Some(Self { calls_here: true, .. }) => Runner::Caller,
            _ => Runner::Own,
        }
    }
}

pub struct Hub {
    /// By store number; a store that is detached stays, for the runs that are on their way.
    stores: RwLock<Vec<Arc<Attached>>>,
    /// By executor number.
    executors: RwLock<Vec<Option<Executor>>>,
    /// Where notices, listeners and everything else that needs Python but no thread of its own is handled.
    pub control: Arc<Inbox>,
    /// Where coroutine jobs run, when not at `control`.
    coroutines: RwLock<Option<Arc<Inbox>>>,
    scheduler: Mutex<Held>,
    pub listener_mask: AtomicU32,
    /// Whether listeners are called at `control` also for runs in worker threads.
    pub events_on_loop: AtomicBool,
    pub runs: Runs,
    pub ends: Ends,
    /// Has the scheduler asked what has become of a silent loop, in the thread of `loop_check`.
    check_loops: fn(Python<'_>, &Hub),
    loop_check: Aside,
    pub clock: Arc<dyn Clock>,
    /// What drives the engine by that clock.
    pub driver: Arc<dyn Driver>,
    /// Who is told of its runs as they are made.
    pub watch: Box<dyn Watch>,
    /// The process that the hub works in; in a child forked from that, nothing of it is to be run or told.
    pub origin: Origin,
}

/// Where an item is handled.
pub enum Destination {
    Inbox(Arc<Inbox>),
    Pool(Arc<Pool>),
}

impl Destination {
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inbox(a), Self::Inbox(b)) => Arc::ptr_eq(a, b),
            (Self::Pool(a), Self::Pool(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// A native store and the alias it goes by.
pub struct Attached {
    pub store: Arc<Store>,
    pub alias: Py<PyString>,
}

/// The scheduler: held weakly while it is stopped, strongly while it runs.
struct Held {
    weak: Py<PyAny>,
    strong: Option<Py<PyAny>>,
}

impl Hub {
    /// A hub for the scheduler that the weak reference `scheduler` leads to.
    pub fn new(
        scheduler: Py<PyAny>,
        driver: Arc<dyn Driver>,
        watch: Box<dyn Watch>,
        check_loops: fn(Python<'_>, &Hub),
    ) -> Self {
        Self {
            stores: RwLock::default(),
            executors: RwLock::default(),
            control: Arc::default(),
            coroutines: RwLock::default(),
            scheduler: Mutex::new(Held { weak: scheduler, strong: None }),
            listener_mask: AtomicU32::new(0),
            events_on_loop: AtomicBool::new(false),
            runs: Runs::default(),
            ends: Ends::default(),
            check_loops,
            loop_check: Aside::default(),
            clock: driver.clock(),
            driver,
            watch,
            origin: Origin::here(),
        }
    }

    /// The scheduler; `None` when it is gone.
    pub fn scheduler<'py>(&self, py: Python<'py>) -> Option<Scheduler<'py>> {
        let weak = {
            let scheduler = self.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(strong) = &scheduler.strong {
                return Some(Scheduler::of(strong.bind(py).clone()));
            }
            scheduler.weak.clone_ref(py)
        };
        weak.bind(py).call0().ok().filter(|scheduler| !scheduler.is_none()).map(Scheduler::of)
    }

    /// Keeps the scheduler alive from now on, or no longer.
    pub fn hold_scheduler(&self, py: Python<'_>, hold: bool) {
        let strong =
            if hold { self.scheduler(py).map(|scheduler| scheduler.into_any().unbind()) } else { None };
        let mut scheduler = self.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut scheduler.strong, strong);
        drop(scheduler);
        drop(old);
    }

    /// Gives `store` a number of this hub, the one it had if it was here before: what was queued for it while
    /// no engine could run it still finds it.
    pub fn add_store(&self, store: Arc<Store>, alias: Py<PyString>) -> StoreId {
        let attached = Arc::new(Attached { store, alias });
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        let known = stores.iter().position(|s| Arc::ptr_eq(&s.store, &attached.store));
        let index = known.unwrap_or(stores.len());
        let old = match known {
            Some(index) => Some(std::mem::replace(&mut stores[index], attached)),
            None => {
                stores.push(attached);
                None
            }
        };
        drop(stores);
        drop(old);
        StoreId(index as u32)
    }

    /// The store with this number.
    pub fn attached(&self, id: StoreId) -> Option<Arc<Attached>> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.get(id.0 as usize).cloned()
    }

    pub fn set_executor(&self, number: u32, executor: Option<Executor>) {
        let mut executors = self.executors.write().unwrap_or_else(PoisonError::into_inner);
        let number = number as usize;
        if number >= executors.len() {
            executors.resize_with(number + 1, || None);
        }
        let old = std::mem::replace(&mut executors[number], executor);
        drop(executors);
        drop(old);
    }

    pub fn executor(&self, number: u32) -> Option<Executor> {
        let executors = self.executors.read().unwrap_or_else(PoisonError::into_inner);
        executors.get(number as usize).cloned().flatten()
    }

    /// How many workers of the executors' pools have something to do, and how much waits for them.
    pub fn load(&self) -> (usize, usize) {
        let executors = self.executors.read().unwrap_or_else(PoisonError::into_inner);
        let pools = executors.iter().flatten().filter_map(|executor| executor.pool.as_ref());
        pools.map(|pool| pool.load()).fold((0, 0), |(a, b), (busy, queued)| (a + busy, b + queued))
    }

    /// Whether a loop has something to do that a run or an event has left to it.
    pub fn has_work_for_loops(&self) -> bool {
        !self.control.is_empty() || !self.coroutines().is_empty()
    }

    pub fn set_coroutines(&self, inbox: Option<Arc<Inbox>>) {
        let mut coroutines = self.coroutines.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *coroutines, inbox);
        drop(coroutines);
        drop(old);
    }

    /// The inbox of the loop that runs coroutine jobs.
    pub fn coroutines(&self) -> Arc<Inbox> {
        let coroutines = self.coroutines.read().unwrap_or_else(PoisonError::into_inner);
        coroutines.as_ref().map_or_else(|| Arc::clone(&self.control), Arc::clone)
    }

    /// The event codes that listeners want.
    pub fn mask(&self) -> u32 {
        self.listener_mask.load(Ordering::Relaxed)
    }

    /// Gives back the instance slot of a firing, whose last fire ended so.
    pub fn finish(&self, firing: &Firing, ended: Ended) {
        if !self.origin.is_here() {
            return;
        }
        match self.attached(firing.store) {
            Some(attached) => self.finish_in(&attached.store, firing, ended),
            None => self.runs.add(-1),
        }
    }

    /// Gives back the instance slot of a firing of a job in `store`, whose last fire ended so.
    pub fn finish_in(&self, store: &Store, firing: &Firing, ended: Ended) {
        if !self.origin.is_here() {
            return;
        }
        drop(store.finish(firing.last_fire(), ended));
        self.runs.add(-1);
    }

    /// Sends one firing to where it runs.
    pub fn send(self: &Arc<Self>, firing: Firing) {
        self.driver.send(self, firing);
    }

    /// Where the loop for coroutines is, whose inbox this is, as seen from that of `control`.
    fn where_coroutines_run(&self, inbox: &Arc<Inbox>) -> Coroutines {
        match (inbox.has_loop(), Arc::ptr_eq(inbox, &self.control)) {
            (false, _) => Coroutines::Nowhere,
            (true, true) => Coroutines::Here,
            (true, false) => Coroutines::Elsewhere,
        }
    }

    /// Whether coroutines run on the loop of `inbox`.
    pub fn runs_coroutines_on(&self, inbox: &Inbox) -> bool {
        let coroutines = self.coroutines.read().unwrap_or_else(PoisonError::into_inner);
        inbox.has_loop() && std::ptr::eq(&**coroutines.as_ref().unwrap_or(&self.control), inbox)
    }

    /// Where an item is handled, as [`Hub::deliver`] would send it.
    pub fn destination_of(&self, item: &Item) -> Destination {
        if let Item::Run(firing) = item {
            let route = Route::unpack(firing.route);
            let (executor, inbox) = (self.executor(route.executor), self.coroutines());
            let coroutines = self.where_coroutines_run(&inbox);
            let placement = Placement::of(route.coroutine, Executor::runner(executor.as_ref()), coroutines);
            match (placement, executor.and_then(|executor| executor.pool)) {
                (Placement::Task | Placement::Call, _) => return Destination::Inbox(inbox),
                (Placement::Worker, Some(pool)) => return Destination::Pool(pool),
                _ => {}
            }
        }
        Destination::Inbox(Arc::clone(&self.control))
    }

    /// Sorts a batch by where its items go, and sends them there.
    pub fn deliver(self: &Arc<Self>, batch: &mut Vec<Item>) {
        let mut control = Vec::new();
        let mut elsewhere = Vec::new();
        // Nearly always one pool.
        let mut pools: Vec<(Arc<Pool>, Vec<Task>)> = Vec::new();
        let coroutine_inbox = self.coroutines();
        let coroutines = self.where_coroutines_run(&coroutine_inbox);
        let mut runs = 0;
        {
            let executors = self.executors.read().unwrap_or_else(PoisonError::into_inner);
            for mut item in batch.drain(..) {
                let route = match &item {
                    Item::Run(firing) => Route::unpack(firing.route),
                    _ => {
                        control.push(Work::Item(item));
                        continue;
                    }
                };
                runs += 1;
                let executor = executors.get(route.executor as usize).and_then(Option::as_ref);
                let placement = Placement::of(route.coroutine, Executor::runner(executor), coroutines);
                let on_control = placement.is_on_loop() && coroutines == Coroutines::Here;
                if on_control || placement == Placement::Asked {
                    control.push(Work::Item(item));
                    continue;
                }
                // The end is told on the control loop, wherever the last run is.
                control.extend(item.part_end().map(Work::Item));
                match (executor.and_then(|executor| executor.pool.as_ref()), item) {
                    (Some(pool), Item::Run(firing)) if placement == Placement::Worker => {
                        let task = Task::Run(Arc::clone(self), firing);
                        match pools.iter_mut().find(|(p, _)| Arc::ptr_eq(p, pool)) {
                            Some((_, tasks)) => tasks.push(task),
                            None => pools.push((Arc::clone(pool), vec![task])),
                        }
                    }
                    (_, item) => elsewhere.push(Work::Item(item)),
                }
            }
        }
        self.runs.add(runs);
        if !control.is_empty() {
            self.control.push(control);
        }
        if !elsewhere.is_empty() {
            coroutine_inbox.push(elsewhere);
        }
        for (pool, tasks) in pools {
            if !pool.has_begun() {
                pool.begin_aside();
            }
            // A pool that was shut down under its executor gives the runs back: Python decides.
            let refused: Vec<Work> = pool
                .push(tasks)
                .into_iter()
                .filter_map(|task| match task {
                    Task::Run(_, firing) => Some(Work::Item(Item::Run(firing))),
                    Task::Call(..) | Task::Drive(_) => None,
                })
                .collect();
            if !refused.is_empty() {
                self.control.push(refused);
            }
        }
    }
}

impl Hub {
    fn begin_check(self: &Arc<Self>) {
        let hub = Arc::clone(self);
        self.loop_check.start("mainspring-check", move |py| (hub.check_loops)(py, &hub));
    }

    /// The pools that the executors have.
    fn pools(&self) -> Vec<Arc<Pool>> {
        let executors = self.executors.read().unwrap_or_else(PoisonError::into_inner);
        executors.iter().flatten().filter_map(|executor| executor.pool.clone()).collect()
    }

    /// Waits for the threads that the timer thread has left something to.
    pub fn join_asides(&self) {
        self.loop_check.join();
        self.pools().iter().for_each(|pool| pool.join_aside());
    }
}

/// The hub as the engine's dispatcher.
pub struct HubDispatch(pub Arc<Hub>);

impl Dispatch for HubDispatch {
    fn dispatch(&self, batch: &mut Vec<Item>) {
        self.0.deliver(batch);
        if self.0.control.begin_search() || self.0.coroutines().begin_search() {
            self.0.begin_check();
        }
    }

    fn tick(&self) {
        // Where the system had no thread for the first worker, the next try.
        for pool in self.0.pools().iter().filter(|pool| pool.wants_first_worker()) {
            pool.begin_aside();
        }
        let is_silent = |inbox: &Inbox| inbox.is_silent(SILENCE);
        if is_silent(&self.0.control) | is_silent(&self.0.coroutines()) {
            self.0.begin_check();
        }
    }
}
