//! What the binding needs of Python itself: functions looked up once, errors, text, locks.

pub mod awaitable;
pub mod error;
pub mod imports;
pub mod once;
pub mod tell;
pub mod text;
pub mod truth;
