//! What drives an engine: by the system's clock its timer thread, by another clock the code that moves that clock.

use std::sync::Arc;

use mainspring_core::Error;
use mainspring_core::engine::{EngineHandle, Firing, Item};
use mainspring_core::time::{Clock, SystemClock};
use pyo3::prelude::*;

use crate::dispatch::hub::{Destination, Hub};
use crate::job::store::Store;
use crate::time::on_behalf::OnBehalf;

/// The clock of an engine, and what drives the engine by it. Called attached to Python.
pub trait Driver: Send + Sync {
    /// The clock.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Whether the clock is the one that everything else goes by, and passes by itself.
    fn is_the_systems(&self) -> bool;

    /// Drives an engine from now on.
    fn start(&self, py: Python<'_>, hub: &Arc<Hub>, engine: &Arc<EngineHandle>) -> Result<(), Error>;

    /// Drives it no longer; its timer thread ends by itself.
    fn stop(&self, hub: &Arc<Hub>);

    /// Whether an engine is driven.
    fn drives(&self, hub: &Arc<Hub>, engine: &EngineHandle) -> bool;

    /// Prepares a store that the engine is to sweep.
    fn adopt(&self, store: &Store, engine: &EngineHandle);

    /// Sends one firing to where it runs.
    fn send(&self, hub: &Arc<Hub>, firing: Firing);

    /// Has triggers that are asked in this thread told the time and the chance of this clock, where these are not
    /// what they are told anyway.
    fn on_behalf(&self) -> Option<OnBehalf>;
}

/// The system's clock, and the timer thread that each engine has.
pub struct SystemDriver(Arc<SystemClock>);

impl SystemDriver {
    pub fn new() -> Self {
        Self(Arc::new(SystemClock::new()))
    }
}

impl Driver for SystemDriver {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0) as Arc<dyn Clock>
    }

    fn is_the_systems(&self) -> bool {
        true
    }

    fn start(&self, py: Python<'_>, _: &Arc<Hub>, engine: &Arc<EngineHandle>) -> Result<(), Error> {
        py.detach(|| engine.start())
    }

    fn stop(&self, _: &Arc<Hub>) {}

    fn drives(&self, _: &Arc<Hub>, engine: &EngineHandle) -> bool {
        engine.is_running()
    }

    fn adopt(&self, store: &Store, engine: &EngineHandle) {
        store.set_waker(Some(Arc::clone(engine.waker())));
    }

    fn send(&self, hub: &Arc<Hub>, firing: Firing) {
        hub.deliver(&mut vec![Item::Run(firing)]);
    }

    fn on_behalf(&self) -> Option<OnBehalf> {
        None
    }
}

/// The drive of engines as lent to a worker, which goes from run to run by itself.
pub trait Segment: Send {
    /// The next run for the pool; `None` at the end of the segment.
    fn next(&self, pool: &Destination) -> Option<(Arc<Hub>, Firing)>;

    /// Gives the drive back, or takes note that it has been taken back.
    fn end(&self, py: Python<'_>, pool: &Destination) -> PyResult<()>;
}
