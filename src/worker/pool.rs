//! `WorkerPool`: Python threads that run sync functions, fed from Rust.
//!
//! Ground rules: the queue's lock is never held while Python code runs. A worker stays attached from one
//! task to the next, since attaching costs more than a short task does, but lets other threads in at least
//! every [`LONGEST_HOLD`]; it detaches to wait. Only Python can start a Python thread, and the timer thread,
//! which feeds the pool, must not wait for Python: so there is always one worker to spare, and the one that
//! takes the last spare one's place starts the next. The first is started when there is something to do, in a
//! thread that may wait.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use mainspring_core::job::Ended;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};

use crate::dispatch::driver::Segment;
use crate::dispatch::hub::Destination;
use crate::dispatch::worker_queue::{Pool, Task};
use crate::py::error::raised;
use crate::py::host;
use crate::py::tell::Caller;
use crate::py::text;
use crate::py::truth::Truth;
use crate::run::env::{self, Env};
use crate::worker::run;
use crate::worker::thread_loop::ThreadLoop;

const LONGEST_HOLD: Duration = Duration::from_millis(1);

/// How long a thread that waits for workers to end leaves signals alone.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// A worker thread, from its beginning to its end however it comes.
struct Worker<'a> {
    pool: &'a Pool,
    number: usize,
}

impl<'a> Worker<'a> {
    fn begin(pool: &'a Pool, number: usize) -> Self {
        pool.begin_worker(number);
        Self { pool, number }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        Pool::leave();
        if self.pool.origin.is_here() {
            self.pool.end_worker(self.number);
        }
    }
}

/// A pool of worker threads for sync functions.
#[pyclass(module = "mainspring._mainspring", frozen, subclass)]
pub struct WorkerPool {
    pool: Arc<Pool>,
}

impl WorkerPool {
    pub fn shared(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub fn of(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Starts the first worker of a pool that has been given tasks.
    fn begin(py: Python<'_>, pool: Arc<Pool>) -> PyResult<()> {
        Self::ensure_spare(&Bound::new(py, Self::of(pool))?)
    }

    /// Lends the drive of engines to a worker; `false` when the pool is shut down.
    pub fn drive(slf: &Bound<'_, Self>, segment: Box<dyn Segment>) -> PyResult<bool> {
        Self::ensure_spare(slf)?;
        Ok(slf.get().pool.push(vec![Task::Drive(segment)]).is_empty())
    }

    /// Starts a worker if none is to spare.
    ///
    /// Fails only when there is no worker at all: with one, the work is merely done later. Or with an interrupt.
    pub fn ensure_spare(slf: &Bound<'_, Self>) -> PyResult<()> {
        let pool = &slf.get().pool;
        let Some(number) = pool.claim_worker() else { return Ok(()) };
        match Self::start_worker(slf, number) {
            Ok(thread) => pool.lock().threads.push(thread),
            Err(error) => {
                if pool.end_worker(number) == 0 || env::is_interrupt(slf.py(), &error) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn start_worker(slf: &Bound<'_, Self>, number: usize) -> PyResult<Py<PyAny>> {
        let options = PyDict::new(slf.py());
        options.set_item("target", slf.getattr("_work")?)?;
        options.set_item("args", (number,))?;
        options.set_item(
            "name",
            text::format(slf.py(), "%s_%s", (text::string(slf.py(), &slf.get().pool.prefix), number))?,
        )?;
        options.set_item("daemon", slf.get().pool.lock().daemon)?;
        let thread = host::new_thread(slf.py())?.call((), Some(&options))?;
        thread.call_method0("start")?;
        Ok(thread.unbind())
    }
}

#[pymethods]
impl WorkerPool {
    #[new]
    #[pyo3(signature = (max_workers, thread_name_prefix=None, initializer=None, initargs=None))]
    fn new(
        py: Python<'_>,
        max_workers: &Bound<'_, PyInt>,
        thread_name_prefix: Option<&Bound<'_, PyAny>>,
        initializer: Option<Py<PyAny>>,
        initargs: Option<Py<PyTuple>>,
    ) -> PyResult<Self> {
        if !max_workers.gt(0)? {
            return Err(PyValueError::new_err("max_workers must be greater than 0"));
        }
        let max_workers = max_workers.extract().unwrap_or(usize::MAX);
        let prefix = thread_name_prefix.map_or(Ok(PyString::new(py, "")), |prefix| prefix.str())?;
        let initargs = initargs.unwrap_or_else(|| PyTuple::empty(py).unbind());
        let initializer = initializer.map(|function| (function, initargs));
        let pool = Arc::new(Pool::new(max_workers, &text::of(&prefix)?, initializer, Self::begin));
        remember(&pool);
        Ok(Self { pool })
    }

    #[getter]
    fn max_workers(&self) -> usize {
        self.pool.max_workers()
    }

    /// How many workers have something to do, and how much waits for them.
    #[getter]
    fn load(&self) -> (usize, usize) {
        self.pool.load()
    }

    /// Whether threads that are started in a worker are daemons; `None`: if the thread that starts the worker is one.
    #[getter]
    fn daemon(&self) -> Option<bool> {
        self.pool.lock().daemon
    }

    #[setter]
    fn set_daemon(&self, value: Option<bool>) {
        self.pool.lock().daemon = value;
    }

    /// Runs `fn(*args)` in a worker thread. What it raises is logged.
    #[pyo3(signature = (r#fn, *args))]
    fn submit(slf: &Bound<'_, Self>, r#fn: Py<PyAny>, args: Py<PyTuple>) -> PyResult<()> {
        let pool = &slf.get().pool;
        if !pool.origin.is_here() || !pool.push(vec![Task::Call(r#fn, args)]).is_empty() {
            return Err(PyRuntimeError::new_err("cannot schedule new futures after shutdown"));
        }
        Self::ensure_spare(slf)
    }

    /// Takes no more work; what is queued is still done. With `wait`, returns when it is.
    fn shutdown(&self, py: Python<'_>, wait: Truth) -> PyResult<()> {
        if !self.pool.origin.is_here() {
            return Ok(());
        }
        self.pool.close();
        if wait.0 { join(py, &self.pool) } else { Ok(()) }
    }

    /// The life of one worker thread.
    fn _work(slf: &Bound<'_, Self>, number: usize) -> PyResult<()> {
        let py = slf.py();
        let pool = &slf.get().pool;
        let _worker = Worker::begin(pool, number);
        if let Some((initializer, args)) = &pool.initializer {
            if let Err(error) = initializer.bind(py).call1(args.bind(py)) {
                log_failure(py, "Exception in the initializer of a worker thread", &error)?;
            }
        }
        let mut thread_loop = ThreadLoop::default();
        let mut attached = Instant::now();
        // For as long as the thread stays attached, as in a drain of a loop.
        let mut env: Option<Env<'_>> = None;
        loop {
            let task = match pool.try_pop() {
                Some(task) => task,
                None => {
                    env = None;
                    let Some(task) = pool.detached(py, || pool.pop()) else { return Ok(()) };
                    attached = Instant::now();
                    task
                }
            };
            Self::ensure_spare(slf)?;
            match task {
                Task::Run(hub, firing) => {
                    if env.as_ref().is_none_or(|env| !Arc::ptr_eq(&env.hub, &hub)) {
                        env = Env::in_worker(py, &hub);
                    }
                    match &env {
                        Some(env) => run::run_in_worker(env, firing, &mut thread_loop),
                        None => hub.finish(&firing, Ended::Lost),
                    }
                }
                Task::Drive(segment) => {
                    let destination = Destination::Pool(Arc::clone(pool));
                    while let Some((hub, firing)) = segment.next(&destination) {
                        if env.as_ref().is_none_or(|env| !Arc::ptr_eq(&env.hub, &hub)) {
                            env = Env::in_worker(py, &hub);
                        }
                        match &env {
                            Some(env) => run::run_in_worker(env, firing, &mut thread_loop),
                            None => hub.finish(&firing, Ended::Lost),
                        }
                        if !pool.origin.is_here() || hub.has_work_for_loops() {
                            break;
                        }
                        if attached.elapsed() > LONGEST_HOLD {
                            env = None;
                            pool.detached(py, give_way);
                            attached = Instant::now();
                        }
                    }
                    if pool.origin.is_here() {
                        segment.end(py, &destination)?;
                    }
                }
                Task::Call(function, args) => {
                    if let Err(error) = function.bind(py).call1(args.bind(py)) {
                        log_failure(py, "Exception in a call made by a worker thread", &error)?;
                    }
                }
            }
            if !pool.origin.is_here() {
                // The task has forked: in the child the rest of the queue is not ours.
                return Ok(());
            }
            if attached.elapsed() > LONGEST_HOLD {
                env = None;
                pool.detached(py, give_way);
                attached = Instant::now();
            }
        }
    }
}

/// Lets other threads have Python, which a moment without it does not: a thread that waits for it is woken when it is
/// released, finds it taken again, and waits for the switch interval anew (5 ms) before asking for it. To be called
/// detached.
fn give_way() {
    std::thread::sleep(Duration::from_micros(1));
}

/// Waits for the workers to end, but for the calling one. Fails when a signal handler raises meanwhile.
fn join(py: Python<'_>, pool: &Pool) -> PyResult<()> {
    while !py.detach(|| pool.wait_ended(SIGNAL_CHECK)) {
        py.check_signals()?;
    }
    let threads = std::mem::take(&mut pool.lock().threads);
    let current = py.import("threading")?.call_method0("current_thread")?;
    for thread in threads {
        let thread = thread.bind(py);
        if !thread.is(&current) {
            thread.call_method0("join")?;
        }
    }
    Ok(())
}

fn log_failure(py: Python<'_>, message: &str, error: &PyErr) -> PyResult<()> {
    let logger = host::get_logger(py)?.call1(("executors",))?;
    Caller::RunJob.log(None, &logger, "error", (message,), Some(raised(py, error).as_any()))
}

static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// Remembers `pool` for [`join_pools`].
fn remember(pool: &Arc<Pool>) {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(pool));
}

/// Shuts down all pools and waits for their work to end. Called when the interpreter is about to exit, which
/// itself does not wait for the workers: until then it cannot be known that no scheduler has work for them any more.
#[pyfunction]
pub fn join_pools(py: Python<'_>) -> PyResult<()> {
    let pools: Vec<Arc<Pool>> = {
        let pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        // After a fork the others are the parent's.
        pools.iter().filter_map(Weak::upgrade).filter(|pool| pool.origin.is_here()).collect()
    };
    for pool in &pools {
        pool.close();
    }
    pools.iter().try_for_each(|pool| join(py, pool))
}
