//! `mainspring.job.Job`: what the user holds of a job.
//!
//! A job is *detached* (it holds its own fields: pending jobs, jobs that Python-written stores build) or
//! *linked* (a handle on an entry of a native store, made on demand). A linked job reads the live entry;
//! when the entry has left the store, the job becomes detached with the last values it saw.
//!
//! Ground rules: `state` is locked for the length of one field access and never while Python code runs.

mod apply;
mod attributes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainspring_core::job::{JobId, JobKey, RunPolicy};
use mainspring_core::store::NewJob;
use mainspring_core::trigger::Trigger;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

pub use self::apply::Basis;
use crate::job::fields::{Field, Fields, no_attribute, unset};
use crate::job::record::Record;
use crate::job::seen::{Seen, new_job, zone_of};
use crate::job::store::Store;
use crate::py::host::scheduler::JobMethod;
use crate::py::host::{self, Scheduler};
use crate::py::imports;
use crate::py::text;
use crate::time::datetime;
use crate::time::zone::TimeZone;

/// A handle on an entry of a native store, with what it last saw there.
struct Link {
    store: Arc<Store>,
    key: JobKey,
    seen: Seen,
}

/// What `add_job` has made of a job that pends. Its objects are made when somebody asks for one of them.
#[derive(Clone)]
pub struct Added {
    pub record: Arc<Record>,
    pub trigger: Arc<Trigger>,
    pub route: u32,
}

struct State {
    scheduler: Option<Py<PyAny>>,
    /// The id as it was last handed out.
    id_text: Option<Py<PyString>>,
    alias: Option<Py<PyString>>,
    /// `None`: none is set. A linked job has none of its own.
    fields: Option<Box<Fields>>,
    /// Of a job that pends, whose fields are those alone that are not in this.
    added: Option<Box<Added>>,
    link: Option<Link>,
}

impl State {
    fn fields(&self) -> &Fields {
        static UNSET: Fields = Fields::UNSET;
        self.fields.as_deref().unwrap_or(&UNSET)
    }

    fn fields_mut(&mut self) -> &mut Fields {
        self.fields.get_or_insert_default()
    }
}

/// A scheduled job: its options and its current schedule.
///
/// Made by the scheduler, never by the user.
#[pyclass(module = "mainspring.job", weakref, subclass, frozen)]
pub struct Job {
    state: Mutex<State>,
}

impl Job {
    /// A job with the given fields.
    fn detached(fields: Fields) -> Self {
        let fields = Some(Box::new(fields));
        let state = State { scheduler: None, id_text: None, alias: None, fields, added: None, link: None };
        Self { state: Mutex::new(state) }
    }

    /// A job of a scheduler that pends, with the fields that are not in what `add_job` has made of it.
    pub fn pending_in(scheduler: &Bound<'_, PyAny>, fields: Fields, added: Added) -> Self {
        let job = Self::detached(fields);
        let mut state = job.lock();
        (state.scheduler, state.added) = (Some(scheduler.clone().unbind()), Some(Box::new(added)));
        drop(state);
        job
    }

    /// A handle on an entry of a native store.
    pub fn linked(
        store: Arc<Store>,
        key: JobKey,
        seen: Seen,
        scheduler: Option<Py<PyAny>>,
        alias: Option<Py<PyString>>,
    ) -> Self {
        let link = Some(Link { store, key, seen });
        let state = State { scheduler, id_text: None, alias, fields: None, added: None, link };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a linked job sees now; `None` for a detached one.
    pub(in crate::job) fn seen(&self) -> Option<Seen> {
        let mut state = self.lock();
        let link = state.link.as_mut()?;
        let old = Seen::read(&link.store, link.key).map(|now| std::mem::replace(&mut link.seen, now));
        let seen = link.seen.clone();
        drop(state);
        drop(old);
        Some(seen)
    }

    /// What a linked job sees now, with all the objects that users may ask for, which the entry has from then on.
    fn seen_complete(&self, py: Python<'_>) -> PyResult<Option<Seen>> {
        let Some(seen) = self.seen().filter(|seen| !seen.record.is_complete()) else {
            return Ok(self.seen());
        };
        let complete = Arc::new(seen.record.completed(py, &seen.trigger)?);
        let mut state = self.lock();
        let Some(link) = state.link.as_mut() else { return Ok(None) };
        let (store, key) = (Arc::clone(&link.store), link.key);
        let old = std::mem::replace(&mut link.seen.record, Arc::clone(&complete));
        drop(state);
        drop(old);
        let replaces = |record: &Arc<Record>| Arc::ptr_eq(record, &seen.record);
        drop(store.change(|s| s.replace_record(key, complete, replaces)));
        // Another thread may have completed the entry, or changed it, before this one.
        Ok(self.seen())
    }

    /// What a store needs to take in a job that pends, as `add_job` made it; with `defaults` where it was given no
    /// policy, and no fire time. Whether it is to have one comes with it. `None`: its objects have been asked for, so
    /// they may be other ones now, or the trigger has been an object all along.
    pub fn as_added(&self, defaults: RunPolicy) -> Option<(NewJob<Arc<Record>>, bool)> {
        let state = self.lock();
        let added = state.added.as_ref().filter(|added| added.record.trigger.is_none())?;
        let fields = state.fields();
        let new = NewJob {
            id: Arc::clone(fields.id.as_ref()?),
            trigger: Arc::clone(&added.trigger),
            policy: fields.policy(defaults),
            route: added.route,
            next: None,
            payload: Arc::clone(&added.record),
        };
        Some((new, !fields.is_set(Field::next_run_time)))
    }

    /// Makes the objects of a job that pends, which then has all its fields.
    fn complete(&self, py: Python<'_>) -> PyResult<()> {
        let Some(added) = self.lock().added.clone() else { return Ok(()) };
        let made = added.record.completed(py, &added.trigger)?.fields(py);
        let mut state = self.lock();
        // Another thread may have been the first.
        let old = state.added.take().map(|added| (added, made.write_to(py, state.fields_mut())));
        drop(state);
        drop(old);
        Ok(())
    }

    /// The key of the entry this job is a handle on, if it is one of `store`'s.
    pub fn key_in(&self, store: &Arc<Store>) -> Option<JobKey> {
        let state = self.lock();
        state.link.as_ref().filter(|link| Arc::ptr_eq(&link.store, store)).map(|link| link.key)
    }

    /// The id, which every job but a bare `Job.__new__(Job)` has.
    pub fn job_id(&self) -> PyResult<JobId> {
        let state = self.lock();
        match (&state.link, &state.fields().id) {
            (Some(link), _) => Ok(Arc::clone(&link.seen.id)),
            (None, Some(id)) => Ok(Arc::clone(id)),
            (None, None) => Err(unset(Field::id)),
        }
    }

    /// Makes this job a handle on an entry.
    pub fn link(&self, store: Arc<Store>, key: JobKey, seen: Seen) {
        let old = {
            let mut state = self.lock();
            (state.link.replace(Link { store, key, seen }), state.fields.take(), state.added.take())
        };
        drop(old);
    }

    /// Whether this job is a handle on an entry of a native store.
    pub fn is_linked(&self) -> bool {
        self.lock().link.is_some()
    }

    fn set_scheduler(&self, scheduler: Option<Py<PyAny>>) {
        let old = std::mem::replace(&mut self.lock().scheduler, scheduler);
        drop(old);
    }

    fn set_jobstore_alias(&self, alias: Option<Py<PyString>>) {
        let old = std::mem::replace(&mut self.lock().alias, alias);
        drop(old);
    }

    /// Names the scheduler and store alias, where they are given.
    pub fn set_owner(&self, scheduler: Option<Py<PyAny>>, alias: Option<Py<PyString>>) {
        let mut state = self.lock();
        let old = (
            scheduler.and_then(|scheduler| state.scheduler.replace(scheduler)),
            alias.and_then(|alias| state.alias.replace(alias)),
        );
        drop(state);
        drop(old);
    }

    /// What a native store needs to take this job in.
    pub fn to_new_job(&self, py: Python<'_>) -> PyResult<NewJob<Arc<Record>>> {
        new_job(py, self.fields(py)?, self.owner(py).0.as_ref().map(|s| s.bind(py)))
    }

    pub fn owner(&self, py: Python<'_>) -> (Option<Py<PyAny>>, Option<Py<PyString>>) {
        let state = self.lock();
        (
            state.scheduler.as_ref().map(|s| s.clone_ref(py)),
            state.alias.as_ref().map(|alias| alias.clone_ref(py)),
        )
    }

    /// All fields as they are now, of a linked job too.
    pub fn fields(&self, py: Python<'_>) -> PyResult<Fields> {
        match self.seen_complete(py)? {
            Some(seen) => self.fields_of(py, seen),
            None => {
                self.complete(py)?;
                Ok(self.lock().fields().clone_ref(py))
            }
        }
    }

    /// The fields of a linked job that has been seen with all its objects.
    fn fields_of(&self, py: Python<'_>, seen: Seen) -> PyResult<Fields> {
        let record = &seen.record;
        let next = match seen.next {
            Some(next) => Some(self.zone(py, record)?.datetime(py, next)?.unbind()),
            None => None,
        };
        let mut fields = Fields { id: Some(seen.id), next_run_time: Some(next), ..record.fields(py) };
        fields.set_policy(seen.policy);
        Ok(fields)
    }

    /// The time zone in which the fire times of a linked job are shown.
    fn zone(&self, py: Python<'_>, record: &Record) -> PyResult<Arc<TimeZone>> {
        let scheduler = self.lock().scheduler.as_ref().map(|s| s.clone_ref(py));
        zone_of(py, record, scheduler.as_ref().map(|s| s.bind(py)))
    }

    pub(in crate::job) fn scheduler_of<'py>(&self, py: Python<'py>) -> PyResult<Scheduler<'py>> {
        let scheduler = self.lock().scheduler.as_ref().map(|s| s.clone_ref(py));
        scheduler.map(|s| Scheduler::of(s.into_bound(py))).ok_or_else(|| no_attribute("_scheduler"))
    }

    fn call_scheduler<'py>(
        slf: &Bound<'py, Self>,
        method: JobMethod,
        args: Vec<Bound<'py, PyAny>>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let alias = this.lock().alias.as_ref().map(|alias| alias.clone_ref(py));
        let mut all = vec![text::string(py, &this.job_id()?).into_any(), alias.into_pyobject(py)?];
        all.extend(args);
        this.scheduler_of(py)?.call_for_job(method, PyTuple::new(py, all)?, kwargs)
    }

    /// A field of a detached job, as Python sees it.
    pub(in crate::job) fn show<'py>(&self, py: Python<'py>, field: Field) -> PyResult<Bound<'py, PyAny>> {
        self.complete(py)?;
        self.lock().fields().show(py, field)
    }
}

#[pymethods]
impl Job {
    #[classattr]
    fn __slots__(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let mut names = Field::ALL.map(|field| field.name()).to_vec();
        names.extend(["__weakref__", "_jobstore_alias", "_scheduler"]);
        names.sort_unstable();
        Ok(PyTuple::new(py, names)?.unbind())
    }

    /// What a linked or pending job reads through its record is not its own to visit, unless it is the last to hold that.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        visit.call(&state.scheduler)?;
        let linked = state.link.as_ref().map(|link| &link.seen.record);
        if let Some(record) = linked.or(state.added.as_ref().map(|added| &added.record)) {
            if Arc::strong_count(record) == 1 {
                visit.call(&record.func)?;
                visit.call(&record.args)?;
                visit.call(&record.kwargs)?;
                visit.call(&record.trigger)?;
                visit.call(&record.context)?;
            }
        }
        state.fields().visit(&visit)
    }

    fn __clear__(&self) {
        let mut state = self.lock();
        let old = (state.scheduler.take(), state.link.take(), state.fields.take(), state.added.take());
        drop(state);
        drop(old);
    }

    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(scheduler, id=None, **kwargs)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::detached(Fields::default())
    }

    #[pyo3(signature = (scheduler, id=None, **kwargs))]
    fn __init__(
        slf: &Bound<'_, Self>,
        scheduler: Bound<'_, PyAny>,
        id: Option<Bound<'_, PyAny>>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let py = slf.py();
        slf.get().set_scheduler(Some(scheduler.unbind()));
        let changes = match kwargs {
            Some(kwargs) => kwargs.copy()?,
            None => PyDict::new(py),
        };
        let id = match id {
            Some(id) if id.is_truthy()? => id,
            _ => imports::uuid4(py)?.call0()?.getattr("hex")?,
        };
        changes.set_item("id", id)?;
        slf.call_method("_modify", (), Some(&changes)).map(drop)
    }

    #[getter(_scheduler)]
    fn scheduler(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.lock().scheduler.as_ref().map(|s| s.clone_ref(py))
    }

    #[getter(_jobstore_alias)]
    pub fn jobstore_alias(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.lock().alias.as_ref().map(|alias| alias.clone_ref(py))
    }

    /// Whether the job still waits to be added to its job store.
    #[getter]
    fn pending(&self) -> bool {
        self.lock().alias.is_none()
    }

    #[pyo3(signature = (**changes))]
    fn modify<'py>(
        slf: &Bound<'py, Self>,
        changes: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::call_scheduler(slf, JobMethod::Modify, vec![], changes)?;
        Ok(slf.clone())
    }

    #[pyo3(signature = (trigger, **trigger_args))]
    fn reschedule<'py>(
        slf: &Bound<'py, Self>,
        trigger: Bound<'py, PyAny>,
        trigger_args: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::call_scheduler(slf, JobMethod::Reschedule, vec![trigger], trigger_args)?;
        Ok(slf.clone())
    }

    fn pause<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        Self::call_scheduler(slf, JobMethod::Pause, vec![], None)?;
        Ok(slf.clone())
    }

    fn resume<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        Self::call_scheduler(slf, JobMethod::Resume, vec![], None)?;
        Ok(slf.clone())
    }

    fn remove(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::call_scheduler(slf, JobMethod::Remove, vec![], None).map(drop)
    }

    /// Validates the changes, and makes them if all of them are valid.
    #[pyo3(signature = (**changes))]
    fn _modify(slf: &Bound<'_, Self>, changes: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let Some(changes) = changes else { return Ok(()) };
        let approved = Fields::of_changes(slf, changes)?;
        slf.get().apply(slf.py(), &approved)
    }

    /// Validates and makes changes whose fire time was worked out when the job's entry had this revision; says whether
    /// they are made, which they are not where it has another one now.
    fn _modify_since(slf: &Bound<'_, Self>, revision: u32, changes: &Bound<'_, PyDict>) -> PyResult<bool> {
        let approved = Fields::of_changes(slf, changes)?;
        slf.get().apply_from(slf.py(), &approved, Basis::Planned(revision))
    }

    /// The fire times from `next_run_time` to `now`, both included.
    fn _get_run_times<'py>(slf: &Bound<'py, Self>, now: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let run_times = PyList::empty(py);
        let end = datetime::instant(now)?;
        let trigger = slf.get().trigger(py)?;
        let mut next = slf.get().next_run_time(py)?;
        while let Some(at) = next {
            if datetime::instant(&at)? > end {
                break;
            }
            run_times.append(&at)?;
            let answer = trigger.call_method1("get_next_fire_time", (at, now))?;
            let at = if answer.is_truthy()? { datetime::optional_datetime(&answer)? } else { None };
            next = at.map(|at| at.into_bound(py));
        }
        Ok(run_times)
    }

    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.fields(py)?.into_state(py)
    }

    fn __setstate__(&self, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let fields = Fields::from_state(state)?;
        let old = {
            let mut state = self.lock();
            (state.fields.replace(Box::new(fields)), state.link.take(), state.added.take())
        };
        drop(old);
        Ok(())
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match other.cast::<Self>() {
            Ok(other) => {
                let equal = slf.get().job_id()? == other.get().job_id()?;
                Ok(pyo3::types::PyBool::new(py, equal).to_owned().into_any())
            }
            Err(_) => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text::format(py, "<Job (id=%s name=%s)>", (self.id(py)?, self.name(py)?))
    }

    fn __str__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let status = match self.next_run_time(py) {
            Ok(Some(at)) => format!("next run at: {}", host::datetime_repr(py)?.call1((at,))?),
            Ok(None) => "paused".to_owned(),
            Err(e) if e.is_instance_of::<PyAttributeError>(py) => "pending".to_owned(),
            Err(e) => return Err(e),
        };
        text::format(py, "%s (trigger: %s, %s)", (self.name(py)?, self.trigger(py)?, status))
    }
}
