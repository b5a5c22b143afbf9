//! Jitter: how much later than its schedule says a trigger fires, at random.

use crate::error::Error;
use crate::time::UtcMicros;

/// Where the random part of a jittered fire time comes from.
pub trait JitterSource {
    /// A value drawn evenly from `0..=max_micros`.
    fn draw(&mut self, max_micros: i64) -> i64;
}

/// A source that always draws nothing, for times without their jitter.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJitter;

impl JitterSource for NoJitter {
    fn draw(&mut self, _max_micros: i64) -> i64 {
        0
    }
}

/// Refuses a negative jitter: it would let a fire time come before its own schedule.
pub(crate) fn check(jitter: i64) -> Result<i64, Error> {
    if jitter < 0 {
        return Err(Error::invalid("jitter must not be negative"));
    }
    Ok(jitter)
}

/// `t` plus a draw of at most `jitter`, held within the years 1 to 9999.
pub(crate) fn add(t: UtcMicros, jitter: i64, source: &mut dyn JitterSource) -> UtcMicros {
    if jitter == 0 { t } else { t.saturating_add(source.draw(jitter)) }
}
