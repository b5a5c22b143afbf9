//! What a job's function is called, whether it takes its arguments, and whether it gives a coroutine.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};

use crate::job::record::{is_async_generator_function, is_coroutine_function};
use crate::py::host;
use crate::py::once::intern;

/// `inspect.CO_VARARGS` and the like.
mod flag {
    pub const VARARGS: u32 = 0x04;
    pub const COROUTINE: u32 = 0x80;
    pub const ASYNC_GENERATOR: u32 = 0x200;
}

/// A function that can be called with the arguments of its job.
pub struct Function<'py> {
    pub name: Bound<'py, PyString>,
    pub coroutine: bool,
    /// What all this was read from, where it is a function written in Python without attributes of its own.
    pub read_from: Option<ReadFrom>,
}

/// What a function can be given another one of.
pub struct ReadFrom {
    code: Py<PyAny>,
    defaults: Py<PyAny>,
    name: Py<PyString>,
}

impl ReadFrom {
    /// Whether `func` would be read from nothing else now.
    pub fn is_of(&self, func: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = func.py();
        Ok(is_bare(func)?
            && func.getattr(intern!(py, "__code__"))?.is(&self.code)
            && func.getattr(intern!(py, "__defaults__"))?.is(&self.defaults)
            && func.getattr(intern!(py, "__qualname__"))?.is(&self.name))
    }
}

/// Whether it is a function written in Python that has no attributes of its own: those of a decorator that pretends, or
/// a mark such as that of inspect.markcoroutinefunction.
fn is_bare(func: &Bound<'_, PyAny>) -> PyResult<bool> {
    if !func.is_exact_instance_of::<PyFunction>() {
        return Ok(false);
    }
    Ok(func.getattr(intern!(func.py(), "__dict__"))?.cast::<PyDict>()?.is_empty())
}

impl<'py> Function<'py> {
    /// What `func` is; `None` or an error where it can be no job with these arguments.
    pub fn of(
        func: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Self>> {
        if kwargs.is_none() {
            if let Some(plain) = Self::plain(func, args.len())? {
                return Ok(Some(plain));
            }
        }
        if func.is_instance_of::<PyString>() || !func.is_callable() || is_async_generator_function(func)? {
            return Ok(None);
        }
        let py = func.py();
        match kwargs {
            Some(kwargs) => host::check_callable_args(py)?.call1((func, args, kwargs))?,
            None => host::check_callable_args(py)?.call1((func, args, PyDict::new(py)))?,
        };
        Ok(Some(Self {
            name: host::get_callable_name(py)?.call1((func,))?.cast_into()?,
            coroutine: is_coroutine_function(func)?,
            read_from: None,
        }))
    }

    /// What a function written in Python is that takes `given` positional arguments, read from its code object; `None`
    /// where that alone does not show that the call is possible, and Python must be asked.
    fn plain(func: &Bound<'py, PyAny>, given: usize) -> PyResult<Option<Self>> {
        let py = func.py();
        if !is_bare(func)? {
            return Ok(None);
        }
        let code = func.getattr(intern!(py, "__code__"))?;
        let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
        let keyword_only: usize = code.getattr(intern!(py, "co_kwonlyargcount"))?.extract()?;
        if keyword_only > 0 || flags & flag::ASYNC_GENERATOR != 0 {
            return Ok(None);
        }
        let positional: usize = code.getattr(intern!(py, "co_argcount"))?.extract()?;
        let defaults = func.getattr(intern!(py, "__defaults__"))?;
        let optional = if defaults.is_none() { 0 } else { defaults.cast::<PyTuple>()?.len() };
        let most = if flags & flag::VARARGS != 0 { usize::MAX } else { positional };
        if !(positional.saturating_sub(optional)..=most).contains(&given) {
            return Ok(None);
        }
        let name: Bound<'_, PyString> = func.getattr(intern!(py, "__qualname__"))?.cast_into()?;
        let read_from =
            ReadFrom { code: code.unbind(), defaults: defaults.unbind(), name: name.clone().unbind() };
        Ok(Some(Self { name, coroutine: flags & flag::COROUTINE != 0, read_from: Some(read_from) }))
    }
}
