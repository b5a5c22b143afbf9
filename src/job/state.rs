//! The pickled state of a job: the keys and values of APScheduler 3.x, version 1.

use mainspring_core::job::RunPolicy;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::job::fields::{Field, Fields, Pickled, unset};
use crate::py::host;

impl Fields {
    /// What `Job.__getstate__` returns.
    pub fn into_state(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let func = self.func.as_ref().ok_or_else(|| unset(Field::func))?.bind(py);
        let given = self.func_ref.as_ref().ok_or_else(|| unset(Field::func_ref))?;
        let Some(reference) = given.resolve(func)? else {
            return Err(PyValueError::new_err(format!(
                "This Job cannot be serialized since the reference to its callable ({}) could not be \
                 determined. Consider giving a textual reference (module:function name) instead.",
                func.repr()?
            )));
        };
        let state = PyDict::new(py);
        state.set_item("version", 1)?;
        let defaults = Self::defaults();
        // In APScheduler's order.
        let first = [Field::id, Field::func, Field::trigger, Field::executor];
        for field in first.into_iter().chain(Field::ALL) {
            let name = field.name();
            let is_kept = match field.pickled() {
                Pickled::Always => !state.contains(name)?,
                Pickled::UnlessDefault => {
                    self.is_set(field) && !self.show(py, field)?.eq(defaults.show(py, field)?)?
                }
                Pickled::Never => false,
            };
            if is_kept {
                let value = match field {
                    Field::func => reference.bind(py).clone().into_any(),
                    Field::args => bound_args(func, &reference, self.show(py, field)?)?,
                    _ => self.show(py, field)?,
                };
                state.set_item(name, value)?;
            }
        }
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
        let mut fields = Self::defaults();
        for field in Field::ALL {
            match (field.pickled(), state.get_item(field.name())?) {
                (Pickled::Never, _) | (Pickled::UnlessDefault, None) => (),
                (Pickled::Always, None) => return Err(PyKeyError::new_err(field.name())),
                (_, Some(value)) if field == Field::func => {
                    fields.func = Some(host::ref_to_obj(py)?.call1((&value,))?.unbind());
                    fields.assign(Field::func_ref, &value)?;
                }
                (_, Some(value)) => fields.assign(field, &value)?,
            }
        }
        Ok(fields)
    }

    /// The fields that an old state may not have.
    fn defaults() -> Self {
        let mut fields = Self::default();
        fields.set_policy(RunPolicy::default());
        fields
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
    if is_class || !host::obj_to_ref(py)?.call1((func,))?.eq(reference)? {
        return Ok(args);
    }
    let mut all = vec![owner];
    for arg in args.try_iter()? {
        all.push(arg?);
    }
    Ok(PyTuple::new(py, all)?.into_any())
}
