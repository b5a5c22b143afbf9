//! Finding, changing and removing jobs.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::job::JobKey;
use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::call::Call;
use super::{NativeJobs, Open, or_in_python, spec};
use crate::job::fields::Fields;
use crate::job::handle::Job;
use crate::job::record::Record;
use crate::job::seen::Seen;
use crate::job::store::Store;
use crate::py::text;
use crate::scheduler::engine::Engine;
use crate::store::native::NativeStore;

/// An entry of a native store.
struct Found {
    store: Py<NativeStore>,
    key: JobKey,
    /// The revision it had when it was found.
    revision: u32,
}

impl Found {
    fn store(&self) -> &Arc<Store> {
        self.store.get().shared()
    }

    /// The entry, and the last of its fire times that was handed over, where `trigger` (`None`: whatever it has)
    /// is its trigger or equal to it.
    fn seen(&self, trigger: Option<&Trigger>) -> Option<(Seen, Option<UtcMicros>)> {
        self.store().read(|s| {
            let job = s.get(self.key)?;
            Some((Seen::get(s, self.key)?, job.handed_over_by(trigger.unwrap_or(job.trigger))))
        })
    }

    fn handle(&self, py: Python<'_>) -> PyResult<Option<Py<Job>>> {
        self.store.get().handle(py, self.key)
    }
}

impl NativeJobs {
    /// The native store under an alias, or the scheduler's only one.
    fn store(
        open: &Open,
        engine: &Engine,
        py: Python<'_>,
        alias: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<NativeStore>>> {
        match alias.filter(|alias| !alias.is_none()) {
            Some(alias) => match alias.cast_exact::<PyString>() {
                Ok(alias) => Ok(engine.native_store(py, Some(&text::of(alias)?))),
                Err(_) => Ok(None),
            },
            None if open.stores.bind(py).len() == 1 => Ok(engine.native_store(py, None)),
            None => Ok(None),
        }
    }

    fn find(
        open: &Open,
        engine: &Engine,
        job_id: &Bound<'_, PyAny>,
        alias: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Found>> {
        let py = job_id.py();
        let Some(store) = Self::store(open, engine, py, alias)? else { return Ok(None) };
        let Ok(job_id) = job_id.cast_exact::<PyString>() else { return Ok(None) };
        let job_id = text::of(job_id)?;
        let found = store.get().shared().read(|s| s.get(s.key(&job_id)?).map(|job| (job.key, job.revision)));
        Ok(found.map(|(key, revision)| Found { store, key, revision }))
    }
}

#[pymethods]
impl NativeJobs {
    /// Does what `get_job` does; `None`: there is no such job here.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn get(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(None) };
        match Self::find(&open, engine, job_id, jobstore)? {
            Some(found) => found.handle(py),
            None => Ok(None),
        }
    }

    /// Does what `remove_job` does; false: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn remove(&self, job_id: &Bound<'_, PyAny>, jobstore: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(false) };
        let Some(store) = Self::store(&open, engine, py, jobstore)? else { return Ok(false) };
        let Ok(id) = job_id.cast_exact::<PyString>() else { return Ok(false) };
        let id = text::of(id)?;
        let removed = store.get().shared().change(|s| s.remove(&id));
        if removed.is_err() {
            return Ok(false);
        }
        drop(removed);
        open.tell_removed(engine, job_id, store.get())?;
        Ok(true)
    }

    /// Does what `pause_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn pause(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(None) };
        let paused = || match Self::find(&open, engine, job_id, jobstore)? {
            Some(found) if found.store().change(|s| s.set_next(found.key, None)).is_ok() => found.handle(py),
            _ => Ok(None),
        };
        open.told_of_change(engine, job_id, or_in_python(py, paused())?)
    }

    /// Does what `resume_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn resume(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(None) };
        let resumed = || {
            let Some(found) = Self::find(&open, engine, job_id, jobstore)? else { return Ok(None) };
            let Some((seen, last)) = found.seen(None) else { return Ok(None) };
            let next = Call::new(py, &open, engine).next(&seen.trigger, last)?.flatten();
            let Some(next) = next else { return Ok(None) };
            match found.store().change(|s| s.plan(found.key, Some(next), found.revision)) {
                Ok(true) => found.handle(py),
                _ => Ok(None),
            }
        };
        open.told_of_change(engine, job_id, or_in_python(py, resumed())?)
    }

    /// Does what `reschedule_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, trigger, trigger_args, /))]
    fn reschedule(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
        trigger: &Bound<'_, PyAny>,
        trigger_args: &Bound<'_, PyDict>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(None) };
        let rescheduled = || {
            let Some(found) = Self::find(&open, engine, job_id, jobstore)? else { return Ok(None) };
            let mut call = Call::new(py, &open, engine);
            let arguments = spec::arguments(trigger_args)?;
            let Some(new) = spec::NewTrigger::new(&mut call, (Some(trigger), &arguments))? else {
                return Ok(None);
            };
            let Some(core) = new.core.clone() else { return Ok(None) };
            let Some((seen, last)) = found.seen(Some(&core)) else { return Ok(None) };
            let Some(next) = new.next(&call, last)? else { return Ok(None) };
            let same = new.object.is_none() && seen.record.trigger.is_none();
            let record = match (&new.zone, &seen.record.zone) {
                (Some(new), Some(old)) if same && Arc::ptr_eq(new, old) => Arc::clone(&seen.record),
                _ => Arc::new(Record { trigger: new.object, zone: new.zone, ..seen.record.clone_ref(py) }),
            };
            let mut new = Some((core, record));
            let changed: Result<_, mainspring_core::Error> = found.store().change(|s| {
                let still = Seen::get(s.read(), found.key).is_some_and(|now| seen.is_alike(&now));
                if !still || !s.plan(found.key, next, found.revision)? {
                    return Ok(None);
                }
                // What is not taken is dropped after the store's lock is released.
                let new = new.take();
                new.map(|(core, record)| s.update(found.key, core, seen.policy, seen.route, record))
                    .transpose()
            });
            match changed {
                Ok(Some(old)) => {
                    drop(old);
                    found.handle(py)
                }
                _ => Ok(None),
            }
        };
        open.told_of_change(engine, job_id, or_in_python(py, rescheduled())?)
    }

    /// Does what `modify_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, changes, /))]
    fn modify(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
        changes: &Bound<'_, PyDict>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(None) };
        let modified = || {
            let Some(found) = Self::find(&open, engine, job_id, jobstore)? else { return Ok(None) };
            let Some(job) = found.handle(py)? else { return Ok(None) };
            let approved = Fields::of_changes(job.bind(py), changes)?;
            job.get().apply(py, &approved)?;
            // Another thread has removed it meanwhile: there is no job to be found.
            Ok(Some(job).filter(|job| job.get().is_linked()))
        };
        open.told_of_change(engine, job_id, or_in_python(py, modified())?)
    }
}
