//! `Engine`: the timer thread and the dispatch of one scheduler, as Python sees them.
//!
//! Ground rules: everything here is called by threads attached to Python, any of them. `coro` and `stores` are locked for
//! single moves; no Python code runs meanwhile, and nothing of Python is dropped under them. What waits for the timer
//! thread, for workers or for a store's sweep (`start`, `stop`, `process`, `wait_idle`) does so detached.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mainspring_core::engine::{EngineHandle, StoreId};
use mainspring_core::job::JobId;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::dispatch::driver::{Driver, SystemDriver};
use crate::dispatch::hub::{Executor, Hub, HubDispatch};
use crate::dispatch::tally::wait_none;
use crate::dispatch::watch::{Logbook, Unwatched, Watch};
use crate::event_loop::inbox::LoopInbox;
use crate::job::record::executor_number;
use crate::process::fork::keep_for_ever;
use crate::py::awaitable::awaitable;
use crate::py::error::to_py;
use crate::py::imports;
use crate::py::text::{self, Text};
use crate::py::truth::Truth;
use crate::run::current::{InThisThread, runs_in_this_thread};
use crate::store::native::NativeStore;
use crate::time::datetime::instant;
use crate::worker::pool::WorkerPool;

/// Timer thread and dispatch of one scheduler.
#[pyclass(module = "mainspring._mainspring", frozen, weakref)]
pub struct Engine {
    hub: Arc<Hub>,
    handle: Arc<EngineHandle>,
    control: Py<LoopInbox>,
    coro: Mutex<Option<Py<LoopInbox>>>,
    stores: Mutex<Vec<(String, StoreId, Py<NativeStore>)>>,
}

impl Engine {
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The engine of `scheduler` by another driver than the system's, perhaps.
    pub fn driven_by(
        scheduler: &Bound<'_, PyAny>,
        driver: Arc<dyn Driver>,
        watch: Box<dyn Watch>,
    ) -> PyResult<Self> {
        let py = scheduler.py();
        let weak = imports::weak_reference(py)?.call1((scheduler,))?;
        let hub = Arc::new(Hub::new(weak.unbind(), driver, watch, check_loops));
        let handle =
            Arc::new(EngineHandle::new(Arc::clone(&hub.clock), Arc::new(HubDispatch(Arc::clone(&hub)))));
        let control = LoopInbox { inbox: Arc::clone(&hub.control), hub: Arc::clone(&hub) };
        Ok(Self {
            hub,
            handle,
            control: Py::new(py, control)?,
            coro: Mutex::default(),
            stores: Mutex::default(),
        })
    }

    /// The native store attached under an alias; without one, the only one there is.
    pub fn native_store(&self, py: Python<'_>, alias: Option<&str>) -> Option<Py<NativeStore>> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match alias {
            Some(alias) => stores.iter().find(|(name, ..)| name == alias),
            None => stores.first().filter(|_| stores.len() == 1),
        };
        found.map(|(.., store)| store.clone_ref(py))
    }

    /// The native stores that are attached, with their aliases.
    pub fn native_stores(&self, py: Python<'_>) -> Vec<(String, Py<NativeStore>)> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.iter().map(|(name, _, store)| (name.clone(), store.clone_ref(py))).collect()
    }
}

#[pymethods]
impl Engine {
    /// The engine of `scheduler` on the system's clock.
    #[new]
    fn new(scheduler: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::driven_by(scheduler, Arc::new(SystemDriver::new()), Box::new(Unwatched))
    }

    /// A further inbox, for another loop than that of `control`.
    fn new_inbox(&self) -> LoopInbox {
        LoopInbox { inbox: Arc::default(), hub: Arc::clone(&self.hub) }
    }

    /// The inbox on which listeners, notices, Python triggers and Python executors are handled.
    #[getter]
    fn control(&self, py: Python<'_>) -> Py<LoopInbox> {
        self.control.clone_ref(py)
    }

    /// The inbox of the loop that coroutine jobs run on; `None`: `control`.
    #[getter]
    fn coro(&self, py: Python<'_>) -> Option<Py<LoopInbox>> {
        let coro = self.coro.lock().unwrap_or_else(PoisonError::into_inner);
        coro.as_ref().map(|inbox| inbox.clone_ref(py))
    }

    #[setter]
    fn set_coro(&self, inbox: Option<Py<LoopInbox>>) {
        self.hub.set_coroutines(inbox.as_ref().map(|inbox| Arc::clone(&inbox.get().inbox)));
        let old = std::mem::replace(&mut *self.coro.lock().unwrap_or_else(PoisonError::into_inner), inbox);
        drop(old);
    }

    /// Whether listeners are called on the loop of `control` also for runs in worker threads.
    #[getter]
    fn events_on_loop(&self) -> bool {
        self.hub.events_on_loop.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_events_on_loop(&self, value: bool) {
        self.hub.events_on_loop.store(value, Ordering::Relaxed);
    }

    /// Sweeps `store` from now on.
    fn attach_store(&self, alias: &Bound<'_, PyString>, store: &Bound<'_, NativeStore>) -> PyResult<()> {
        let shared = Arc::clone(store.get().shared());
        let id = self.hub.add_store(Arc::clone(&shared), alias.clone().unbind());
        shared.change(|s| s.set_id(id));
        self.hub.driver.adopt(&shared, &self.handle);
        let name = text::of(alias)?.into_owned();
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).push((name, id, store.clone().unbind()));
        self.handle.attach(id, shared);
        Ok(())
    }

    /// No longer sweeps the store attached as `alias`.
    fn detach_store(&self, alias: Text<'_>) {
        let detached = {
            let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
            let index = stores.iter().position(|(name, ..)| name == alias.as_str());
            index.map(|index| stores.swap_remove(index))
        };
        if let Some((_, id, store)) = detached {
            self.handle.detach(id);
            store.get().shared().set_waker(None);
        }
    }

    /// Names the executor `alias`: its sync functions run in `pool`, or `calls_here` on the loop of `control`; else every
    /// firing goes to the scheduler's `_submit_native`.
    fn set_executor(
        &self,
        alias: Text<'_>,
        pool: Option<&Bound<'_, WorkerPool>>,
        calls_here: bool,
        logger: Py<PyAny>,
    ) {
        let pool = pool.map(|pool| Arc::clone(pool.get().shared()));
        let executor = Executor { pool, calls_here, logger: Arc::new(logger) };
        self.hub.set_executor(executor_number(alias.as_str()), Some(executor));
    }

    /// Forgets the executor `alias`.
    fn remove_executor(&self, alias: Text<'_>) {
        self.hub.set_executor(executor_number(alias.as_str()), None);
    }

    /// Leaves the engine to the parent of this process, which was forked: keeps it and what it shares with the
    /// parent as they are until the process ends.
    fn leave_to_parent(slf: Bound<'_, Self>) {
        slf.get().hub.hold_scheduler(slf.py(), false);
        keep_for_ever(slf.into_any().unbind());
    }

    /// Has the engine driven, by its timer thread as a rule. It keeps its scheduler alive while it runs.
    fn start(&self, py: Python<'_>, paused: Truth) -> PyResult<()> {
        self.hub.hold_scheduler(py, true);
        self.handle.set_paused(paused.0);
        self.hub.driver.start(py, &self.hub, &self.handle).map_err(to_py)
    }

    /// Stops or resumes looking for due jobs.
    fn set_paused(&self, paused: Truth) {
        self.handle.set_paused(paused.0);
    }

    /// Stops the timer thread and waits for its end.
    fn stop(&self, py: Python<'_>) {
        self.hub.driver.stop(&self.hub);
        py.detach(|| {
            self.handle.stop();
            self.hub.join_asides();
        });
        self.hub.hold_scheduler(py, false);
    }

    /// Lets the timer thread look at the stores now.
    fn wake(&self) {
        self.handle.wake();
    }

    /// Sweeps once in the calling thread and handles there what needs Python. Returns the next deadline in
    /// POSIX seconds, or `None` when there is none.
    fn process(&self, now: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        let py = now.py();
        let now = instant(now)?;
        let next = py.detach(|| self.handle.process(now));
        self.control.bind(py).call_method0("_drain_all")?;
        Ok(next.map(|next| next.get() as f64 / 1e6))
    }

    /// Sets the union of the listeners' masks; events outside it are never built.
    fn set_listener_mask(&self, mask: u32) {
        self.hub.listener_mask.store(mask, Ordering::Relaxed);
    }

    /// Whether the engine is driven: its timer thread, where it has one, lives.
    #[getter]
    fn running(&self) -> bool {
        self.hub.driver.drives(&self.hub, &self.handle)
    }

    /// The runs so far, where they are watched, from the `first` on, of one job or of all: number, job id, scheduled
    /// and start time in microseconds since the epoch, how it ended, what it returned or raised.
    #[pyo3(signature = (job_id=None, first=0))]
    fn runs<'py>(&self, py: Python<'py>, job_id: Option<Text<'py>>, first: usize) -> Logbook<'py> {
        self.hub.watch.read(py, job_id.as_ref().map(Text::as_str), first)
    }

    /// Tells the engine's `Watch` of a run that an executor written in Python has made.
    fn note_run(
        &self,
        job_id: Text<'_>,
        scheduled: &Bound<'_, PyAny>,
        started: &Bound<'_, PyAny>,
        outcome: &str,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let id = JobId::from(job_id.as_str());
        self.hub.watch.note(&id, instant(scheduled)?, instant(started)?, outcome, value);
        Ok(())
    }

    /// How many runs there have been, where they are watched.
    #[getter]
    fn run_count(&self) -> usize {
        self.hub.watch.len()
    }

    /// How many runs are queued or under way.
    #[getter]
    fn running_jobs(&self) -> usize {
        self.hub.runs.count()
    }

    /// How many worker threads have something to do, and how much is queued for them.
    #[getter]
    fn load(&self) -> (usize, usize) {
        self.hub.load()
    }

    /// Waits until no run is queued or under way, at most `timeout` seconds; says whether there is none. A run
    /// that waits in its own worker thread does not wait for itself.
    #[pyo3(signature = (timeout=None))]
    fn wait_idle(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let timeout = match timeout {
            Some(seconds) => Some(Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| {
                PyValueError::new_err(format!("timeout must be a number of seconds, not {seconds}"))
            })?),
            None => None,
        };
        Ok(py.detach(|| self.hub.runs.wait_none(runs_in_this_thread(), timeout)))
    }

    /// An awaitable that is done when at most `but` runs are queued or under way.
    #[pyo3(signature = (but=0))]
    fn idle<'py>(&self, py: Python<'py>, but: usize) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, wait_none(Arc::clone(&self.hub), but))
    }
}

/// Has the scheduler asked what has become of a silent loop.
fn check_loops(py: Python<'_>, hub: &Hub) {
    let Some(scheduler) = hub.scheduler(py) else { return };
    if let Err(error) = scheduler.check_loops() {
        error.write_unraisable(py, Some(scheduler.as_any()));
    }
}

/// Calls a job's function for an executor written in Python, noted as this thread's current run. Without an engine,
/// as in another process, it is noted for what is told of the run only.
#[pyfunction]
#[pyo3(signature = (engine, job_id, func, *args, **kwargs))]
pub fn noted<'py>(
    engine: Option<&Bound<'py, Engine>>,
    job_id: Text<'_>,
    func: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let hub = engine.map(|engine| Arc::clone(engine.get().hub()));
    let here = InThisThread::enter_uncounted(func.py(), hub, Arc::from(job_id.as_str()));
    let result = func.call(args, kwargs);
    here.tell_unawaited();
    result
}
