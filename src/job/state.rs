//! The pickled state of a job: the keys and values of APScheduler 3.x, version 1.

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::job::fields::{Fields, unset};
use crate::job::record::FuncRef;
use crate::py::imports;
use crate::py::text;
use crate::time::datetime;

impl Fields {
    /// What `Job.__getstate__` returns.
    pub fn into_state(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let func = self.func.as_ref().ok_or_else(|| unset("func"))?.bind(py);
        let given = self.func_ref.as_ref().ok_or_else(|| unset("func_ref"))?;
        let Some(reference) = given.resolve(func)? else {
            return Err(PyValueError::new_err(format!(
                "This Job cannot be serialized since the reference to its callable ({}) could not be \
                 determined. Consider giving a textual reference (module:function name) instead.",
                func.repr()?
            )));
        };
        let state = PyDict::new(py);
        state.set_item("version", 1)?;
        state.set_item("id", text::string(py, self.id.as_deref().ok_or_else(|| unset("id"))?))?;
        state.set_item("func", &reference)?;
        state.set_item("trigger", self.trigger.ok_or_else(|| unset("trigger"))?)?;
        state.set_item("executor", self.executor.ok_or_else(|| unset("executor"))?)?;
        let args = self.args.ok_or_else(|| unset("args"))?.into_bound(py);
        state.set_item("args", bound_args(func, &reference, args)?)?;
        state.set_item("kwargs", self.kwargs.ok_or_else(|| unset("kwargs"))?)?;
        state.set_item("name", self.name.ok_or_else(|| unset("name"))?)?;
        let grace = self.misfire_grace_time.ok_or_else(|| unset("misfire_grace_time"))?;
        state.set_item("misfire_grace_time", grace)?;
        state.set_item("coalesce", self.coalesce.ok_or_else(|| unset("coalesce"))?)?;
        state.set_item("max_instances", self.max_instances.ok_or_else(|| unset("max_instances"))?)?;
        state.set_item("next_run_time", self.next_run_time.ok_or_else(|| unset("next_run_time"))?)?;
        Ok(state)
    }

    /// The fields that `Job.__setstate__` is given; looks the function up.
    pub fn from_state(state: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = state.py();
        if let Some(version) = state.get_item("version")? {
            if version.gt(1)? {
                return Err(PyValueError::new_err(format!(
                    "Job has version {version}, but only version 1 can be handled"
                )));
            }
        }
        let item = |name: &str| state.get_item(name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned()));
        let reference = item("func")?;
        Ok(Self {
            id: Some(text::of(item("id")?.cast::<PyString>()?)?.into()),
            func: Some(imports::ref_to_obj(py)?.call1((&reference,))?.unbind()),
            func_ref: Some(FuncRef::Given(reference.cast_into::<PyString>()?.unbind())),
            trigger: Some(item("trigger")?.unbind()),
            executor: Some(item("executor")?.cast_into::<PyString>()?.unbind()),
            args: Some(item("args")?.unbind()),
            kwargs: Some(item("kwargs")?.unbind()),
            name: Some(item("name")?.cast_into::<PyString>()?.unbind()),
            misfire_grace_time: Some(datetime::optional_count(&item("misfire_grace_time")?)?),
            coalesce: Some(item("coalesce")?.is_truthy()?),
            max_instances: Some(datetime::count(&item("max_instances")?)?),
            next_run_time: Some(datetime::optional_datetime(&item("next_run_time")?)?),
            context: None,
        })
    }
}

/// The arguments to store with a reference to a bound method: the method's object first, since the
/// reference alone leads to the plain function.
fn bound_args<'py>(
    func: &Bound<'py, PyAny>,
    reference: &Py<PyString>,
    args: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = func.py();
    let is_method = func.get_type().is(py.import("types")?.getattr("MethodType")?);
    if !is_method {
        return Ok(args);
    }
    let owner = func.getattr("__self__")?;
    let is_class = owner.is_instance_of::<PyType>();
    if is_class || !imports::obj_to_ref(py)?.call1((func,))?.eq(reference)? {
        return Ok(args);
    }
    let mut all = vec![owner];
    for arg in args.try_iter()? {
        all.push(arg?);
    }
    Ok(PyTuple::new(py, all)?.into_any())
}
