//! Adding jobs.

use mainspring_core::job::JobKey;
use mainspring_core::store::{MemoryStore, NewJob};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::call::Call;
use super::spec::{self, Given, Spec};
use super::{NativeJobs, or_ordinary};
use crate::job::handle::Job;
use crate::job::seen::Seen;
use crate::py::text;
use crate::run::report::code;
use crate::scheduler::engine::Engine;

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

/// Jobs that were added together, and the alias of their store; `None` where none was.
type Row<'py> = Option<(Vec<Py<Job>>, Bound<'py, PyString>)>;

impl NativeJobs {
    /// Adds the first of the `count` jobs from `start` on that go to one store and are not out of the ordinary;
    /// returns them and the alias of the store.
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
        let Some(alias) = alias else { return Ok(None) };
        let Some(store) = engine.native_store(py, Some(&text::of(&alias)?)) else { return Ok(None) };
        // A callable that was asked for its signature may have shut the scheduler down.
        let still = self.opened(py);
        if still.is_none_or(|(open, _)| !std::ptr::eq(&*open, call.open)) {
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
}

impl NativeJobs {
    /// Adds jobs of which somebody wants to know: one by one, since each is told of before the next is there.
    fn add_each<'py>(&self, jobs: &Bound<'py, PyList>, added: &Bound<'py, PyList>) -> PyResult<()> {
        let py = jobs.py();
        loop {
            let Some((open, engine)) = or_ordinary(py, self.opened_to_add(py))? else { return Ok(()) };
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
}

#[pymethods]
impl NativeJobs {
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
            Ok(key) => {
                let job = store.handle_on(py, key, seen, &store.owner(py))?;
                open.tell_added(engine, job.bind(py), &jobstore)?;
                Ok(Some(job))
            }
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
