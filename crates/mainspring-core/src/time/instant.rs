//! Instants as the engine counts them: whole microseconds since the Unix epoch, in UTC.
//!
//! Microseconds because that is the resolution of Python's `datetime`; an `i64` because one deadline
//! then costs eight bytes in every queue. This file is the only one that converts to and from
//! [`jiff::Timestamp`].

use crate::error::{Error, ErrorKind};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant: microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMicros(i64);

impl UtcMicros {
    /// 0001-01-01T00:00:00Z, Python's `datetime.min` in UTC.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z, Python's `datetime.max` in UTC.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The instant `micros` after the epoch; `None` outside the years 1 to 9999.
    pub const fn new(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// The instant `micros` after the epoch, held within the years 1 to 9999.
    pub const fn clamped(micros: i64) -> Self {
        match Self::new(micros) {
            Some(at) => at,
            None if micros < 0 => Self::MIN,
            None => Self::MAX,
        }
    }

    /// Microseconds since the epoch.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This instant plus `micros`; `None` where that leaves the years 1 to 9999.
    pub const fn checked_add(self, micros: i64) -> Option<Self> {
        match self.0.checked_add(micros) {
            Some(sum) => Self::new(sum),
            None => None,
        }
    }

    /// This instant plus `micros`, held within the years 1 to 9999.
    pub const fn saturating_add(self, micros: i64) -> Self {
        Self::clamped(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this instant; negative when `earlier` is the later one.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        // Both lie within the years 1 to 9999, so the difference fits an i64 with room to spare.
        self.0 - earlier.0
    }

    /// The next whole second at or after this instant.
    pub const fn ceil_second(self) -> Option<Self> {
        match self.0.rem_euclid(MICROS_PER_SECOND) {
            0 => Some(self),
            rest => self.checked_add(MICROS_PER_SECOND - rest),
        }
    }
}

impl TryFrom<jiff::Timestamp> for UtcMicros {
    type Error = Error;

    /// Rounds down to whole microseconds.
    fn try_from(t: jiff::Timestamp) -> Result<Self, Error> {
        let micros = t.as_nanosecond().div_euclid(1_000);
        i64::try_from(micros)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| Error::new(ErrorKind::OutOfRange, format!("{t} is outside the years 1 to 9999")))
    }
}

impl TryFrom<UtcMicros> for jiff::Timestamp {
    type Error = Error;

    /// Exact. jiff ends 26 hours before the year 9999 does, so that its civil times always fit.
    fn try_from(t: UtcMicros) -> Result<Self, Error> {
        jiff::Timestamp::from_microsecond(t.get())
            .map_err(|e| Error::new(ErrorKind::OutOfRange, e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_pythons() {
        assert!(UtcMicros::new(UtcMicros::MIN.get() - 1).is_none());
        assert!(UtcMicros::new(UtcMicros::MAX.get() + 1).is_none());
        assert_eq!(UtcMicros::MAX.checked_add(1), None);
        assert_eq!(UtcMicros::MAX.saturating_add(1), UtcMicros::MAX);
        assert_eq!(UtcMicros::MIN.saturating_add(-1), UtcMicros::MIN);
    }

    #[test]
    fn ceil_second_rounds_up_before_the_epoch_too() {
        let at = |m| UtcMicros::new(m).and_then(UtcMicros::ceil_second).map(UtcMicros::get);
        assert_eq!(at(1), Some(1_000_000));
        assert_eq!(at(1_000_000), Some(1_000_000));
        assert_eq!(at(-1), Some(0));
        assert_eq!(at(-1_000_001), Some(-1_000_000));
        assert_eq!(UtcMicros::MAX.ceil_second(), None);
    }
}
