//! One run, wherever its function is called: its steps, what is told of it, and what the runs of one go share.

pub mod awaitables;
mod batch;
pub mod current;
pub mod env;
pub mod native;
pub mod notices;
pub mod python;
pub mod report;
pub mod steps;
mod submitting;
pub mod told;
pub mod unawaited;
