//! Triggers: when does a job fire next?

use crate::error::Error;
use crate::time::UtcMicros;

/// Where the random part of a jittered fire time comes from.
pub trait JitterSource {
    /// A value drawn evenly from `0..=max_micros`.
    fn draw(&mut self, max_micros: i64) -> i64;
}

/// A trigger of any kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trigger {
    /// Evaluated by the host language: the engine hands the whole decision over.
    Host,
}

impl Trigger {
    /// Whether only the host language can evaluate this trigger: a user-written trigger, a combination
    /// that holds one, or a trigger in a time zone that only the host knows.
    pub fn needs_host(&self) -> bool {
        matches!(self, Self::Host)
    }

    /// The fire time after `previous`, or the first one at or after `now` when there was none.
    ///
    /// `None`: the trigger never fires again.
    ///
    /// # Errors
    ///
    /// What a time zone of the host raised; native zones never fail.
    pub fn next_fire_time(
        &self,
        _previous: Option<UtcMicros>,
        _now: UtcMicros,
        _jitter: &mut dyn JitterSource,
    ) -> Result<Option<UtcMicros>, Error> {
        Ok(None)
    }

    /// The last fire time not after `now` in the chain that starts at the fire time `due`, which is not
    /// after `now` itself. Does not walk the chain.
    ///
    /// # Errors
    ///
    /// As [`Trigger::next_fire_time`].
    pub fn latest_fire_time(&self, due: UtcMicros, _now: UtcMicros) -> Result<UtcMicros, Error> {
        Ok(due)
    }
}
