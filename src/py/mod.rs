//! What the binding needs of Python: the other side (`host/`), functions looked up once, errors, text.

pub mod awaitable;
pub mod error;
pub mod host;
pub mod imports;
pub mod listeners;
pub mod once;
pub mod tell;
pub mod text;
pub mod truth;
