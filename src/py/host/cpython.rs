//! What the binding reads of CPython that has no public name.

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyModule, PyString, PyType};

use crate::py::imports::imports;
use crate::py::once::{Once, intern};

imports! {
    init_abstract_class = "abc"."_abc_init";
    running_loop_or_none = "asyncio"."_get_running_loop";
}

/// Whether objects of this class are futures, as `asyncio.isfuture` tells, without a call of Python code.
pub fn is_class_of_futures(class: &Bound<'_, PyType>) -> PyResult<bool> {
    class.hasattr(intern!(class.py(), "_asyncio_future_blocking"))
}

/// Whether a task has come to its end, and was not cancelled.
pub fn is_finished(task: &Bound<'_, PyAny>) -> PyResult<bool> {
    let state = task.getattr_opt(intern!(task.py(), "_state"))?;
    Ok(state.is_some_and(|state| state.is(intern!(task.py(), "FINISHED"))))
}

/// Whether a task has been asked to cancel and has not yet; `None` of a kind of task that does not say.
pub fn must_cancel(task: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    let must_cancel = task.getattr_opt(intern!(task.py(), "_must_cancel"))?;
    must_cancel.map(|must_cancel| must_cancel.is_truthy()).transpose()
}

/// Has nothing told of a task that is dropped while it waits. Fails for a kind of task that cannot be told.
pub fn silence(task: &Bound<'_, PyAny>) -> PyResult<()> {
    task.setattr(intern!(task.py(), "_log_destroy_pending"), false)
}

/// Whether a loop may be run by what runs on it, by the package nest_asyncio.
pub fn is_nested(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(event_loop.getattr_opt(intern!(event_loop.py(), "_nest_patched"))?.is_some())
}

/// The default executor of a loop; without one that is Python's `None`, and `None` of a kind of loop that does not say.
pub fn default_executor<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    event_loop.getattr_opt(intern!(event_loop.py(), "_default_executor"))
}

/// The event loop policy of the process, without asking for one to be made.
pub fn event_loop_policy(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static NAMESPACE: Once<Py<PyDict>> = Once::new();
    let namespace = NAMESPACE.get_or_try_init(py, || {
        let events = py.import("asyncio.events")?;
        Ok::<_, PyErr>(events.dict().unbind())
    })?;
    namespace.bind(py).get_item(intern!(py, "_event_loop_policy"))
}

/// The dictionary in which a policy that derives from asyncio's own keeps what belongs to this thread.
pub fn local_of_policy<'py>(policy: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    let py = policy.py();
    let local = policy.getattr(intern!(py, "_local")).ok()?;
    local.getattr(intern!(py, "__dict__")).ok()?.cast_into().ok()
}

/// The thread's loop in that dictionary.
pub fn loop_in_local<'py>(local: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PyAny>>> {
    local.get_item(intern!(local.py(), "_loop"))
}

/// The module and the name of the function that CPython calls when it drops a coroutine that was never awaited.
pub fn warns_of_unawaited(py: Python<'_>) -> PyResult<(Bound<'_, PyModule>, &Bound<'_, PyString>)> {
    Ok((py.import("warnings")?, intern!(py, "_warn_unawaited_coroutine")))
}

/// Whether an event loop runs in this thread.
pub fn a_loop_runs_here(py: Python<'_>) -> PyResult<bool> {
    Ok(!running_loop_or_none(py)?.call0()?.is_none())
}

/// Whether a `logging.Logger` is enabled for a level, where it has been asked before and keeps the answer; the manager of
/// the loggers has all of them forget their answers when anything changes.
pub fn kept_answer(logger: &Bound<'_, PyAny>, level: u8) -> PyResult<Option<bool>> {
    let py = logger.py();
    if logger.getattr(intern!(py, "disabled"))?.is_truthy()? {
        return Ok(Some(false));
    }
    let Some(answers) = logger.getattr_opt(intern!(py, "_cache"))? else { return Ok(None) };
    let Ok(answers) = answers.cast::<PyDict>() else { return Ok(None) };
    answers.get_item(level)?.map(|answer| answer.is_truthy()).transpose()
}
