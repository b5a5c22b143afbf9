//! `Once`: a value that is made when a thread first needs it, and that no thread ever waits for.
//!
//! pyo3's own `PyOnceLock` and `intern!` mark a cell as being filled while the thread is detached from Python,
//! so another thread can fork the process in that moment; the child then has a cell that no thread fills, and
//! a thread that needs it waits for ever. `clippy.toml` keeps both out.
//!
//! Ground rules: a cell is filled by an attached thread and has no lock. Threads that come at once all make the
//! value, one of them is kept. What pyo3 itself keeps in such cells is made by `fill_cells_of_pyo3` in `lib.rs` while the
//! module is imported.

use std::convert::Infallible;

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A value that is made on first use.
pub struct Once<T>(OnceBox<T>);

impl<T> Once<T> {
    pub const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// The value, if it has been made.
    pub fn get(&self, _py: Python<'_>) -> Option<&T> {
        self.0.get()
    }

    /// The value; of several made at once the first, which all callers are given.
    pub fn get_or_try_init<E>(&self, _py: Python<'_>, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        self.0.get_or_try_init(|| make().map(Box::new))
    }
}

/// A Python string that is interned on first use.
pub struct Interned {
    text: &'static str,
    string: Once<Py<PyString>>,
}

impl Interned {
    pub const fn new(text: &'static str) -> Self {
        Self { text, string: Once::new() }
    }

    pub fn get<'a, 'py>(&'a self, py: Python<'py>) -> &'a Bound<'py, PyString> {
        let intern = || Ok::<_, Infallible>(PyString::intern(py, self.text).unbind());
        let Ok(string) = self.string.get_or_try_init(py, intern);
        string.bind(py)
    }
}

/// The interned Python string of a literal.
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static STRING: $crate::py::once::Interned = $crate::py::once::Interned::new($text);
        STRING.get($py)
    }};
}
pub(crate) use intern;
