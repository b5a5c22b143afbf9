//! The core's errors as Python exceptions, and Python exceptions through the core and back.

use std::cell::RefCell;

use mainspring_core::{Error, ErrorKind};
use pyo3::exceptions::{
    PyBaseException, PyKeyError, PyOSError, PyOverflowError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;

use crate::py::text;

thread_local! {
    /// What Python raised while the core called it; the core's error only carries the text.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Keeps `err` for [`to_py`] and gives the core something to return.
pub fn host_error(err: PyErr) -> Error {
    let message = err.to_string();
    RAISED.with(|slot| slot.replace(Some(err)));
    Error::new(ErrorKind::Host, message)
}

/// The exception that stands for `error`; for one that Python raised in this thread, that very one.
pub fn to_py(error: Error) -> PyErr {
    let message = Python::attach(|py| text::message(py, error.message()).unbind());
    let exception = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ConflictingId => PyValueError::new_err(message),
        ErrorKind::OutOfRange => PyOverflowError::new_err(message),
        ErrorKind::JobLookup => PyKeyError::new_err(message),
        ErrorKind::Os => PyOSError::new_err(message),
        ErrorKind::Host => RAISED.with(RefCell::take).unwrap_or_else(|| PyRuntimeError::new_err(message)),
        _ => PyRuntimeError::new_err(message),
    };
    match error.note() {
        Some(note) => Python::attach(|py| with_note(py, exception, note)),
        None => exception,
    }
}

/// The exception with a note beneath its message, which stays APScheduler's. Notes need CPython 3.11.
pub fn with_note(py: Python<'_>, exception: PyErr, note: &str) -> PyErr {
    let _without = exception.value(py).call_method1("add_note", (note,)).is_err();
    exception
}

/// The exception with the traceback that Python shows of it. Before CPython 3.12 the two are apart until Python code
/// catches the exception, and of its own accord it lacks the frames that it was raised through last.
pub fn raised<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyBaseException> {
    error.clone_ref(py).into_value(py).into_bound(py)
}
