//! What the binding keeps with each job of a native store: the Python objects its runs need.
//!
//! Ground rules: a record is immutable and shared (`Arc`), also between jobs that differ in nothing of it;
//! changing a job puts a new record in its place.
//! Records are dropped by threads attached to Python, after the store's lock is released.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mainspring_core::trigger::Trigger;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::job::fields::Fields;
use crate::py::{host, tell};
use crate::time::zone::TimeZone;
use crate::trigger;

/// The Python objects of one job.
pub struct Record {
    pub func: Py<PyAny>,
    pub func_ref: FuncRef,
    pub args: Py<PyAny>,
    /// `None`: there are none, and Python code has not asked for the dictionary yet.
    pub kwargs: Option<Py<PyAny>>,
    pub name: Py<PyString>,
    pub executor: Py<PyString>,
    /// `None`: it can be made from the core's trigger and `zone`, and Python code has not asked for it yet.
    pub trigger: Option<Py<PyAny>>,
    /// The context that runs see a copy of; `None`: that in which the scheduler was bound to its loop.
    pub context: Option<Py<PyAny>>,
    /// The time zone in which the job's fire times are shown; `None`: the scheduler's.
    pub zone: Option<Arc<TimeZone>>,
}

/// The textual reference to a job's function.
pub enum FuncRef {
    /// Given by the user, or read from a stored job.
    Given(Py<PyString>),
    /// To be worked out from the function when asked for.
    Derived,
}

impl FuncRef {
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Given(reference) => Self::Given(reference.clone_ref(py)),
            Self::Derived => Self::Derived,
        }
    }

    /// The reference to `func`, or `None` where there can be none (a lambda, say).
    pub fn resolve(&self, func: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyString>>> {
        let py = func.py();
        match self {
            Self::Given(reference) => Ok(Some(reference.clone_ref(py))),
            Self::Derived => match host::obj_to_ref(py)?.call1((func,)) {
                Ok(reference) => Ok(Some(reference.cast_into::<PyString>()?.unbind())),
                Err(e) if e.is_instance_of::<pyo3::exceptions::PyValueError>(py) => Ok(None),
                Err(e) => Err(e),
            },
        }
    }
}

impl Record {
    /// Whether all the objects are there that users may ask for.
    pub fn is_complete(&self) -> bool {
        self.kwargs.is_some() && self.trigger.is_some()
    }

    /// A copy of the record that has all the objects that users may ask for, for a job with this trigger.
    pub fn completed(&self, py: Python<'_>, trigger: &Arc<Trigger>) -> PyResult<Self> {
        let mut record = self.clone_ref(py);
        if record.kwargs.is_none() {
            record.kwargs = Some(PyDict::new(py).into_any().unbind());
        }
        if let (None, Some(zone)) = (&record.trigger, &record.zone) {
            record.trigger = Some(trigger::to_object(py, trigger, zone)?);
        }
        Ok(record)
    }

    /// The fields of a job that has this record, but for those that are not in it.
    pub fn fields(&self, py: Python<'_>) -> Fields {
        let mut fields = Fields {
            func: Some(self.func.clone_ref(py)),
            func_ref: Some(self.func_ref.clone_ref(py)),
            args: Some(self.args.clone_ref(py)),
            kwargs: self.kwargs.as_ref().map(|kwargs| kwargs.clone_ref(py)),
            trigger: self.trigger.as_ref().map(|trigger| trigger.clone_ref(py)),
            ..Fields::default()
        };
        fields.set_record(py, self);
        fields
    }

    /// Calls the job's function in the current context.
    pub fn call<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let args = self.args(py)?;
        match self.kwargs(py)? {
            None => self.func.bind(py).call1(args),
            Some(kwargs) => self.func.bind(py).call(args, Some(&kwargs)),
        }
    }

    /// Calls the job's function in `context`.
    pub fn call_in<'py>(&self, context: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = context.py();
        tell::call_in(context, self.func.bind(py), &self.args(py)?, self.kwargs(py)?.as_ref())
    }

    fn args<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self.args.bind(py).cast_exact::<PyTuple>() {
            Ok(args) => Ok(args.clone()),
            Err(_) => PyTuple::new(py, self.args.bind(py).try_iter()?.collect::<PyResult<Vec<_>>>()?),
        }
    }

    /// The keyword arguments as a dict, `None` when there are none.
    fn kwargs<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(kwargs) = &self.kwargs else { return Ok(None) };
        let kwargs = kwargs.bind(py);
        let dict = match kwargs.cast_exact::<PyDict>() {
            Ok(dict) => dict.clone(),
            Err(_) => py.get_type::<PyDict>().call1((kwargs,))?.cast_into::<PyDict>()?,
        };
        Ok((!dict.is_empty()).then_some(dict))
    }
}

/// Where the runs of a job go: the executor's number and whether its function is a coroutine function.
#[derive(Clone, Copy)]
pub struct Route {
    pub executor: u32,
    pub coroutine: bool,
}

impl Route {
    pub fn pack(self) -> u32 {
        self.executor << 1 | u32::from(self.coroutine)
    }

    pub fn unpack(packed: u32) -> Self {
        Self { executor: packed >> 1, coroutine: packed & 1 == 1 }
    }
}

/// The number of an executor's alias, the same in the whole process.
pub fn executor_number(alias: &str) -> u32 {
    static NUMBERS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    match numbers.get(alias) {
        Some(&number) => number,
        None => {
            let number = numbers.len() as u32;
            numbers.insert(alias.to_owned(), number);
            number
        }
    }
}
