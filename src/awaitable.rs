//! Rust futures that Python code awaits.
//!
//! A future is driven by tokio's runtime and resolved from a thread of it, which for that moment runs Python
//! code: it tells the loop. The loop may end the program before that thread is back from telling; CPython kills
//! a thread that wants in while it shuts down, and a thread killed inside Rust code takes the process with it.
//! `pyo3_async_runtimes::tokio::future_into_py` leaves that open, so the last step is made here, where the
//! exit can wait for it.

use std::future::Future;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3_async_runtimes::tokio::{get_current_locals, get_runtime};

struct Telling {
    threads: usize,
    closed: bool,
}

static TELLING: Mutex<Telling> = Mutex::new(Telling { threads: 0, closed: false });
static NOBODY: Condvar = Condvar::new();

fn telling() -> MutexGuard<'static, Telling> {
    TELLING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread of the runtime that is about to run Python code; the exit waits until it is dropped.
struct Teller;

impl Teller {
    /// `None` once the interpreter is about to exit.
    fn begin() -> Option<Self> {
        let mut telling = telling();
        if telling.closed {
            return None;
        }
        telling.threads += 1;
        Some(Self)
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        telling().threads -= 1;
        NOBODY.notify_all();
    }
}

/// An `asyncio.Future` of the running loop that resolves to `None` when `future` does.
pub fn awaitable<F>(py: Python<'_>, future: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let event_loop = get_current_locals(py)?.event_loop(py);
    let promise = event_loop.call_method0(intern!(py, "create_future"))?;
    let tell = event_loop.getattr(intern!(py, "call_soon_threadsafe"))?.unbind();
    let resolve = wrap_pyfunction!(resolve, py)?.unbind();
    let handed_out = promise.clone();
    let promise = promise.unbind();
    get_runtime().spawn(async move {
        future.await;
        if let Some(_teller) = Teller::begin() {
            // An error says that the loop is closed: nobody waits any more.
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

/// Lets no thread of the runtime begin to run Python code, and waits for those that do. Called when the
/// interpreter is about to exit.
#[pyfunction]
pub fn leave_awaitables(py: Python<'_>) {
    py.detach(|| {
        let mut telling = telling();
        telling.closed = true;
        while telling.threads > 0 {
            telling = NOBODY.wait(telling).unwrap_or_else(PoisonError::into_inner);
        }
    });
}
