//! What can go wrong in the core: one type of error, with a kind that the host makes its exceptions from.

use std::fmt;

/// What sort of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value is outside what the parameter allows.
    InvalidValue,
    /// A date or instant lies outside the years 1 to 9999.
    OutOfRange,
    /// A job id exists already in the store.
    ConflictingId,
    /// No job by that id or key.
    JobLookup,
    /// A call into the host language failed; the host keeps the exception itself.
    Host,
    /// The operating system refused something.
    Os,
}

/// An error with its kind and a message fit for the user's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    /// In a box, as results are passed on more often than they are errors.
    text: Box<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    message: String,
    note: Option<String>,
}

impl Error {
    /// Makes an error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, text: Box::new(Text { message: message.into(), note: None }) }
    }

    /// An [`ErrorKind::InvalidValue`] error.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidValue, message)
    }

    /// Adds a note: what is allowed, beside a message that programs compare.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.text.note = Some(note.into());
        self
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, without its kind and note.
    pub fn message(&self) -> &str {
        &self.text.message
    }

    /// The note, if there is one.
    pub fn note(&self) -> Option<&str> {
        self.text.note.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.message)?;
        self.text.note.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl std::error::Error for Error {}
