//! The trigger classes of Python over the core's triggers.
//!
//! Each object holds the core's trigger and what of its attributes cannot be derived from it. An object is
//! made empty and filled by `__init__` or `__setstate__`, as pickles and the subclasses of users expect.

mod args;
mod base;
mod calendar_interval;
mod combining;
mod cron;
mod date;
mod host;
mod interval;
pub mod live;

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::trigger::{JitterSource, Trigger};
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;

pub use self::base::BaseTrigger;
pub use self::calendar_interval::CalendarIntervalTrigger;
pub use self::combining::{AndTrigger, BaseCombiningTrigger, OrTrigger};
pub use self::cron::CronTrigger;
pub use self::date::DateTrigger;
use self::host::PythonTrigger;
pub use self::interval::{IntervalTrigger, WallClock};
use self::live::{Mark, keeps_calculation};
pub use self::live::{
    classes, classes_are_patched, combined_triggers_changed, trigger_class_changed, watch_classes,
};
use crate::time::zone::TimeZone;

/// Draws jitter from Python's `random.uniform`, so that `random.seed` governs it.
pub struct PythonJitter<'py> {
    py: Python<'py>,
    error: Option<PyErr>,
}

impl<'py> PythonJitter<'py> {
    /// A source for one calculation.
    pub fn new(py: Python<'py>) -> Self {
        Self { py, error: None }
    }

    /// The `result` of the calculation that drew from this source, or what `random.uniform` raised.
    pub fn or_raised<T>(self, result: Result<T, mainspring_core::Error>) -> PyResult<T> {
        match self.error {
            Some(error) => Err(error),
            None => result.map_err(crate::py::error::to_py),
        }
    }
}

impl JitterSource for PythonJitter<'_> {
    fn draw(&mut self, max_micros: i64) -> i64 {
        let longest = max_micros as f64 / 1e6;
        let drawn = longest
            .into_pyobject(self.py)
            .map_err(PyErr::from)
            .and_then(|longest| base::draw_seconds(&longest)?.extract::<f64>());
        match drawn {
            Ok(seconds) => (seconds * 1e6).round_ties_even() as i64,
            Err(error) => {
                self.error = Some(error);
                0
            }
        }
    }
}

/// The zones in which triggers written in Python are given their times.
struct HostZones {
    /// The zone of `now`: the scheduler's.
    now: Arc<TimeZone>,
    /// The zone of `previous_fire_time`, as long as the trigger has not given a fire time itself.
    previous: Arc<TimeZone>,
}

/// The core's trigger for any trigger object.
///
/// Objects of the built-in classes share theirs; so do those of subclasses that leave the calculation
/// alone. Everything else becomes [`Trigger::Host`], which calls the object's `get_next_fire_time` with
/// times in `zone`, the scheduler's.
pub fn core_trigger(obj: &Bound<'_, PyAny>, zone: &Arc<TimeZone>) -> PyResult<Arc<Trigger>> {
    core_trigger_in(obj, &HostZones { now: Arc::clone(zone), previous: Arc::clone(zone) })
}

fn core_trigger_in(obj: &Bound<'_, PyAny>, zones: &HostZones) -> PyResult<Arc<Trigger>> {
    Ok(match native_trigger(obj, zones)? {
        Some(trigger) => {
            live::with_mark(obj, Mark::set);
            trigger
        }
        None => Arc::new(Trigger::Host(Arc::new(PythonTrigger::new(obj, zones)))),
    })
}

/// The object of a trigger that was added without one, whose fire times are shown in `zone`.
pub fn to_object(py: Python<'_>, core: &Arc<Trigger>, zone: &Arc<TimeZone>) -> PyResult<Py<PyAny>> {
    match &**core {
        Trigger::Interval(_) => IntervalTrigger::from_core(py, core, zone),
        Trigger::Cron(_) => CronTrigger::from_core(py, core, zone),
        _ => Err(PySystemError::new_err("a trigger of this kind is never added without its object")),
    }
}

/// The zone in which fire times of a built-in trigger are shown; `None` for a user-written one.
pub fn trigger_zone(obj: &Bound<'_, PyAny>) -> PyResult<Option<Arc<TimeZone>>> {
    if let Ok(trigger) = obj.cast::<IntervalTrigger>() {
        trigger.borrow().zone().map(Some)
    } else if let Ok(trigger) = obj.cast::<CronTrigger>() {
        trigger.borrow().zone().map(Some)
    } else if let Ok(trigger) = obj.cast::<CalendarIntervalTrigger>() {
        trigger.borrow().zone().map(Some)
    } else if let Ok(trigger) = obj.cast::<DateTrigger>() {
        trigger.borrow().zone(obj.py()).map(Some)
    } else if let Ok(trigger) = obj.cast::<BaseCombiningTrigger>() {
        combining::members_of(trigger)?.first().map_or(Ok(None), trigger_zone)
    } else {
        Ok(None)
    }
}

fn native_trigger(obj: &Bound<'_, PyAny>, zones: &HostZones) -> PyResult<Option<Arc<Trigger>>> {
    let py = obj.py();
    if let Ok(trigger) = obj.cast::<IntervalTrigger>() {
        if keeps_calculation(obj, &py.get_type::<IntervalTrigger>())? {
            return trigger.borrow().core().map(Some);
        }
    } else if let Ok(trigger) = obj.cast::<CronTrigger>() {
        if keeps_calculation(obj, &py.get_type::<CronTrigger>())? {
            return trigger.borrow().core().map(Some);
        }
    } else if let Ok(trigger) = obj.cast::<DateTrigger>() {
        if keeps_calculation(obj, &py.get_type::<DateTrigger>())? {
            return trigger.borrow().core().map(Some);
        }
    } else if let Ok(trigger) = obj.cast::<CalendarIntervalTrigger>() {
        if keeps_calculation(obj, &py.get_type::<CalendarIntervalTrigger>())? {
            return trigger.borrow().core().map(Some);
        }
    } else if let Ok(trigger) = obj.cast::<AndTrigger>() {
        if keeps_calculation(obj, &py.get_type::<AndTrigger>())? {
            return combining::combine(trigger.as_super(), Trigger::And, zones).map(Some);
        }
    } else if let Ok(trigger) = obj.cast::<OrTrigger>() {
        if keeps_calculation(obj, &py.get_type::<OrTrigger>())? {
            return combining::combine(trigger.as_super(), Trigger::Or, zones).map(Some);
        }
    }
    Ok(None)
}

/// `get_next_fire_time` of a built-in trigger that is shown in `zone`.
fn next_fire_time<'py>(
    py: Python<'py>,
    core: &Trigger,
    zone: &TimeZone,
    previous: &Bound<'py, PyAny>,
    now: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let previous = zone.optional_instant(previous, "previous_fire_time")?;
    let now = match (core, previous) {
        // These do not look at it, so it may be anything, as in APScheduler.
        (Trigger::CalendarInterval(_), _) | (Trigger::Interval(_), Some(_)) => UtcMicros::MIN,
        _ => zone.instant(now, "now")?,
    };
    let mut jitter = PythonJitter::new(py);
    let next = core.next_fire_time(previous, now, &mut jitter);
    jitter.or_raised(next)?.map(|t| zone.datetime(py, t)).transpose()
}
