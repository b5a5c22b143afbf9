//! The Python binding of mainspring: `mainspring._mainspring`. No scheduling rule lives here.

mod dispatch;
mod event_loop;
mod job;
mod process;
mod py;
mod run;
mod scheduler;
mod store;
mod time;
mod trigger;
mod worker;

use pyo3::prelude::*;

#[pymodule]
mod _mainspring {
    use pyo3::prelude::*;
    use pyo3::types::PyType;

    #[pymodule_export]
    use crate::event_loop::coroutine::JobCoroutine;
    #[pymodule_export]
    use crate::event_loop::inbox::LoopInbox;
    #[pymodule_export]
    use crate::job::due::{coalesced_run, same_fire_times};
    #[pymodule_export]
    use crate::job::function::returns_awaitable;
    #[pymodule_export]
    use crate::job::handle::Job;
    #[pymodule_export]
    use crate::process::exit::wait_for_loops;
    #[pymodule_export]
    use crate::process::fork::{forks, keep_for_ever};
    #[pymodule_export]
    use crate::process::late_thread::start_late_thread;
    #[pymodule_export]
    use crate::py::listeners::call_listeners;
    #[pymodule_export]
    use crate::run::current::{current_run, runs_in_this_thread};
    #[pymodule_export]
    use crate::run::python::RunSteps;
    #[pymodule_export]
    use crate::run::report::error_event;
    #[pymodule_export]
    use crate::run::told::{
        added_event, log_added, log_removed, modified_event, removed_event, skipped_event, submitted_event,
    };
    #[pymodule_export]
    use crate::scheduler::engine::{Engine, noted};
    #[pymodule_export]
    use crate::scheduler::jobs::NativeJobs;
    #[pymodule_export]
    use crate::scheduler::virtual_time::VirtualTime;
    #[pymodule_export]
    use crate::store::native::NativeStore;
    #[pymodule_export]
    use crate::time::datetime::plain_datetime;
    #[pymodule_export]
    use crate::worker::pool::{WorkerPool, join_pools};

    #[pymodule_export]
    use crate::trigger::{
        AndTrigger, BaseCombiningTrigger, BaseTrigger, CalendarIntervalTrigger, CronTrigger, DateTrigger,
        IntervalTrigger, OrTrigger, combined_triggers_changed, trigger_class_changed,
    };

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::thread_end::wait_for_ever_instead_of_unwinding();
        crate::fill_cells_of_pyo3(m.py())?;
        crate::process::fork::watch_for_forks()?;
        for (_, value) in m.dict() {
            if let Ok(class) = value.cast::<PyType>() {
                // CPython's messages give a class of an extension the name of its module too, until it is
                // named anew: "'Job' object has no attribute", as of a class in Python.
                class.setattr("__name__", class.name()?)?;
            }
        }
        let classes = crate::trigger::classes(m.py());
        for class in classes.iter().chain([&m.py().get_type::<Job>()]) {
            crate::py::host::make_functions(m.py())?.call1((class,))?;
        }
        crate::trigger::watch_classes(m.py(), crate::store::triggers::read_again)?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Has pyo3 make what it makes once and this package needs later (see `py/once.rs`).
fn fill_cells_of_pyo3(py: Python<'_>) -> PyResult<()> {
    let function = py.get_type::<pyo3::types::PyFunction>();
    py.get_type::<pyo3::types::PyCFunction>();
    function.name()?;
    function.qualname()?;
    // Asked for the length of an iterator, as `collect` does.
    pyo3::types::PyTuple::new(py, [0])?.try_iter()?.size_hint();
    // The classes that are not in the module.
    py.get_type::<event_loop::task::Resume>();
    py.get_type::<run::unawaited::WarnUnawaited>();
    py.get_type::<worker::carried::CarriedRun>();
    Ok(())
}
