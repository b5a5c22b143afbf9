//! The engine: finds what is due in the stores, and hands it over in time.

mod dispatch;
pub mod fork;
mod placement;
mod sweep;
mod timer_thread;
mod waker;

pub use self::dispatch::{Dispatch, Firing, Item, StoreId};
pub use self::placement::{Coroutines, Placement, Runner};
pub use self::sweep::{Engine, PASS, Sweep};
pub use self::timer_thread::{EngineHandle, LONGEST_SLEEP};
pub use self::waker::Waker;
