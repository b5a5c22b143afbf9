//! The stores of jobs that a scheduler uses.

pub mod listing;
pub mod native;
pub mod triggers;
