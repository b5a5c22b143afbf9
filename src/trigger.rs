use crate::convert::zone::TimeZone;
use mainspring_core::trigger::{JitterSource, Trigger};
use pyo3::prelude::*;
use std::sync::Arc;
pub struct PythonJitter<'py> {
    py: Python<'py>,
}
impl<'py> PythonJitter<'py> {
    pub fn new(py: Python<'py>) -> Self {
        Self { py }
    }
    pub fn or_raised<T>(self, result: Result<T, mainspring_core::Error>) -> PyResult<T> {
        let _ = self.py;
        result.map_err(crate::error::to_py)
    }
}
impl JitterSource for PythonJitter<'_> {
    fn draw(&mut self, _m: i64) -> i64 {
        0
    }
}
pub fn core_trigger(_o: &Bound<'_, PyAny>, _z: &Arc<TimeZone>) -> PyResult<Arc<Trigger>> {
    Err(pyo3::exceptions::PyTypeError::new_err("x"))
}
pub fn trigger_zone(_o: &Bound<'_, PyAny>) -> PyResult<Option<Arc<TimeZone>>> {
    Ok(None)
}
