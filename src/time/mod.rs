//! Times of Python as the core's, and back.

pub mod datetime;
pub mod on_behalf;
pub mod zone;
