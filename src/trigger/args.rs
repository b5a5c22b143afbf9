//! The arguments and the pickled state that several trigger classes take, and the clock that they read.

use std::convert::Infallible;

use mainspring_core::UtcMicros;
use pyo3::exceptions::{PyAttributeError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::py::error::with_note;
use crate::py::host::{self, TimeNames};
use crate::py::once::intern;
use crate::py::text;
use crate::time::datetime::{Std, is_datetime, tzinfo_of, wrong_type};
use crate::time::on_behalf;
use crate::time::zone::TimeZone;

/// A trigger's Python module, where it looks up `get_localzone` and `datetime`.
pub struct Home(pub &'static TimeNames);

impl Home {
    /// The machine's time zone.
    pub fn local_zone<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.get_localzone(py)?.call0()
    }

    /// The time now in `tzinfo`; on behalf of a scheduler whose clock is not the system's, that clock's.
    pub fn now<'py>(&self, tzinfo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = tzinfo.py();
        if let Some(now) = on_behalf::now_here() {
            return TimeZone::of(tzinfo)?.datetime(py, now);
        }
        self.0.datetime(py)?.call_method1(intern!(py, "now"), (tzinfo,))
    }

    /// Whether a test has put another clock in the place of Python's.
    pub fn clock_is_replaced(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.0.datetime(py)?.is(&Std::get(py)?.datetime))
    }

    /// The date today on the machine's own clock; on behalf of another clock, in `tzinfo`.
    pub fn today<'py>(&self, tzinfo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = tzinfo.py();
        if let Some(now) = on_behalf::now_here() {
            return TimeZone::of(tzinfo)?.datetime(py, now)?.call_method0(intern!(py, "date"));
        }
        self.0.date(py)?.call_method0(intern!(py, "today"))
    }

    /// The zone of a trigger: the one given, else that of the first aware datetime among `dates`, else the
    /// machine's.
    pub fn zone<'py>(
        &self,
        timezone: &Bound<'py, PyAny>,
        dates: [&Bound<'py, PyAny>; 2],
    ) -> PyResult<Bound<'py, PyAny>> {
        if timezone.is_truthy()? {
            return astimezone(timezone);
        }
        for date in dates {
            if is_aware(date)? {
                return astimezone(&tzinfo_of(date)?);
            }
        }
        self.local_zone(timezone.py())
    }
}

/// `mainspring.util.astimezone`, which leaves these two classes as they are.
pub fn astimezone<'py>(zone: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let std = Std::get(zone.py())?;
    let class = zone.get_type();
    if class.is(&std.zoneinfo) || class.is(&std.timezone) {
        return Ok(zone.clone());
    }
    host::astimezone(zone.py())?.call1((zone,))
}

/// Whether `value` is a datetime with a zone.
pub fn is_aware(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(is_datetime(value)? && !tzinfo_of(value)?.is_none())
}

/// `mainspring.util.convert_to_datetime`, which leaves aware datetimes as they are. `None` stays `None`.
pub fn convert_to_datetime<'py>(
    value: &Bound<'py, PyAny>,
    tzinfo: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if value.is_none() || is_aware(value)? {
        return Ok(value.clone());
    }
    host::convert_to_datetime(py)?.call1((value, tzinfo, name))
}

/// `value`, or `None` where it is false: as APScheduler reads what may be left out.
pub fn unless_false<'py>(value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.is_truthy()? { Ok(value) } else { Ok(value.py().None().into_bound(value.py())) }
}

/// `mainspring.util.asdate`.
pub fn asdate<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    host::asdate(value.py())?.call1((value,))
}

/// `mainspring.util.datetime_repr`.
pub fn datetime_repr(dt: &Bound<'_, PyAny>) -> PyResult<String> {
    host::datetime_repr(dt.py())?.call1((dt,))?.extract()
}

/// `mainspring.util.timezone_repr`.
pub fn timezone_repr<'py>(tzinfo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    host::timezone_repr(tzinfo.py())?.call1((tzinfo,))
}

/// Adds to a `repr` what is there of start, end and jitter.
pub fn push_common_options(
    options: &mut Vec<String>,
    start_date: Option<&Bound<'_, PyAny>>,
    end_date: &Bound<'_, PyAny>,
    jitter: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if let Some(start_date) = start_date.filter(|date| !date.is_none()) {
        options.push(format!("start_date='{}'", datetime_repr(start_date)?));
    }
    if !end_date.is_none() {
        options.push(format!("end_date='{}'", datetime_repr(end_date)?));
    }
    if jitter.is_truthy()? {
        options.push(format!("jitter={jitter}"));
    }
    Ok(())
}

/// A jitter in seconds as microseconds; what is false is none, and more than there is time until the year 9999
/// counts as that.
pub fn jitter_micros(jitter: &Bound<'_, PyAny>) -> PyResult<i64> {
    if !jitter.is_truthy()? {
        return Ok(0);
    }
    let Ok(seconds) = jitter.extract::<f64>() else {
        return Err(wrong_type("jitter", "a number of seconds or None", jitter));
    };
    let micros = (seconds * 1e6).round_ties_even();
    if micros.is_nan() || micros < 0.0 {
        return Err(PyValueError::new_err(format!("jitter must be 0 seconds or more, got {jitter}")));
    }
    Ok(micros.min(UtcMicros::MAX.get() as f64) as i64)
}

/// An argument whose default is not `None`, so that `None` is not the same as leaving it out.
pub enum Arg<'py> {
    LeftOut,
    Given(Bound<'py, PyAny>),
}

impl<'py> Arg<'py> {
    /// What was given, `None` of Python's included.
    pub fn given(self) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::LeftOut => None,
            Self::Given(value) => Some(value),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Arg<'py> {
    type Error = Infallible;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self::Given(value.to_owned()))
    }
}

/// Refuses keyword arguments that are none of `allowed`.
pub fn refuse_unknown(class: &str, unknown: Option<&Bound<'_, PyDict>>, allowed: &[&str]) -> PyResult<()> {
    match unknown.and_then(|unknown| unknown.iter().next()) {
        None => Ok(()),
        Some((name, _)) => {
            let template = "%s.__init__() got an unexpected keyword argument '%s'";
            let message = text::format(name.py(), template, (class, &name))?;
            let error = PyTypeError::new_err(message.unbind());
            Err(with_note(name.py(), error, &format!("it takes {}", allowed.join(", "))))
        }
    }
}

/// What is said of an object that `__init__` has not filled yet.
pub fn not_initialized(class: &str) -> PyErr {
    PyAttributeError::new_err(format!(
        "this {class} has no attributes yet: its __init__() has not been called"
    ))
}

/// A pickled state as a dictionary, of a version up to `newest`; `allowed` says so in APScheduler's words.
///
/// APScheduler 3.0 pickled `(None, {...})`.
pub fn state_dict<'py>(
    state: &Bound<'py, PyAny>,
    class: &Bound<'_, PyAny>,
    newest: u32,
    allowed: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let state = match state.cast::<PyTuple>() {
        Ok(pair) => pair.get_item(1)?,
        Err(_) => state.clone(),
    };
    let state =
        state.cast_into::<PyDict>().map_err(|e| wrong_type("state", "a dictionary", &e.into_inner()))?;
    let version = state.get_item(intern!(state.py(), "version"))?;
    let version: u32 = version.map_or(Ok(1), |v| v.extract())?;
    if version > newest {
        return Err(PyValueError::new_err(format!(
            "Got serialized data for version {version} of {}, but only {allowed} can be handled",
            class.get_type().name()?
        )));
    }
    Ok(state)
}

/// The value of `key` in a pickled state; `KeyError` if there is none.
pub fn required<'py>(state: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    state.as_any().get_item(key)
}

/// The value of `key` in a pickled state, `None` if there is none.
pub fn optional<'py>(state: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    Ok(state.get_item(key)?.unwrap_or_else(|| state.py().None().into_bound(state.py())))
}

/// What `__reduce__` returns.
pub type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>,), Bound<'py, PyAny>);

/// For pickle: a new object of the same class, filled by `__setstate__`.
pub fn reduce<'py>(obj: &Bound<'py, PyAny>) -> PyResult<Reduced<'py>> {
    let py = obj.py();
    let newobj = py.import("copyreg")?.getattr("__newobj__")?;
    Ok((newobj, (obj.get_type().into_any(),), obj.call_method0("__getstate__")?))
}

/// The number of microseconds that is `count` units of `unit` microseconds, for whole counts.
///
/// `None` if `count` is no `int` and takes Python's arithmetic.
pub fn whole_micros(count: &Bound<'_, PyAny>, unit: i64) -> PyResult<Option<i64>> {
    if !count.is_exact_instance_of::<pyo3::types::PyInt>() {
        return Ok(None);
    }
    let count: i64 = count.extract()?;
    count.checked_mul(unit).map(Some).ok_or_else(|| PyOverflowError::new_err("the interval is too long"))
}
