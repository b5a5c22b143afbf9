//! `IntervalTrigger`: the class of the trigger that fires at fixed distances of elapsed time, for Python.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::trigger::{self as core, Trigger};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::args::{self, Arg, Home, not_initialized};
use super::base::BaseTrigger;
use super::live::{self, Mark};
use crate::py::error::to_py;
use crate::py::host;
use crate::py::text;
use crate::time::datetime::{Std, delta_from_micros, delta_micros};
use crate::time::zone::TimeZone;

static HOME: Home = Home(&host::INTERVAL);
const ARGUMENTS: [&str; 9] =
    ["weeks", "days", "hours", "minutes", "seconds", "start_date", "end_date", "timezone", "jitter"];
const SECOND: i64 = 1_000_000;
/// The lengths of the first five arguments, in microseconds.
const UNITS: [i64; 5] = [7 * 86_400 * SECOND, 86_400 * SECOND, 3_600 * SECOND, 60 * SECOND, SECOND];

/// Fires at fixed distances of elapsed time.
///
/// The first fire time is ``start_date``, or when that has passed the next one of the series that starts
/// there. An interval of nothing stands for one second.
///
/// :param weeks: weeks between two fire times, a number
/// :param days: and days (of 24 hours), a number
/// :param hours: and hours, a number
/// :param minutes: and minutes, a number
/// :param seconds: and seconds, a number
/// :param start_date: the first fire time: a datetime, a date or a string; default one interval from now
/// :param end_date: nothing fires after this: of the same types, default none
/// :param timezone: the zone of dates without one, and of the fire times, a tzinfo or an IANA key; default that
///     of ``start_date`` or ``end_date``, else the machine's
/// :param jitter: up to how many seconds late each fire time comes, by chance, a number; default none
/// :raises ValueError: if the interval or the jitter is negative, or a string no date
///
/// >>> str(IntervalTrigger(hours=1, minutes=30))
/// 'interval[1:30:00]'
#[pyclass(extends = BaseTrigger, subclass, module = "mainspring.triggers.interval")]
pub struct IntervalTrigger {
    state: Option<State>,
    /// Whether `start_date` was left out.
    from_now: bool,
    /// Whether the engine has read it.
    pub mark: Mark,
}

struct State {
    core: Arc<Trigger>,
    zone: Arc<TimeZone>,
    /// The dates as they were given, where `zone` does not show their instants in the same way.
    start_date: Option<Py<PyAny>>,
    end_date: Option<Py<PyAny>>,
    jitter: Option<Py<PyAny>>,
}

/// All that makes a trigger, as Python sees it.
struct Parts<'py> {
    interval: i64,
    timezone: Bound<'py, PyAny>,
    /// `None`: one interval from now.
    start_date: Bound<'py, PyAny>,
    end_date: Bound<'py, PyAny>,
    jitter: Bound<'py, PyAny>,
}

impl State {
    fn new(parts: Parts<'_>) -> PyResult<Self> {
        let Parts { interval, timezone, start_date, end_date, jitter } = parts;
        let py = timezone.py();
        if interval < 0 {
            let given = delta_from_micros(py, interval)?;
            return Err(PyValueError::new_err(format!("the interval must not be negative, got {given}")));
        }
        let interval = if interval == 0 { SECOND } else { interval };
        let zone = TimeZone::of(&timezone)?;

        let (start, start_date) = if start_date.is_none() {
            let now = zone.instant(&HOME.now(&timezone)?, "now")?;
            (WallClock::at(&zone, now)?.one_interval_from_now(interval)?, None)
        } else {
            let start = zone.instant(&start_date, "start_date")?;
            (start, keep_unless_derived(&zone, start_date, start)?)
        };
        let (end, end_date) = match zone.optional_instant(&end_date, "end_date")? {
            None => (None, None),
            Some(end) => (Some(end), keep_unless_derived(&zone, end_date, end)?),
        };
        let trigger = core::IntervalTrigger::new(interval, start, end, args::jitter_micros(&jitter)?);
        Ok(Self {
            core: Arc::new(Trigger::Interval(trigger.map_err(to_py)?)),
            zone,
            start_date,
            end_date,
            jitter: (!jitter.is_none()).then(|| jitter.unbind()),
        })
    }

    fn trigger(&self) -> &core::IntervalTrigger {
        match &*self.core {
            Trigger::Interval(trigger) => trigger,
            _ => unreachable!("State::new puts an interval trigger here"),
        }
    }
}

/// Now on the clock on the wall of a zone, from which the intervals count that were given no date.
#[derive(Clone, Copy)]
pub struct WallClock<'a> {
    zone: &'a TimeZone,
    /// The civil time, in microseconds.
    now: i64,
}

impl<'a> WallClock<'a> {
    /// `None` where a test has put another clock in the place of Python's.
    pub fn of(py: Python<'_>, zone: &'a TimeZone, now: UtcMicros) -> PyResult<Option<Self>> {
        if HOME.clock_is_replaced(py)? { Ok(None) } else { Self::at(zone, now).map(Some) }
    }

    fn at(zone: &'a TimeZone, now: UtcMicros) -> PyResult<Self> {
        Ok(Self { zone, now: zone.core().civil_at(now).map_err(to_py)?.get() })
    }

    /// By the clock on the wall, as APScheduler: one day from now is the same time tomorrow.
    fn one_interval_from_now(self, interval: i64) -> PyResult<UtcMicros> {
        let civil = self.now.checked_add(interval);
        self.zone.civil_instant(civil.ok_or_else(|| PyOverflowError::new_err("the interval is too long"))?)
    }
}

fn keep_unless_derived(zone: &TimeZone, dt: Bound<'_, PyAny>, t: UtcMicros) -> PyResult<Option<Py<PyAny>>> {
    Ok(if zone.gives_back(&dt, t)? { None } else { Some(dt.unbind()) })
}

impl IntervalTrigger {
    fn state(&self) -> PyResult<&State> {
        self.state.as_ref().ok_or_else(|| not_initialized("IntervalTrigger"))
    }

    /// The core's trigger.
    pub fn core(&self) -> PyResult<Arc<Trigger>> {
        Ok(Arc::clone(&self.state()?.core))
    }

    /// The zone in which its fire times are shown.
    pub fn zone(&self) -> PyResult<Arc<TimeZone>> {
        Ok(Arc::clone(&self.state()?.zone))
    }

    /// The core's trigger for arguments that are whole numbers of units and nothing else.
    pub fn core_of(
        arguments: &[(Bound<'_, PyString>, Bound<'_, PyAny>)],
        clock: WallClock<'_>,
    ) -> PyResult<Option<Arc<Trigger>>> {
        let mut interval = 0i64;
        for (name, count) in arguments {
            let name = text::of(name)?;
            let Some(index) = ARGUMENTS[..UNITS.len()].iter().position(|unit| **unit == *name) else {
                return Ok(None);
            };
            match args::whole_micros(count, UNITS[index])? {
                Some(micros) => interval = interval.saturating_add(micros),
                None => return Ok(None),
            }
        }
        if interval <= 0 {
            return Ok(None);
        }
        let start = clock.one_interval_from_now(interval)?;
        let trigger = core::IntervalTrigger::new(interval, start, None, 0).map_err(to_py)?;
        Ok(Some(Arc::new(Trigger::Interval(trigger))))
    }

    /// The object of a trigger that was given neither dates nor a jitter.
    pub fn from_core(py: Python<'_>, core: &Arc<Trigger>, zone: &Arc<TimeZone>) -> PyResult<Py<PyAny>> {
        let (core, zone) = (Arc::clone(core), Arc::clone(zone));
        let state = State { core, zone, start_date: None, end_date: None, jitter: None };
        let filled = PyClassInitializer::from(BaseTrigger);
        let filled = filled.add_subclass(Self { state: Some(state), from_now: true, mark: Mark::new(true) });
        Ok(Py::new(py, filled)?.into_any())
    }

    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        let state = self.state()?;
        let (start, end) = (state.trigger().start(), state.trigger().end());
        let none = || py.None().into_bound(py);
        Ok(Parts {
            interval: state.trigger().interval(),
            timezone: state.zone.tzinfo(py).clone(),
            start_date: match &state.start_date {
                Some(given) => given.bind(py).clone(),
                None => state.zone.datetime(py, start)?,
            },
            end_date: match &state.end_date {
                Some(given) => given.bind(py).clone(),
                None if end == UtcMicros::MAX => none(),
                None => state.zone.datetime(py, end)?,
            },
            jitter: state.jitter.as_ref().map_or_else(none, |jitter| jitter.bind(py).clone()),
        })
    }

    /// Fills the object; the borrow is short, since all that calls Python is done.
    fn fill(slf: &Bound<'_, Self>, parts: Parts<'_>) -> PyResult<()> {
        let state = State::new(parts)?;
        slf.borrow_mut().state = Some(state);
        Ok(())
    }

    fn change<'py>(slf: &Bound<'py, Self>, change: impl FnOnce(&mut Parts<'py>)) -> PyResult<()> {
        let mut parts = slf.borrow().parts(slf.py())?;
        change(&mut parts);
        Self::fill(slf, parts)
    }
}

#[pymethods]
impl IntervalTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: (&str, &str, &str, &str, &str, &str) =
        ("end_date", "interval", "interval_length", "jitter", "start_date", "timezone");

    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(weeks=0, days=0, hours=0, minutes=0, seconds=0, start_date=None, \
                          end_date=None, timezone=None, jitter=None)"
    )]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(BaseTrigger).add_subclass(Self {
            state: None,
            from_now: false,
            mark: Mark::default(),
        })
    }

    #[pyo3(signature = (
        weeks=Arg::LeftOut, days=Arg::LeftOut, hours=Arg::LeftOut, minutes=Arg::LeftOut, seconds=Arg::LeftOut,
        start_date=None, end_date=None, timezone=None, jitter=None, **unknown
    ))]
    #[expect(clippy::too_many_arguments, reason = "APScheduler's signature")]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        weeks: Arg<'py>,
        days: Arg<'py>,
        hours: Arg<'py>,
        minutes: Arg<'py>,
        seconds: Arg<'py>,
        start_date: Option<Bound<'py, PyAny>>,
        end_date: Option<Bound<'py, PyAny>>,
        timezone: Option<Bound<'py, PyAny>>,
        jitter: Option<Bound<'py, PyAny>>,
        unknown: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        args::refuse_unknown("IntervalTrigger", unknown, &ARGUMENTS)?;
        let py = slf.py();
        let [start_date, end_date, timezone, jitter] = [start_date, end_date, timezone, jitter]
            .map(|arg| arg.unwrap_or_else(|| py.None().into_bound(py)));
        let timezone = HOME.zone(&timezone, [&start_date, &end_date])?;
        let start_date = args::unless_false(start_date)?;
        slf.borrow_mut().from_now = start_date.is_none();
        let parts = Parts {
            interval: interval_micros(py, [weeks, days, hours, minutes, seconds].map(Arg::given))?,
            start_date: args::convert_to_datetime(&start_date, &timezone, "start_date")?,
            end_date: args::convert_to_datetime(&end_date, &timezone, "end_date")?,
            timezone,
            jitter,
        };
        Self::fill(slf, parts).and_then(|()| live::made_anew(slf))
    }

    /// The time between two fire times, a timedelta.
    #[getter]
    fn interval<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        delta_from_micros(py, self.state()?.trigger().interval())
    }

    #[setter]
    fn set_interval(slf: &Bound<'_, Self>, interval: &Bound<'_, PyAny>) -> PyResult<()> {
        let interval = delta_micros(interval)?;
        Self::change(slf, |parts| parts.interval = interval)
    }

    /// The time between two fire times in seconds.
    #[getter]
    fn interval_length(&self) -> PyResult<f64> {
        Ok(self.state()?.trigger().interval() as f64 / SECOND as f64)
    }

    #[setter]
    fn set_interval_length(slf: &Bound<'_, Self>, seconds: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let delta = Std::get(py)?.timedelta.bind(py).call1((0, seconds))?;
        Self::set_interval(slf, &delta)
    }

    /// The zone in which fire times are given.
    #[getter]
    fn timezone(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.zone.tzinfo(py).clone().unbind())
    }

    #[setter]
    fn set_timezone<'py>(slf: &Bound<'py, Self>, timezone: &Bound<'py, PyAny>) -> PyResult<()> {
        let timezone = args::astimezone(timezone)?;
        Self::change(slf, |parts| parts.timezone = timezone)
    }

    /// The first fire time.
    #[getter]
    fn start_date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.start_date)
    }

    #[setter]
    fn set_start_date<'py>(slf: &Bound<'py, Self>, start_date: Bound<'py, PyAny>) -> PyResult<()> {
        slf.borrow_mut().from_now = start_date.is_none();
        Self::change(slf, |parts| parts.start_date = start_date)
    }

    /// Counts from the time now, if `start_date` was left out, as if the trigger were made only now.
    fn _start_from_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        let none = slf.py().None().into_bound(slf.py());
        if slf.borrow().from_now { Self::change(slf, |parts| parts.start_date = none) } else { Ok(()) }
    }

    /// Nothing fires after this; ``None`` for no end.
    #[getter]
    fn end_date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.end_date)
    }

    #[setter]
    fn set_end_date<'py>(slf: &Bound<'py, Self>, end_date: Bound<'py, PyAny>) -> PyResult<()> {
        Self::change(slf, |parts| parts.end_date = end_date)
    }

    /// How many seconds late a fire time may come.
    #[getter]
    fn jitter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.parts(py)?.jitter)
    }

    #[setter]
    fn set_jitter<'py>(slf: &Bound<'py, Self>, jitter: Bound<'py, PyAny>) -> PyResult<()> {
        Self::change(slf, |parts| parts.jitter = jitter)
    }

    /// Return one interval after ``previous_fire_time``; without one, the first fire time that is neither
    /// before ``now`` nor before ``start_date``.
    ///
    /// :raises TypeError: if the time it counts from is naive
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time<'py>(
        slf: &Bound<'py, Self>,
        previous_fire_time: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (core, zone) = {
            let this = slf.borrow();
            let state = this.state()?;
            (Arc::clone(&state.core), Arc::clone(&state.zone))
        };
        super::next_fire_time(slf.py(), &core, &zone, previous_fire_time, now)
    }

    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = self.parts(py)?;
        let state = PyDict::new(py);
        state.set_item("version", 2)?;
        state.set_item("timezone", parts.timezone)?;
        state.set_item("start_date", parts.start_date)?;
        state.set_item("end_date", parts.end_date)?;
        state.set_item("interval", delta_from_micros(py, parts.interval)?)?;
        state.set_item("jitter", parts.jitter)?;
        Ok(state)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = args::state_dict(state, slf, 2, "versions up to 2")?;
        let parts = Parts {
            interval: delta_micros(&args::required(&state, "interval")?)?,
            timezone: args::astimezone(&args::required(&state, "timezone")?)?,
            start_date: args::required(&state, "start_date")?,
            end_date: args::required(&state, "end_date")?,
            jitter: args::optional(&state, "jitter")?,
        };
        Self::fill(slf, parts).and_then(|()| live::made_anew(slf))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<args::Reduced<'py>> {
        args::reduce(slf)
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("interval[{}]", self.interval(py)?))
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let py = slf.py();
        let parts = slf.borrow().parts(py)?;
        let interval = delta_from_micros(py, parts.interval)?.repr()?;
        let mut options = vec![format!("interval={interval}")];
        options.push(format!("start_date='{}'", args::datetime_repr(&parts.start_date)?));
        args::push_common_options(&mut options, None, &parts.end_date, &parts.jitter)?;
        let name = slf.get_type().name()?;
        text::format(py, "<%s (%s, timezone='%s')>", (name, options.join(", "), parts.timezone))
    }
}

/// The sum of the parts in microseconds: in integers where all are, else as Python's `timedelta` rounds it.
fn interval_micros(py: Python<'_>, parts: [Option<Bound<'_, PyAny>>; 5]) -> PyResult<i64> {
    let mut sum = 0i64;
    for (count, unit) in parts.iter().zip(UNITS) {
        match count.as_ref().map_or(Ok(Some(0)), |count| args::whole_micros(count, unit))? {
            Some(micros) => sum = sum.saturating_add(micros),
            None => return timedelta_micros(py, parts),
        }
    }
    Ok(sum)
}

fn timedelta_micros(py: Python<'_>, parts: [Option<Bound<'_, PyAny>>; 5]) -> PyResult<i64> {
    let kwargs = PyDict::new(py);
    for (name, count) in ARGUMENTS.iter().zip(parts) {
        if let Some(count) = count {
            kwargs.set_item(name, count)?;
        }
    }
    delta_micros(&Std::get(py)?.timedelta.bind(py).call((), Some(&kwargs))?)
}
