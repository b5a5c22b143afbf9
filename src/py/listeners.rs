//! Calling the listeners of a scheduler.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::py::host;
use crate::py::once::intern;

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
    let run = context.map(|context| context.getattr(intern!(py, "run"))).transpose()?;
    let code = event.getattr(intern!(py, "code"))?;
    let mut wanting = Vec::with_capacity(listeners.len());
    for entry in listeners {
        if entry.get_item(1)?.bitand(&code)?.is_truthy()? {
            wanting.push(entry.get_item(0)?);
        }
    }
    let mut interrupt = None;
    for listener in wanting {
        let called = match &run {
            Some(run) => run.call1((&listener, event)),
            None => listener.call1((event,)),
        };
        if let Err(error) = called {
            let (exception, traceback) = (error.value(py), error.traceback(py));
            match host::is_exit_of_program(py)?.call1((exception, traceback))?.is_truthy()? {
                true => interrupt = Some(error),
                false => drop(match &run {
                    Some(run) => run.call1((failed()?, listener, event, exception))?,
                    None => failed()?.call1((listener, event, exception))?,
                }),
            }
        }
    }
    interrupt.map_or(Ok(()), Err)
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
