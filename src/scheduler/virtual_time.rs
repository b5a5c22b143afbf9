//! `VirtualTime`: the time of a manual clock, and the drive of the engines that go by it, as the testing kit sees them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mainspring_core::UtcMicros;
use mainspring_core::time::Clock;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::dispatch::driver::Driver;
use crate::dispatch::hub::Destination;
use crate::event_loop::drain;
use crate::event_loop::inbox::LoopInbox;
use crate::job::seen::Seen;
use crate::py::text;
use crate::scheduler::drive::Drive;
use crate::scheduler::engine::Engine;
use crate::scheduler::run_log::RunLog;
use crate::time::datetime::instant;
use crate::worker::pool::WorkerPool;

/// The time of a manual clock, and the engines that go by it.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct VirtualTime {
    drive: Arc<Drive>,
}

#[pymethods]
impl VirtualTime {
    #[new]
    fn new(start: &Bound<'_, PyAny>, seed: u64) -> PyResult<Self> {
        Ok(Self { drive: Arc::new(Drive::new(instant(start)?, seed)) })
    }

    /// An engine of `scheduler` that goes by this time, and notes its runs.
    fn make_engine(&self, scheduler: &Bound<'_, PyAny>) -> PyResult<Engine> {
        let driver = Arc::clone(&self.drive) as Arc<dyn Driver>;
        Engine::driven_by(scheduler, driver, Box::new(RunLog::default()))
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

    /// How much time has passed by the machine's clock, in seconds.
    #[getter]
    fn real(&self) -> f64 {
        self.drive.real().as_secs_f64()
    }

    /// Steps the wall clock while no time passes, and has every scheduler told of it.
    fn step(&self, micros: i64) {
        self.drive.step(micros);
    }

    /// Lets time pass without looking for what is due.
    fn pass_time(&self, micros: u64) {
        self.drive.clock.advance(Duration::from_micros(micros));
    }

    /// Goes to the next item, up to the wall-clock time `until`, and returns the place where it is handled, or
    /// `None` when there is none or the kit is to look at what only Python knows of.
    fn next<'py>(&self, py: Python<'py>, until: i64) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.drive.next_destination(UtcMicros::clamped(until)) {
            Some((hub, Destination::Inbox(inbox))) => {
                Some(Bound::new(py, LoopInbox { inbox, hub })?.into_any())
            }
            Some((_, Destination::Pool(pool))) => Some(Bound::new(py, WorkerPool::of(pool))?.into_any()),
            None => None,
        })
    }

    /// Goes on up to the wall-clock time `until`, in microseconds since the epoch, for as long as what is due belongs to
    /// the loop of `inbox` and ends at once. On that loop's thread only.
    fn drive(&self, inbox: &Bound<'_, LoopInbox>, until: i64) -> PyResult<()> {
        let until = UtcMicros::clamped(until);
        drain::drive(inbox, |here| self.drive.next_on_loop(here, until))
    }

    /// Sends the item that is next, and those after it that belong to the same place, where they are handled,
    /// as without a manual clock.
    fn hand_over(&self) {
        self.drive.hand_over();
    }

    /// Lends the drive to a worker of `pool` up to the wall-clock time `until`; `done()` is called in that thread
    /// when it is given back. `False` when runs keep all workers that the pool may have.
    fn lend(&self, pool: &Bound<'_, WorkerPool>, until: i64, done: Py<PyAny>) -> PyResult<bool> {
        let shared = pool.get().shared();
        if shared.stuck.load(Ordering::SeqCst) >= shared.max_workers() {
            return Ok(false);
        }
        WorkerPool::drive(pool, Box::new(self.drive.segment(UtcMicros::clamped(until), done)))
    }

    /// Takes the drive back from a worker that its run keeps; says which job that is, of which scheduler, and
    /// for which time. `None` when the worker is in no run.
    fn reclaim<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyString>, i64)> {
        let (hub, firing) = self.drive.reclaim()?;
        let seen = Seen::read(&hub.attached(firing.store)?.store, firing.key)?;
        let at = firing.run_times.as_slice().first().map_or(0, |at| at.get());
        Some((hub.scheduler(py)?.into_any(), text::string(py, &seen.id), at))
    }

    /// How many items have been handled.
    #[getter]
    fn progress(&self) -> u64 {
        self.drive.progress()
    }

    /// Whether a run goes on, or a loop has something to do that a run or an event has left to it.
    #[getter]
    fn busy(&self) -> bool {
        self.drive.is_busy()
    }

    /// Whether time is not to move on before the kit has looked at what only Python knows of.
    #[getter]
    fn attention(&self) -> bool {
        self.drive.wants_attention()
    }

    #[setter]
    fn set_attention(&self, value: bool) {
        self.drive.set_attention(value);
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
        let _answers = self.drive.on_behalf();
        function.call(args, kwargs)
    }
}
