//! The process: forks of it, its end, and threads that CPython ends.

pub mod exit;
pub mod fork;
pub mod thread_end;
