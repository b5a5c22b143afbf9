//! The Python objects that the binding calls, imported on first use and kept.

use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::py::once::Once;

macro_rules! imports {
    ($($(#[$doc:meta])* $name:ident = $module:literal . $attribute:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
            static OBJECT: Once<Py<PyAny>> = Once::new();
            let import = || py.import($module)?.getattr($attribute).map(Bound::unbind);
            OBJECT.get_or_try_init(py, import).map(|object| object.bind(py))
        }
    )*};
}

/// A `CancelledError` that says why.
pub fn cancelled(py: Python<'_>, reason: &'static str) -> PyResult<PyErr> {
    cancelled_error(py)?.call1((reason,)).map(PyErr::from_value)
}

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
    init_abstract_class = "abc"."_abc_init";
    base_trigger = "mainspring.triggers.base"."BaseTrigger";
    check_callable_args = "mainspring.util"."check_callable_args";
    convert_to_datetime = "mainspring.util"."convert_to_datetime";
    datetime_repr = "mainspring.util"."datetime_repr";
    get_callable_name = "mainspring.util"."get_callable_name";
    isasyncgenfunction_partial = "mainspring.util"."isasyncgenfunction_partial";
    iscoroutinefunction_partial = "mainspring.util"."iscoroutinefunction_partial";
    obj_to_ref = "mainspring.util"."obj_to_ref";
    ref_to_obj = "mainspring.util"."ref_to_obj";
    asyncio_task = "asyncio"."Task";
    cancelled_error = "asyncio"."CancelledError";
    current_task = "asyncio"."current_task";
    get_running_loop = "asyncio"."get_running_loop";
    running_loop_or_none = "asyncio"."_get_running_loop";
    coroutine_type = "types"."CoroutineType";
    isawaitable = "inspect"."isawaitable";
    bridged = "mainspring._loops.coroutines"."bridged";
    explain = "mainspring._loops.coroutines"."explain";
    awaited = "mainspring._loops.coroutines"."awaited";
    context_type = "contextvars"."Context";
    is_exit_of_program = "mainspring._loops.coroutines"."is_exit_of_program";
    loop_is_ending = "mainspring._loops.coroutines"."loop_is_ending";
    copy_context = "contextvars"."copy_context";
    carry = "mainspring._runs.submitting"."carry";
    submit_is_replaced = "mainspring._runs.submitting"."submit_is_replaced";
    modules = "sys"."modules";
    format_tb = "traceback"."format_tb";
    clear_frames = "traceback"."clear_frames";
    new_thread = "mainspring._process.threads"."new_thread";
    timedelta = "datetime"."timedelta";
    iterable = "collections.abc"."Iterable";
    mapping = "collections.abc"."Mapping";
    keep_current_loop = "mainspring._loops.current"."keep";
    weak_reference = "weakref"."ref";
    uuid4 = "uuid"."uuid4";
    urandom = "os"."urandom";
    undefined = "mainspring.util"."undefined";
    logger_class = "logging"."Logger";
    get_logger = "mainspring._logs"."get_logger";
    run_tells = "mainspring.executors.base"."Tells";
    scheduler_tells = "mainspring.schedulers.base"."Tells";
}
