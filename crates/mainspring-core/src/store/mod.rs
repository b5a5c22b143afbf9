//! Where jobs are kept: stores that the engine sweeps without asking the host language.

#[cfg(feature = "testing")]
pub mod conformance;
mod index;
mod memory;
mod shared;
mod timer_queue;

pub use memory::{Discarded, GivenBack, HostVerdict, JobView, MemoryStore, NewJob};
pub use shared::SharedStore;
pub use timer_queue::TimerQueue;
