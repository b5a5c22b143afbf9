//! Triggers made of triggers.

use super::Trigger;
use super::jitter;
use crate::error::Error;

/// The members of an `And` or an `Or`.
#[derive(Clone, Debug)]
pub struct Combination {
    triggers: Box<[Trigger]>,
    jitter: i64,
}

impl Combination {
    /// Combines `triggers`; each fire time comes up to `jitter` microseconds late.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a negative jitter.
    pub fn new(triggers: Vec<Trigger>, jitter: i64) -> Result<Self, Error> {
        Ok(Self { triggers: triggers.into(), jitter: jitter::check(jitter)? })
    }

    /// The members.
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    /// How late a fire time may be, in microseconds.
    pub fn jitter(&self) -> i64 {
        self.jitter
    }
}
