//! The functions and classes of the package's modules that the binding calls.

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyModule};

use crate::py::imports::imports;
use crate::py::once::{Once, intern};

imports! {
    job_lookup_error = "mainspring.jobstores.base"."JobLookupError";
    conflicting_id_error = "mainspring.jobstores.base"."ConflictingIdError";
    job_event = "mainspring.events"."JobEvent";
    job_submission_event = "mainspring.events"."JobSubmissionEvent";
    job_execution_event = "mainspring.events"."JobExecutionEvent";
    trigger_class = "mainspring._trigger_class"."TriggerClass";
    trigger_list = "mainspring._trigger_class"."TriggerList";
    make_functions = "mainspring._trigger_class"."make_functions";
    field_list = "mainspring._trigger_class"."FieldList";
    check_field = "mainspring._trigger_class"."check_field";
    check_classes = "mainspring._trigger_class"."check_classes";
    field_classes = "mainspring.triggers.cron.fields"."CLASSES";
    base_trigger = "mainspring.triggers.base"."BaseTrigger";
    asdate = "mainspring.util"."asdate";
    astimezone = "mainspring.util"."astimezone";
    check_callable_args = "mainspring.util"."check_callable_args";
    convert_to_datetime = "mainspring.util"."convert_to_datetime";
    datetime_repr = "mainspring.util"."datetime_repr";
    datetime_utc_add = "mainspring.util"."datetime_utc_add";
    get_callable_name = "mainspring.util"."get_callable_name";
    isasyncgenfunction_partial = "mainspring.util"."isasyncgenfunction_partial";
    iscoroutinefunction_partial = "mainspring.util"."iscoroutinefunction_partial";
    obj_to_ref = "mainspring.util"."obj_to_ref";
    ref_to_obj = "mainspring.util"."ref_to_obj";
    timezone_repr = "mainspring.util"."timezone_repr";
    undefined = "mainspring.util"."undefined";
    name_of_ours = "mainspring._pickles"."ours";
    bridged = "mainspring._loops.coroutines"."bridged";
    explain = "mainspring._loops.coroutines"."explain";
    awaited = "mainspring._loops.coroutines"."awaited";
    is_exit_of_program = "mainspring._loops.coroutines"."is_exit_of_program";
    loop_is_ending = "mainspring._loops.coroutines"."loop_is_ending";
    tell_unawaited = "mainspring._loops.coroutines"."tell_unawaited";
    keep_current_loop = "mainspring._loops.current"."keep";
    carry = "mainspring._runs.submitting"."carry";
    submit_is_replaced = "mainspring._runs.submitting"."submit_is_replaced";
    new_thread = "mainspring._process.threads"."new_thread";
    get_logger = "mainspring._logs"."get_logger";
    is_plain_logger = "mainspring._logs"."is_plain";
    place_of_caller = "mainspring._logs"."place_of";
    tells_as_run_job = "mainspring.executors.base"."Tells"."run_job";
    tells_as_run_coroutine_job = "mainspring.executors.base"."Tells"."run_coroutine_job";
    tells_as_process_jobs = "mainspring.schedulers.base"."Tells"."_process_jobs";
    tells_as_add_job = "mainspring.schedulers.base"."Tells"."add_job";
    tells_as_remove_job = "mainspring.schedulers.base"."Tells"."remove_job";
    tells_as_real_add_job = "mainspring.schedulers.base"."Tells"."_real_add_job";
}

/// A module that asks for the time by names of its own, where tools that stop time replace them: these are looked up
/// whenever they are needed, as in APScheduler.
pub struct TimeNames {
    module: &'static str,
    found: Once<Py<PyModule>>,
}

pub static EXECUTORS: TimeNames = TimeNames::of("mainspring.executors.base");
pub static SCHEDULERS: TimeNames = TimeNames::of("mainspring.schedulers.base");
pub static CALENDAR_INTERVAL: TimeNames = TimeNames::of("mainspring.triggers.calendarinterval");
pub static CRON: TimeNames = TimeNames::of("mainspring.triggers.cron");
pub static DATE: TimeNames = TimeNames::of("mainspring.triggers.date");
pub static INTERVAL: TimeNames = TimeNames::of("mainspring.triggers.interval");

impl TimeNames {
    const fn of(module: &'static str) -> Self {
        Self { module, found: Once::new() }
    }

    fn module<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyModule>> {
        let import = || py.import(self.module).map(Bound::unbind);
        self.found.get_or_try_init(py, import).map(|module| module.bind(py))
    }

    pub fn datetime<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.module(py)?.getattr(intern!(py, "datetime"))
    }

    pub fn date<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.module(py)?.getattr(intern!(py, "date"))
    }

    pub fn get_localzone<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.module(py)?.getattr(intern!(py, "get_localzone"))
    }
}
