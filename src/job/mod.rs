//! What a job is: its record of fields, and the object that Python sees.

pub mod changes;
pub mod due;
pub mod fields;
pub mod function;
pub mod handle;
pub mod record;
pub mod state;
