//! Python's `tzinfo` <-> the core's [`Zone`].
//!
//! A `ZoneInfo` is read from the same file that Python read it from, so that both agree on every rule. A
//! `tzinfo` that is neither that nor a fixed offset stays Python's: the core asks it through [`HostZone`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::UtcMicros;
use mainspring_core::error::Error;
use mainspring_core::time::{CivilMicros, HostZone, Resolution, Zone};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::datetime::{
    MICROS_PER_SECOND, Std, civil_datetime, civil_epoch, civil_in_range, delta_from_micros, delta_micros,
    in_range, instant, instant_by_python, is_datetime, plain_datetime, tzinfo_of, wrong_type,
};
use crate::py::error::{host_error, to_py};
use crate::py::once::intern;
use crate::py::text;

/// More than there are keys: Python keeps one object a key, more only come from `ZoneInfo.no_cache()` and
/// `ZoneInfo.clear_cache()`.
const MOST_KNOWN: usize = 2_000;

type KnownZones = HashMap<usize, Arc<TimeZone>>;

/// Looks into the table of zones made so far. `look` must not run Python code.
fn known<R>(look: impl FnOnce(&mut KnownZones) -> R) -> R {
    static KNOWN: Mutex<Option<KnownZones>> = Mutex::new(None);
    look(KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// What the table goes by: an entry keeps its `tzinfo`, so its address cannot become another object's.
fn address(tzinfo: &Bound<'_, PyAny>) -> usize {
    tzinfo.as_ptr() as usize
}

/// A `tzinfo` with what the core knows of it.
#[derive(Debug)]
pub struct TimeZone {
    tzinfo: Py<PyAny>,
    /// 1970-01-01T00:00:00 on this zone's clocks. A datetime less one with the identical `tzinfo` is their
    /// civil difference, for which Python does not ask the zone.
    epoch: Py<PyAny>,
    core: Zone,
}

impl TimeZone {
    /// The time zone that `tzinfo` is. Those of the IANA database are made once and kept.
    pub fn of(tzinfo: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = tzinfo.py();
        let std = Std::get(py)?;
        if let Some(zone) = Self::known(tzinfo) {
            return Ok(zone);
        }
        let zone = Arc::new(Self {
            tzinfo: tzinfo.clone().unbind(),
            epoch: civil_epoch(std.datetime.bind(py), tzinfo)?.unbind(),
            core: core_zone(tzinfo)?,
        });
        if tzinfo.is(&std.utc) || matches!(zone.core, Zone::Iana(_)) {
            // What falls out of the table is dropped after its lock: that may run Python code.
            drop(known(|zones| {
                let full = zones.len() >= MOST_KNOWN;
                let dropped = if full { std::mem::take(zones) } else { HashMap::new() };
                (dropped, zones.insert(address(tzinfo), Arc::clone(&zone)))
            }));
        }
        Ok(zone)
    }

    /// As [`TimeZone::of`], if it has been made and kept.
    pub fn known(tzinfo: &Bound<'_, PyAny>) -> Option<Arc<Self>> {
        known(|zones| zones.get(&address(tzinfo)).cloned())
    }

    /// The time zone of an aware `datetime`, which was given for the parameter `name`.
    pub fn of_datetime(dt: &Bound<'_, PyAny>, name: &str) -> PyResult<Arc<Self>> {
        if !is_datetime(dt)? {
            return Err(wrong_type(name, "an aware datetime", dt));
        }
        let tzinfo = tzinfo_of(dt)?;
        if tzinfo.is_none() { Err(naive(dt, name)) } else { Self::of(&tzinfo) }
    }

    /// The Python object.
    pub fn tzinfo<'a, 'py>(&'a self, py: Python<'py>) -> &'a Bound<'py, PyAny> {
        self.tzinfo.bind(py)
    }

    /// The core's zone.
    pub fn core(&self) -> &Zone {
        &self.core
    }

    /// The instant of an aware `datetime` in any zone; quickest in this one.
    ///
    /// `name` is the parameter's name for the `TypeError` that other objects and naive datetimes give.
    pub fn instant(&self, dt: &Bound<'_, PyAny>, name: &str) -> PyResult<UtcMicros> {
        let py = dt.py();
        if !is_datetime(dt)? {
            return Err(wrong_type(name, "an aware datetime", dt));
        }
        let dt = &plain_datetime(dt)?;
        let tzinfo = dt.getattr(intern!(py, "tzinfo"))?;
        if tzinfo.is_none() {
            return Err(naive(dt, name));
        }
        if tzinfo.is(&self.tzinfo) { self.own_instant(dt) } else { instant(dt) }
    }

    /// The instant of a plain `datetime` in this very zone.
    pub(super) fn own_instant(&self, dt: &Bound<'_, PyAny>) -> PyResult<UtcMicros> {
        if self.core.needs_host() {
            return instant_by_python(dt);
        }
        let civil = delta_micros(&dt.sub(&self.epoch)?)?;
        let offset = match self.core.resolve(civil_in_range(civil)?).map_err(to_py)? {
            Resolution::Unique(offset) => offset,
            Resolution::Gap { before, after } | Resolution::Fold { before, after } => {
                let fold: u8 = dt.getattr(intern!(dt.py(), "fold"))?.extract()?;
                if fold == 0 { before } else { after }
            }
        };
        in_range(civil - offset)
    }

    /// As [`TimeZone::instant`], with `None` for whatever is false, as in APScheduler.
    pub fn optional_instant(&self, dt: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<UtcMicros>> {
        if dt.is_truthy()? { self.instant(dt, name).map(Some) } else { Ok(None) }
    }

    /// The instant of a civil time: the earlier one in a fold, moved on by the gap in a gap (PEP 495, fold=0).
    pub fn civil_instant(&self, civil: i64) -> PyResult<UtcMicros> {
        let offset = match self.core.resolve(civil_in_range(civil)?).map_err(to_py)? {
            Resolution::Unique(offset) => offset,
            Resolution::Gap { before, .. } | Resolution::Fold { before, .. } => before,
        };
        in_range(civil - offset)
    }

    /// The `datetime` in this zone at `t`, with the fold that PEP 495 asks for.
    pub fn datetime<'py>(&self, py: Python<'py>, t: UtcMicros) -> PyResult<Bound<'py, PyAny>> {
        let tzinfo = self.tzinfo(py);
        if self.core.needs_host() {
            let utc = Std::get(py)?.epoch.bind(py).add(delta_from_micros(py, t.get())?)?;
            return plain_datetime(&utc.call_method1(intern!(py, "astimezone"), (tzinfo,))?);
        }
        let offset = self.core.offset_at(t).map_err(to_py)?;
        let civil = civil_in_range(t.get() + offset)?;
        let fold = match self.core.resolve(civil).map_err(to_py)? {
            Resolution::Fold { after, .. } => offset == after,
            _ => false,
        };
        civil_datetime(civil, fold, tzinfo)
    }

    /// Whether [`TimeZone::datetime`] of its instant `t` gives `dt` back, so that `dt` need not be kept.
    pub fn gives_back(&self, dt: &Bound<'_, PyAny>, t: UtcMicros) -> PyResult<bool> {
        let py = dt.py();
        Ok(dt.get_type().is(&Std::get(py)?.datetime)
            && dt.getattr(intern!(py, "tzinfo"))?.is(&self.tzinfo)
            && self.datetime(py, t)?.eq(dt)?)
    }
}

fn naive(dt: &Bound<'_, PyAny>, name: &str) -> PyErr {
    PyTypeError::new_err(format!("{name} must be an aware datetime, got {dt} without a time zone"))
}

fn core_zone(tzinfo: &Bound<'_, PyAny>) -> PyResult<Zone> {
    let py = tzinfo.py();
    let std = Std::get(py)?;
    let class = tzinfo.get_type();
    let native = if class.is(&std.zoneinfo) {
        iana_zone(tzinfo)?
    } else if class.is(&std.timezone) || is_fixed(tzinfo)? {
        fixed_zone(&tzinfo.call_method1(intern!(py, "utcoffset"), (py.None(),))?)?
    } else {
        None
    };
    Ok(native.unwrap_or_else(|| Zone::Host(Arc::new(PythonZone(tzinfo.clone().unbind())))))
}

/// Whether it is one of the classes of dateutil and pytz that stand for a fixed offset.
fn is_fixed(tzinfo: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = tzinfo.get_type();
    let name = class.qualname()?;
    let module = class.module()?;
    Ok(matches!(
        (&*text::of(&module)?, &*text::of(&name)?),
        ("dateutil.tz.tz", "tzutc" | "tzoffset") | ("pytz", "UTC" | "_FixedOffset")
    ))
}

/// A fixed offset; `None` for one with parts of a second, which the core does not know.
fn fixed_zone(offset: &Bound<'_, PyAny>) -> PyResult<Option<Zone>> {
    let micros = delta_micros(offset)?;
    Ok(i32::try_from(micros / MICROS_PER_SECOND)
        .ok()
        .filter(|_| micros % MICROS_PER_SECOND == 0)
        .and_then(|seconds| Zone::fixed(seconds).ok()))
}

/// The zone of a `ZoneInfo` that was made from its key.
///
/// `None` for one that was made from a file, whose key says nothing of its rules. Python refuses to pickle
/// exactly those.
fn iana_zone(zone: &Bound<'_, PyAny>) -> PyResult<Option<Zone>> {
    let key = zone.getattr(intern!(zone.py(), "key"))?;
    if key.is_none() || zone.call_method0(intern!(zone.py(), "__reduce__")).is_err() {
        return Ok(None);
    }
    let Ok(key) = key.extract::<String>() else { return Ok(None) };
    let Some(data) = tzif(zone.py(), &key)? else { return Ok(None) };
    Ok(jiff::tz::TimeZone::tzif(&key, &data).ok().map(Zone::Iana))
}

/// The bytes that `ZoneInfo(key)` reads: from the first directory of `zoneinfo.TZPATH` that has the key, else
/// from the package tzdata (PEP 615).
fn tzif(py: Python<'_>, key: &str) -> PyResult<Option<Vec<u8>>> {
    for root in py.import("zoneinfo")?.getattr("TZPATH")?.try_iter()? {
        if let Ok(data) = std::fs::read(root?.extract::<PathBuf>()?.join(key)) {
            return Ok(Some(data));
        }
    }
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    let package = format!("tzdata.zoneinfo.{}", folder.replace('/', "."));
    let files = py.import("importlib.resources")?.getattr("files")?;
    match files.call1((package.trim_end_matches('.'),)) {
        Ok(package) => {
            package.call_method1("joinpath", (name,))?.call_method0("read_bytes")?.extract().map(Some)
        }
        Err(_) => Ok(None),
    }
}

/// A zone that only Python can evaluate.
#[derive(Debug)]
struct PythonZone(Py<PyAny>);

impl HostZone for PythonZone {
    fn offset_at(&self, t: UtcMicros) -> Result<i64, Error> {
        Python::attach(|py| {
            let tzinfo = self.0.bind(py);
            // What `datetime.astimezone()` does, which asks the zone for less.
            let utc = civil_datetime(civil_in_range(t.get())?, false, tzinfo)?;
            let local = plain_datetime(&tzinfo.call_method1(intern!(py, "fromutc"), (&utc,))?)?;
            let same_zone = local.getattr(intern!(py, "tzinfo"))?.is(tzinfo);
            if same_zone { delta_micros(&local.sub(utc)?) } else { offset_of(&local) }
        })
        .map_err(host_error)
    }

    fn offset_of(&self, civil: CivilMicros, fold: bool) -> Result<i64, Error> {
        Python::attach(|py| offset_of(&civil_datetime(civil, fold, self.0.bind(py))?)).map_err(host_error)
    }
}

/// The offset of an aware `datetime`, in microseconds.
fn offset_of(dt: &Bound<'_, PyAny>) -> PyResult<i64> {
    let offset = dt.call_method0(intern!(dt.py(), "utcoffset"))?;
    if offset.is_none() {
        return Err(PyTypeError::new_err(format!("the time zone of {dt} gives no UTC offset")));
    }
    delta_micros(&offset)
}
