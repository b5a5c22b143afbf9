//! What is due, on its way to the place where it runs.

pub mod aside;
pub mod drive;
pub mod ends;
pub mod hub;
pub mod loop_queue;
pub mod run;
pub mod run_log;
pub mod tally;
pub mod turn;
pub mod wake;
pub mod worker_queue;
