//! Changes to a job: the validated ones of `Job._modify` and the constructor, and the assignment of an
//! attribute, which as in APScheduler is not checked.

use mainspring_core::job::{JobId, RunPolicy};
use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};

use crate::job::fields::Fields;
use crate::job::handle::Job;
use crate::job::record::{FuncRef, Record, Route, executor_number, is_async_generator_function};
use crate::py::error::with_note;
use crate::py::imports;
use crate::py::text;
use crate::time::datetime;

/// Changes to put in force. A field that is `None` stays as it is.
#[derive(Default)]
pub struct Changes {
    id: Option<JobId>,
    func: Option<Py<PyAny>>,
    func_ref: Option<FuncRef>,
    args: Option<Py<PyAny>>,
    kwargs: Option<Py<PyAny>>,
    name: Option<Py<PyString>>,
    misfire_grace_time: Option<Option<u32>>,
    coalesce: Option<bool>,
    max_instances: Option<u32>,
    trigger: Option<Py<PyAny>>,
    executor: Option<Py<PyString>>,
    pub next_run_time: Option<Option<Py<PyAny>>>,
    context: Option<Option<Py<PyAny>>>,
}

/// The names of the changes, in the order in which they are checked.
const NAMES: [&str; 12] = [
    "id",
    "func",
    "args",
    "kwargs",
    "name",
    "misfire_grace_time",
    "coalesce",
    "max_instances",
    "trigger",
    "executor",
    "next_run_time",
    "context",
];

struct Call {
    func: Py<PyAny>,
    func_ref: FuncRef,
    args: Py<PyAny>,
    kwargs: Py<PyAny>,
}

impl Changes {
    /// Checks `changes` against `job`, with the rules, exceptions and messages of APScheduler 3.x.
    pub fn validate(job: &Bound<'_, Job>, changes: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = job.py();
        let mut given: [Given<'_>; NAMES.len()] = Default::default();
        let mut unknown = Vec::new();
        for (name, value) in changes {
            let text = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
            match NAMES.iter().position(|known| text == Some(known)) {
                Some(index) => given[index] = Some(value),
                None => unknown.push(name.to_string()),
            }
        }
        let [
            id,
            func,
            args,
            kwargs,
            mut name,
            misfire_grace_time,
            coalesce,
            max_instances,
            trigger,
            executor,
            next_run_time,
            context,
        ] = given;
        let mut approved = Self::default();
        if let Some(id) = id {
            let id = id
                .cast_into::<PyString>()
                .map_err(|e| type_error("id must be a nonempty string", &e.into_inner()))?;
            if job.get().job_id().is_ok() {
                return Err(PyValueError::new_err("The job ID may not be changed"));
            }
            approved.id = Some(text::of(&id)?.into());
        }
        let call = (func, args, kwargs);
        if call.0.is_some() || call.1.is_some() || call.2.is_some() {
            let call = Call::validate(job, call)?;
            if name.as_ref().is_none_or(|n| n.is_none()) && !job.as_any().hasattr("name")? {
                name = Some(imports::get_callable_name(py)?.call1((&call.func,))?);
            }
            approved.func = Some(call.func);
            approved.func_ref = Some(call.func_ref);
            approved.args = Some(call.args);
            approved.kwargs = Some(call.kwargs);
        }
        if let Some(name) = name {
            match name.cast::<PyString>() {
                Ok(text) if !text.is_empty()? => approved.name = Some(text.clone().unbind()),
                _ => return Err(type_error("name must be a nonempty string", &name)),
            }
        }
        if let Some(grace) = misfire_grace_time {
            approved.misfire_grace_time = Some(if grace.is_none() {
                None
            } else {
                Some(positive(&grace, "misfire_grace_time must be either None or a positive integer")?)
            });
        }
        if let Some(coalesce) = coalesce {
            approved.coalesce = Some(coalesce.is_truthy()?);
        }
        if let Some(max_instances) = max_instances {
            approved.max_instances =
                Some(positive(&max_instances, "max_instances must be a positive integer")?);
        }
        if let Some(trigger) = trigger {
            if !trigger.is_instance(imports::base_trigger(py)?)? {
                return Err(PyTypeError::new_err(format!(
                    "Expected a trigger instance, got {} instead",
                    trigger.get_type().name()?
                )));
            }
            approved.trigger = Some(trigger.unbind());
        }
        if let Some(executor) = executor {
            let executor = executor
                .cast_into::<PyString>()
                .map_err(|e| type_error("executor must be a string", &e.into_inner()))?;
            approved.executor = Some(executor.unbind());
        }
        if let Some(next) = next_run_time {
            let next = if next.is_none() {
                None
            } else {
                let zone = job.getattr("_scheduler")?.getattr("timezone")?;
                let next = imports::convert_to_datetime(py)?.call1((next, zone, "next_run_time"))?;
                Some(datetime::plain_datetime(&next)?.unbind())
            };
            approved.next_run_time = Some(next);
        }
        if let Some(context) = context {
            approved.context = Some(own_context(context)?);
        }
        if !unknown.is_empty() {
            return Err(PyAttributeError::new_err(format!(
                "The following are not modifiable attributes of Job: {}",
                unknown.join(", ")
            )));
        }
        Ok(approved)
    }

    /// The assignment of `value` to the attribute `name` of `job`, if there is one that can be assigned to.
    pub fn assignment(job: &Bound<'_, Job>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let given = || value.clone().unbind();
        let string = || value.cast::<PyString>().map(|string| string.clone().unbind());
        let mut assigned = Self::default();
        match name {
            "id" if job.get().is_linked() => {
                return Err(PyValueError::new_err("The job ID may not be changed"));
            }
            "id" => assigned.id = Some(text::of(value.cast::<PyString>()?)?.into()),
            "func" => assigned.func = Some(given()),
            "func_ref" if value.is_none() => assigned.func_ref = Some(FuncRef::Derived),
            "func_ref" => assigned.func_ref = Some(FuncRef::Given(string()?)),
            "args" => assigned.args = Some(given()),
            "kwargs" => assigned.kwargs = Some(given()),
            "name" => assigned.name = Some(string()?),
            "misfire_grace_time" => assigned.misfire_grace_time = Some(datetime::optional_count(value)?),
            "coalesce" => assigned.coalesce = Some(value.is_truthy()?),
            "max_instances" => assigned.max_instances = Some(datetime::count(value)?),
            "trigger" => assigned.trigger = Some(given()),
            "executor" => assigned.executor = Some(string()?),
            "next_run_time" => assigned.next_run_time = Some(datetime::optional_datetime(value)?),
            "context" => assigned.context = Some((!value.is_none()).then(given)),
            _ => return Ok(None),
        }
        Ok(Some(assigned))
    }

    /// Whether anything but the fire time and the policy changes.
    pub fn touches_record(&self) -> bool {
        self.func.is_some()
            || self.func_ref.is_some()
            || self.args.is_some()
            || self.kwargs.is_some()
            || self.name.is_some()
            || self.trigger.is_some()
            || self.executor.is_some()
            || self.context.is_some()
    }

    /// Whether the function, its arguments or the trigger change, on which other things depend.
    pub fn touches_call_or_trigger(&self) -> bool {
        self.func.is_some()
            || self.func_ref.is_some()
            || self.args.is_some()
            || self.kwargs.is_some()
            || self.trigger.is_some()
    }

    /// The record and the route that all other changes make of a job's.
    pub fn record(&self, py: Python<'_>, record: &Record, route: u32) -> PyResult<(Record, u32)> {
        let mut new = record.clone_ref(py);
        let mut route = Route::unpack(route);
        if let Some(name) = &self.name {
            new.name = name.clone_ref(py);
        }
        if let Some(executor) = &self.executor {
            new.executor = executor.clone_ref(py);
            route.executor = executor_number(&text::of(executor.bind(py))?);
        }
        if let Some(context) = &self.context {
            new.context = context.as_ref().map(|context| context.clone_ref(py));
        }
        Ok((new, route.pack()))
    }

    /// The policy that changes make of `policy`.
    pub fn policy(&self, policy: RunPolicy) -> RunPolicy {
        RunPolicy {
            misfire_grace_seconds: self.misfire_grace_time.unwrap_or(policy.misfire_grace_seconds),
            coalesce: self.coalesce.unwrap_or(policy.coalesce),
            max_instances: self.max_instances.unwrap_or(policy.max_instances),
        }
    }

    /// Writes the changes into `fields`; returns what was there before, for the caller to drop.
    #[must_use]
    pub fn write_to(&self, py: Python<'_>, fields: &mut Fields) -> Fields {
        let mut old = Fields::default();
        if let Some(id) = &self.id {
            fields.id = Some(id.clone());
        }
        if let Some(func) = &self.func {
            old.func = fields.func.replace(func.clone_ref(py));
        }
        if let Some(func_ref) = &self.func_ref {
            old.func_ref = fields.func_ref.replace(func_ref.clone_ref(py));
        }
        if let Some(args) = &self.args {
            old.args = fields.args.replace(args.clone_ref(py));
        }
        if let Some(kwargs) = &self.kwargs {
            old.kwargs = fields.kwargs.replace(kwargs.clone_ref(py));
        }
        if let Some(name) = &self.name {
            old.name = fields.name.replace(name.clone_ref(py));
        }
        if let Some(trigger) = &self.trigger {
            old.trigger = fields.trigger.replace(trigger.clone_ref(py));
        }
        if let Some(executor) = &self.executor {
            old.executor = fields.executor.replace(executor.clone_ref(py));
        }
        if let Some(next) = &self.next_run_time {
            let next = next.as_ref().map(|at| at.clone_ref(py));
            old.next_run_time = fields.next_run_time.replace(next);
        }
        if let Some(context) = &self.context {
            let context = context.as_ref().map(|context| context.clone_ref(py));
            old.context = std::mem::replace(&mut fields.context, context);
        }
        fields.misfire_grace_time = self.misfire_grace_time.or(fields.misfire_grace_time);
        fields.coalesce = self.coalesce.or(fields.coalesce);
        fields.max_instances = self.max_instances.or(fields.max_instances);
        old
    }
}

type Given<'py> = Option<Bound<'py, PyAny>>;

impl Call {
    fn validate<'py>(
        job: &Bound<'py, Job>,
        (func, args, kwargs): (Given<'py>, Given<'py>, Given<'py>),
    ) -> PyResult<Self> {
        let py = job.py();
        let or_current = |given: Given<'py>, name: &str| match given {
            Some(value) => Ok(value),
            None => job.getattr(name),
        };
        let func = or_current(func, "func")?;
        let args = or_current(args, "args")?;
        let kwargs = or_current(kwargs, "kwargs")?;
        let (func, func_ref) = match func.cast_into::<PyString>() {
            Ok(text) => (imports::ref_to_obj(py)?.call1((&text,))?, FuncRef::Given(text.unbind())),
            Err(e) => {
                let func = e.into_inner();
                if !func.is_callable() {
                    return Err(type_error("func must be a callable or a textual reference to one", &func));
                }
                (func, FuncRef::Derived)
            }
        };
        if is_async_generator_function(&func)? {
            return Err(PyTypeError::new_err(format!(
                "{} is an async generator function, and nobody would take what it yields: give a coroutine \
                 function instead, with the loop in it (async for item in ...: ...)",
                imports::get_callable_name(py)?.call1((&func,))?
            )));
        }
        if args.is_instance_of::<PyString>() || !args.is_instance(imports::iterable(py)?)? {
            return Err(type_error("args must be a non-string iterable", &args));
        }
        if !kwargs.is_instance_of::<PyDict>() && !kwargs.is_instance(imports::mapping(py)?)? {
            return Err(type_error("kwargs must be a dict-like object", &kwargs));
        }
        imports::check_callable_args(py)?.call1((&func, &args, &kwargs))?;
        Ok(Self { func: func.unbind(), func_ref, args: args.unbind(), kwargs: kwargs.unbind() })
    }
}

/// The context that a job is to have of its own: the one given, or with "capture" that of the caller.
fn own_context(given: Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = given.py();
    if given.is_none() {
        return Ok(None);
    }
    if given.eq("capture")? {
        return Ok(Some(imports::copy_context(py)?.call0()?.unbind()));
    }
    if !given.is_instance(imports::context_type(py)?)? {
        let message = "context must be a contextvars.Context, \"capture\" or None";
        return Err(type_error(message, &given));
    }
    Ok(Some(given.unbind()))
}

/// A positive whole number; see [`datetime::count`] for great ones.
fn positive(value: &Bound<'_, PyAny>, message: &'static str) -> PyResult<u32> {
    match datetime::count(value) {
        Ok(number) if number > 0 && value.is_instance_of::<PyInt>() => Ok(number),
        _ => Err(type_error(message, value)),
    }
}

/// A `TypeError` with APScheduler's message, and what was given as a note (CPython 3.11 and later).
fn type_error(message: &'static str, given: &Bound<'_, PyAny>) -> PyErr {
    let error = PyTypeError::new_err(message);
    match given.repr() {
        Ok(repr) => with_note(given.py(), error, &format!("given: {repr}")),
        Err(_) => error, // without a repr the message alone must do
    }
}
