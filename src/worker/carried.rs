//! Runs in worker threads where something has taken the place of `ThreadPoolExecutor.submit`, which nothing here
//! calls: see `_runs/submitting.py`.

use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::job::Ended;
use pyo3::prelude::*;

use crate::dispatch::hub::Hub;
use crate::dispatch::run::Run;
use crate::py::host;
use crate::py::once::intern;
use crate::run::env::Env;
use crate::worker::run;
use crate::worker::thread_loop::ThreadLoop;

/// Has a run gone through in this thread, and its context, with what is put around it. Gives it back where that has
/// come to nothing.
pub fn carry(env: &Env<'_>, mut run: Run) -> Option<Run> {
    let context = run.context(env);
    // Each run time has a copy of it with what is added there.
    run.context = None;
    let carried = CarriedRun { hub: Arc::clone(&env.hub), run: Mutex::new(Some(run)) };
    let carried = Bound::new(env.py, carried);
    let result = carried.as_ref().map_err(|error| error.clone_ref(env.py)).and_then(|carried| {
        context?.call_method1(intern!(env.py, "run"), (host::carry(env.py)?, carried)).map(drop)
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
            Some(env) => run::go_through(&env.in_run(), run, &mut ThreadLoop::default()),
            None => self.hub.finish(&run.firing, Ended::Lost),
        }
    }
}
