//! What a job is: its record of fields, and the object that Python sees.

#[macro_use]
mod table;

pub mod changes;
pub mod due;
pub mod fields;
pub mod function;
pub mod handle;
mod kinds;
pub mod record;
pub mod seen;
pub mod state;
pub mod store;
