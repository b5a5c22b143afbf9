//! Python's `datetime`, `timedelta` and `date` <-> the core's types. The only file that does it;
//! [`super::zone`] does the same for `tzinfo`.
//!
//! The stable ABI gives no access to the C structs of `datetime`, and reading seven attributes is
//! slow. Instead a datetime is read as its difference from an epoch (one subtraction and three
//! attributes, exact to the microsecond), and made from the ten bytes that pickled datetimes hold.
//!
//! Subclasses (pandas' `Timestamp`, pendulum's `DateTime`, what freezes time) give operators and attributes
//! meanings of their own. So an object of another class is first made one of the standard library's, by what
//! that has stored of it: see [`plain_datetime`].

use mainspring_core::UtcMicros;
use mainspring_core::time::{CivilDate, CivilMicros};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use super::zone::TimeZone;
use crate::py::error::to_py;
use crate::py::once::{Once, intern};

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// What of the standard library every conversion needs, looked up once.
pub struct Std {
    pub datetime: Py<PyType>,
    pub date: Py<PyType>,
    pub timedelta: Py<PyType>,
    pub timezone: Py<PyType>,
    pub zoneinfo: Py<PyType>,
    pub utc: Py<PyAny>,
    /// 1970-01-01T00:00:00Z as a `datetime`.
    pub epoch: Py<PyAny>,
}

impl Std {
    pub fn get(py: Python<'_>) -> PyResult<&Self> {
        static STD: Once<Std> = Once::new();
        STD.get_or_try_init(py, || {
            let module = py.import("datetime")?;
            let class = |name| -> PyResult<Py<PyType>> { Ok(module.getattr(name)?.cast_into()?.unbind()) };
            let datetime = class("datetime")?;
            let timezone = class("timezone")?;
            let utc = timezone.bind(py).getattr("utc")?;
            let epoch = civil_epoch(datetime.bind(py), &utc)?.unbind();
            Ok(Self {
                datetime,
                date: class("date")?,
                timedelta: class("timedelta")?,
                timezone,
                zoneinfo: py.import("zoneinfo")?.getattr("ZoneInfo")?.cast_into()?.unbind(),
                utc: utc.unbind(),
                epoch,
            })
        })
    }
}

/// 1970-01-01T00:00:00 on the clocks of `tzinfo`, as a `datetime`.
pub(super) fn civil_epoch<'py>(
    datetime: &Bound<'py, PyType>,
    tzinfo: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    datetime.call1((1970, 1, 1, 0, 0, 0, 0, tzinfo))
}

/// The length of a `timedelta` in microseconds.
pub fn delta_micros(delta: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = delta.py();
    let timedelta = Std::get(py)?.timedelta.bind(py);
    let plain = match delta.get_type().is(timedelta) {
        true => delta.clone(),
        false => timedelta.call_method1(intern!(py, "__pos__"), (delta,))?,
    };
    let part = |name| -> PyResult<i64> { plain.getattr(name)?.extract() };
    let days = part(intern!(py, "days"))?;
    let seconds = part(intern!(py, "seconds"))?;
    let micros = part(intern!(py, "microseconds"))?;
    days.checked_mul(SECONDS_PER_DAY)
        .and_then(|s| s.checked_add(seconds)?.checked_mul(MICROS_PER_SECOND)?.checked_add(micros))
        .ok_or_else(|| PyOverflowError::new_err(format!("a timedelta of {days} days is too long")))
}

/// A `timedelta` of `micros` microseconds.
pub fn delta_from_micros(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    Std::get(py)?.timedelta.bind(py).call1((
        seconds.div_euclid(SECONDS_PER_DAY),
        seconds.rem_euclid(SECONDS_PER_DAY),
        micros.rem_euclid(MICROS_PER_SECOND),
    ))
}

/// Whether `obj` is a `datetime` or of a subclass of it.
pub fn is_datetime(obj: &Bound<'_, PyAny>) -> PyResult<bool> {
    let datetime = Std::get(obj.py())?.datetime.bind(obj.py());
    Ok(obj.get_type().is(datetime) || obj.is_instance(datetime)?)
}

/// `dt` with the operators and attributes of `datetime`: itself, or where its class is a subclass the `datetime`
/// of the same fields.
///
/// `ValueError` for one that stands for no time, as pandas' `NaT`.
#[pyfunction]
#[pyo3(signature = (dt, /))]
pub fn plain_datetime<'py>(dt: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = dt.py();
    let datetime = Std::get(py)?.datetime.bind(py);
    if dt.get_type().is(datetime) {
        return Ok(dt.clone());
    }
    let date = datetime.call_method1(intern!(py, "date"), (dt,))?;
    let time = datetime.call_method1(intern!(py, "timetz"), (dt,))?;
    refuse_no_time(dt)?;
    datetime.call_method1(intern!(py, "combine"), (date, time))
}

/// As [`plain_datetime`], with `None` for `None`; what is none at all stays as it is.
pub fn optional_datetime(value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    if value.is_none() {
        return Ok(None);
    }
    let plain = if is_datetime(value)? { plain_datetime(value)? } else { value.clone() };
    Ok(Some(plain.unbind()))
}

/// The date with the attributes of `date`, or of the date part of a `datetime`.
fn plain_date<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = given.py();
    let date = Std::get(py)?.date.bind(py);
    if given.get_type().is(date) {
        return Ok(given.clone());
    }
    let ordinal = date.call_method1(intern!(py, "toordinal"), (given,))?;
    refuse_no_time(given)?;
    date.call_method1(intern!(py, "fromordinal"), (ordinal,))
}

/// Refuses what says of itself that its year is no number: its fields are there, and mean nothing.
fn refuse_no_time(given: &Bound<'_, PyAny>) -> PyResult<()> {
    match given.getattr(intern!(given.py(), "year"))?.extract::<i64>() {
        Ok(_) => Ok(()),
        Err(_) => Err(PyValueError::new_err(format!("{given} is not a time"))),
    }
}

/// The `tzinfo` of a `datetime`, which may be `None`.
pub fn tzinfo_of<'py>(dt: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    plain_datetime(dt)?.getattr(intern!(dt.py(), "tzinfo"))
}

/// The instant of an aware `datetime`, by its own offset, which respects its fold (PEP 495).
pub fn instant(dt: &Bound<'_, PyAny>) -> PyResult<UtcMicros> {
    let dt = &plain_datetime(dt)?;
    match TimeZone::known(&dt.getattr(intern!(dt.py(), "tzinfo"))?) {
        Some(zone) => zone.own_instant(dt),
        None => instant_by_python(dt),
    }
}

/// As [`instant`], of a plain `datetime` by asking Python for the offset.
pub(super) fn instant_by_python(dt: &Bound<'_, PyAny>) -> PyResult<UtcMicros> {
    in_range(delta_micros(&dt.sub(&Std::get(dt.py())?.epoch)?)?)
}

/// `micros` as an instant; `OverflowError`, as Python's own arithmetic, outside the years 1 to 9999.
pub fn in_range(micros: i64) -> PyResult<UtcMicros> {
    UtcMicros::new(micros).ok_or_else(out_of_range)
}

/// `micros` as a civil time; `OverflowError` outside the years 1 to 9999.
pub(super) fn civil_in_range(micros: i64) -> PyResult<CivilMicros> {
    CivilMicros::new(micros).ok_or_else(out_of_range)
}

fn out_of_range() -> PyErr {
    PyOverflowError::new_err("date value out of range: not in the years 1 to 9999")
}

/// A `datetime` that shows the civil time `civil`, with this fold and this `tzinfo`.
///
/// By the form in which datetimes are pickled (`datetime.__reduce_ex__(4)`): ten bytes, with the fold in
/// the top bit of the month. It takes a third of the time of the constructor with eight numbers.
pub fn civil_datetime<'py>(
    civil: CivilMicros,
    fold: bool,
    tzinfo: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = tzinfo.py();
    let date = civil.date();
    let [year_high, year_low] = date.year().to_be_bytes();
    let seconds = civil.micros_of_day() / MICROS_PER_SECOND;
    let [.., micros_high, micros_mid, micros_low] = (civil.micros_of_day() % MICROS_PER_SECOND).to_be_bytes();
    let state = [
        year_high,
        year_low,
        date.month() | if fold { 0x80 } else { 0 },
        date.day(),
        (seconds / 3_600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
        micros_high,
        micros_mid,
        micros_low,
    ];
    Std::get(py)?.datetime.bind(py).call1((PyBytes::new(py, &state), tzinfo))
}

/// The core's date of a Python `date`, or of the date part of a `datetime`.
pub fn civil_date(date: &Bound<'_, PyAny>, name: &str) -> PyResult<CivilDate> {
    let py = date.py();
    if !date.is_instance(Std::get(py)?.date.bind(py))? {
        return Err(wrong_type(name, "a date, a string YYYY-MM-DD or None", date));
    }
    let date = plain_date(date)?;
    let year = date.getattr(intern!(py, "year"))?.extract()?;
    let month = date.getattr(intern!(py, "month"))?.extract()?;
    let day = date.getattr(intern!(py, "day"))?.extract()?;
    CivilDate::new(year, month, day).map_err(to_py)
}

/// A Python `date`.
pub fn date_from_civil(py: Python<'_>, date: CivilDate) -> PyResult<Bound<'_, PyAny>> {
    Std::get(py)?.date.bind(py).call1((date.year(), date.month(), date.day()))
}

/// A whole number that is not negative; one of more than 32 bits counts as the greatest that has 32, which as
/// seconds is 136 years.
pub fn count(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    match value.extract::<u32>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) && value.gt(0)? => Ok(u32::MAX),
        number => number,
    }
}

/// As [`count`], with `None` for `None`.
pub fn optional_count(value: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    if value.is_none() { Ok(None) } else { count(value).map(Some) }
}

/// A `TypeError` that says what parameter was given what, and what it takes.
pub fn wrong_type(name: &str, expected: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let given = given.get_type().qualname().map(|n| n.to_string()).unwrap_or_default();
    PyTypeError::new_err(format!("{name} must be {expected}, got {given}"))
}
