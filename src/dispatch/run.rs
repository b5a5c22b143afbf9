//! A run as data: what waits in a queue and is counted. What happens in it is in `run/steps.rs`.

use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::engine::Firing;
use mainspring_core::job::Steps;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::hub::Attached;
use crate::dispatch::watch::Watched;
use crate::job::record::Route;
use crate::job::seen::Seen;

/// A firing on its way through its run times.
pub struct Run {
    pub firing: Firing,
    pub store: Arc<Attached>,
    /// The job as it was when the run began.
    pub seen: Seen,
    /// How far it has come.
    pub steps: Steps,
    /// The context of the current run time, see [`Run::context`].
    pub context: Option<Py<PyAny>>,
    /// Set where the engine's [`Watch`](crate::dispatch::watch::Watch) wants to know how the current run time ends.
    pub watched: Option<Watched>,
    pub shown: Shown,
}

/// What of a run has been made for Python: several events tell of it.
#[derive(Default)]
pub struct Shown {
    pub id: Option<Py<PyString>>,
    /// A run time, and its place.
    pub run_time: Option<(usize, Py<PyAny>)>,
}

impl Run {
    pub fn new(firing: Firing, store: Arc<Attached>, seen: Seen) -> Self {
        let steps = Steps::new(firing.run_times.as_slice().len());
        Self { firing, store, seen, steps, context: None, watched: None, shown: Shown::default() }
    }

    pub fn run_times(&self) -> &[UtcMicros] {
        self.firing.run_times.as_slice()
    }

    /// The run times that have not come to their end.
    pub fn times_left(&self) -> &[UtcMicros] {
        self.run_times().get(self.steps.ended()..).unwrap_or_default()
    }

    pub fn executor(&self) -> u32 {
        Route::unpack(self.firing.route).executor
    }
}

/// How a run ended.
pub enum Outcome<'py> {
    /// It was so many microseconds late, and did not begin.
    Missed(i64),
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
}

impl<'py> Outcome<'py> {
    pub fn of(result: PyResult<Bound<'py, PyAny>>) -> Self {
        match result {
            Ok(value) => Self::Returned(value),
            Err(error) => Self::Raised(error),
        }
    }
}
