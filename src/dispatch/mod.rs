//! What is due, on its way to the place where it runs: queues, wake-ups and counts. No Python code runs here.

pub mod aside;
pub mod driver;
pub mod ends;
pub mod hub;
pub mod loop_queue;
pub mod run;
pub mod tally;
pub mod turn;
pub mod wake;
pub mod watch;
pub mod worker_queue;
