//! The kinds of values that fields of a job have: what may be assigned to one, what a change may give it, and
//! what Python sees of it.

use std::sync::Arc;

use mainspring_core::job::JobId;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

use crate::job::record::FuncRef;
use crate::py::error::with_note;
use crate::py::{host, imports, text};
use crate::time::datetime;

/// A kind of values.
pub trait Kind {
    type Value;

    fn clone_ref(py: Python<'_>, value: &Self::Value) -> Self::Value;

    /// The value of an assignment and of a stored job, which as in APScheduler are not checked.
    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Self::Value>;

    /// The value that a change gives the field `name`, or APScheduler's error.
    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Self::Value>;

    /// The value as Python sees it.
    fn shown<'py>(py: Python<'py>, value: &Self::Value) -> Bound<'py, PyAny>;

    /// The object that the garbage collector is to see.
    fn object(_value: &Self::Value) -> Option<&Py<PyAny>> {
        None
    }

    /// The value of a field that is not set, where that is no error.
    fn unset() -> Option<Self::Value> {
        None
    }
}

/// The id, which a change may not change.
pub struct Id;

/// An object of any type; what it may be `function.rs` says.
pub struct Object;

/// The textual reference to the function.
pub struct Reference;

/// A string that is not empty.
pub struct Name;

/// Any string.
pub struct Alias;

/// A positive number.
pub struct Count;

/// A positive number or `None`.
pub struct OptionalCount;

/// Whatever is true or false.
pub struct Flag;

/// A trigger.
pub struct Trigger;

/// A `datetime`, or `None`.
pub struct Time;

/// A context, or `None`, which it is without being set.
pub struct Context;

impl Kind for Id {
    type Value = JobId;

    fn clone_ref(_py: Python<'_>, value: &JobId) -> JobId {
        Arc::clone(value)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<JobId> {
        Ok(text::of(given.cast::<PyString>()?)?.into())
    }

    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<JobId> {
        let id = given.cast::<PyString>();
        id.map_err(|_| type_error(format!("{name} must be a nonempty string"), given))?;
        Self::assigned(given)
    }

    fn shown<'py>(py: Python<'py>, value: &JobId) -> Bound<'py, PyAny> {
        text::string(py, value).into_any()
    }
}

impl Kind for Object {
    type Value = Py<PyAny>;

    fn clone_ref(py: Python<'_>, value: &Py<PyAny>) -> Py<PyAny> {
        value.clone_ref(py)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Ok(given.clone().unbind())
    }

    fn checked(given: &Bound<'_, PyAny>, _name: &str) -> PyResult<Py<PyAny>> {
        Self::assigned(given)
    }

    fn shown<'py>(py: Python<'py>, value: &Py<PyAny>) -> Bound<'py, PyAny> {
        value.bind(py).clone()
    }

    fn object(value: &Py<PyAny>) -> Option<&Py<PyAny>> {
        Some(value)
    }
}

impl Kind for Reference {
    type Value = FuncRef;

    fn clone_ref(py: Python<'_>, value: &FuncRef) -> FuncRef {
        value.clone_ref(py)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<FuncRef> {
        match given.is_none() {
            true => Ok(FuncRef::Derived),
            false => Ok(FuncRef::Given(given.cast::<PyString>()?.clone().unbind())),
        }
    }

    fn checked(given: &Bound<'_, PyAny>, _name: &str) -> PyResult<FuncRef> {
        Self::assigned(given)
    }

    fn shown<'py>(py: Python<'py>, value: &FuncRef) -> Bound<'py, PyAny> {
        match value {
            FuncRef::Given(reference) => reference.bind(py).clone().into_any(),
            FuncRef::Derived => py.None().into_bound(py),
        }
    }
}

impl Kind for Name {
    type Value = Py<PyString>;

    fn clone_ref(py: Python<'_>, value: &Py<PyString>) -> Py<PyString> {
        value.clone_ref(py)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Py<PyString>> {
        Ok(given.cast::<PyString>()?.clone().unbind())
    }

    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Py<PyString>> {
        match given.cast::<PyString>() {
            Ok(text) if !text.is_empty()? => Ok(text.clone().unbind()),
            _ => Err(type_error(format!("{name} must be a nonempty string"), given)),
        }
    }

    fn shown<'py>(py: Python<'py>, value: &Py<PyString>) -> Bound<'py, PyAny> {
        value.bind(py).clone().into_any()
    }
}

impl Kind for Alias {
    type Value = Py<PyString>;

    fn clone_ref(py: Python<'_>, value: &Py<PyString>) -> Py<PyString> {
        value.clone_ref(py)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Py<PyString>> {
        Name::assigned(given)
    }

    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Py<PyString>> {
        Name::assigned(given).map_err(|_| type_error(format!("{name} must be a string"), given))
    }

    fn shown<'py>(py: Python<'py>, value: &Py<PyString>) -> Bound<'py, PyAny> {
        Name::shown(py, value)
    }
}

impl Kind for Count {
    type Value = u32;

    fn clone_ref(_py: Python<'_>, value: &u32) -> u32 {
        *value
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<u32> {
        datetime::count(given)
    }

    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<u32> {
        positive(given).ok_or_else(|| type_error(format!("{name} must be a positive integer"), given))
    }

    fn shown<'py>(py: Python<'py>, value: &u32) -> Bound<'py, PyAny> {
        PyInt::new(py, *value).into_any()
    }
}

impl Kind for OptionalCount {
    type Value = Option<u32>;

    fn clone_ref(_py: Python<'_>, value: &Option<u32>) -> Option<u32> {
        *value
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        datetime::optional_count(given)
    }

    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<u32>> {
        let message = || format!("{name} must be either None or a positive integer");
        match positive(given) {
            None if !given.is_none() => Err(type_error(message(), given)),
            number => Ok(number),
        }
    }

    fn shown<'py>(py: Python<'py>, value: &Option<u32>) -> Bound<'py, PyAny> {
        match value {
            Some(number) => PyInt::new(py, *number).into_any(),
            None => py.None().into_bound(py),
        }
    }
}

impl Kind for Flag {
    type Value = bool;

    fn clone_ref(_py: Python<'_>, value: &bool) -> bool {
        *value
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<bool> {
        given.is_truthy()
    }

    fn checked(given: &Bound<'_, PyAny>, _name: &str) -> PyResult<bool> {
        given.is_truthy()
    }

    fn shown<'py>(py: Python<'py>, value: &bool) -> Bound<'py, PyAny> {
        PyBool::new(py, *value).to_owned().into_any()
    }
}

impl Kind for Trigger {
    type Value = Py<PyAny>;

    fn clone_ref(py: Python<'_>, value: &Py<PyAny>) -> Py<PyAny> {
        value.clone_ref(py)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Object::assigned(given)
    }

    fn checked(given: &Bound<'_, PyAny>, _name: &str) -> PyResult<Py<PyAny>> {
        if given.is_instance(host::base_trigger(given.py())?)? {
            return Object::assigned(given);
        }
        let class = given.get_type();
        Err(PyTypeError::new_err(format!("Expected a trigger instance, got {} instead", class.name()?)))
    }

    fn shown<'py>(py: Python<'py>, value: &Py<PyAny>) -> Bound<'py, PyAny> {
        Object::shown(py, value)
    }

    fn object(value: &Py<PyAny>) -> Option<&Py<PyAny>> {
        Some(value)
    }
}

impl Kind for Time {
    type Value = Option<Py<PyAny>>;

    fn clone_ref(py: Python<'_>, value: &Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        value.as_ref().map(|value| value.clone_ref(py))
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        datetime::optional_datetime(given)
    }

    fn checked(given: &Bound<'_, PyAny>, _name: &str) -> PyResult<Option<Py<PyAny>>> {
        Self::assigned(given)
    }

    fn shown<'py>(py: Python<'py>, value: &Option<Py<PyAny>>) -> Bound<'py, PyAny> {
        optional_object(py, value)
    }
}

impl Kind for Context {
    type Value = Option<Py<PyAny>>;

    fn clone_ref(py: Python<'_>, value: &Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        Time::clone_ref(py, value)
    }

    fn assigned(given: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        Ok((!given.is_none()).then(|| given.clone().unbind()))
    }

    /// The context given, or with "capture" that of the caller.
    fn checked(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<Py<PyAny>>> {
        let py = given.py();
        if given.is_none() {
            return Ok(None);
        }
        if given.eq("capture")? {
            return Ok(Some(imports::copy_context(py)?.call0()?.unbind()));
        }
        if !given.is_instance(imports::context_type(py)?)? {
            let message = format!("{name} must be a contextvars.Context, \"capture\" or None");
            return Err(type_error(message, given));
        }
        Self::assigned(given)
    }

    fn shown<'py>(py: Python<'py>, value: &Option<Py<PyAny>>) -> Bound<'py, PyAny> {
        optional_object(py, value)
    }

    fn object(value: &Option<Py<PyAny>>) -> Option<&Py<PyAny>> {
        value.as_ref()
    }

    fn unset() -> Option<Option<Py<PyAny>>> {
        Some(None)
    }
}

fn optional_object<'py>(py: Python<'py>, value: &Option<Py<PyAny>>) -> Bound<'py, PyAny> {
    match value {
        Some(object) => object.bind(py).clone(),
        None => py.None().into_bound(py),
    }
}

/// A positive whole number; see [`datetime::count`] for great ones.
fn positive(given: &Bound<'_, PyAny>) -> Option<u32> {
    let number = given.cast::<PyInt>().ok()?;
    datetime::count(number).ok().filter(|number| *number > 0)
}

/// A `TypeError` with APScheduler's message, and what was given as a note (CPython 3.11 and later).
pub fn type_error(message: impl Into<String>, given: &Bound<'_, PyAny>) -> PyErr {
    let error = PyTypeError::new_err(message.into());
    match given.repr() {
        Ok(repr) => with_note(given.py(), error, &format!("given: {repr}")),
        Err(_) => error, // without a repr the message alone must do
    }
}
