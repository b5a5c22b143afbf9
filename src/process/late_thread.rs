//! Threads that Python itself does not start any more.
//!
//! From CPython 3.12 on `Thread.start` fails as soon as the main thread has come to its end, while other threads of the
//! program may go on for long, and with them its schedulers. A thread of the system may still attach to Python.

use std::thread::Builder;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::process::exit::Inside;

/// Calls `call` in a thread that Python does not know of before. Fails in the words of CPython once the interpreter is
/// about to exit, when it waits for threads no longer.
#[pyfunction]
pub fn start_late_thread(name: &Bound<'_, PyString>, call: Py<PyAny>) -> PyResult<()> {
    let Some(inside) = Inside::enter() else {
        return Err(PyRuntimeError::new_err("can't create new thread at interpreter shutdown"));
    };
    let work = move || {
        // `None`: the interpreter is gone, and with it whatever there was to do.
        let _done: Option<()> = Python::try_attach(move |py| {
            drop(inside); // Python knows of the thread from now on
            if let Err(error) = call.call0(py) {
                error.write_unraisable(py, Some(call.bind(py)));
            }
        });
    };
    // The system's names end at a NUL.
    let name = name.to_string_lossy().replace('\0', "");
    Builder::new().name(name).spawn(work)?;
    Ok(())
}

/// Whether `error` says that no thread is started any more.
pub fn is_too_late(py: Python<'_>, error: &PyErr) -> bool {
    let says_so = || Ok::<_, PyErr>(error.value(py).str()?.to_str()?.contains("interpreter shutdown"));
    error.is_instance_of::<PyRuntimeError>(py) && says_so().unwrap_or(false)
}
