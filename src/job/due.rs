//! When a due job of a store written in Python runs, by the core's rules.

use mainspring_core::job::due;
use pyo3::prelude::*;

use crate::job::handle::Job;
use crate::job::seen::scheduler_zone;
use crate::time::datetime;
use crate::trigger::{PythonJitter, core_trigger, trigger_zone};

/// Whether two triggers have the same fire times, as far as is known without running code of theirs.
#[pyfunction]
pub fn same_fire_times(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    let zone = scheduler_zone(a.py(), None)?;
    Ok(a.is(b) || *core_trigger(a, &zone)? == *core_trigger(b, &zone)?)
}

/// A run time and the next fire time.
type RunAndNext<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// The one run time of a coalescing job that is due, and its next fire time: however many fire times have
/// gone by, this takes no longer.
///
/// `None` where that is not for the core to say: the job does not coalesce or is not due, or Python evaluates
/// its trigger.
#[pyfunction]
pub fn coalesced_run<'py>(
    job: &Bound<'py, Job>,
    now: &Bound<'py, PyAny>,
) -> PyResult<Option<RunAndNext<'py>>> {
    let py = job.py();
    let fields = job.get().fields(py)?;
    let (Ok(policy), Some(Some(due_at)), Some(trigger)) =
        (fields.whole_policy(), fields.next_run_time, fields.trigger)
    else {
        return Ok(None);
    };
    let (due_at, trigger) = (due_at.into_bound(py), trigger.into_bound(py));
    let (due, now) = (datetime::instant(&due_at)?, datetime::instant(now)?);
    let Some(zone) = trigger_zone(&trigger)?.filter(|_| policy.coalesce && due <= now) else {
        return Ok(None);
    };
    let core = core_trigger(&trigger, &zone)?;
    if core.needs_host() {
        return Ok(None);
    }
    let mut jitter = PythonJitter::new(py);
    let answer = due::due(&core, policy, due, now, &mut jitter);
    let answer = jitter.or_raised(answer)?;
    let run_time = match answer.run_times.as_slice() {
        [.., last] if *last != due => zone.datetime(py, *last)?,
        _ => due_at,
    };
    let next = answer.next.map(|at| zone.datetime(py, at)).transpose()?;
    Ok(Some((run_time, next)))
}
