//! The Python binding of mainspring: `mainspring._mainspring`. No scheduling rule lives here.

mod aside;
mod batch;
mod changes;
mod current_run;
mod drain;
mod due;
mod engine;
mod fields;
mod hub;
mod inbox;
mod job;
mod job_coroutine;
mod loop_inbox;
mod native_jobs;
mod pickled;
mod pool;
mod process;
mod py;
mod record;
mod report;
mod run_log;
mod runner;
mod store;
mod submitting;
mod tasks;
mod thread_loop;
mod time;
mod trigger;
mod turn;
mod unawaited;
mod virtual_time;
mod wake;

use pyo3::prelude::*;

#[pymodule]
mod _mainspring {
    use pyo3::prelude::*;
    use pyo3::types::PyType;

    #[pymodule_export]
    use crate::current_run::{current_run, noted, runs_in_this_thread};
    #[pymodule_export]
    use crate::due::{coalesced_run, same_fire_times};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::job::Job;
    #[pymodule_export]
    use crate::job_coroutine::JobCoroutine;
    #[pymodule_export]
    use crate::loop_inbox::LoopInbox;
    #[pymodule_export]
    use crate::native_jobs::NativeJobs;
    #[pymodule_export]
    use crate::pool::{WorkerPool, join_pools};
    #[pymodule_export]
    use crate::process::exit::wait_for_loops;
    #[pymodule_export]
    use crate::process::fork::{forks, keep_for_ever};
    #[pymodule_export]
    use crate::store::NativeStore;
    #[pymodule_export]
    use crate::time::datetime::plain_datetime;
    #[pymodule_export]
    use crate::virtual_time::VirtualTime;

    #[pymodule_export]
    use crate::trigger::{
        AndTrigger, BaseCombiningTrigger, BaseTrigger, CalendarIntervalTrigger, CronTrigger, DateTrigger,
        IntervalTrigger, OrTrigger, combined_triggers_changed, trigger_class_changed,
    };

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::thread_end::wait_for_ever_instead_of_unwinding();
        crate::py::once::fill_cells_of_pyo3(m.py())?;
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
            crate::py::imports::make_functions(m.py())?.call1((class,))?;
        }
        crate::trigger::watch_classes(m.py())?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
