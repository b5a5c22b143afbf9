//! What the binding calls of Python's standard library, imported on first use and kept.
//!
//! The package's own modules, and names with an underscore, are for `py/host/` alone.

use pyo3::prelude::*;
use pyo3::types::PyAny;

/// A function a line: it imports an object when it is first called, and keeps it.
macro_rules! imports {
    ($($(#[$doc:meta])* $name:ident = $module:literal $(. $attribute:literal)+;)*) => {$(
        $(#[$doc])*
        pub fn $name<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
            static OBJECT: $crate::py::once::Once<Py<PyAny>> = $crate::py::once::Once::new();
            let import = || Ok::<_, PyErr>(py.import($module)?$(.getattr($attribute)?)+.unbind());
            OBJECT.get_or_try_init(py, import).map(|object| object.bind(py))
        }
    )*};
}
pub(crate) use imports;

/// A `CancelledError` that says why.
pub fn cancelled(py: Python<'_>, reason: &'static str) -> PyResult<PyErr> {
    cancelled_error(py)?.call1((reason,)).map(PyErr::from_value)
}

imports! {
    asyncio_task = "asyncio"."Task";
    cancelled_error = "asyncio"."CancelledError";
    current_task = "asyncio"."current_task";
    get_running_loop = "asyncio"."get_running_loop";
    coroutine_type = "types"."CoroutineType";
    partial = "functools"."partial";
    isawaitable = "inspect"."isawaitable";
    context_type = "contextvars"."Context";
    copy_context = "contextvars"."copy_context";
    modules = "sys"."modules";
    format_tb = "traceback"."format_tb";
    clear_frames = "traceback"."clear_frames";
    timedelta = "datetime"."timedelta";
    iterable = "collections.abc"."Iterable";
    mapping = "collections.abc"."Mapping";
    weak_reference = "weakref"."ref";
    uuid4 = "uuid"."uuid4";
    urandom = "os"."urandom";
    logger_class = "logging"."Logger";
}
