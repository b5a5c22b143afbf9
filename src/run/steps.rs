//! The steps of a run, whoever calls its function, and what is told of a job that is due.
//!
//! A run goes through its run times in order: each is judged for misfire when it starts, called, awaited
//! if what it returns can be awaited, and reported. The instance slot is given back with the last of them,
//! before its outcome is reported, so that a listener sees the job as free.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Firing, Item, StoreId};
use mainspring_core::job::due::{self, RunTimes};
use mainspring_core::job::{JobId, JobKey};
use mainspring_core::store::HostVerdict;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::hub::Attached;
use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::run::{Outcome, Run};
use crate::job::seen::Seen;
use crate::py::error::raised;
use crate::py::host;
use crate::py::imports;
use crate::py::once::intern;
use crate::py::tell::{self, Caller};
use crate::py::text;
use crate::run::report::{self, Env, code};
use crate::trigger::PythonJitter;

impl Run {
    /// Takes a firing over. `None`, with its instance slot given back, when its store is gone.
    pub fn begin(env: &Env<'_>, firing: Firing) -> Option<Self> {
        let run = peek(env, &firing);
        if run.is_none() {
            env.hub.finish(&firing);
        }
        let (store, seen) = run?;
        Some(Self::new(firing, store, seen))
    }

    pub fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text::string(py, &self.seen.id)
    }

    pub fn alias<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.store.alias.bind(py).clone()
    }

    /// The next run time that is not missed; the missed ones before it are reported. `None` when the run is
    /// at its end.
    pub fn next_in_time(&mut self, env: &Env<'_>) -> Option<UtcMicros> {
        if !env.hub.origin.is_here() {
            // The function, or a listener, has forked, and this is the child: the run goes on in the parent.
            return None;
        }
        while let Some(&at) = self.run_times().get(self.index) {
            let now = env.batch.now(&env.hub);
            match due::missed_by(at, now, self.firing.misfire_grace_seconds) {
                Some(late) => {
                    env.hub.watch.missed(&self.seen.id, at, now);
                    self.settle(env, Outcome::Missed(late));
                }
                None => {
                    self.watched = env.hub.watch.started(&self.seen.id, at, now);
                    env.never_fails(self.log_start(env, at));
                    return Some(at);
                }
            }
        }
        None
    }

    /// Records how the current run time ended and moves on to the next.
    pub fn settle<'py>(&mut self, env: &Env<'py>, outcome: Outcome<'py>) {
        let Some(&at) = self.run_times().get(self.index) else { return };
        self.index += 1;
        if !env.hub.origin.is_here() {
            return;
        }
        if let Some(run) = self.watched.take() {
            env.hub.watch.ended(env.py, run, &outcome);
        }
        if self.index == self.run_times().len() {
            env.batch.finish(&env.hub, &self.store, &self.firing);
        }
        env.never_fails(self.report(env, at, outcome));
        self.context = None;
    }

    /// Ends the run early: the current and all later run times end with the same error.
    pub fn abandon(&mut self, env: &Env<'_>, error: &PyErr) {
        while self.index < self.run_times().len() {
            self.settle(env, Outcome::Raised(error.clone_ref(env.py)));
        }
    }
}

/// Whether `value` can be awaited: a coroutine, or an object with `__await__` or of a generator-based coroutine.
pub fn is_awaitable(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    if value.is_none() {
        return Ok(false);
    }
    if value.get_type().hasattr(intern!(py, "__await__"))? {
        return Ok(true);
    }
    imports::isawaitable(py)?.call1((value,))?.is_truthy()
}

/// Why runs are cancelled that have lost their loop.
pub const SHUT_DOWN: &str = "the scheduler has been shut down";

/// Ends the runs whose awaitables wait for a loop that does not come, as cancelled for this reason, and tells
/// of those that have ended before.
pub fn abandon_queued(env: &Env<'_>, inbox: &Inbox, reason: &'static str) {
    for work in inbox.take_begun() {
        match work {
            Work::Await(mut run, awaitable) => {
                env.never_fails(close(awaitable.bind(env.py)));
                env.never_fails(imports::cancelled(env.py, reason).map(|error| run.abandon(env, &error)));
            }
            Work::Event(event, context) => env.never_fails(told(env, &event, context.as_ref())),
            Work::NoticesDropped(count) => env.never_fails(notices_dropped(env, count)),
            Work::Item(_) => {}
        }
    }
}

/// Closes a coroutine that is not going to be awaited, so that nobody is warned of that.
pub fn close(awaitable: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = awaitable.py();
    // A task or another future goes on by itself, and whatever else has an `__await__` has not begun.
    match awaitable.is_instance(imports::coroutine_type(py)?)? {
        true => awaitable.call_method0(intern!(py, "close")).map(drop),
        false => Ok(()),
    }
}

/// Handles what came to the control loop.
pub fn handle_item(env: &Env<'_>, item: Item) {
    match item {
        Item::Run(firing) => {
            let Firing { store, key, last, .. } = firing;
            submit(env, firing);
            if last {
                ended(env, store, key);
            }
        }
        Item::Skipped { store, key, run_times } => skipped(env, store, key, run_times),
        Item::Ended { store, key } => ended(env, store, key),
        Item::HostDue { store, key, due } => host_due(env, store, key, due),
        Item::Parked { store, key, error } => env.never_fails(parked(env, store, key, &error)),
        Item::ClockStepped(micros) => env.never_fails(clock_stepped(env, micros)),
    }
}

/// Asks the scheduler to submit a firing to an executor written in Python.
fn submit(env: &Env<'_>, firing: Firing) {
    let Some(run) = Run::begin(env, firing) else { return };
    let submit = || {
        let run_times = pyo3::types::PyList::empty(env.py);
        for &at in run.run_times() {
            run_times.append(run.datetime(env, at)?)?;
        }
        let job = run.job(env)?;
        let event = env.scheduler.submit_native(job.into_any(), run_times)?;
        if !event.is_none() {
            // As APScheduler: of all submissions of a pass together, after what they entailed.
            env.later(event, run.own_context(env)?);
        }
        Ok(())
    };
    let result = submit();
    // From here on the executor counts the job's instances.
    env.hub.finish(&run.firing);
    env.never_fails(result);
}

fn skipped(env: &Env<'_>, store: StoreId, key: JobKey, run_times: RunTimes) {
    let firing = Firing { store, key, route: 0, misfire_grace_seconds: None, run_times, last: false };
    // A run that owns no instance slot, to tell of the job.
    let Some((store, seen)) = peek(env, &firing) else { return };
    let run = Run::new(firing, store, seen);
    let now = env.hub.clock.now();
    for &at in run.run_times() {
        env.hub.watch.skipped(&run.seen.id, at, now);
    }
    let tell = || {
        let context = run.own_context(env)?;
        let about = (run.job(env)?, run.run_times().len()).into_pyobject(env.py)?;
        let log = env.scheduler.log_skipped()?;
        env.never_fails(tell::tell_in(context.as_ref(), &log, &about, None));
        run.submission_event(env, code::JOB_MAX_INSTANCES, context.as_ref())
    };
    env.never_fails(tell());
}

/// Hands over an event that came from another thread.
pub fn told(env: &Env<'_>, event: &Py<PyAny>, context: Option<&Py<PyAny>>) -> PyResult<()> {
    env.dispatch(event.bind(env.py), context.map(|context| context.bind(env.py)))
}

/// Tells of notices that were too many to be kept while the loop did not run.
pub fn notices_dropped(env: &Env<'_>, count: u64) -> PyResult<()> {
    let message =
        "The event loop did not run for so long that %d more skipped runs are not told of one by one";
    Caller::ProcessJobs.log(None, env.logger()?, "warning", (message, count), None)
}

/// The store and the job that a firing is about.
fn peek(env: &Env<'_>, firing: &Firing) -> Option<(Arc<Attached>, Seen)> {
    let attached = env.batch.store(&env.hub, firing.store)?;
    let seen = env.batch.seen(&attached, firing.store, firing.key)?;
    Some((attached, seen))
}

/// The job's trigger has ended, and it does not run once more.
fn ended(env: &Env<'_>, store: StoreId, key: JobKey) {
    let Some(attached) = env.batch.store(&env.hub, store) else { return };
    let id = attached.store.read(|s| s.get_retired(key).map(|job| Arc::clone(job.id)));
    if let Some(id) = id {
        tell_end(env, &attached, key, &id);
    }
}

/// Tells of a job whose trigger has ended what `remove_job` would tell, and gives its key back.
pub fn tell_end(env: &Env<'_>, attached: &Attached, key: JobKey, id: &JobId) {
    env.batch.release(attached, key);
    let id = || text::string(env.py, id);
    let tell = || {
        if env.wants(code::JOB_REMOVED) {
            let alias = attached.alias.bind(env.py);
            let event = host::job_event(env.py)?.call1((code::JOB_REMOVED, id(), alias))?;
            env.dispatch(&event, None)?;
        }
        env.log_info(Caller::RemoveJob, || Ok(("Removed job %s", id())))
    };
    env.never_fails(tell());
}

fn clock_stepped(env: &Env<'_>, micros: i64) -> PyResult<()> {
    let direction = if micros > 0 { "forward" } else { "backward" };
    let step = imports::timedelta(env.py)?.call1((0, 0, micros.abs()))?;
    env.log_info(Caller::ProcessJobs, || Ok(("The wall clock stepped %s by %s", direction, step)))
}

/// Tells of a job that is parked since its trigger failed; with the exception, where Python raised one.
fn log_parked<'py>(
    env: &Env<'py>,
    seen: &Seen,
    reason: Bound<'py, PyAny>,
    exception: Option<&PyErr>,
) -> PyResult<()> {
    let message = "The trigger of job \"%s\" failed and the job is parked: %s";
    let job = text::format(env.py, "%s (%s)", (text::string(env.py, &seen.id), &seen.record.name))?;
    let exception = exception.map(|error| raised(env.py, error).into_any());
    Caller::ProcessJobs.log(None, env.logger()?, "error", (message, job, reason), exception.as_ref())
}

/// What the core parked.
fn parked(env: &Env<'_>, store: StoreId, key: JobKey, error: &mainspring_core::Error) -> PyResult<()> {
    let Some(attached) = env.batch.store(&env.hub, store) else { return Ok(()) };
    let Some(seen) = Seen::read(&attached.store, key) else { return Ok(()) };
    log_parked(env, &seen, PyString::new(env.py, error.message()).into_any(), None)
}

/// A due job whose trigger only Python can evaluate.
fn host_due(env: &Env<'_>, store: StoreId, key: JobKey, due: UtcMicros) {
    let Some(attached) = env.batch.store(&env.hub, store) else { return };
    let shared = &attached.store;
    let Some(seen) = Seen::read(shared, key) else { return };
    let now = env.hub.clock.now();
    let mut jitter = PythonJitter::new(env.py);
    let answers = env.hub.driver.on_behalf();
    let answer = due::due(&seen.trigger, seen.policy, due, now, &mut jitter);
    drop(answers);
    match jitter.or_raised(answer) {
        Ok(answer) => {
            let ends = answer.next.is_none();
            let verdict = shared.change(|s| s.settle_host(key, due, answer, now));
            match verdict {
                HostVerdict::Run(firing) => env.hub.send(firing),
                HostVerdict::Skipped(run_times) => {
                    skipped(env, store, key, run_times);
                    if ends {
                        ended(env, store, key);
                    }
                }
                HostVerdict::Stale => {}
            }
        }
        Err(error) if report::is_interrupt(env.py, &error) => {
            // Not the trigger's fault: it is asked again, where the program lets the loop go on.
            env.hub.control.push(vec![Work::Item(Item::HostDue { store, key, due })]);
            env.never_fails(Err(error));
        }
        Err(error) => {
            if shared.change(|s| s.park_host(key, due)) {
                let reason = error.value(env.py).clone().into_any();
                env.never_fails(log_parked(env, &seen, reason, Some(&error)));
            }
        }
    }
}
