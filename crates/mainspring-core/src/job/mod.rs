//! What a job is to the core: its names, the rules that its runs obey, and what it does when it is due.

pub mod due;
mod policy;

pub use self::policy::{JobId, JobKey, RunPolicy};
