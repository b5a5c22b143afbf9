//! Runs in worker threads where something has taken the place of `ThreadPoolExecutor.submit`, which nothing here
//! calls: see `executors/_submitting.py`.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::hub::Hub;
use crate::py::imports;
use crate::py::once::{Once, intern};
use crate::report::Env;
use crate::runner::{self, Run};
use crate::thread_loop::ThreadLoop;

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
    if imports::submit_is_replaced(py)?.call0()?.is_truthy()? {
        return Ok(true);
    }
    if let Some(code) = &code {
        let plain =
            || Ok::<_, PyErr>(Plain { function: function.clone().unbind(), code: code.clone().unbind() });
        PLAIN.get_or_try_init(py, plain)?;
    }
    Ok(false)
}

/// Has a run gone through in this thread, and its context, with what is put around it. Gives it back where that has
/// come to nothing.
pub fn carry(env: &Env<'_>, mut run: Run) -> Option<Run> {
    let context = run.context(env);
    // Each run time has a copy of it with what is added there.
    run.context = None;
    let carried = CarriedRun { hub: Arc::clone(&env.hub), run: Mutex::new(Some(run)) };
    let carried = Bound::new(env.py, carried);
    let result = carried.as_ref().map_err(|error| error.clone_ref(env.py)).and_then(|carried| {
        context?.call_method1(intern!(env.py, "run"), (imports::carry(env.py)?, carried)).map(drop)
    });
    env.never_fails(result);
    carried.ok().and_then(|carried| carried.get().take())
}

/// A run on its way through what is put around it.
#[pyclass(frozen)]
pub struct CarriedRun {
    hub: Arc<Hub>,
    run: Mutex<Option<Run>>,
}

impl CarriedRun {
    fn take(&self) -> Option<Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl CarriedRun {
    fn __call__(&self, py: Python<'_>) {
        let Some(run) = self.take() else { return };
        match Env::in_worker(py, &self.hub) {
            Some(env) => runner::go_through(&env.in_run(), run, &mut ThreadLoop::default()),
            None => self.hub.finish(&run.firing),
        }
    }
}
