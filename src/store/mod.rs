//! The core's memory store as Python sees it, and how it follows changes to the triggers of its jobs.

pub mod listing;
pub mod native;
pub mod triggers;
