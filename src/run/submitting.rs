//! Whether something has taken the place of `ThreadPoolExecutor.submit`: see `_runs/submitting.py`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::py::host;
use crate::py::imports;
use crate::py::once::{Once, intern};

/// CPython's own function, and its code: a tracer may put other code into the function.
struct Plain {
    function: Py<PyAny>,
    code: Py<PyAny>,
}

/// Whether what is submitted to a thread pool has something put around it. A program may begin to be traced at any
/// time, so where it is not, this is a few looks.
pub fn submit_is_replaced(py: Python<'_>) -> PyResult<bool> {
    static PLAIN: Once<Plain> = Once::new();
    let modules = imports::modules(py)?.cast::<PyDict>()?;
    let Some(threads) = modules.get_item(intern!(py, "concurrent.futures.thread"))? else {
        return Ok(false);
    };
    let function = threads.getattr(intern!(py, "ThreadPoolExecutor"))?.getattr(intern!(py, "submit"))?;
    let code = function.getattr_opt(intern!(py, "__code__"))?;
    let is_known = |plain: &Plain| {
        function.is(&plain.function) && code.as_ref().is_some_and(|code| code.is(&plain.code))
    };
    if PLAIN.get(py).is_some_and(is_known) {
        return Ok(false);
    }
    if host::submit_is_replaced(py)?.call0()?.is_truthy()? {
        return Ok(true);
    }
    if let Some(code) = &code {
        let plain =
            || Ok::<_, PyErr>(Plain { function: function.clone().unbind(), code: code.clone().unbind() });
        PLAIN.get_or_try_init(py, plain)?;
    }
    Ok(false)
}
