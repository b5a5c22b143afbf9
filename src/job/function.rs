//! What a job's function must be: whether it can be one, takes its arguments, gives a coroutine, and what it is called.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyFunction, PyString, PyTuple};

use crate::job::kinds::type_error;
use crate::py::once::intern;
use crate::py::{host, imports};

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
    /// What `func` is; an error where it can be no job with these arguments, `None` where it is a reference to one.
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
        if func.is_instance_of::<PyString>() {
            return Ok(None);
        }
        check_callable(func)?;
        let py = func.py();
        match kwargs {
            Some(kwargs) => check_call(func, args, kwargs)?,
            None => check_call(func, args, &PyDict::new(py))?,
        }
        Ok(Some(Self {
            name: name_of(func)?.cast_into()?,
            coroutine: returns_awaitable(func)?,
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

/// Fails with APScheduler's error where `func` is not callable.
pub fn check_callable(func: &Bound<'_, PyAny>) -> PyResult<()> {
    match func.is_callable() {
        true => Ok(()),
        false => Err(type_error("func must be a callable or a textual reference to one", func)),
    }
}

/// Fails with APScheduler's error where `func` cannot be called with these arguments, or can be no job at all.
pub fn check_call(
    func: &Bound<'_, PyAny>,
    args: &Bound<'_, PyAny>,
    kwargs: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = func.py();
    if host::isasyncgenfunction_partial(py)?.call1((func,))?.is_truthy()? {
        return Err(PyTypeError::new_err(format!(
            "{} is an async generator function, and nobody would take what it yields: give a coroutine \
             function instead, with the loop in it (async for item in ...: ...)",
            name_of(func)?
        )));
    }
    let is_iterable = args.is_instance_of::<PyTuple>() || args.is_instance(imports::iterable(py)?)?;
    if args.is_instance_of::<PyString>() || !is_iterable {
        return Err(type_error("args must be a non-string iterable", args));
    }
    if !kwargs.is_instance_of::<PyDict>() && !kwargs.is_instance(imports::mapping(py)?)? {
        return Err(type_error("kwargs must be a dict-like object", kwargs));
    }
    host::check_callable_args(py)?.call1((func, args, kwargs)).map(drop)
}

/// What a job is called that is given no name.
pub fn name_of<'py>(func: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    host::get_callable_name(func.py())?.call1((func,))
}

/// Whether a callable is known, before it is called, to return an awaitable: coroutine functions, methods, and
/// objects whose `__call__` is one, and partials of them. What is not known is called in a worker thread, and awaited
/// if it turns out to be awaitable.
#[pyfunction]
pub fn returns_awaitable(func: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = func.py();
    if is_bare(func)? {
        let code = func.getattr(intern!(py, "__code__"))?;
        return Ok(code.getattr(intern!(py, "co_flags"))?.extract::<u32>()? & flag::COROUTINE != 0);
    }
    let mut func = func.clone();
    while func.is_instance(imports::partial(py)?)? {
        func = func.getattr(intern!(py, "func"))?;
    }
    if host::iscoroutinefunction_partial(py)?.call1((&func,))?.is_truthy()? {
        return Ok(true);
    }
    if func.is_exact_instance_of::<PyFunction>() || func.is_instance_of::<PyCFunction>() {
        return Ok(false);
    }
    match func.get_type().getattr(intern!(py, "__call__")) {
        Ok(call) => host::iscoroutinefunction_partial(py)?.call1((call,))?.is_truthy(),
        Err(_) => Ok(false),
    }
}
