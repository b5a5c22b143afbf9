//! `DateTrigger`: the class of the trigger that fires once, for Python.

use std::sync::Arc;

use mainspring_core::trigger::{self as core, Trigger};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::args::{self, Home, not_initialized};
use super::base::BaseTrigger;
use super::live::{self, Mark};
use crate::py::host;
use crate::time::datetime::{instant, tzinfo_of};
use crate::time::zone::TimeZone;

static HOME: Home = Home(&host::DATE);
const ARGUMENTS: [&str; 2] = ["run_date", "timezone"];

/// Fires once, at a given time.
///
/// :param run_date: when to fire: a datetime, a date or a string; the current time if left out
/// :param timezone: the zone of a ``run_date`` that has none of its own, a tzinfo or an IANA key; default the
///     machine's
/// :raises ValueError: if a string is no date
///
/// >>> str(DateTrigger("2026-07-01 12:00:00", "Europe/Berlin"))
/// 'date[2026-07-01 12:00:00 CEST]'
#[pyclass(extends = BaseTrigger, subclass, module = "mainspring.triggers.date")]
pub struct DateTrigger {
    state: Option<State>,
    /// Whether `run_date` was left out.
    from_now: bool,
    /// Whether the engine has read it.
    pub mark: Mark,
}

struct State {
    core: Arc<Trigger>,
    run_date: Py<PyAny>,
}

impl State {
    fn new(run_date: Bound<'_, PyAny>) -> PyResult<Self> {
        let trigger = core::DateTrigger::new(instant(&run_date)?);
        Ok(Self { core: Arc::new(Trigger::Date(trigger)), run_date: run_date.unbind() })
    }
}

impl DateTrigger {
    fn state(&self) -> PyResult<&State> {
        self.state.as_ref().ok_or_else(|| not_initialized("DateTrigger"))
    }

    /// The core's trigger.
    pub fn core(&self) -> PyResult<Arc<Trigger>> {
        Ok(Arc::clone(&self.state()?.core))
    }

    /// The zone in which its fire time is shown.
    pub fn zone(&self, py: Python<'_>) -> PyResult<Arc<TimeZone>> {
        TimeZone::of_datetime(self.state()?.run_date.bind(py), "run_date")
    }
}

#[pymethods]
impl DateTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: &str = "run_date";

    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(run_date=None, timezone=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(BaseTrigger).add_subclass(Self {
            state: None,
            from_now: false,
            mark: Mark::default(),
        })
    }

    #[pyo3(signature = (run_date=None, timezone=None, **unknown))]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        run_date: Option<Bound<'py, PyAny>>,
        timezone: Option<Bound<'py, PyAny>>,
        unknown: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        args::refuse_unknown("DateTrigger", unknown, &ARGUMENTS)?;
        let py = slf.py();
        let none = py.None().into_bound(py);
        let zone = match timezone {
            Some(zone) => args::astimezone(&zone)?,
            None => none,
        };
        let zone = || if zone.is_none() { HOME.local_zone(py) } else { Ok(zone.clone()) };
        slf.borrow_mut().from_now = run_date.is_none();
        let run_date = match run_date {
            None => HOME.now(&zone()?)?,
            Some(date) if args::is_aware(&date)? => date,
            Some(date) => args::convert_to_datetime(&date, &zone()?, "run_date")?,
        };
        let state = State::new(run_date)?;
        slf.borrow_mut().state = Some(state);
        live::made_anew(slf)
    }

    /// The time at which it fires, an aware datetime.
    #[getter]
    fn run_date(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.state()?.run_date.clone_ref(py))
    }

    #[setter]
    fn set_run_date(slf: &Bound<'_, Self>, run_date: Bound<'_, PyAny>) -> PyResult<()> {
        let state = State::new(run_date)?;
        let mut this = slf.borrow_mut();
        (this.state, this.from_now) = (Some(state), false);
        Ok(())
    }

    /// Fires at the time now, if `run_date` was left out, as if the trigger were made only now.
    fn _start_from_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.borrow().from_now {
            let zone = tzinfo_of(&slf.getattr("run_date")?)?;
            let state = State::new(HOME.now(&zone)?)?;
            slf.borrow_mut().state = Some(state);
        }
        Ok(())
    }

    /// Return ``run_date`` if it has not fired before, else ``None``.
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time(
        &self,
        py: Python<'_>,
        previous_fire_time: &Bound<'_, PyAny>,
        now: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let _ = now;
        let state = self.state()?;
        Ok(previous_fire_time.is_none().then(|| state.run_date.clone_ref(py)))
    }

    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = PyDict::new(py);
        state.set_item("version", 1)?;
        state.set_item("run_date", &self.state()?.run_date)?;
        Ok(state)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = args::state_dict(state, slf, 1, "version 1")?;
        Self::set_run_date(slf, args::required(&state, "run_date")?).and_then(|()| live::made_anew(slf))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<args::Reduced<'py>> {
        args::reduce(slf)
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("date[{}]", args::datetime_repr(self.state()?.run_date.bind(py))?))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let shown = args::datetime_repr(&slf.getattr("run_date")?)?;
        Ok(format!("<{} (run_date='{shown}')>", slf.get_type().name()?))
    }
}
