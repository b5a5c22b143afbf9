//! Has triggers read anew that are changed while jobs in memory have them.
//!
//! When such a job next runs is known already and stays, as in APScheduler.
//!
//! Ground rules: everything here runs attached to Python; no store is locked while Python code runs.

use std::sync::Arc;

use mainspring_core::job::JobKey;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;

use crate::job::record::Record;
use crate::job::seen::{Seen, scheduler_zone};
use crate::job::store::Store;
use crate::store::native;
use crate::time::zone::TimeZone;
use crate::trigger::live::{self, Changed};
use crate::trigger::{core_trigger, trigger_zone};

/// Has the triggers that a change concerns read anew.
pub fn read_again(py: Python<'_>, changed: &Changed<'_, '_>) -> PyResult<()> {
    match *changed {
        // Jobs whose trigger has no Python object have none of a class that is not built in.
        Changed::Class { patched } => {
            read_those_again(py, |record, _| patched || record.trigger.is_some(), |_| Ok(true))
        }
        Changed::Members => read_those_again(py, |_, trigger| live::is_combining(trigger), |_| Ok(true)),
        Changed::Object(trigger) => {
            let object = trigger.as_ptr();
            let has = |record: &Record| record.trigger.as_ref().is_some_and(|own| own.as_ptr() == object);
            let may_have = |record: &Record, core: &Trigger| has(record) || live::is_combining(core);
            read_those_again(py, may_have, |own| live::contains(own, trigger))
        }
    }
}

/// Has the triggers of jobs in memory read anew: of those that `may_concern`, which is asked while their store is
/// locked, the ones whose trigger object `concerns`.
fn read_those_again(
    py: Python<'_>,
    may_concern: impl Fn(&Record, &Trigger) -> bool,
    concerns: impl Fn(&Bound<'_, PyAny>) -> PyResult<bool>,
) -> PyResult<()> {
    for (store, scheduler) in native::all(py) {
        let jobs: Vec<JobKey> = store.read(|s| {
            s.all().filter(|job| may_concern(job.payload, job.trigger)).map(|job| job.key).collect()
        });
        if jobs.is_empty() {
            continue;
        }
        let zone = scheduler_zone(py, scheduler.as_ref())?;
        for key in jobs {
            while !read_one_again(py, &store, key, &zone, &concerns)? {}
        }
    }
    Ok(())
}

/// Has the trigger of one job read anew; false where it has been changed meanwhile.
fn read_one_again(
    py: Python<'_>,
    store: &Arc<Store>,
    key: JobKey,
    zone: &Arc<TimeZone>,
    concerns: &impl Fn(&Bound<'_, PyAny>) -> PyResult<bool>,
) -> PyResult<bool> {
    let Some(seen) = Seen::read(store, key) else { return Ok(true) };
    let record = match seen.record.trigger {
        Some(_) => seen.record.clone_ref(py),
        None => seen.record.completed(py, &seen.trigger)?,
    };
    let Some(object) = record.trigger.as_ref().map(|object| object.bind(py)) else { return Ok(true) };
    if !concerns(object)? {
        return Ok(true);
    }
    let trigger = core_trigger(object, zone)?;
    let shown_in = trigger_zone(object)?;
    let record = Arc::new(Record { zone: shown_in, ..record });
    let replaced = store.change(|s| {
        let Some(job) = s.read().get(key) else { return Ok(None) };
        if !Arc::ptr_eq(job.trigger, &seen.trigger) || !Arc::ptr_eq(job.payload, &seen.record) {
            return Err((trigger, record));
        }
        let (policy, route) = (job.policy, job.route);
        // It cannot fail: the store is locked, and has the job.
        Ok(s.update(key, trigger, policy, route, record).ok())
    });
    // Dropped here: that may run Python code.
    Ok(replaced.is_ok())
}
