//! `BaseTrigger`: the class that all triggers are derived from, those that users write in Python too.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::live;
use crate::py::host;
use crate::py::once::intern;
use crate::time::datetime::Std;
use crate::time::on_behalf;

/// Base class of all triggers, and the one to derive your own from.
///
/// A subclass says in ``get_next_fire_time`` when its jobs run; its constructor may take what it likes.
///
/// >>> class EveryHourOnTheHour(BaseTrigger):
/// ...     def get_next_fire_time(self, previous_fire_time, now):
/// ...         return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
#[pyclass(subclass, frozen, module = "mainspring.triggers.base")]
pub struct BaseTrigger;

#[pymethods]
impl BaseTrigger {
    #[classattr]
    #[pyo3(name = "__slots__")]
    const SLOTS: () = ();

    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        refuse_abstract(cls)?;
        Ok(Self)
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        live::set_attribute(slf, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        live::set_attribute(slf, name, None)
    }

    /// Return when to fire next.
    ///
    /// :param previous_fire_time: the fire time before, an aware datetime; ``None`` for the first one
    /// :param now: the time now, an aware datetime
    /// :return: an aware datetime, or ``None`` to fire no more
    #[pyo3(signature = (previous_fire_time, now))]
    fn get_next_fire_time(&self, previous_fire_time: &Bound<'_, PyAny>, now: &Bound<'_, PyAny>) {
        let _ = (previous_fire_time, now);
    }

    /// Return ``next_fire_time`` delayed by a random time.
    ///
    /// The delay is elapsed time, so it is never longer than asked for, whatever the clocks do meanwhile.
    ///
    /// :param next_fire_time: the fire time, an aware datetime; ``None`` stays ``None``
    /// :param jitter: the longest delay in seconds, a number; ``None`` or 0 for none
    /// :param now: the time now, which is not used
    /// :return: a datetime, or ``None``
    #[pyo3(signature = (next_fire_time, jitter, now))]
    fn _apply_jitter<'py>(
        &self,
        next_fire_time: Bound<'py, PyAny>,
        jitter: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = now;
        apply_jitter(next_fire_time, jitter)
    }
}

/// `next_fire_time` plus a random part of `jitter` seconds of elapsed time.
pub fn apply_jitter<'py>(
    next_fire_time: Bound<'py, PyAny>,
    jitter: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if next_fire_time.is_none() || !jitter.is_truthy()? {
        return Ok(next_fire_time);
    }
    let py = jitter.py();
    let kwargs = PyDict::new(py);
    kwargs.set_item(intern!(py, "seconds"), draw_seconds(jitter)?)?;
    let delay = Std::get(py)?.timedelta.bind(py).call((), Some(&kwargs))?;
    host::datetime_utc_add(py)?.call1((next_fire_time, delay))
}

/// `random.uniform(0, longest)`: Python's generator, so that `random.seed` governs it. On behalf of a scheduler
/// whose clock is not the system's that clock's seed does.
pub fn draw_seconds<'py>(longest: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = longest.py();
    if let Some(drawn) = on_behalf::drawn_here(longest.extract().unwrap_or(0.0)) {
        return Ok(drawn.into_pyobject(py)?.into_any());
    }
    py.import(intern!(py, "random"))?.call_method1(intern!(py, "uniform"), (0, longest))
}

/// What `object.__new__` does: refuses to make an object of a class with abstract methods, which is what
/// `get_next_fire_time` is here.
pub fn refuse_abstract(cls: &Bound<'_, PyType>) -> PyResult<()> {
    let py = cls.py();
    let mut names: Vec<String> = match cls.getattr_opt(intern!(py, "__abstractmethods__"))? {
        Some(names) => names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?,
        None => Vec::new(),
    };
    let method = intern!(py, "get_next_fire_time");
    if cls.getattr(method)?.is(py.get_type::<BaseTrigger>().getattr(method)?) {
        names.push(method.to_string());
    }
    if names.is_empty() {
        return Ok(());
    }
    names.sort();
    Err(PyTypeError::new_err(format!(
        "Can't instantiate abstract class {} without an implementation for abstract method{} '{}'",
        cls.name()?,
        if names.len() == 1 { "" } else { "s" },
        names.join("', '")
    )))
}
