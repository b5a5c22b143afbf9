//! `NativeJobs`: the short way of a scheduler's methods to the jobs of its native stores.
//!
//! What most calls ask for is done here without Python code in between. Whatever is out of the ordinary (a
//! listener or a log record that wants to be told, a store written in Python, an argument of an unusual type,
//! any error) is not: the method returns `None` or false and has changed nothing, and the scheduler's method goes
//! on in the ordinary way, which alone knows the rules and the messages. So nothing may depend on which way it was.
//!
//! Ground rules: everything here runs attached to Python. `open` is locked for the length of one assignment.

mod call;
mod crons;
mod ids;
mod spec;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::UtcMicros;
use mainspring_core::job::{JobKey, RunPolicy};
use mainspring_core::store::{MemoryStore, NewJob};
use mainspring_core::trigger::Trigger;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use self::call::Call;
use self::spec::{Given, Spec};
use crate::job::fields::{Field, Fields, Place};
use crate::job::handle::Job;
use crate::job::record::{Record, Store};
use crate::job::seen::Seen;
use crate::py::once::intern;
use crate::py::text;
use crate::run::report::{INFO, code};
use crate::scheduler::engine::Engine;
use crate::store::native::NativeStore;
use crate::time::zone::TimeZone;
use crate::trigger;

/// The jobs in the native stores of one scheduler.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct NativeJobs {
    engine: Py<Engine>,
    open: Mutex<Option<Arc<Open>>>,
}

/// What is known of a scheduler while this way is open.
struct Open {
    defaults: RunPolicy,
    zone: Arc<TimeZone>,
    /// The scheduler's job stores by alias, a dictionary.
    stores: Py<PyDict>,
    /// The trigger classes by alias, a dictionary.
    trigger_classes: Py<PyDict>,
    is_enabled_for: Py<PyAny>,
    /// The loop of the coroutine jobs, where it tells which default executor it has, and that executor.
    event_loop: Option<Py<PyAny>>,
    default_executor: Mutex<Option<Py<PyAny>>>,
    /// The module in which people replace `datetime`.
    base_module: Py<PyAny>,
    records: spec::Records,
    crons: crons::Crons,
    /// How many calls have looked things up.
    calls: AtomicU64,
}

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

/// The outcome of the short way, where an error means that it is not to be taken.
fn or_ordinary<T>(py: Python<'_>, outcome: PyResult<Option<T>>) -> PyResult<Option<T>> {
    match outcome {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        outcome => outcome,
    }
}

impl Open {
    /// What is known of a scheduler; an error where its defaults are none that a job can have.
    fn of(scheduler: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = scheduler.py();
        let given = scheduler.getattr("_job_defaults")?;
        let mut defaults = Fields::default();
        for field in Field::in_place(Place::Policy) {
            defaults.check(field, &given.get_item(field.name())?)?;
        }
        let event_loop = scheduler.call_method0("_coroutine_loop")?;
        let default_executor = event_loop.getattr_opt("_default_executor")?;
        Ok(Self {
            defaults: defaults.whole_policy()?,
            zone: TimeZone::of(&scheduler.getattr("timezone")?)?,
            stores: scheduler.getattr("_jobstores")?.cast_into::<PyDict>()?.unbind(),
            trigger_classes: scheduler.getattr("_trigger_classes")?.cast_into::<PyDict>()?.unbind(),
            is_enabled_for: scheduler.getattr("_logger")?.getattr("isEnabledFor")?.unbind(),
            event_loop: default_executor.is_some().then(|| event_loop.unbind()),
            default_executor: Mutex::new(default_executor.map(Bound::unbind)),
            base_module: py.import("mainspring.schedulers.base")?.into_any().unbind(),
            records: spec::Records::default(),
            crons: crons::Crons::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// The default executor of the loop.
    fn executor<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.event_loop {
            Some(event_loop) => event_loop.bind(py).getattr(intern!(py, "_default_executor")).map(Some),
            None => Ok(None),
        }
    }

    /// Whether that is another one than was known, which only the ordinary way takes notice of.
    fn has_new_executor(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(found) = self.executor(py)? else { return Ok(false) };
        let known = self.default_executor.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.as_ref().is_none_or(|known| !known.is(&found)))
    }

    /// The number of another call.
    fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

/// How many jobs are added at once at most: for so long a store is locked, as by a pass of a sweep, and what
/// is made for them stays in the processor's cache.
const AT_ONCE: usize = 512;

/// Adds jobs up to one that the store refuses, which comes back with those behind it, for the caller to drop.
fn add_until_refused<P>(store: &mut MemoryStore<P>, jobs: Vec<NewJob<P>>) -> (Vec<JobKey>, Vec<NewJob<P>>) {
    let mut keys = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    while let Some(job) = jobs.next() {
        match store.add(job) {
            Ok(key) => keys.push(key),
            Err((_, refused)) => return (keys, std::iter::once(refused).chain(jobs).collect()),
        }
    }
    (keys, Vec::new())
}

impl NativeJobs {
    /// What is known of the scheduler, if it can do without events of the kind `event` and is of this process.
    fn opened(&self, py: Python<'_>, event: u32) -> Option<(Arc<Open>, &Engine)> {
        let engine = self.engine.bind(py).get();
        let unheard = engine.hub().mask() & event == 0 && engine.hub().origin.is_here();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|_| unheard).map(|open| (Arc::clone(open), self.engine.get()))
    }

    /// The same for adding jobs, of which the log must not want to be told either.
    fn opened_to_add(&self, py: Python<'_>) -> PyResult<Option<(Arc<Open>, &Engine)>> {
        let Some((open, engine)) = self.opened(py, code::JOB_ADDED) else { return Ok(None) };
        let ordinary = self.logs(&open, py)? || open.has_new_executor(py)?;
        Ok((!ordinary).then_some((open, engine)))
    }

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

    /// Adds the first of the `count` jobs from `start` on that go to one store and are not out of the ordinary.
    fn add_row<'py>(
        &self,
        call: &mut Call<'_, 'py>,
        engine: &Engine,
        jobs: &Bound<'py, PyList>,
        start: usize,
        count: usize,
    ) -> PyResult<Vec<Py<Job>>> {
        let py = call.py;
        let mut alias: Option<Bound<'_, PyString>> = None;
        let end = jobs.len().min(start.saturating_add(count));
        let mut row = Vec::with_capacity(end.saturating_sub(start));
        let mut seen = Vec::with_capacity(end.saturating_sub(start));
        for index in start..end {
            let job = jobs.get_item(index)?;
            let Ok(arguments) = job.cast_exact::<PyDict>() else { break };
            let spec = Spec::from_dict(call, arguments);
            let Some(Spec { job, jobstore }) = or_ordinary(py, spec)? else { break };
            match &alias {
                None => alias = Some(jobstore),
                Some(alias) if alias.is(&jobstore) || text::of(alias)? == text::of(&jobstore)? => (),
                Some(_) => break,
            }
            seen.push(Seen::of(&job));
            row.push(job);
        }
        let Some(alias) = alias else { return Ok(Vec::new()) };
        let Some(store) = engine.native_store(py, Some(&text::of(&alias)?)) else { return Ok(Vec::new()) };
        // A callable that was asked for its signature may have shut the scheduler down.
        let still = self.opened(py, code::JOB_ADDED);
        if still.is_none_or(|(open, _)| !std::ptr::eq(&*open, call.open)) {
            return Ok(Vec::new());
        }
        let store = store.get();
        let (keys, refused) = store.shared().change(|s| {
            s.reserve(jobs.len().saturating_sub(start));
            add_until_refused(s, row)
        });
        drop(refused);
        let owner = store.owner(py);
        keys.into_iter().zip(seen).map(|(key, seen)| store.handle_on(py, key, seen, &owner)).collect()
    }
}

#[pymethods]
impl NativeJobs {
    #[new]
    fn new(engine: Py<Engine>) -> Self {
        Self { engine, open: Mutex::default() }
    }

    /// Opens this way for a scheduler that is running and whose methods are all its own; not where something
    /// of it is so odd that the ordinary way must say so.
    fn open(&self, scheduler: &Bound<'_, PyAny>) -> PyResult<()> {
        let open = or_ordinary(scheduler.py(), Open::of(scheduler).map(Some))?;
        self.replace(open.map(Arc::new));
        Ok(())
    }

    /// Takes note of the loop's default executor, which jobs run in from now on.
    fn note_executor(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(open) = open else { return Ok(()) };
        let found = open.executor(py)?.map(Bound::unbind);
        let mut known = open.default_executor.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *known, found);
        drop(known);
        drop(old);
        Ok(())
    }

    /// Closes this way.
    fn close(&self) {
        self.replace(None);
    }

    /// The names of the arguments that `add` takes.
    #[classattr]
    fn arguments(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(PyTuple::new(py, spec::names())?.unbind())
    }

    /// Does what `add_job` does with these arguments; `None`: nothing has been done.
    fn add<'py>(
        &self,
        given: &Bound<'py, PyTuple>,
        trigger_args: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = given.py();
        let Some((open, engine)) = or_ordinary(py, self.opened_to_add(py))? else { return Ok(None) };
        let given = Given::of_tuple(given, trigger_args)?;
        let spec = Spec::new(&mut Call::new(py, &open, engine), &given);
        let Some(Spec { job, jobstore }) = or_ordinary(py, spec)? else { return Ok(None) };
        let Some(store) = engine.native_store(py, Some(&text::of(&jobstore)?)) else { return Ok(None) };
        let store = store.get();
        let seen = Seen::of(&job);
        match store.shared().change(|s| s.add(job)) {
            Ok(key) => store.handle_on(py, key, seen, &store.owner(py)).map(Some),
            Err(refused) => {
                drop(refused);
                Ok(None)
            }
        }
    }

    /// Does what `add_job` does with the dictionaries of its arguments in `jobs`, but for as many as there are
    /// jobs in `added`, where it puts the new ones; up to a dictionary that is out of the ordinary.
    fn add_many(&self, jobs: &Bound<'_, PyList>, added: &Bound<'_, PyList>) -> PyResult<()> {
        let py = jobs.py();
        let Some((open, engine)) = or_ordinary(py, self.opened_to_add(py))? else { return Ok(()) };
        // No code in Python runs here for each row, since that would collect garbage each time, of which the
        // new jobs are none.
        let mut count = 1;
        loop {
            let row = self.add_row(&mut Call::new(py, &open, engine), engine, jobs, added.len(), count)?;
            if row.is_empty() {
                return Ok(());
            }
            // What is made of the jobs behind one that is refused is made again: little, where many are.
            count = if row.len() < count { 1 } else { AT_ONCE.min(2 * count) };
            for job in row {
                added.append(job)?;
            }
            // Other threads have their turns, as between two lines of Python.
            py.detach(|| ());
        }
    }

    /// Does what `get_job` does; `None`: there is no such job here.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn get(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py, 0) else { return Ok(None) };
        match Self::find(&open, engine, job_id, jobstore)? {
            Some(found) => found.handle(py),
            None => Ok(None),
        }
    }

    /// Does what `remove_job` does; false: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn remove(&self, job_id: &Bound<'_, PyAny>, jobstore: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py, code::JOB_REMOVED) else { return Ok(false) };
        if self.logs(&open, py)? {
            return Ok(false);
        }
        let Some(store) = Self::store(&open, engine, py, jobstore)? else { return Ok(false) };
        let Ok(job_id) = job_id.cast_exact::<PyString>() else { return Ok(false) };
        let job_id = text::of(job_id)?;
        let removed = store.get().shared().change(|s| s.remove(&job_id));
        Ok(removed.is_ok())
    }

    /// Does what `pause_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn pause(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py, code::JOB_MODIFIED) else { return Ok(None) };
        let paused = || match Self::find(&open, engine, job_id, jobstore)? {
            Some(found) if found.store().change(|s| s.set_next(found.key, None)).is_ok() => found.handle(py),
            _ => Ok(None),
        };
        or_ordinary(py, paused())
    }

    /// Does what `resume_job` does; `None`: nothing has been done.
    #[pyo3(signature = (job_id, jobstore, /))]
    fn resume(
        &self,
        job_id: &Bound<'_, PyAny>,
        jobstore: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = job_id.py();
        let Some((open, engine)) = self.opened(py, code::JOB_MODIFIED) else { return Ok(None) };
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
        or_ordinary(py, resumed())
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
        let Some((open, engine)) = self.opened(py, code::JOB_MODIFIED) else { return Ok(None) };
        let rescheduled = || {
            let Some(found) = Self::find(&open, engine, job_id, jobstore)? else { return Ok(None) };
            let mut call = Call::new(py, &open, engine);
            let arguments = spec::arguments(trigger_args)?;
            let Some(new) = spec::NewTrigger::new(&mut call, Some(trigger), &arguments)? else {
                return Ok(None);
            };
            let Some((seen, last)) = found.seen(Some(&new.core)) else { return Ok(None) };
            let Some(next) = new.next(&call, last)? else { return Ok(None) };
            let same = new.object.is_none() && seen.record.trigger.is_none();
            let record = match (&new.zone, &seen.record.zone) {
                (Some(new), Some(old)) if same && Arc::ptr_eq(new, old) => Arc::clone(&seen.record),
                _ => Arc::new(Record { trigger: new.object, zone: new.zone, ..seen.record.clone_ref(py) }),
            };
            let mut new = Some((new.core, record));
            let changed: Result<_, mainspring_core::Error> = found.store().change(|s| {
                let still = Seen::get(s, found.key).is_some_and(|now| seen.is_alike(&now));
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
        or_ordinary(py, rescheduled())
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
        let Some((open, engine)) = self.opened(py, code::JOB_MODIFIED) else { return Ok(None) };
        let modified = || {
            let Some(found) = Self::find(&open, engine, job_id, jobstore)? else { return Ok(None) };
            let Some(job) = found.handle(py)? else { return Ok(None) };
            let approved = Fields::of_changes(job.bind(py), changes)?;
            job.get().apply(py, &approved)?;
            Ok(Some(job))
        };
        or_ordinary(py, modified())
    }
}

impl NativeJobs {
    fn replace(&self, open: Option<Arc<Open>>) {
        let old = std::mem::replace(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner), open);
        drop(old);
    }

    /// Whether the scheduler's logger wants to be told of what goes on.
    fn logs(&self, open: &Open, py: Python<'_>) -> PyResult<bool> {
        open.is_enabled_for.bind(py).call1((INFO,))?.is_truthy()
    }
}
