//! Rust futures that Python code awaits.
//!
//! A future is driven by tokio's runtime and resolved from a thread of it, which for that moment runs Python
//! code: it tells the loop. The loop may end the program before that thread is back from telling, which
//! `pyo3_async_runtimes::tokio::future_into_py` leaves open; so the last step is made here, where the exit
//! waits for it.
//!
//! Ground rules: `RUNTIME` is locked by attached threads only, so that it is free whenever the process forks;
//! what the runtime's own threads lock belongs to the runtime, which a forked child leaves to its parent.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::process::exit::Inside;
use crate::process::fork::Origin;
use crate::py::imports::get_running_loop;
use crate::py::once::intern;

/// The runtime of a process.
struct Runtime {
    origin: Origin,
    tokio: tokio::runtime::Runtime,
}

/// Kept for ever once it is made: in a child the threads of the parent's are gone, and it cannot be taken down.
static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);

impl Runtime {
    /// The runtime of this process, if there is one.
    fn get() -> Option<&'static Self> {
        RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).filter(|runtime| runtime.origin.is_here())
    }

    fn get_or_start() -> std::io::Result<&'static Self> {
        if let Some(runtime) = Self::get() {
            return Ok(runtime);
        }
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mainspring-awaitables")
            .build()?;
        let runtime = Box::leak(Box::new(Self { origin: Origin::here(), tokio }));
        // Attached, and without a call of Python code since the look: no thread has made another one.
        *RUNTIME.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
        Ok(runtime)
    }
}

/// An `asyncio.Future` of the running loop that resolves to `None` when `future` does.
pub fn awaitable<F>(py: Python<'_>, future: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let event_loop = get_running_loop(py)?.call0()?;
    let promise = event_loop.call_method0(intern!(py, "create_future"))?;
    let tell = event_loop.getattr(intern!(py, "call_soon_threadsafe"))?.unbind();
    let resolve = wrap_pyfunction!(resolve, py)?.unbind();
    let handed_out = promise.clone();
    let promise = promise.unbind();
    Runtime::get_or_start()?.tokio.spawn(async move {
        future.await;
        if let Some(_inside) = Inside::enter() {
            // An error says that the loop is closed: no coroutine waits any more.
            let _ = Python::attach(|py| tell.call1(py, (resolve, promise)).map(drop));
        }
    });
    Ok(handed_out)
}

#[pyfunction]
fn resolve(promise: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = promise.py();
    // It may have been cancelled.
    if !promise.call_method0(intern!(py, "done"))?.is_truthy()? {
        promise.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}
