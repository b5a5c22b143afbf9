//! The process: forks of it, its end, and threads that CPython ends.

pub mod exit;
pub mod fork;
pub mod late_thread;
pub mod thread_end;
