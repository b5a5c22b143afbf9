//! Adding jobs to a scheduler: one, many at once, and those that were added before its start.

use std::sync::Arc;

use mainspring_core::job::{JobKey, RunPolicy};
use mainspring_core::store::NewJob;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::call::Call;
use super::spec::{self, Given, NewTrigger, Spec};
use super::tell::tell_pending;
use super::{Adding, NativeJobs, or_in_python};
use crate::job::fields::{Field, Fields, Part};
use crate::job::handle::Job;
use crate::job::record::Record;
use crate::job::seen::Seen;
use crate::job::store::Changes;
use crate::py::host::Scheduler;
use crate::py::text;
use crate::run::report::code;
use crate::scheduler::engine::Engine;
use crate::store::native::NativeStore;

/// How many jobs are added at once at most: for so long a store is locked, as by a pass of a sweep, and what
/// is made for them stays in the processor's cache.
const AT_ONCE: usize = 512;

/// Adds jobs up to one that the store refuses, which comes back with those behind it, for the caller to drop.
fn add_until_refused(
    store: &mut Changes<'_>,
    jobs: Vec<NewJob<Arc<Record>>>,
) -> (Vec<JobKey>, Vec<NewJob<Arc<Record>>>) {
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

/// Jobs that were added together, and the alias of their store; `None` where none was.
type Row<'py> = Option<(Vec<Py<Job>>, Bound<'py, PyString>)>;

impl NativeJobs {
    /// Adds jobs, at most `count`, from `start` on, up to the first that goes to another store or that Python must add
    /// (see [`Spec::new`]); returns them and the alias of the store.
    fn add_row<'py>(
        &self,
        call: &mut Call<'_, 'py>,
        engine: &Engine,
        jobs: &Bound<'py, PyList>,
        start: usize,
        count: usize,
    ) -> PyResult<Row<'py>> {
        let py = call.py;
        let mut alias: Option<Bound<'_, PyString>> = None;
        let end = jobs.len().min(start.saturating_add(count));
        let mut row = Vec::with_capacity(end.saturating_sub(start));
        let mut seen = Vec::with_capacity(end.saturating_sub(start));
        for index in start..end {
            let job = jobs.get_item(index)?;
            let Ok(arguments) = job.cast_exact::<PyDict>() else { break };
            let made = spec::with_given(call, arguments, |call, given| {
                let Some(trigger) = NewTrigger::new(call, given.trigger())? else { return Ok(None) };
                let Some(spec) = Spec::new(call, given, &trigger)? else { return Ok(None) };
                Ok(spec.stored(call, given, &trigger)?.map(|job| (job, spec.jobstore)))
            });
            let Some((job, jobstore)) = or_in_python(py, made)? else { break };
            match &alias {
                None => alias = Some(jobstore),
                Some(alias) if alias.is(&jobstore) || text::of(alias)? == text::of(&jobstore)? => (),
                Some(_) => break,
            }
            seen.push(Seen::of(&job));
            row.push(job);
        }
        let Some(alias) = alias else { return Ok(None) };
        let Some(store) = engine.native_store(py, Some(&text::of(&alias)?)) else { return Ok(None) };
        // A callable that was asked for its signature may have shut the scheduler down.
        if !self.still(call.open) {
            return Ok(None);
        }
        let store = store.get();
        let (keys, refused) = store.shared().change(|s| {
            s.reserve(jobs.len().saturating_sub(start));
            add_until_refused(s, row)
        });
        drop(refused);
        let owner = store.owner(py);
        let jobs = keys.into_iter().zip(seen).map(|(key, seen)| store.handle_on(py, key, seen, &owner));
        let jobs: Vec<_> = jobs.collect::<PyResult<_>>()?;
        Ok((!jobs.is_empty()).then_some((jobs, alias)))
    }

    /// Adds jobs of which listeners or the log are told: one by one, since each is told of before the next is there.
    fn add_each<'py>(&self, jobs: &Bound<'py, PyList>, added: &Bound<'py, PyList>) -> PyResult<()> {
        let py = jobs.py();
        loop {
            let Some((open, engine)) = self.opened(py)? else { return Ok(()) };
            if or_in_python(py, open.has_new_executor(py).map(Some))? != Some(false) {
                return Ok(());
            }
            let mut call = Call::new(py, &open, engine);
            let Some((row, alias)) = self.add_row(&mut call, engine, jobs, added.len(), 1)? else {
                return Ok(());
            };
            for job in row {
                added.append(&job)?;
                open.tell_added(engine, job.bind(py), &alias)?;
            }
        }
    }

    /// Does the steps from the defaults on for a job that goes to a native store; `None`: nothing has been done.
    fn put_new<'py>(
        &self,
        call: &Call<'_, 'py>,
        given: &Given<'_, 'py>,
        spec: &Spec<'py>,
        trigger: &NewTrigger,
    ) -> PyResult<Option<Py<Job>>> {
        let (py, open) = (call.py, call.open);
        let new = || match open.hooks.put || open.hooks.within_put || open.has_new_executor(py)? {
            true => Ok(None),
            false => spec.stored(call, given, trigger),
        };
        let Some(new) = or_in_python(py, new())? else { return Ok(None) };
        let handle = |store: &NativeStore, key, seen| store.handle_on(py, key, seen, &store.owner(py));
        self.put(call, new, &spec.jobstore, handle)
    }

    /// Puts a job into its store, and tells of it; `None`: nothing has been done.
    fn put<'py>(
        &self,
        call: &Call<'_, 'py>,
        new: NewJob<Arc<Record>>,
        alias: &Bound<'py, PyString>,
        job: impl FnOnce(&NativeStore, JobKey, Seen) -> PyResult<Py<Job>>,
    ) -> PyResult<Option<Py<Job>>> {
        let py = call.py;
        let Some(store) = call.engine.native_store(py, Some(&text::of(alias)?)) else { return Ok(None) };
        // A callable that was asked for its signature may have shut the scheduler down.
        if !self.still(call.open) {
            return Ok(None);
        }
        let (store, seen) = (store.get(), Seen::of(&new));
        match store.shared().change(|s| s.add(new)) {
            Ok(key) => {
                let job = job(store, key, seen)?;
                call.open.tell_added(call.engine, job.bind(py), alias)?;
                Ok(Some(job))
            }
            Err(refused) => {
                drop(refused);
                Ok(None)
            }
        }
    }

    /// Puts a job among the pending ones; false: nothing has been done.
    fn pend<'py>(
        &self,
        call: &Call<'_, 'py>,
        scheduler: &Scheduler<'py>,
        (job, alias, replace_existing): (&Py<Job>, &Bound<'py, PyAny>, &Bound<'py, PyAny>),
    ) -> PyResult<bool> {
        let py = call.py;
        if call.open.adding != Adding::Pends || !self.still(call.open) {
            return Ok(false);
        }
        match scheduler.pending_jobs()?.cast::<PyList>() {
            Ok(pending) => pending.append((job, alias, replace_existing))?,
            Err(_) => return Ok(false),
        }
        call.open.tell_pending(py)?;
        Ok(true)
    }
}

#[pymethods]
impl NativeJobs {
    /// The names of the arguments that `add` takes.
    #[classattr]
    fn arguments(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(PyTuple::new(py, spec::names())?.unbind())
    }

    /// What jobs have of the options that a scheduler may have other defaults for, by name.
    #[classattr]
    fn defaults(py: Python<'_>) -> PyResult<Py<PyDict>> {
        let (mut fields, defaults) = (Fields::default(), PyDict::new(py));
        fields.set_policy(RunPolicy::DEFAULT);
        for field in Field::in_part(Part::Policy) {
            defaults.set_item(field.name(), fields.show(py, field)?)?;
        }
        Ok(defaults.unbind())
    }

    /// Does what `add_job` does with these arguments.
    fn add<'py>(
        &self,
        scheduler: &Bound<'py, PyAny>,
        given: &Bound<'py, PyTuple>,
        trigger_args: &Bound<'py, PyDict>,
        replace_existing: &Bound<'py, PyAny>,
    ) -> PyResult<Py<Job>> {
        let py = given.py();
        let given = Given::of_tuple(given, trigger_args)?;
        let asked = Scheduler::of(scheduler.clone());
        let known = or_in_python(py, self.look(py))?;
        let mut call = known.as_ref().map(|(open, engine)| Call::new(py, open, engine));

        let trigger = match call.as_mut().filter(|call| !call.open.hooks.trigger) {
            Some(call) => {
                let new = NewTrigger::new(call, given.trigger());
                or_in_python(py, new)?
            }
            None => None,
        };
        let trigger = match trigger {
            Some(trigger) => trigger,
            None => {
                let made = asked.create_trigger(given.trigger().0, trigger_args)?;
                NewTrigger::made_in_python(call.as_ref(), made)?
            }
        };

        let spec = match call.as_mut() {
            Some(call) => {
                let spec = Spec::new(call, &given, &trigger);
                or_in_python(py, spec)?
            }
            None => None,
        };
        if let (Some(call), Some(spec)) = (&call, &spec) {
            if call.open.adding == Adding::ToStore {
                if let Some(job) = self.put_new(call, &given, spec, &trigger)? {
                    return Ok(job);
                }
            }
        }

        let job = spec.map_or(Ok(None), |spec| spec.pending(scheduler, &given, &trigger));
        let job = match or_in_python(py, job)? {
            Some(job) => Py::new(py, job)?,
            None => {
                let options = given.options(trigger.to_object(py)?)?;
                py.get_type::<Job>().call((scheduler,), Some(&options))?.cast_into::<Job>()?.unbind()
            }
        };
        let alias = given.jobstore(py);
        let pends = match &call {
            Some(call) => self.pend(call, &asked, (&job, &alias, replace_existing))?,
            None => false,
        };
        if !pends && asked.place_job((&job, alias, replace_existing))? {
            tell_pending(&asked.logger()?)?;
        }
        Ok(job)
    }

    /// Does what `_real_add_job` does with a job that has been made, where no hook is in the way and the job is as
    /// most are; false: nothing has been done.
    fn put_made(&self, job: &Bound<'_, Job>, jobstore: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = job.py();
        let Some((open, engine)) = or_in_python(py, self.look(py))? else { return Ok(false) };
        let Ok(alias) = jobstore.cast_exact::<PyString>() else { return Ok(false) };
        if open.hooks.within_put
            || job.get().is_linked()
            || engine.native_store(py, Some(&text::of(alias)?)).is_none()
        {
            return Ok(false);
        }
        let call = Call::new(py, &open, engine);
        let Some(new) = or_in_python(py, spec::stored(&call, job))? else { return Ok(false) };
        let put = self.put(&call, new, alias, |store, key, seen| {
            job.get().set_owner(None, Some(alias.clone().unbind()));
            job.get().link(Arc::clone(store.shared()), key, seen);
            Ok(job.clone().unbind())
        })?;
        Ok(put.is_some())
    }

    /// Does what `_real_add_job` does with each of the pending jobs, or calls it.
    fn put_pending(&self, scheduler: &Bound<'_, PyAny>, pending: &Bound<'_, PyList>) -> PyResult<()> {
        let py = scheduler.py();
        let asked = Scheduler::of(scheduler.clone());
        let mut index = 0;
        // A listener may add more of them meanwhile, which an iterator of pyo3's would not see.
        while index < pending.len() {
            let entry = pending.get_item(index)?;
            index += 1;
            let is_hooked = or_in_python(py, self.look(py))?.is_none_or(|(open, _)| open.hooks.put);
            let (job, alias) = (entry.get_item(0)?, entry.get_item(1)?);
            let is_put = match job.cast_exact::<Job>() {
                Ok(job) if !is_hooked => self.put_made(job, &alias)?,
                _ => false,
            };
            if !is_put {
                asked.real_add_job((job, alias, entry.get_item(2)?))?;
            }
        }
        Ok(())
    }

    /// Does what `add_job` does with the dictionaries of its arguments in `jobs`, but for as many as there are
    /// jobs in `added`, where it puts the new ones; up to a job that Python must add (see [`Spec::new`]).
    fn add_many(&self, jobs: &Bound<'_, PyList>, added: &Bound<'_, PyList>) -> PyResult<()> {
        let py = jobs.py();
        let Some((open, engine)) = self.opened(py)? else { return Ok(()) };
        if or_in_python(py, open.has_new_executor(py).map(Some))? != Some(false) {
            return Ok(());
        }
        if open.has_listeners(engine, code::JOB_ADDED) || open.logs(py)? {
            return self.add_each(jobs, added);
        }
        // No code in Python runs here for each row, since that would collect garbage each time, of which the
        // new jobs are none.
        let mut count = 1;
        loop {
            let row = self.add_row(&mut Call::new(py, &open, engine), engine, jobs, added.len(), count)?;
            let Some((row, _)) = row else { return Ok(()) };
            // What is made of the jobs behind one that is refused is made again: little, where many are.
            count = if row.len() < count { 1 } else { AT_ONCE.min(2 * count) };
            for job in row {
                added.append(job)?;
            }
            // Other threads have their turns, as between two lines of Python.
            py.detach(|| ());
        }
    }
}
