//! The fields of a job: the table of them. What follows from it is in `table.rs`.
//!
//! A field that the table has in the policy or in the record needs no other line here. Those that it has in the
//! entry are more than a value each: code that names them is in `changes.rs`, `seen.rs`, `state.rs` and `handle/`.

use std::sync::Arc;

use mainspring_core::job::RunPolicy;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::job::handle::Job;
use crate::job::kinds::{
    Alias, Context, Count, Flag, Id, Kind, Name, Object, OptionalCount, Reference, Time, Trigger,
};
use crate::job::record::Record;
use crate::py::text;
use crate::time::zone::TimeZone;

/// The part of an entry of a native store that has a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Policy,
    Record,
    Id,
    /// What is called; other things depend on it.
    Call,
    /// So do they on the trigger.
    Trigger,
    NextFireTime,
}

/// Whether the pickled state of a job has a field, under its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pickled {
    Always,
    /// Where it is not the default: an option that APScheduler does not know. A job that has none, as one of an old
    /// state or one that a program has made, has the default.
    #[allow(dead_code, reason = "there is no such option yet")]
    UnlessDefault,
    Never,
}

fields! {
    // name: kind, where an entry has it, whether its pickle has it; in the order in which changes are checked
    id: Id, entry.Id, Always;
    func: Object, entry.Call, Always;
    func_ref: Reference, entry.Call, Never;
    args: Object, entry.Call, Always;
    kwargs: Object, entry.Call, Always;
    name: Name, record.name, Always;
    misfire_grace_time: OptionalCount, policy.misfire_grace_seconds, Always;
    coalesce: Flag, policy.coalesce, Always;
    max_instances: Count, policy.max_instances, Always;
    trigger: Trigger, entry.Trigger, Always;
    executor: Alias, record.executor, Always;
    next_run_time: Time, entry.NextFireTime, Always;
    context: Context, record.context, Never;
}

fn or_unset<K: Kind>(value: Option<K::Value>, field: Field) -> PyResult<K::Value> {
    value.or_else(K::unset).ok_or_else(|| unset(field))
}

/// The error of an attribute that is not set.
pub fn unset(field: Field) -> PyErr {
    no_attribute(field.name())
}

/// The error of an attribute that a job does not have.
pub fn no_attribute(name: &str) -> PyErr {
    Python::attach(|py| {
        let name = text::string(py, name);
        match text::format(py, "'Job' object has no attribute '%s'", (name,)) {
            Ok(message) => PyAttributeError::new_err(message.unbind()),
            Err(error) => error,
        }
    })
}
