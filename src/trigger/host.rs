//! A trigger written in Python, as the core sees it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainspring_core::trigger::HostTrigger;
use mainspring_core::{Error, UtcMicros};
use pyo3::prelude::*;

use super::HostZones;
use crate::py::error::host_error;
use crate::py::once::intern;
use crate::time::datetime::tzinfo_of;
use crate::time::zone::TimeZone;

/// Calls the `get_next_fire_time` of a Python object.
///
/// It is given the time now in the scheduler's zone, and the fire time before in the zone in which it gave
/// that one itself, as a scheduler in Python would.
pub struct PythonTrigger {
    trigger: Py<PyAny>,
    now_zone: Arc<TimeZone>,
    fire_zone: Mutex<Arc<TimeZone>>,
}

impl PythonTrigger {
    /// Wraps `trigger`.
    pub fn new(trigger: &Bound<'_, PyAny>, zones: &HostZones) -> Self {
        Self {
            trigger: trigger.clone().unbind(),
            now_zone: Arc::clone(&zones.now),
            fire_zone: Mutex::new(Arc::clone(&zones.previous)),
        }
    }

    /// The zone of its last fire time.
    pub fn fire_zone(&self) -> Arc<TimeZone> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<TimeZone>> {
        self.fire_zone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(
        &self,
        py: Python<'_>,
        previous: Option<UtcMicros>,
        now: UtcMicros,
    ) -> PyResult<Option<UtcMicros>> {
        let previous = previous.map(|t| self.fire_zone().datetime(py, t)).transpose()?;
        let now = self.now_zone.datetime(py, now)?;
        let next = self.trigger.bind(py).call_method1(intern!(py, "get_next_fire_time"), (previous, now))?;
        let Some(t) = self.now_zone.optional_instant(&next, "the result of get_next_fire_time()")? else {
            return Ok(None);
        };
        let zone = TimeZone::of(&tzinfo_of(&next)?)?;
        // Dropped after the lock: it may run Python code.
        drop(std::mem::replace(&mut *self.lock(), zone));
        Ok(Some(t))
    }
}

impl HostTrigger for PythonTrigger {
    fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
    ) -> Result<Option<UtcMicros>, Error> {
        Python::attach(|py| self.call(py, previous, now)).map_err(host_error)
    }

    fn identity(&self) -> usize {
        self.trigger.as_ptr().addr()
    }
}

impl fmt::Debug for PythonTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonTrigger({:?})", self.trigger)
    }
}
