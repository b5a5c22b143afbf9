//! A run of a job, whoever calls its function.

pub mod batch;
pub mod current;
pub mod report;
pub mod steps;
pub mod submitting;
pub mod unawaited;
