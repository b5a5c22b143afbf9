//! What a job's function returns to be awaited: whether it is that, and its end where no loop comes to it.

use pyo3::prelude::*;

use crate::dispatch::loop_queue::{Inbox, Work};
use crate::dispatch::run::Outcome;
use crate::py::imports;
use crate::py::once::intern;
use crate::run::env::Env;
use crate::run::notices;

/// Whether `value` can be awaited: a coroutine, or an object with `__await__` or of a generator-based coroutine.
pub fn is_awaitable(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    if value.is_none() {
        return Ok(false);
    }
    if value.get_type().hasattr(intern!(py, "__await__"))? {
        return Ok(true);
    }
    imports::isawaitable(py)?.call1((value,))?.is_truthy()
}

/// Why runs are cancelled that have lost their loop.
pub const SHUT_DOWN: &str = "the scheduler has been shut down";

/// Ends the runs whose awaitables wait for a loop that does not come, as cancelled for this reason, and tells
/// of those that have ended before.
pub fn abandon_queued(env: &Env<'_>, inbox: &Inbox, reason: &'static str) {
    for work in inbox.take_begun() {
        match work {
            Work::Await(mut run, awaitable) => {
                leave(env, awaitable.bind(env.py));
                env.never_fails(imports::cancelled(env.py, reason).map(|error| {
                    run.settle(env, &Outcome::Raised(error));
                }));
            }
            Work::Item(_) => {}
            work => notices::tell(env, work),
        }
    }
}

/// Leaves a run's awaitable alone that is not going to be awaited, whatever it says to that.
pub fn leave(env: &Env<'_>, awaitable: &Bound<'_, PyAny>) {
    env.never_fails(close(awaitable));
}

/// Closes a coroutine that is not going to be awaited, so that nobody is warned of that.
pub fn close(awaitable: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = awaitable.py();
    // A task or another future goes on by itself, and whatever else has an `__await__` has not begun.
    match awaitable.is_instance(imports::coroutine_type(py)?)? {
        true => awaitable.call_method0(intern!(py, "close")).map(drop),
        false => Ok(()),
    }
}
