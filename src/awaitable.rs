//! Rust futures that Python code awaits.
//!
//! A future is driven by tokio's runtime and resolved from a thread of it, which for that moment runs Python
//! code: it tells the loop. The loop may end the program before that thread is back from telling; CPython kills
//! a thread that wants in while it shuts down, and a thread killed inside Rust code takes the process with it.
//! `pyo3_async_runtimes::tokio::future_into_py` leaves that open, so the last step is made here, where the
//! exit can wait for it.
//!
//! Ground rules: `RUNTIME` is locked by attached threads only, so that it is free whenever the process forks;
//! what the runtime's own threads lock belongs to the runtime, which a forked child leaves to its parent.

use std::future::Future;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3_async_runtimes::tokio::get_current_locals;

use crate::fork::Origin;

/// The runtime of a process, with those of its threads that run Python code.
struct Runtime {
    origin: Origin,
    tokio: tokio::runtime::Runtime,
    telling: Mutex<Telling>,
    nobody: Condvar,
}

#[derive(Default)]
struct Telling {
    threads: usize,
    closed: bool,
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
        let (telling, nobody) = (Mutex::default(), Condvar::new());
        let runtime = Box::leak(Box::new(Self { origin: Origin::here(), tokio, telling, nobody }));
        // Attached, and without a call of Python code since the look: nobody has made another one.
        *RUNTIME.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
        Ok(runtime)
    }

    fn lock(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread of the runtime that is about to run Python code; the exit waits until it is dropped.
struct Teller(&'static Runtime);

impl Teller {
    /// `None` once the interpreter is about to exit.
    fn begin(runtime: &'static Runtime) -> Option<Self> {
        let mut telling = runtime.lock();
        if telling.closed {
            return None;
        }
        telling.threads += 1;
        Some(Self(runtime))
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.nobody.notify_all();
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
    let runtime = Runtime::get_or_start()?;
    runtime.tokio.spawn(async move {
        future.await;
        if let Some(_teller) = Teller::begin(runtime) {
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
    let Some(runtime) = Runtime::get() else { return };
    py.detach(|| {
        let mut telling = runtime.lock();
        telling.closed = true;
        while telling.threads > 0 {
            telling = runtime.nobody.wait(telling).unwrap_or_else(PoisonError::into_inner);
        }
    });
}
