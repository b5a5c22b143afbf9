//! Changes to a job: the checked ones of `Job._modify` and the constructor, and the assignment of an attribute,
//! which as in APScheduler is not checked. A field that a change does not set stays as it is.

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::job::fields::{Field, Fields, Part};
use crate::job::function::{self, name_of};
use crate::job::handle::Job;
use crate::job::record::{FuncRef, Record, Route, executor_number};
use crate::py::host;
use crate::py::text;
use crate::time::datetime;

impl Fields {
    /// Checks `changes` against `job`, with the rules, exceptions and messages of APScheduler 3.x.
    pub fn of_changes(job: &Bound<'_, Job>, changes: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = job.py();
        let mut given: [Given<'_>; Field::COUNT] = Default::default();
        let mut unknown = Vec::new();
        for (name, value) in changes {
            let text = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
            match text.and_then(Field::named).filter(|field| *field != Field::func_ref) {
                Some(field) => given[field as usize] = Some(value),
                None => unknown.push(name.str()?),
            }
        }
        let mut approved = Self::default();
        for field in Field::ALL {
            if field == Field::func {
                let call = [Field::func, Field::args, Field::kwargs];
                if call.iter().all(|field| given[*field as usize].is_none()) {
                    continue;
                }
                let [func, args, kwargs] = call.map(|field| given[field as usize].take());
                approved.check_call(job, func, args, kwargs)?;
                let name = &mut given[Field::name as usize];
                if name.as_ref().is_none_or(|n| n.is_none()) && !job.as_any().hasattr("name")? {
                    *name = approved.func.as_ref().map(|func| name_of(func.bind(py))).transpose()?;
                }
            } else if let Some(value) = given[field as usize].take() {
                approved.check_change(job, field, value)?;
            }
        }
        if !unknown.is_empty() {
            let names = text::joined(py, unknown)?;
            let message =
                text::format(py, "The following are not modifiable attributes of Job: %s", (names,))?;
            return Err(PyAttributeError::new_err(message.unbind()));
        }
        Ok(approved)
    }

    /// Checks what a change gives one field of `job`.
    fn check_change(&mut self, job: &Bound<'_, Job>, field: Field, given: Bound<'_, PyAny>) -> PyResult<()> {
        match field {
            Field::id => {
                self.check(field, &given)?;
                if job.get().job_id().is_ok() {
                    return Err(PyValueError::new_err("The job ID may not be changed"));
                }
                Ok(())
            }
            Field::next_run_time if !given.is_none() => {
                let zone = job.get().scheduler_of(job.py())?.timezone()?;
                let next = host::convert_to_datetime(job.py())?.call1((given, zone, field.name()))?;
                self.next_run_time = Some(Some(datetime::plain_datetime(&next)?.unbind()));
                Ok(())
            }
            _ => self.check(field, &given),
        }
    }

    /// The assignment of `value` to an attribute of `job`.
    pub fn of_assignment(job: &Bound<'_, Job>, field: Field, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if field == Field::id && job.get().is_linked() {
            return Err(PyValueError::new_err("The job ID may not be changed"));
        }
        let mut assigned = Self::default();
        assigned.assign(field, value)?;
        Ok(assigned)
    }

    /// Whether anything but the fire time and the policy changes.
    pub fn touches_record(&self) -> bool {
        self.touches(|part| matches!(part, Part::Record | Part::Call | Part::Trigger))
    }

    /// Whether the function, its arguments or the trigger change, on which other things depend.
    pub fn touches_call_or_trigger(&self) -> bool {
        self.touches(|part| matches!(part, Part::Call | Part::Trigger))
    }

    /// The record and the route that all other changes make of a job's.
    pub fn record(&self, py: Python<'_>, record: &Record, route: u32) -> PyResult<(Record, u32)> {
        let mut new = record.clone_ref(py);
        self.change_record(py, &mut new);
        let mut route = Route::unpack(route);
        if let Some(executor) = &self.executor {
            route.executor = executor_number(&text::of(executor.bind(py))?);
        }
        Ok((new, route.pack()))
    }
}

type Given<'py> = Option<Bound<'py, PyAny>>;

impl Fields {
    /// Checks what a change has the job call; what it does not say the job has.
    fn check_call<'py>(
        &mut self,
        job: &Bound<'py, Job>,
        func: Given<'py>,
        args: Given<'py>,
        kwargs: Given<'py>,
    ) -> PyResult<()> {
        let py = job.py();
        let or_current = |given: Given<'py>, name: &str| match given {
            Some(value) => Ok(value),
            None => job.getattr(name),
        };
        let func = or_current(func, "func")?;
        let args = or_current(args, "args")?;
        let kwargs = or_current(kwargs, "kwargs")?;
        let (func, func_ref) = match func.cast_into::<PyString>() {
            Ok(text) => (host::ref_to_obj(py)?.call1((&text,))?, FuncRef::Given(text.unbind())),
            Err(e) => {
                let func = e.into_inner();
                function::check_callable(&func)?;
                (func, FuncRef::Derived)
            }
        };
        function::check_call(&func, &args, &kwargs)?;
        self.func = Some(func.unbind());
        self.func_ref = Some(func_ref);
        self.args = Some(args.unbind());
        self.kwargs = Some(kwargs.unbind());
        Ok(())
    }
}
