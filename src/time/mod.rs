//! Python's datetimes and time zones as the core's types, and back; the time that a thread is told.

pub mod datetime;
pub mod on_behalf;
pub mod zone;
