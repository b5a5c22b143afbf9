//! The event loop as a place where jobs run: what its thread does with them.

pub mod coroutine;
pub mod drain;
pub mod inbox;
pub mod task;
