//! Job stores that the engine sweeps without asking the host language.

mod index;
mod memory;
mod shared;

pub use memory::{Discarded, GivenBack, HostVerdict, JobView, MemoryStore, NewJob};
pub use shared::SharedStore;

use crate::dispatch::Item;
use crate::time::UtcMicros;

/// A store as the engine sees it.
pub trait Sweep: Send + Sync {
    /// Hands over what is due at `now`: appends at most about `limit` items to `out`, advances the jobs
    /// concerned, and returns the store's next deadline, which is not after `now` when more is due.
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros>;
}
