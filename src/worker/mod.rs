//! Worker threads as a place where jobs run: those whose function is no coroutine function.

pub mod carried;
pub mod pool;
pub mod run;
pub mod thread_loop;
