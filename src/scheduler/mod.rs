//! What a Python scheduler holds.

pub mod drive;
pub mod engine;
pub mod jobs;
pub mod run_log;
pub mod view;
pub mod virtual_time;
