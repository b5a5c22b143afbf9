//! A run that the engine makes itself, on a loop or in a worker thread, on its way through the run machine.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Firing, StoreId};
use mainspring_core::job::due::RunTimes;
use mainspring_core::job::{Ended, JobId, JobKey, Settled, Steps};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::dispatch::hub::{Attached, Hub};
use crate::dispatch::run::{Outcome, Run};
use crate::job::handle::Job;
use crate::job::record::Route;
use crate::job::seen::{self, Seen};
use crate::py::host;
use crate::py::tell::{Arguments, Caller};
use crate::py::text;
use crate::run::env::{Env, Later};
use crate::run::report::{Teller, code};
use crate::run::steps::{self, Submission};
use crate::run::told::{self, SubmissionEvent};

impl Run {
    /// Takes a firing over. `None`, with its instance slot given back, when its store is gone.
    pub fn begin(env: &Env<'_>, firing: Firing) -> Option<Self> {
        let run = peek(env, &firing);
        if run.is_none() {
            env.hub.finish(&firing, Ended::Lost);
        }
        let (store, seen) = run?;
        Some(Self::new(firing, store, seen))
    }

    /// Goes on to the next run time that is not missed; says whether there is one.
    pub fn next(&mut self, env: &Env<'_>) -> bool {
        let next = steps::next(&mut Going::with(self, env));
        // Nothing fails here: see `Submission::despite`.
        matches!(next, Ok(Some(_)))
    }

    /// Takes note of how the current run time ended, and tells of it; so it does of the later ones that end with it.
    pub fn settle<'py>(&mut self, env: &Env<'py>, outcome: &Outcome<'py>) -> Ended {
        steps::settle(&mut Going::with(self, env), outcome).unwrap_or(Ended::Lost)
    }

    /// Gives the instance slot of a run back that has ended well, where neither a listener nor the log is to be told.
    pub fn end_untold(&self, hub: &Hub) {
        hub.finish_in(&self.store.store, &self.firing, Ended::Executed);
    }

    /// The context of the current run time: that in which the function is called and the end of it told. It is
    /// made when it is first asked for.
    pub fn context<'py>(&mut self, env: &Env<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(context) = &self.context {
            return Ok(context.bind(env.py).clone());
        }
        let context = env.run_context(self.seen.record.context.as_ref())?;
        self.context = Some(context.clone().unbind());
        Ok(context)
    }

    /// A copy of the job's own context, where it has one: for what is told of it beside its runs.
    pub fn own_context<'py>(&self, env: &Env<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.seen.record.context.as_ref().map(|own| env.run_context(Some(own))).transpose()
    }

    /// EVENT_JOB_SUBMITTED, if it is wanted.
    pub fn tell_submitted(&mut self, env: &Env<'_>) {
        if env.wants(code::JOB_SUBMITTED) {
            env.never_fails(self.context(env).and_then(|context| {
                let event = self.submission_event(env, told::submitted_event)?;
                env.dispatch(&event, Some(&context))
            }));
        }
    }

    /// EVENT_JOB_SUBMITTED, if it is wanted, and the context to tell of it in beside the run.
    pub fn submitted<'py>(&mut self, env: &Env<'py>) -> Option<Later<'py>> {
        let event = || Ok((self.submission_event(env, told::submitted_event)?, self.own_context(env)?));
        env.wants(code::JOB_SUBMITTED).then(event)?.map_err(|error| env.never_fails(Err(error))).ok()
    }

    /// An event about the whole submission, as `event` makes it of the job's id, its store's alias and the run times.
    pub fn submission_event<'py>(
        &mut self,
        env: &Env<'py>,
        event: SubmissionEvent,
    ) -> PyResult<Bound<'py, PyAny>> {
        let run_times = PyList::empty(env.py);
        let mut going = Going::with(self, env);
        for index in 0..going.run.run_times().len() {
            run_times.append(going.run_time(index)?)?;
        }
        event(&going.id()?, &going.alias()?, run_times.as_any())
    }

    /// A handle on the job, for log records and for Python executors.
    pub fn job<'py>(&self, env: &Env<'py>) -> PyResult<Bound<'py, Job>> {
        let seen = Seen::read(&self.store.store, self.firing.key).unwrap_or_else(|| self.seen.clone());
        let scheduler = Some(env.scheduler.as_any().clone().unbind());
        let alias = Some(self.store.alias.clone_ref(env.py));
        let job = Job::linked(Arc::clone(&self.store.store), self.firing.key, seen, scheduler, alias);
        Bound::new(env.py, job)
    }

    /// The run times as Python sees them.
    pub fn datetimes<'py>(&self, env: &Env<'py>) -> PyResult<Bound<'py, PyList>> {
        let all = PyList::empty(env.py);
        for &at in self.run_times() {
            all.append(self.datetime(env, at)?)?;
        }
        Ok(all)
    }

    fn datetime<'py>(&self, env: &Env<'py>, at: UtcMicros) -> PyResult<Bound<'py, PyAny>> {
        seen::zone_of(env.py, &self.seen.record, Some(env.scheduler.as_any()))?.datetime(env.py, at)
    }
}

/// Run times of a job that were skipped. They are told of as runs are, but own no instance slot: nothing here begins or
/// settles them, or gives a slot back.
pub struct SkippedRun(Run);

impl SkippedRun {
    /// `None` when the store is gone.
    pub fn of(env: &Env<'_>, store: StoreId, key: JobKey, run_times: RunTimes) -> Option<Self> {
        let firing =
            Firing { store, key, route: 0, misfire_grace_seconds: None, run_times, attempt: 1, last: false };
        let (store, seen) = peek(env, &firing)?;
        Some(Self(Run::new(firing, store, seen)))
    }

    pub fn id(&self) -> &JobId {
        &self.0.seen.id
    }

    pub fn run_times(&self) -> &[UtcMicros] {
        self.0.run_times()
    }

    pub fn job<'py>(&self, env: &Env<'py>) -> PyResult<Bound<'py, Job>> {
        self.0.job(env)
    }

    pub fn own_context<'py>(&self, env: &Env<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.own_context(env)
    }

    /// EVENT_JOB_MAX_INSTANCES.
    pub fn event<'py>(&mut self, env: &Env<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.submission_event(env, told::skipped_event)
    }
}

/// The store and the job that a firing is about.
fn peek(env: &Env<'_>, firing: &Firing) -> Option<(Arc<Attached>, Seen)> {
    let attached = env.batch.store(&env.hub, firing.store)?;
    let seen = env.batch.seen(&attached, firing.store, firing.key)?;
    Some((attached, seen))
}

/// A run, and what those around it share.
struct Going<'a, 'py> {
    run: &'a mut Run,
    env: &'a Env<'py>,
    /// When the current run time was judged.
    now: UtcMicros,
}

impl<'a, 'py> Going<'a, 'py> {
    fn with(run: &'a mut Run, env: &'a Env<'py>) -> Self {
        Self { run, env, now: UtcMicros::MIN }
    }
}

impl<'py> Submission<'py> for Going<'_, 'py> {
    const TELLS_THE_REST: bool = true;

    fn steps(&mut self) -> &mut Steps {
        &mut self.run.steps
    }

    fn is_here(&self) -> bool {
        self.env.hub.origin.is_here()
    }

    fn late(&mut self, index: usize) -> PyResult<Option<i64>> {
        self.now = self.env.batch.now(&self.env.hub);
        Ok(self.run.run_times().get(index).and_then(|&at| self.run.firing.missed_by(at, self.now)))
    }

    fn begins(&mut self, index: usize) {
        if let Some(&at) = self.run.run_times().get(index) {
            self.run.watched = self.env.hub.watch.started(&self.run.seen.id, at, self.now);
        }
    }

    fn ends(&mut self, settled: Settled, ended: Ended, outcome: &Outcome<'py>) {
        let (run, env) = (&mut *self.run, self.env);
        env.hub.ends.count(ended);
        match (run.watched.take(), run.firing.fire(settled.index)) {
            (Some(watched), _) => env.hub.watch.ended(env.py, watched, outcome),
            (None, Some(fire)) if ended == Ended::Missed => {
                env.hub.watch.missed(&run.seen.id, fire.scheduled, self.now);
            }
            _ => {}
        }
        if settled.is_last {
            env.batch.finish(&env.hub, &run.store, &run.firing, ended);
        }
    }

    fn despite(&self, told: PyResult<()>) -> PyResult<()> {
        self.env.never_fails(told);
        Ok(())
    }
}

impl<'py> Teller<'py> for Going<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.env.py
    }

    fn job(&self) -> PyResult<Bound<'py, PyAny>> {
        self.run.job(self.env).map(Bound::into_any)
    }

    fn id(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let (py, run) = (self.env.py, &mut *self.run);
        let id = run.shown.id.get_or_insert_with(|| text::string(py, &run.seen.id).unbind());
        Ok(id.bind(py).clone().into_any())
    }

    fn alias(&self) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.run.store.alias.bind(self.env.py).clone().into_any())
    }

    fn run_time(&mut self, index: usize) -> PyResult<Bound<'py, PyAny>> {
        if let Some((_, known)) = self.run.shown.run_time.as_ref().filter(|(place, _)| *place == index) {
            return Ok(known.bind(self.env.py).clone());
        }
        let at = self.run.run_times().get(index).copied().unwrap_or(UtcMicros::MIN);
        let run_time = self.run.datetime(self.env, at)?;
        self.run.shown.run_time = Some((index, run_time.clone().unbind()));
        Ok(run_time)
    }

    fn logs_info(&self) -> PyResult<bool> {
        Ok(self.env.executor(self.run.executor())?.logger.info)
    }

    fn log(
        &mut self,
        level: &str,
        arguments: impl Arguments<'py>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let context = self.run.context(self.env)?;
        let logger = &self.env.executor(self.run.executor())?.logger;
        let caller = Caller::of_run(Route::unpack(self.run.firing.route).coroutine);
        logger.log(caller, Some(&context), level, arguments, exc_info)
    }

    fn wants(&self, code: u32) -> bool {
        self.env.wants(code)
    }

    fn send(&mut self, event: Bound<'py, PyAny>) -> PyResult<()> {
        let context = self.run.context(self.env)?;
        self.env.dispatch(&event, Some(&context))
    }

    fn loop_is_ending(&self) -> PyResult<bool> {
        Ok(self.env.after_its_loop || host::loop_is_ending(self.env.py)?.call0()?.is_truthy()?)
    }

    fn forget_context(&mut self) {
        self.run.context = None;
    }
}
