//! Python's strings as the core's text, and back.
//!
//! A string of Python may hold lone surrogates, as the names of files do whose encoding is unknown (PEP 383), and
//! text of Rust never does. Such a string becomes [`MARK`] and its bytes in UTF-8 (surrogates like any other
//! character), each as the character of that number; so does one that begins with the mark itself. Different
//! strings stay different, and all others are as they are.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A code point that is no character.
const MARK: char = '\u{10FFFF}';

/// Where the last plane of private characters begins.
const PRIVATE: u32 = 0x10_0000;
const UTF_32: &str = "utf-32-le";

/// A string that was given as an argument.
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Text<'a> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let given = value.cast::<PyString>()?;
        match value.extract::<&'a str>() {
            Ok(text) if !text.starts_with(MARK) => Ok(Self(Cow::Borrowed(text))),
            _ => escaped(&given).map(|text| Self(Cow::Owned(text))),
        }
    }
}

/// The core's text of `string`.
pub fn of<'a>(string: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    match string.to_str() {
        Ok(text) if !text.starts_with(MARK) => Ok(Cow::Borrowed(text)),
        _ => escaped(string).map(Cow::Owned),
    }
}

/// The string of a text of the core's.
pub fn string<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    let Some(escaped) = text.strip_prefix(MARK) else { return PyString::new(py, text) };
    let bytes: Vec<u8> = escaped.chars().map(|byte| byte as u8).collect();
    let decoded = PyBytes::new(py, &bytes).call_method1("decode", ("utf-8", "surrogatepass"));
    let decoded = decoded.and_then(|string| Ok(string.cast_into::<PyString>()?));
    // Only what is none of ours cannot be read.
    decoded.unwrap_or_else(|_| PyString::new(py, text))
}

/// `string` as the core reads it and quotes it in a message: a lone surrogate becomes a private character, which is in
/// nothing that the core takes, and [`message`] has it a surrogate again.
pub fn quotable<'a>(string: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = string.to_str() {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = string.call_method1("encode", (UTF_32, "surrogatepass"))?;
    let bytes = bytes.cast::<PyBytes>()?.as_bytes().chunks_exact(4);
    let numbers = bytes.filter_map(|bytes| bytes.try_into().ok().map(u32::from_le_bytes));
    Ok(numbers.filter_map(|c| char::from_u32(c).or_else(|| char::from_u32(PRIVATE + c))).collect())
}

/// The string of a message of the core's that may quote what was [`quotable`].
pub fn message<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    let surrogate = |c: char| u32::from(c).checked_sub(PRIVATE).filter(|c| (0xD800..0xE000).contains(c));
    if !text.chars().any(|c| surrogate(c).is_some()) {
        return PyString::new(py, text);
    }
    let bytes: Vec<u8> = text.chars().flat_map(|c| surrogate(c).unwrap_or(c.into()).to_le_bytes()).collect();
    let decoded = PyBytes::new(py, &bytes).call_method1("decode", (UTF_32, "surrogatepass"));
    let decoded = decoded.and_then(|string| Ok(string.cast_into::<PyString>()?));
    decoded.unwrap_or_else(|_| PyString::new(py, text))
}

/// The strings with commas between them.
pub fn joined<'py>(py: Python<'py>, strings: Vec<Bound<'py, PyString>>) -> PyResult<Bound<'py, PyAny>> {
    PyString::new(py, ", ").call_method1("join", (strings,))
}

/// `template % values`, put together by Python, so that all that its strings hold is kept.
pub fn format<'py>(
    py: Python<'py>,
    template: &str,
    values: impl IntoPyObject<'py>,
) -> PyResult<Bound<'py, PyString>> {
    Ok(PyString::new(py, template).rem(values)?.cast_into()?)
}

fn escaped(string: &Bound<'_, PyString>) -> PyResult<String> {
    let bytes = string.call_method1("encode", ("utf-8", "surrogatepass"))?;
    let bytes = bytes.cast::<PyBytes>()?.as_bytes();
    Ok(std::iter::once(MARK).chain(bytes.iter().map(|byte| char::from(*byte))).collect())
}
