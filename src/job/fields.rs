//! The fields of a job: those of a detached one, and an entry of a native store at one moment.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::job::{JobId, JobKey, RunPolicy};
use mainspring_core::store::{MemoryStore, NewJob};
use mainspring_core::trigger::Trigger;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::job::record::{self, FuncRef, Record, Route, Store};
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime;
use crate::time::zone::TimeZone;
use crate::trigger;

/// The fields of a detached job; `None` where the attribute is not set.
#[derive(Default)]
pub struct Fields {
    pub id: Option<JobId>,
    pub func: Option<Py<PyAny>>,
    pub func_ref: Option<FuncRef>,
    pub args: Option<Py<PyAny>>,
    pub kwargs: Option<Py<PyAny>>,
    pub name: Option<Py<PyString>>,
    pub executor: Option<Py<PyString>>,
    pub trigger: Option<Py<PyAny>>,
    pub misfire_grace_time: Option<Option<u32>>,
    pub coalesce: Option<bool>,
    pub max_instances: Option<u32>,
    pub next_run_time: Option<Option<Py<PyAny>>>,
    /// The context to run in, where the job has one of its own.
    pub context: Option<Py<PyAny>>,
}

impl Fields {
    /// No attribute is set.
    pub const UNSET: Self = Self {
        id: None,
        func: None,
        func_ref: None,
        args: None,
        kwargs: None,
        name: None,
        executor: None,
        trigger: None,
        misfire_grace_time: None,
        coalesce: None,
        max_instances: None,
        next_run_time: None,
        context: None,
    };

    /// The policy, where all of it is set.
    pub fn policy(&self) -> Option<RunPolicy> {
        Some(RunPolicy {
            misfire_grace_seconds: self.misfire_grace_time?,
            coalesce: self.coalesce?,
            max_instances: self.max_instances?,
        })
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        let object = |o: &Option<Py<PyAny>>| o.as_ref().map(|o| o.clone_ref(py));
        let text = |o: &Option<Py<PyString>>| o.as_ref().map(|o| o.clone_ref(py));
        Self {
            id: self.id.clone(),
            func: object(&self.func),
            func_ref: self.func_ref.as_ref().map(|r| r.clone_ref(py)),
            args: object(&self.args),
            kwargs: object(&self.kwargs),
            name: text(&self.name),
            executor: text(&self.executor),
            trigger: object(&self.trigger),
            misfire_grace_time: self.misfire_grace_time,
            coalesce: self.coalesce,
            max_instances: self.max_instances,
            next_run_time: self.next_run_time.as_ref().map(object),
            context: object(&self.context),
        }
    }
}

/// An entry of a native store at one moment.
#[derive(Clone)]
pub struct Seen {
    pub id: JobId,
    pub record: Arc<Record>,
    pub trigger: Arc<Trigger>,
    pub policy: RunPolicy,
    pub route: u32,
    pub next: Option<UtcMicros>,
}

impl Seen {
    /// What will be seen of a job that is about to be added.
    pub fn of(new: &NewJob<Arc<Record>>) -> Self {
        Self {
            id: Arc::clone(&new.id),
            record: Arc::clone(&new.payload),
            trigger: Arc::clone(&new.trigger),
            policy: new.policy,
            route: new.route,
            next: new.next,
        }
    }

    /// Whether the same is seen, but for the fire time.
    pub fn is_alike(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
            && Arc::ptr_eq(&self.trigger, &other.trigger)
            && self.policy == other.policy
            && self.route == other.route
    }

    /// Reads the entry under `key`; `None` when it has left the store.
    pub fn read(store: &Store, key: JobKey) -> Option<Self> {
        store.read(|s| Self::get(s, key))
    }

    /// The same of a store that is locked.
    pub fn get(store: &MemoryStore<Arc<Record>>, key: JobKey) -> Option<Self> {
        store.get_retired(key).map(|view| Self {
            id: Arc::clone(view.id),
            record: Arc::clone(view.payload),
            trigger: Arc::clone(view.trigger),
            policy: view.policy,
            route: view.route,
            next: view.next,
        })
    }
}

/// What a native store needs to take in a job with these fields, all of which must be set.
pub fn new_job(
    py: Python<'_>,
    fields: Fields,
    scheduler: Option<&Bound<'_, PyAny>>,
) -> PyResult<NewJob<Arc<Record>>> {
    let need = |name| move || unset(name);
    let func = fields.func.ok_or_else(need("func"))?;
    let trigger = fields.trigger.ok_or_else(need("trigger"))?;
    let executor = fields.executor.ok_or_else(need("executor"))?;
    let next = match fields.next_run_time.ok_or_else(need("next_run_time"))? {
        Some(at) => Some(datetime::instant(at.bind(py))?),
        None => None,
    };
    let route = Route {
        executor: record::executor_number(&text::of(executor.bind(py))?),
        coroutine: record::is_coroutine_function(func.bind(py))?,
    };
    Ok(NewJob {
        id: fields.id.ok_or_else(need("id"))?,
        trigger: trigger::core_trigger(trigger.bind(py), &scheduler_zone(py, scheduler)?)?,
        policy: RunPolicy {
            misfire_grace_seconds: fields.misfire_grace_time.ok_or_else(need("misfire_grace_time"))?,
            coalesce: fields.coalesce.ok_or_else(need("coalesce"))?,
            max_instances: fields.max_instances.ok_or_else(need("max_instances"))?,
        },
        route: route.pack(),
        next,
        payload: Arc::new(Record {
            zone: trigger::trigger_zone(trigger.bind(py))?,
            func,
            func_ref: fields.func_ref.unwrap_or(FuncRef::Derived),
            args: fields.args.ok_or_else(need("args"))?,
            kwargs: Some(fields.kwargs.ok_or_else(need("kwargs"))?),
            name: fields.name.ok_or_else(need("name"))?,
            executor,
            trigger: Some(trigger),
            context: fields.context,
        }),
    })
}

/// The time zone in which fire times of a job are shown: its trigger's, else its scheduler's.
pub fn zone_of(
    py: Python<'_>,
    record: &Record,
    scheduler: Option<&Bound<'_, PyAny>>,
) -> PyResult<Arc<TimeZone>> {
    match (&record.zone, scheduler) {
        (Some(zone), _) => Ok(Arc::clone(zone)),
        (None, scheduler) => scheduler_zone(py, scheduler),
    }
}

/// The time zone of `scheduler`; UTC without one.
pub fn scheduler_zone(py: Python<'_>, scheduler: Option<&Bound<'_, PyAny>>) -> PyResult<Arc<TimeZone>> {
    match scheduler {
        Some(scheduler) => TimeZone::of(&scheduler.getattr(intern!(py, "timezone"))?),
        None => TimeZone::of(datetime::Std::get(py)?.utc.bind(py)),
    }
}

/// The error of an attribute that is not set.
pub fn unset(name: &str) -> PyErr {
    PyAttributeError::new_err(format!("'Job' object has no attribute '{name}'"))
}
