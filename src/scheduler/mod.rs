//! What a scheduler in Python holds of Rust: its engine, what its methods do with jobs, and its time in tests.

pub mod drive;
pub mod engine;
pub mod jobs;
pub mod run_log;
pub mod view;
pub mod virtual_time;
