//! `Truth`: an argument of any type that counts as true or false, as in Python's `if`.

use pyo3::prelude::*;

/// An argument whose truth counts, as wherever Python code asks `if wait:`. A plain `bool` takes no other type.
pub struct Truth(pub bool);

impl<'a, 'py> FromPyObject<'a, 'py> for Truth {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        value.is_truthy().map(Self)
    }
}
