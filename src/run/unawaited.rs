//! Whose run left a coroutine behind that nobody awaited: CPython warns of it without saying which job it was.
//!
//! CPython calls `warnings._warn_unawaited_coroutine` when it drops such a coroutine. In its place is an object
//! that notes the coroutine with the run under way in the thread, and calls the function. Since it is no Python
//! function, it has no frame, and the warning names the line that it would without it.
//!
//! Ground rules: what is noted is told when the job's function has returned; where the coroutine is dropped,
//! the program or a library may hold any lock.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::py::host;
use crate::py::once::{Once, intern};
use crate::py::text;
use crate::run::current;

/// Stands in the place of the function that warns.
#[pyclass(module = "mainspring._mainspring", frozen)]
pub struct WarnUnawaited {
    function: Py<PyAny>,
}

#[pymethods]
impl WarnUnawaited {
    fn __call__<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = coroutine.py();
        // A name that cannot be read is no reason not to warn.
        if let Ok(name) = coroutine.getattr(intern!(py, "__qualname__")).and_then(|name| name.str()) {
            current::note_unawaited(name.unbind());
        }
        self.function.bind(py).call1((coroutine,))
    }
}

/// Has coroutines noted from now on.
pub fn watch(py: Python<'_>) {
    static IS_WATCHED: Once<bool> = Once::new();
    let put = || {
        let (warnings, name) = host::cpython::warns_of_unawaited(py)?;
        let function = warnings.getattr(name)?;
        // Another thread may have come first.
        if !function.is_instance_of::<WarnUnawaited>() {
            warnings.setattr(name, WarnUnawaited { function: function.unbind() })?;
        }
        Ok::<_, PyErr>(true)
    };
    // A Python that has no such function warns in another way, and no job is named.
    let _ = IS_WATCHED.get_or_try_init(py, || put().or(Ok::<_, PyErr>(false)));
}

/// Tells of the coroutines that a run has left behind.
pub fn tell(py: Python<'_>, job_id: &str, names: Vec<Py<PyString>>) {
    let tell = || host::tell_unawaited(py)?.call1((text::string(py, job_id), names));
    if let Err(error) = tell() {
        error.write_unraisable(py, None);
    }
}
