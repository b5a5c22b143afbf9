//! `Watch`: what is told of the runs of an engine as they are made, beside its listeners: the log of runs that a test
//! reads, where the clock is not the system's; else nothing.

use mainspring_core::UtcMicros;
use mainspring_core::job::JobId;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::dispatch::run::Outcome;

/// A run that is watched.
#[derive(Clone, Copy)]
pub struct Watched(pub usize);

/// A run as Python sees it: job id, scheduled and start time in microseconds since the epoch, how it ended, and
/// what it returned or raised.
pub type Logbook<'py> = Vec<(usize, Bound<'py, PyString>, i64, i64, &'static str, Option<Bound<'py, PyAny>>)>;

/// Is told of runs. A method that an implementation does not write takes note of nothing.
pub trait Watch: Send + Sync {
    /// A run begins. The number that is returned is given to `ended`; `None`: its end is not wanted.
    fn started(&self, _id: &JobId, _scheduled: UtcMicros, _now: UtcMicros) -> Option<Watched> {
        None
    }

    /// A run ends, to which `started` has given this number.
    fn ended(&self, _py: Python<'_>, _run: Watched, _outcome: &Outcome<'_>) {}

    /// A run came too late to begin.
    fn missed(&self, _id: &JobId, _scheduled: UtcMicros, _now: UtcMicros) {}

    /// A run was skipped, since as many as allowed were going on.
    fn skipped(&self, _id: &JobId, _scheduled: UtcMicros, _now: UtcMicros) {}

    /// A run from its start to its end, which an executor written in Python has made.
    fn note(&self, _id: &JobId, _at: UtcMicros, _now: UtcMicros, _outcome: &str, _value: Bound<'_, PyAny>) {}

    /// How many runs there have been.
    fn len(&self) -> usize {
        0
    }

    /// The runs from the `first` on, of one job or of all.
    fn read<'py>(&self, _py: Python<'py>, _job_id: Option<&str>, _first: usize) -> Logbook<'py> {
        Vec::new()
    }
}

/// Takes note of no run: for engines by the system's clock.
pub struct Unwatched;

impl Watch for Unwatched {}
