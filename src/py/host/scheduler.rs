//! A scheduler, and what stands for the loop of another framework, as the binding calls them.

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyList, PyTuple};

use crate::py::host::cpython;
use crate::py::once::intern;

/// A scheduler.
pub struct Scheduler<'py>(Bound<'py, PyAny>);

/// Who calls the listeners of an event.
#[derive(Clone, Copy)]
pub enum Telling {
    /// The binding.
    Direct,
    /// The binding, where no loop runs in the thread; else a method of the scheduler, which hides the loop from them.
    DirectWithoutLoop,
    /// A method of the scheduler: a program has replaced one that is between an event and the listeners.
    ByMethod,
}

impl Telling {
    /// Whether the binding may call the listeners in this thread.
    pub fn is_direct_here(self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Direct => Ok(true),
            Self::DirectWithoutLoop => Ok(!cpython::a_loop_runs_here(py)?),
            Self::ByMethod => Ok(false),
        }
    }
}

/// The methods by which a job changes itself.
#[derive(Clone, Copy)]
pub enum JobMethod {
    Modify,
    Reschedule,
    Pause,
    Resume,
    Remove,
}

impl<'py> Scheduler<'py> {
    pub fn of(object: Bound<'py, PyAny>) -> Self {
        Self(object)
    }

    pub fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.0
    }

    pub fn into_any(self) -> Bound<'py, PyAny> {
        self.0
    }

    fn py(&self) -> Python<'py> {
        self.0.py()
    }

    // What it is configured with

    pub fn timezone(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "timezone"))
    }

    pub fn logger(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_logger"))
    }

    /// The job defaults, a dictionary.
    pub fn job_defaults(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_job_defaults"))
    }

    /// The job stores by alias.
    pub fn stores(&self) -> PyResult<Bound<'py, PyDict>> {
        Ok(self.0.getattr(intern!(self.py(), "_jobstores"))?.cast_into()?)
    }

    /// The trigger classes by alias, as far as they have been looked up.
    pub fn trigger_classes(&self) -> PyResult<Bound<'py, PyDict>> {
        Ok(self.0.getattr(intern!(self.py(), "_trigger_classes"))?.cast_into()?)
    }

    // Its loops

    /// The loop on which coroutine jobs run, or `None`.
    pub fn coroutine_loop(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method0(intern!(self.py(), "_coroutine_loop"))
    }

    /// What a worker thread is to have as its event loop while it runs a sync function, or `None`.
    pub fn thread_loop(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method0(intern!(self.py(), "_thread_loop"))
    }

    /// A context manager in which code of the program is called on the scheduler's own loop.
    pub fn calling_out(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method0(intern!(self.py(), "_calling_out"))
    }

    /// Has it look after a loop that leaves its work alone.
    pub fn check_loops(&self) -> PyResult<()> {
        self.0.call_method0(intern!(self.py(), "_check_loops")).map(drop)
    }

    /// Has what runs in a context see the time of the scheduler's clock.
    pub fn follow_clock(&self, context: &Bound<'py, PyAny>) -> PyResult<()> {
        self.0.call_method1(intern!(self.py(), "_follow_clock"), (context,)).map(drop)
    }

    // Runs, and what is told of them

    /// Hands a job to an executor that the engine does not serve; returns the event of that, or `None`.
    pub fn submit_native(
        &self,
        job: Bound<'py, PyAny>,
        run_times: Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method1(intern!(self.py(), "_submit_native"), (job, run_times))
    }

    /// What logs, of a job, that so many run times of it are skipped.
    pub fn log_skipped(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_log_skipped"))
    }

    /// What calls the listeners of an event.
    pub fn dispatch_event(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_dispatch_event"))
    }

    /// The listeners, each with the codes of the events it wants.
    pub fn listeners(&self) -> PyResult<Bound<'py, PyList>> {
        Ok(self.0.getattr(intern!(self.py(), "_listeners"))?.cast_into()?)
    }

    /// Who calls these.
    pub fn telling(&self) -> PyResult<Telling> {
        let is_direct: Option<bool> =
            self.0.call_method0(intern!(self.py(), "_tells_directly"))?.extract()?;
        Ok(match is_direct {
            Some(true) => Telling::Direct,
            Some(false) => Telling::ByMethod,
            None => Telling::DirectWithoutLoop,
        })
    }

    /// What logs that a listener has failed.
    pub fn note_failed_listener(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_note_failed_listener"))
    }

    // Adding jobs

    /// Has it call `NativeJobs.open` or `NativeJobs.close`.
    pub fn open_native_jobs(&self) -> PyResult<()> {
        self.0.call_method0(intern!(self.py(), "_open_native_jobs")).map(drop)
    }

    /// Has it take note of the loop from which it is called.
    pub fn note_running_loop(&self) -> PyResult<()> {
        self.0.call_method0(intern!(self.py(), "_note_running_loop")).map(drop)
    }

    /// Makes the trigger that is given, or that an alias and arguments stand for.
    pub fn create_trigger(
        &self,
        trigger: Option<&Bound<'py, PyAny>>,
        arguments: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.0.call_method1(intern!(self.py(), "_create_trigger"), (trigger, arguments))
    }

    /// The jobs that wait for the start: each with the alias of its store, and whether it replaces another one.
    pub fn pending_jobs(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(intern!(self.py(), "_pending_jobs"))
    }

    /// Puts a job among these, which is said, or into its store.
    pub fn place_job(&self, entry: impl pyo3::call::PyCallArgs<'py>) -> PyResult<bool> {
        self.0.call_method1(intern!(self.py(), "_place_job"), entry)?.is_truthy()
    }

    /// Puts one of these into its store.
    pub fn real_add_job(&self, entry: impl pyo3::call::PyCallArgs<'py>) -> PyResult<()> {
        self.0.call_method1(intern!(self.py(), "_real_add_job"), entry).map(drop)
    }

    /// Calls the method of this kind for a job: its id, store alias and further arguments.
    pub fn call_for_job(
        &self,
        method: JobMethod,
        arguments: Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py();
        let name = match method {
            JobMethod::Modify => intern!(py, "modify_job"),
            JobMethod::Reschedule => intern!(py, "reschedule_job"),
            JobMethod::Pause => intern!(py, "pause_job"),
            JobMethod::Resume => intern!(py, "resume_job"),
            JobMethod::Remove => intern!(py, "remove_job"),
        };
        self.0.call_method(name, arguments, options)
    }
}

/// Whether this thread is that of a loop which is not asyncio's; `None` of a loop that is.
pub fn hosted_loop_is_here(event_loop: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    match event_loop.getattr_opt(intern!(event_loop.py(), "_mainspring_is_here"))? {
        Some(is_here) => is_here.call0()?.is_truthy().map(Some),
        None => Ok(None),
    }
}
