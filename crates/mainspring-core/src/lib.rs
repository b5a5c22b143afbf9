//! The scheduler core of mainspring.
//!
//! Everything that decides *when* a job runs lives here and knows nothing of Python: triggers, the
//! timer queue, run policies, job stores and the engine that sweeps them. The binding crate gives it
//! a place to send what is due.

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
