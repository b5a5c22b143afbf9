//! `CalendarIntervalTrigger`: the class of the trigger that fires every so many years, months, weeks and days, for
//! Python.

use std::sync::Arc;

use mainspring_core::time::CivilDate;
use mainspring_core::trigger::{self as core, CalendarStep, TimeOfDay, Trigger};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyTuple};

use super::args::{self, Arg, Home, not_initialized};
use super::base::BaseTrigger;
use super::live::{self, Mark};
use crate::py::error::to_py;
use crate::py::host;
use crate::time::datetime;
use crate::time::datetime::{civil_date, date_from_civil};
use crate::time::zone::TimeZone;

static HOME: Home = Home(&host::CALENDAR_INTERVAL);
const ARGUMENTS: [&str; 11] = [
    "years",
    "months",
    "weeks",
    "days",
    "hour",
    "minute",
    "second",
    "start_date",
    "end_date",
    "timezone",
    "jitter",
];

/// Fires every so many years, months, weeks and days, always at the same time of day.
///
/// The next date is the one before plus the years and months, on the same day of the month; where that month
/// has no such day, they are added again. Then the weeks and days are added. A date on which the clock is
/// put forward over the time of day is passed over; of two such times the earlier one counts. All arguments
/// are given by keyword.
///
/// :param years: years between two fire times, a whole number
/// :param months: and months, a whole number
/// :param weeks: and weeks, a number
/// :param days: and days, a number; a fraction of a day that weeks and days come to is dropped
/// :param hour: hour of the day, 0 to 23
/// :param minute: minute, 0 to 59
/// :param second: second, 0 to 59
/// :param start_date: the first date, default today: a date or a string ``YYYY-MM-DD``
/// :param end_date: nothing fires after this date; of the types of ``start_date``, default none
/// :param timezone: the zone of the clock, a tzinfo or an IANA key; default the machine's
/// :param jitter: up to how many seconds late each fire time comes, by chance, a number; default none
/// :raises ValueError: if the interval is nothing, a part negative, or the end before the start
///
/// >>> CalendarIntervalTrigger(months=1, start_date="2026-01-31", timezone="Asia/Tokyo")
/// CalendarIntervalTrigger(months=1, time='00:00:00', start_date='2026-01-31', timezone='Asia/Tokyo')
#[pyclass(extends = BaseTrigger, subclass, module = "mainspring.triggers.calendarinterval")]
pub struct CalendarIntervalTrigger {
    state: Option<State>,
    /// Whether `start_date` was left out.
    from_now: bool,
    /// Whether the engine has read it.
    pub mark: Mark,
}

struct State {
    core: Arc<Trigger>,
    zone: Arc<TimeZone>,
    jitter: Option<Py<PyAny>>,
}

/// All that makes a trigger, as Python sees it.
struct Parts<'py> {
    step: CalendarStep,
    time: TimeOfDay,
    start_date: CivilDate,
    end_date: Option<CivilDate>,
    timezone: Bound<'py, PyAny>,
    jitter: Bound<'py, PyAny>,
}

impl State {
    fn new(parts: Parts<'_>) -> PyResult<Self> {
        let Parts { step, time, start_date, end_date, timezone, jitter } = parts;
        let zone = TimeZone::of(&timezone)?;
        let trigger = core::CalendarIntervalTrigger::new(
            step,
            time,
            start_date,
            end_date,
            zone.core().clone(),
            args::jitter_micros(&jitter)?,
        );
        Ok(Self {
            core: Arc::new(Trigger::CalendarInterval(Arc::new(trigger.map_err(to_py)?))),
            zone,
            jitter: (!jitter.is_none()).then(|| jitter.unbind()),
        })
    }

    fn trigger(&self) -> &core::CalendarIntervalTrigger {
        match &*self.core {
            Trigger::CalendarInterval(trigger) => trigger,
            _ => unreachable!("State::new puts a calendar interval trigger here"),
        }
    }
}

impl CalendarIntervalTrigger {
    fn state(&self) -> PyResult<&State> {
        self.state.as_ref().ok_or_else(|| not_initialized("CalendarIntervalTrigger"))
    }

    fn trigger(&self) -> PyResult<&core::CalendarIntervalTrigger> {
        Ok(self.state()?.trigger())
    }

    /// The core's trigger.
    pub fn core(&self) -> PyResult<Arc<Trigger>> {
        Ok(Arc::clone(&self.state()?.core))
    }

    /// The zone in which its fire times are shown.
    pub fn zone(&self) -> PyResult<Arc<TimeZone>> {
        Ok(Arc::clone(&self.state()?.zone))
    }

    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        let state = self.state()?;
        let trigger = state.trigger();
        Ok(Parts {
            step: trigger.step(),
            time: trigger.time(),
            start_date: trigger.start_date(),
            end_date: trigger.end_date(),
            timezone: state.zone.tzinfo(py).clone(),
            jitter: match &state.jitter {
                Some(jitter) => jitter.bind(py).clone(),
                None => py.None().into_bound(py),
            },
        })
    }

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
impl CalendarIntervalTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    fn slots(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let names =
            ["_time", "days", "end_date", "jitter", "months", "start_date", "timezone", "weeks", "years"];
        Ok(PyTuple::new(py, names)?.unbind())
    }

    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(*, years=0, months=0, weeks=0, days=0, hour=0, minute=0, second=0, \
                          start_date=None, end_date=None, timezone=None, jitter=None)"
    )]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(BaseTrigger).add_subclass(Self {
            state: None,
            from_now: false,
            mark: Mark::default(),
        })
    }

    #[pyo3(signature = (
        *, years=Arg::LeftOut, months=Arg::LeftOut, weeks=Arg::LeftOut, days=Arg::LeftOut, hour=Arg::LeftOut,
        minute=Arg::LeftOut, second=Arg::LeftOut, start_date=None, end_date=None, timezone=None, jitter=None,
        **unknown
    ))]
    #[expect(clippy::too_many_arguments, reason = "APScheduler's signature")]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        years: Arg<'py>,
        months: Arg<'py>,
        weeks: Arg<'py>,
        days: Arg<'py>,
        hour: Arg<'py>,
        minute: Arg<'py>,
        second: Arg<'py>,
        start_date: Option<Bound<'py, PyAny>>,
        end_date: Option<Bound<'py, PyAny>>,
        timezone: Option<Bound<'py, PyAny>>,
        jitter: Option<Bound<'py, PyAny>>,
        unknown: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        args::refuse_unknown("CalendarIntervalTrigger", unknown, &ARGUMENTS)?;
        let py = slf.py();
        let [start_date, end_date, timezone, jitter] = [start_date, end_date, timezone, jitter]
            .map(|arg| arg.unwrap_or_else(|| py.None().into_bound(py)));
        let timezone =
            if timezone.is_truthy()? { args::astimezone(&timezone)? } else { HOME.local_zone(py)? };
        let start_date = args::unless_false(args::asdate(&start_date)?)?;
        slf.borrow_mut().from_now = start_date.is_none();
        let start_date = if start_date.is_none() { HOME.today(&timezone)? } else { start_date };
        let number = |part: Arg<'_>, what| part.given().map_or(Ok(0), |part| count(&part, what));
        let [hour, minute, second] = [hour, minute, second].map(|part| number(part, "the time of day"));
        let [years, months] = [years, months].map(|part| number(part, "the interval"));
        let [weeks, days] = [weeks, days].map(|part| part.given().unwrap_or_else(|| zero(py)));
        let (weeks, days) = weeks_and_days(&weeks, &days)?;
        let parts = Parts {
            step: CalendarStep { years: years?, months: months?, weeks, days },
            time: time_of_day(hour?, minute?, second?)?,
            start_date: civil_date(&start_date, "start_date")?,
            end_date: optional_date(&end_date)?,
            timezone,
            jitter,
        };
        Self::fill(slf, parts).and_then(|()| live::made_anew(slf))
    }

    /// Years between two fire times.
    #[getter]
    fn years(&self) -> PyResult<u32> {
        Ok(self.trigger()?.step().years)
    }

    #[setter]
    fn set_years(slf: &Bound<'_, Self>, years: &Bound<'_, PyAny>) -> PyResult<()> {
        let years = count(years, "the interval")?;
        Self::change(slf, |parts| parts.step.years = years)
    }

    /// Months between two fire times.
    #[getter]
    fn months(&self) -> PyResult<u32> {
        Ok(self.trigger()?.step().months)
    }

    #[setter]
    fn set_months(slf: &Bound<'_, Self>, months: &Bound<'_, PyAny>) -> PyResult<()> {
        let months = count(months, "the interval")?;
        Self::change(slf, |parts| parts.step.months = months)
    }

    /// Weeks between two fire times.
    #[getter]
    fn weeks(&self) -> PyResult<u32> {
        Ok(self.trigger()?.step().weeks)
    }

    #[setter]
    fn set_weeks(slf: &Bound<'_, Self>, weeks: &Bound<'_, PyAny>) -> PyResult<()> {
        let (weeks, days) = weeks_and_days(weeks, PyInt::new(slf.py(), slf.borrow().days()?).as_any())?;
        Self::change(slf, |parts| (parts.step.weeks, parts.step.days) = (weeks, days))
    }

    /// Days between two fire times.
    #[getter]
    fn days(&self) -> PyResult<u32> {
        Ok(self.trigger()?.step().days)
    }

    #[setter]
    fn set_days(slf: &Bound<'_, Self>, days: &Bound<'_, PyAny>) -> PyResult<()> {
        let (weeks, days) = weeks_and_days(PyInt::new(slf.py(), slf.borrow().weeks()?).as_any(), days)?;
        Self::change(slf, |parts| (parts.step.weeks, parts.step.days) = (weeks, days))
    }

    /// The time of day, a time with the trigger's zone.
    #[getter]
    fn _time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (time, zone) = (self.trigger()?.time(), &self.state()?.zone);
        let class = py.import("datetime")?.getattr("time")?;
        class.call1((time.hour(), time.minute(), time.second(), 0, zone.tzinfo(py)))
    }

    /// The first date.
    #[getter]
    fn start_date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        date_from_civil(py, self.trigger()?.start_date())
    }

    #[setter]
    fn set_start_date(slf: &Bound<'_, Self>, start_date: &Bound<'_, PyAny>) -> PyResult<()> {
        let start_date = civil_date(start_date, "start_date")?;
        slf.borrow_mut().from_now = false;
        Self::change(slf, |parts| parts.start_date = start_date)
    }

    /// Starts today, if `start_date` was left out, as if the trigger were made only now.
    fn _start_from_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.borrow().from_now {
            let today = HOME.today(&slf.getattr("timezone")?)?;
            let start_date = civil_date(&today, "start_date")?;
            return Self::change(slf, |parts| parts.start_date = start_date);
        }
        Ok(())
    }

    /// Nothing fires after this date; ``None`` for no end.
    #[getter]
    fn end_date<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.trigger()?.end_date().map(|date| date_from_civil(py, date)).transpose()
    }

    #[setter]
    fn set_end_date(slf: &Bound<'_, Self>, end_date: &Bound<'_, PyAny>) -> PyResult<()> {
        let end_date = optional_date(end_date)?;
        Self::change(slf, |parts| parts.end_date = end_date)
    }

    /// The zone of the clock.
    #[getter]
    fn timezone(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.zone.tzinfo(py).clone().unbind())
    }

    #[setter]
    fn set_timezone<'py>(slf: &Bound<'py, Self>, timezone: &Bound<'py, PyAny>) -> PyResult<()> {
        let timezone = args::astimezone(timezone)?;
        Self::change(slf, |parts| parts.timezone = timezone)
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

    /// Return the fire time after ``previous_fire_time``, or the one on ``start_date`` without one, whatever
    /// the time is now.
    ///
    /// :raises TypeError: if ``previous_fire_time`` is naive
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
        let Parts { step, time, timezone, jitter, .. } = self.parts(py)?;
        let state = PyDict::new(py);
        state.set_item("version", 1)?;
        state.set_item("interval", PyList::new(py, [step.years, step.months, step.weeks, step.days])?)?;
        state
            .set_item("time", PyList::new(py, [time.hour(), time.minute(), time.second()].map(u32::from))?)?;
        state.set_item("start_date", self.start_date(py)?)?;
        state.set_item("end_date", self.end_date(py)?)?;
        state.set_item("timezone", timezone)?;
        state.set_item("jitter", jitter)?;
        Ok(state)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = args::state_dict(state, slf, 1, "versions up to 1")?;
        let step: [Bound<'_, PyAny>; 4] = args::required(&state, "interval")?.extract()?;
        let [years, months, weeks, days] = step;
        let [years, months] = [years, months].map(|part| count(&part, "the interval"));
        let (weeks, days) = weeks_and_days(&weeks, &days)?;
        let [hour, minute, second] = args::required(&state, "time")?.extract()?;
        let parts = Parts {
            step: CalendarStep { years: years?, months: months?, weeks, days },
            time: time_of_day(hour, minute, second)?,
            start_date: civil_date(&args::required(&state, "start_date")?, "start_date")?,
            end_date: optional_date(&args::required(&state, "end_date")?)?,
            timezone: args::astimezone(&args::required(&state, "timezone")?)?,
            jitter: args::required(&state, "jitter")?,
        };
        Self::fill(slf, parts).and_then(|()| live::made_anew(slf))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<args::Reduced<'py>> {
        args::reduce(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let (step, timezone, start_date, end_date) = {
            let this = slf.borrow();
            (this.trigger()?.step(), this.timezone(py)?, this.start_date(py)?, this.end_date(py)?)
        };
        let parts =
            [("years", step.years), ("months", step.months), ("weeks", step.weeks), ("days", step.days)];
        let mut options: Vec<String> =
            parts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name}={n}")).collect();
        let time = slf.borrow()._time(py)?;
        options.push(format!("time='{}'", time.call_method0("isoformat")?));
        options.push(format!("start_date='{start_date}'"));
        if let Some(end_date) = end_date {
            options.push(format!("end_date='{end_date}'"));
        }
        options.push(format!("timezone={}", args::timezone_repr(timezone.bind(py))?.repr()?));
        Ok(format!("{}({})", slf.get_type().name()?, options.join(", ")))
    }
}

/// A whole number that is not negative; see [`datetime::count`] for great ones.
fn count(value: &Bound<'_, PyAny>, what: &str) -> PyResult<u32> {
    match datetime::count(value) {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Err(PyValueError::new_err(format!("{what} must not be negative, got {value}")))
        }
        number => number,
    }
}

fn zero(py: Python<'_>) -> Bound<'_, PyAny> {
    PyInt::new(py, 0).into_any()
}

/// Weeks and days of which either may be a `float`. The fraction of a week is counted in days, and that of a day is
/// dropped, as in APScheduler, which adds a `timedelta` to a date.
fn weeks_and_days(weeks: &Bound<'_, PyAny>, days: &Bound<'_, PyAny>) -> PyResult<(u32, u32)> {
    let py = weeks.py();
    let int = |value: f64| py.get_type::<PyInt>().call1((PyFloat::new(py, value.floor()),));
    let (mut weeks, mut days) = (weeks.clone(), days.clone());
    if let Ok(float) = weeks.cast::<PyFloat>() {
        let (given, whole) = (float.value(), float.value().floor());
        if given > whole {
            days = PyFloat::new(py, (given - whole) * 7.0 + days.extract::<f64>()?).into_any();
        }
        weeks = int(whole)?;
    }
    if let Ok(float) = days.cast::<PyFloat>() {
        days = int(float.value())?;
    }
    Ok((count(&weeks, "the interval")?, count(&days, "the interval")?))
}

fn time_of_day(hour: u32, minute: u32, second: u32) -> PyResult<TimeOfDay> {
    // What does not fit is out of range as much as the greatest that does.
    let [hour, minute, second] = [hour, minute, second].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
    TimeOfDay::new(hour, minute, second).map_err(to_py)
}

fn optional_date(value: &Bound<'_, PyAny>) -> PyResult<Option<CivilDate>> {
    let value = args::asdate(value)?;
    if value.is_truthy()? { civil_date(&value, "end_date").map(Some) } else { Ok(None) }
}
