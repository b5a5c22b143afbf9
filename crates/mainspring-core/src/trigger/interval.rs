//! The interval trigger: fires at fixed distances on the time line, whatever the clocks on the walls do.

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

    /// See [`super::Trigger::own_after`].
    pub(super) fn own_after(&self, previous: Option<UtcMicros>, now: UtcMicros) -> Option<UtcMicros> {
        let bound = match previous {
            Some(previous) => previous.checked_add(1)?,
            None => now,
        };
        self.not_before(self.start, bound).filter(|t| *t <= self.end)
    }

    /// The first `from + k * interval`, k >= 0, that is not before `bound`.
    fn not_before(&self, from: UtcMicros, bound: UtcMicros) -> Option<UtcMicros> {
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

#[cfg(test)]
mod tests {
    use super::super::NoJitter;
    use super::*;

    fn at(micros: i64) -> UtcMicros {
        UtcMicros::new(micros).unwrap()
    }

    #[test]
    fn starts_at_the_start_or_on_its_grid() {
        let trigger = IntervalTrigger::new(10, at(100), None, 0).unwrap();
        for (now, expected) in [(0, 100), (99, 100), (100, 100), (101, 110), (110, 110), (1_234, 1_240)] {
            assert_eq!(trigger.next_fire_time(None, at(now), &mut NoJitter), Some(at(expected)));
        }
        assert_eq!(trigger.next_fire_time(Some(at(57)), at(1_234), &mut NoJitter), Some(at(67)));
    }

    #[test]
    fn ends_with_the_end() {
        let trigger = IntervalTrigger::new(10, at(100), Some(at(120)), 0).unwrap();
        assert_eq!(trigger.next_fire_time(Some(at(110)), at(0), &mut NoJitter), Some(at(120)));
        assert_eq!(trigger.next_fire_time(Some(at(111)), at(0), &mut NoJitter), None);
        assert_eq!(trigger.latest_fire_time(at(100), at(119)), at(110));
        assert_eq!(trigger.latest_fire_time(at(100), at(1_000)), at(120));
        assert_eq!(trigger.latest_fire_time(at(120), at(1_000)), at(120));
    }

    #[test]
    fn jitter_comes_before_the_end() {
        struct Most;
        impl JitterSource for Most {
            fn draw(&mut self, max_micros: i64) -> i64 {
                max_micros
            }
        }
        let trigger = IntervalTrigger::new(10, at(100), Some(at(120)), 5).unwrap();
        assert_eq!(trigger.next_fire_time(None, at(101), &mut Most), Some(at(115)));
        assert_eq!(trigger.next_fire_time(None, at(111), &mut Most), None);
    }

    #[test]
    fn refuses_what_would_go_back() {
        assert!(IntervalTrigger::new(-1, at(0), None, 0).is_err());
        assert!(IntervalTrigger::new(1, at(0), None, -1).is_err());
        assert_eq!(IntervalTrigger::new(0, at(0), None, 0).unwrap().interval(), MICROS_PER_SECOND);
    }
}
