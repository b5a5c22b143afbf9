//! What a job is to the core: its names, the rules that its runs obey, what it does when it is due, and the steps of
//! what follows.

pub mod due;
mod fire;
mod policy;
mod steps;

pub use self::fire::{Ended, Fire};
pub use self::policy::{JobId, JobKey, RunPolicy};
pub use self::steps::{Next, Settled, Steps};
