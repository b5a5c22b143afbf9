//! Fires at fixed distances on the time line, whatever the clocks on the walls do.

use super::jitter::{self, JitterSource};
use crate::error::Error;
use crate::time::{MICROS_PER_SECOND, UtcMicros};

/// Fires every `interval`.
///
/// The first fire time is `start`, or when that has passed the first `start + k * interval` not before
/// now. From then on each is the previous one plus `interval`, whatever the time is now (the behaviour of
/// APScheduler 3.11). Jitter is added before the comparison with `end`, also as APScheduler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalTrigger {
    interval: i64,
    start: UtcMicros,
    /// Nothing fires after this; [`UtcMicros::MAX`] is as good as no end, and 8 bytes smaller.
    end: UtcMicros,
    jitter: i64,
}

impl IntervalTrigger {
    /// A trigger that fires every `interval` microseconds from `start` on, not after `end`, each time up to
    /// `jitter` microseconds late. An interval of 0 stands for one second, as in APScheduler.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a negative interval or jitter.
    pub fn new(interval: i64, start: UtcMicros, end: Option<UtcMicros>, jitter: i64) -> Result<Self, Error> {
        if interval < 0 {
            return Err(Error::invalid("interval must not be negative"));
        }
        let interval = if interval == 0 { MICROS_PER_SECOND } else { interval };
        Ok(Self { interval, start, end: end.unwrap_or(UtcMicros::MAX), jitter: jitter::check(jitter)? })
    }

    /// Microseconds between two fire times.
    pub const fn interval(&self) -> i64 {
        self.interval
    }

    /// The earliest fire time.
    pub const fn start(&self) -> UtcMicros {
        self.start
    }

    /// Nothing fires after this; [`UtcMicros::MAX`] when there is no end.
    pub const fn end(&self) -> UtcMicros {
        self.end
    }

    /// How late a fire time may be, in microseconds.
    pub const fn jitter(&self) -> i64 {
        self.jitter
    }

    /// See [`super::Trigger::next_fire_time`].
    pub fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        source: &mut dyn JitterSource,
    ) -> Option<UtcMicros> {
        let next = match previous {
            Some(previous) => previous.checked_add(self.interval)?,
            None => self.not_before(self.start, now)?,
        };
        Some(jitter::add(next, self.jitter, source)).filter(|t| *t <= self.end)
    }

    /// The first `from + k * interval`, k >= 0, that is not before `bound`.
    pub(crate) fn not_before(&self, from: UtcMicros, bound: UtcMicros) -> Option<UtcMicros> {
        let missing = bound.micros_since(from);
        if missing <= 0 {
            return Some(from);
        }
        let steps = (missing - 1) / self.interval + 1;
        from.checked_add(steps.checked_mul(self.interval)?)
    }

    /// The last `due + k * interval`, k >= 0, that is neither after `now` nor after the end.
    pub(crate) fn latest_fire_time(&self, due: UtcMicros, now: UtcMicros) -> UtcMicros {
        let room = now.min(self.end).micros_since(due);
        if room < self.interval { due } else { due.saturating_add(room - room % self.interval) }
    }
}
