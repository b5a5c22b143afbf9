//! What a Python scheduler holds.

pub mod engine;
pub mod jobs;
pub mod view;
pub mod virtual_time;
