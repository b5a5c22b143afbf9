//! Calling the listeners of a scheduler.

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};

use crate::py::host;
use crate::py::once::intern;
use crate::py::tell;

/// Calls the functions in `listeners` that want `event`, in `context` where one is given. What `failed` returns is called
/// with one that raises, the event and what was raised. What is to end the program, as Ctrl-C, goes on when all have
/// been called.
///
/// Those are called that there were when the event came: no lock is needed to find them, since no Python code runs
/// meanwhile.
pub fn tell_listeners<'py>(
    listeners: &Bound<'py, PyList>,
    event: &Bound<'py, PyAny>,
    context: Option<&Bound<'py, PyAny>>,
    failed: impl Fn() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = event.py();
    let code = event.getattr(intern!(py, "code"))?;
    let mut wanting = Vec::with_capacity(listeners.len());
    for entry in listeners {
        // Of a tuple an item is had without an object for its place.
        let (listener, mask) = match entry.cast_exact::<PyTuple>() {
            Ok(entry) => (entry.get_item(0)?, entry.get_item(1)?),
            Err(_) => (entry.get_item(0)?, entry.get_item(1)?),
        };
        if wants(&mask, &code)? {
            wanting.push(listener);
        }
    }
    let mut interrupt = None;
    for listener in wanting {
        let called = match context {
            Some(context) => tell::run_in(context, &listener, Some(event), None),
            None => listener.call1((event,)),
        };
        if let Err(error) = called {
            let (exception, traceback) = (error.value(py), error.traceback(py));
            match host::is_exit_of_program(py)?.call1((exception, traceback))?.is_truthy()? {
                true => interrupt = Some(error),
                false => {
                    let about = (listener, event, exception).into_pyobject(py)?;
                    let failed = failed()?;
                    match context {
                        Some(context) => tell::call_in(context, &failed, &about, None)?,
                        None => failed.call1(about)?,
                    };
                }
            }
        }
    }
    interrupt.map_or(Ok(()), Err)
}

/// Whether a listener with this mask wants events of this code.
fn wants(mask: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>) -> PyResult<bool> {
    let number = |object: &Bound<'_, PyAny>| object.cast_exact::<PyInt>().ok()?.extract::<i64>().ok();
    match (number(mask), number(code)) {
        (Some(mask), Some(code)) => Ok(mask & code != 0),
        _ => mask.bitand(code)?.is_truthy(),
    }
}

/// What a scheduler's `_call_listeners` does.
#[pyfunction]
pub fn call_listeners<'py>(
    listeners: &Bound<'py, PyList>,
    event: &Bound<'py, PyAny>,
    failed: &Bound<'py, PyAny>,
) -> PyResult<()> {
    tell_listeners(listeners, event, None, || Ok(failed.clone()))
}
