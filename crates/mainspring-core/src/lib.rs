//! The scheduler core of mainspring: decides *when* a job runs, and knows nothing of Python.
//!
//! | module | question |
//! |---|---|
//! | [`time`] | what is an instant, a clock, a date, a time zone? |
//! | [`trigger`] | when does a job fire next? |
//! | [`job`] | what is a job, and what does it do when it is due? |
//! | [`engine`] | what is due now, over all stores, and what wakes for it? |
//! | [`store`] | where are jobs kept? |
//!
//! The host is the program around it, which knows what a job does: it gives the engine a place to send what is due
//! ([`engine::Dispatch`]), and may bring triggers and time zones of its own.

#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod engine;
pub mod error;
pub mod job;
pub mod random;
pub mod store;
pub mod time;
pub mod trigger;

pub use error::{Error, ErrorKind};
pub use time::UtcMicros;
