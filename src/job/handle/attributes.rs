//! The attributes of a job that do more than show or take one value; `table.rs` makes those that do no more.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Job;
use crate::job::fields::{Field, Fields, no_attribute, unset};
use crate::job::seen::Seen;
use crate::py::text::{self, Text};

#[pymethods]
impl Job {
    #[getter]
    pub(super) fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let id = self.job_id()?;
        let mut state = self.lock();
        // One object for as long as this one lives, as with an attribute of Python's.
        let known =
            state.id_text.take().filter(|known| text::of(known.bind(py)).is_ok_and(|known| known == *id));
        let string = known.unwrap_or_else(|| text::string(py, &id).unbind());
        state.id_text = Some(string.clone_ref(py));
        Ok(string.into_bound(py))
    }

    #[getter]
    fn func<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.seen() {
            Some(seen) => Ok(seen.record.func.bind(py).clone()),
            None => self.show(py, Field::func),
        }
    }

    #[getter]
    fn func_ref(&self, py: Python<'_>) -> PyResult<Option<Py<PyString>>> {
        let func = self.func(py)?;
        let reference = match self.seen() {
            Some(seen) => seen.record.func_ref.clone_ref(py),
            None => {
                self.complete(py)?;
                let reference = self.lock().fields().func_ref.as_ref().map(|r| r.clone_ref(py));
                reference.ok_or_else(|| unset(Field::func_ref))?
            }
        };
        reference.resolve(&func)
    }

    #[getter]
    fn args<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.seen() {
            Some(seen) => Ok(seen.record.args.bind(py).clone()),
            None => self.show(py, Field::args),
        }
    }

    #[getter]
    fn kwargs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.seen_complete(py)? {
            Some(seen) => {
                let kwargs = seen.record.kwargs.as_ref().ok_or_else(|| unset(Field::kwargs))?;
                Ok(kwargs.bind(py).clone())
            }
            None => self.show(py, Field::kwargs),
        }
    }

    #[getter]
    pub(super) fn trigger<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.seen_complete(py)? {
            Some(seen) => {
                let trigger = seen.record.trigger.as_ref().ok_or_else(|| unset(Field::trigger))?;
                Ok(trigger.bind(py).clone())
            }
            None => self.show(py, Field::trigger),
        }
    }

    #[getter]
    pub(super) fn next_run_time<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.seen() {
            Some(Seen { next: Some(next), record, .. }) => {
                self.zone(py, &record)?.datetime(py, next).map(Some)
            }
            Some(_) => Ok(None),
            None => Ok(Some(self.show(py, Field::next_run_time)?).filter(|at| !at.is_none())),
        }
    }

    /// Assigns to an attribute; what APScheduler's own code checks it checks in `_modify`.
    fn __setattr__(slf: &Bound<'_, Self>, name: Text<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match name.as_str() {
            "_scheduler" => slf.get().set_scheduler(value.extract()?),
            "_jobstore_alias" => slf.get().set_jobstore_alias(value.extract()?),
            name => {
                let field = Field::named(name).ok_or_else(|| no_attribute(name))?;
                slf.get().apply(slf.py(), &Fields::of_assignment(slf, field, value)?)?;
            }
        }
        Ok(())
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: Text<'_>) -> PyResult<()> {
        let this = slf.get();
        let name = name.as_str();
        let field = Field::named(name).ok_or_else(|| no_attribute(name))?;
        this.detach(slf.py())?;
        let taken = this.lock().fields_mut().take(field);
        if taken.is_set(field) { Ok(()) } else { Err(unset(field)) }
    }
}
