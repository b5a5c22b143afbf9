//! What the control loop is told beside the runs it makes: jobs for executors written in Python, runs that were skipped,
//! jobs that have ended or are parked, triggers that only Python can evaluate.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Firing, Item, StoreId};
use mainspring_core::job::due::{self, RunTimes};
use mainspring_core::job::{Ended, JobId, JobKey};
use mainspring_core::store::HostVerdict;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::hub::Attached;
use crate::dispatch::loop_queue::Work;
use crate::dispatch::run::Run;
use crate::job::seen::Seen;
use crate::py::error::raised;
use crate::py::imports;
use crate::py::tell::{self, Caller};
use crate::py::text;
use crate::run::env::{self, Env};
use crate::run::native::SkippedRun;
use crate::run::report::code;
use crate::run::told;
use crate::trigger::PythonJitter;

/// Handles what came to the control loop, but for the runs that it makes itself. What goes wrong stops nothing.
pub fn tell(env: &Env<'_>, work: Work) {
    let told = match work {
        Work::Item(Item::Run(firing)) => {
            let Firing { store, key, last, .. } = firing;
            submit(env, firing);
            if last {
                ended(env, store, key);
            }
            Ok(())
        }
        Work::Item(Item::Skipped { store, key, run_times }) => skipped(env, store, key, run_times),
        Work::Item(Item::Ended { store, key }) => {
            ended(env, store, key);
            Ok(())
        }
        Work::Item(Item::HostDue { store, key, due }) => host_due(env, store, key, due),
        Work::Item(Item::Parked { store, key, error }) => parked(env, store, key, &error),
        Work::Item(Item::ClockStepped(micros)) => clock_stepped(env, micros),
        Work::Event(event, context) => {
            env.dispatch(event.bind(env.py), context.as_ref().map(|context| context.bind(env.py)))
        }
        Work::NoticesDropped(count) => notices_dropped(env, count),
        // Not a notice: the callers of `tell` await it themselves, or end it.
        Work::Await(..) => Ok(()),
    };
    env.never_fails(told);
}

/// Asks the scheduler to submit a firing to an executor written in Python.
fn submit(env: &Env<'_>, firing: Firing) {
    let Some(run) = Run::begin(env, firing) else { return };
    let submit = || {
        let (job, run_times) = (run.job(env)?, run.datetimes(env)?);
        let event = env.scheduler.submit_native(job.into_any(), run_times)?;
        if !event.is_none() {
            // As APScheduler: of all submissions of a pass together, after what they entailed.
            env.later(event, run.own_context(env)?);
        }
        Ok(())
    };
    let result = submit();
    // From here on the executor counts the job's instances.
    env.hub.finish(&run.firing, Ended::HandedOver);
    env.never_fails(result);
}

fn skipped(env: &Env<'_>, store: StoreId, key: JobKey, run_times: RunTimes) -> PyResult<()> {
    let Some(mut skipped) = SkippedRun::of(env, store, key, run_times) else { return Ok(()) };
    let count = skipped.run_times().len();
    env.hub.ends.skipped(count);
    let now = env.hub.clock.now();
    for &at in skipped.run_times() {
        env.hub.watch.skipped(skipped.id(), at, now);
    }
    let context = skipped.own_context(env)?;
    let about = (skipped.job(env)?, count).into_pyobject(env.py)?;
    let log = env.scheduler.log_skipped()?;
    env.never_fails(tell::tell_in(context.as_ref(), &log, &about, None));
    if env.wants(code::JOB_MAX_INSTANCES) {
        let event = skipped.event(env)?;
        env.dispatch(&event, context.as_ref())?;
    }
    Ok(())
}

/// Tells of notices that were too many to be kept while the loop did not run.
fn notices_dropped(env: &Env<'_>, count: u64) -> PyResult<()> {
    let message =
        "The event loop did not run for so long that %d more skipped runs are not told of one by one";
    Caller::ProcessJobs.log(None, env.logger()?, "warning", (message, count), None)
}

/// The job's trigger has ended, and it does not run once more.
pub fn ended(env: &Env<'_>, store: StoreId, key: JobKey) {
    let Some(attached) = env.batch.store(&env.hub, store) else { return };
    let id = attached.store.read(|s| s.get_retired(key).map(|job| Arc::clone(job.id)));
    if let Some(id) = id {
        tell_end(env, &attached, key, &id);
    }
}

/// Tells of a job whose trigger has ended what `remove_job` would tell, and gives its key back.
pub fn tell_end(env: &Env<'_>, attached: &Attached, key: JobKey, id: &JobId) {
    env.batch.release(attached, key);
    let id = text::string(env.py, id).into_any();
    let tell = || {
        if env.wants(code::JOB_REMOVED) {
            let alias = attached.alias.bind(env.py);
            env.dispatch(&told::removed_event(&id, alias)?, None)?;
        }
        env.log_info(Caller::RemoveJob, || Ok(told::removed(&id)))
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
fn host_due(env: &Env<'_>, store: StoreId, key: JobKey, due: UtcMicros) -> PyResult<()> {
    let Some(attached) = env.batch.store(&env.hub, store) else { return Ok(()) };
    let shared = &attached.store;
    let Some(seen) = Seen::read(shared, key) else { return Ok(()) };
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
                    let told = skipped(env, store, key, run_times);
                    if ends {
                        ended(env, store, key);
                    }
                    return told;
                }
                HostVerdict::Stale => {}
            }
            Ok(())
        }
        Err(error) if env::is_interrupt(env.py, &error) => {
            // Not the trigger's fault: it is asked again, where the program lets the loop go on.
            env.hub.control.push(vec![Work::Item(Item::HostDue { store, key, due })]);
            Err(error)
        }
        Err(error) => {
            if !shared.change(|s| s.park_host(key, due)) {
                return Ok(());
            }
            let reason = error.value(env.py).clone().into_any();
            log_parked(env, &seen, reason, Some(&error))
        }
    }
}
