//! An entry of a native store at one moment, and what a store needs to make one.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::job::{JobId, JobKey, RunPolicy};
use mainspring_core::store::{JobView, NewJob};
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;

use crate::job::fields::{Field, Fields, unset};
use crate::job::function::returns_awaitable;
use crate::job::record::{self, Record, Route};
use crate::job::store::{Jobs, Store};
use crate::py::host::Scheduler;
use crate::py::text;
use crate::time::datetime;
use crate::time::zone::TimeZone;
use crate::trigger;

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

    /// Reads the entry under `key` of a store that the caller has locked; `None` when it has left the store.
    pub fn get(jobs: Jobs<'_>, key: JobKey) -> Option<Self> {
        jobs.get_retired(key).map(Self::from)
    }
}

impl From<JobView<'_, Arc<Record>>> for Seen {
    fn from(job: JobView<'_, Arc<Record>>) -> Self {
        Self {
            id: Arc::clone(job.id),
            record: Arc::clone(job.payload),
            trigger: Arc::clone(job.trigger),
            policy: job.policy,
            route: job.route,
            next: job.next,
        }
    }
}

/// What a native store needs to take in a job with these fields, all of which must be set.
pub fn new_job(
    py: Python<'_>,
    fields: Fields,
    scheduler: Option<&Bound<'_, PyAny>>,
) -> PyResult<NewJob<Arc<Record>>> {
    let need = |field| move || unset(field);
    let id = fields.id.clone().ok_or_else(need(Field::id))?;
    let func = fields.func.as_ref().ok_or_else(need(Field::func))?.bind(py);
    let trigger = fields.trigger.as_ref().ok_or_else(need(Field::trigger))?.bind(py);
    let executor = fields.executor.as_ref().ok_or_else(need(Field::executor))?.bind(py);
    let next = match fields.next_run_time.as_ref().ok_or_else(need(Field::next_run_time))? {
        Some(at) => Some(datetime::instant(at.bind(py))?),
        None => None,
    };
    let route = Route {
        executor: record::executor_number(&text::of(executor)?),
        coroutine: returns_awaitable(func)?,
    };
    let zone = trigger::trigger_zone(trigger)?;
    Ok(NewJob {
        id,
        trigger: trigger::core_trigger(trigger, &scheduler_zone(py, scheduler)?)?,
        policy: fields.whole_policy()?,
        route: route.pack(),
        next,
        payload: Arc::new(fields.into_record(zone)?),
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
        Some(scheduler) => TimeZone::of(&Scheduler::of(scheduler.clone()).timezone()?),
        None => TimeZone::of(datetime::Std::get(py)?.utc.bind(py)),
    }
}
