//! The threads that run plain functions.

pub mod carried;
pub mod pool;
pub mod run;
pub mod thread_loop;
