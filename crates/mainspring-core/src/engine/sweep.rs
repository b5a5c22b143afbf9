//! The sweep: takes what is due out of the stores of one scheduler.
//!
//! [`Engine::sweep`] is a plain state machine: no thread, no clock, no lock of its own. Three things drive
//! it: [`EngineHandle`](super::EngineHandle)'s timer thread, a test that moves a clock by hand and calls
//! [`EngineHandle::sweep`](super::EngineHandle::sweep), and a user's own scheduler that asks for one sweep at a time.

use std::sync::Arc;

use super::dispatch::{Item, StoreId};
use crate::time::UtcMicros;

/// How many jobs one pass takes from one store.
pub const PASS: usize = 256;

/// A store as the engine sees it.
pub trait Sweep: Send + Sync {
    /// Hands over what is due at `now`: appends at most about `limit` items to `out`, advances the jobs
    /// concerned, and returns the store's next deadline, which is not after `now` when more is due.
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros>;
}

/// The stores of one scheduler, swept in turn.
#[derive(Default)]
pub struct Engine {
    stores: Vec<(StoreId, Arc<dyn Sweep>)>,
}

impl Engine {
    /// An engine without stores.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sweeps `store` from now on.
    pub fn attach(&mut self, id: StoreId, store: Arc<dyn Sweep>) {
        self.stores.push((id, store));
    }

    /// No longer sweeps the store attached as `id`.
    pub fn detach(&mut self, id: StoreId) {
        self.stores.retain(|(other, _)| *other != id);
    }

    /// One pass: takes what is due at `now`, at most [`PASS`] jobs from each store, into `out`. Returns the
    /// next deadline, which is not after `now` when there is more to take.
    pub fn sweep(&self, now: UtcMicros, out: &mut Vec<Item>) -> Option<UtcMicros> {
        self.stores.iter().filter_map(|(_, store)| store.sweep(now, PASS, out)).min()
    }
}
