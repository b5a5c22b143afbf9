//! A time zone as triggers need it: the offset at an instant, and what instants a civil time stands for.
//!
//! A civil time is one instant, none (a gap: the clock was put forward over it) or two (a fold: the clock
//! was put back). That is a value here, [`Resolution`], and each trigger names the rule it picks by.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::calendar::{CivilMicros, date_of};
use super::{MICROS_PER_SECOND, UtcMicros};
use crate::error::{Error, ErrorKind};

/// A time zone that only the host language knows, such as one that a user has written.
///
/// Offsets are microseconds to add to UTC.
pub trait HostZone: Send + Sync + Debug {
    /// The offset in force at the instant `t` (Python: that of `tz.fromutc(t)`).
    ///
    /// # Errors
    ///
    /// Whatever the host raised.
    fn offset_at(&self, t: UtcMicros) -> Result<i64, Error>;

    /// The offset that the zone gives for a civil time (Python: `datetime(..., fold=fold).utcoffset()`).
    ///
    /// By PEP 495: in a gap `fold = false` gives the offset before the change and `fold = true` that
    /// after it; in a fold likewise, so `false` stands for the earlier instant.
    ///
    /// # Errors
    ///
    /// Whatever the host raised.
    fn offset_of(&self, civil: CivilMicros, fold: bool) -> Result<i64, Error>;
}

/// A time zone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Zone {
    /// A fixed offset from UTC, in seconds.
    Fixed(i32),
    /// A zone of the IANA database.
    Iana(TimeZone),
    /// A zone that only the host language can evaluate.
    Host(Arc<dyn HostZone>),
}

/// Zones of the host are equal where they are one object.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => a == b,
            (Self::Iana(a), Self::Iana(b)) => a == b,
            (Self::Host(a), Self::Host(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// What instants a civil time stands for; offsets in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Exactly one, at this offset.
    Unique(i64),
    /// None: the clock was put forward over it.
    Gap {
        /// The offset before the change.
        before: i64,
        /// The offset after the change; the greater one.
        after: i64,
    },
    /// Two: the clock was put back, so it was shown twice.
    Fold {
        /// The offset before the change: that of the earlier instant.
        before: i64,
        /// The offset after the change: that of the later instant.
        after: i64,
    },
}

impl Zone {
    /// UTC itself.
    pub const UTC: Self = Self::Fixed(0);

    /// A zone `seconds` east of UTC.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidValue`] for a whole day or more.
    pub fn fixed(seconds: i32) -> Result<Self, Error> {
        if seconds.abs() < 86_400 {
            Ok(Self::Fixed(seconds))
        } else {
            Err(Error::invalid(format!("a UTC offset must be less than a day, not {seconds} seconds")))
        }
    }

    /// Whether only the host language can evaluate this zone.
    pub fn needs_host(&self) -> bool {
        matches!(self, Self::Host(_))
    }

    /// The offset in force at `t`, in microseconds.
    ///
    /// # Errors
    ///
    /// What a host zone raised; zones of other kinds never fail.
    pub fn offset_at(&self, t: UtcMicros) -> Result<i64, Error> {
        match self {
            Self::Fixed(seconds) => Ok(i64::from(*seconds) * MICROS_PER_SECOND),
            Self::Iana(zone) => {
                // jiff ends 26 hours before the year 9999 does; the offset of its last instant holds on.
                let t = Timestamp::try_from(t).unwrap_or(Timestamp::MAX);
                Ok(micros(zone.to_offset(t)))
            }
            Self::Host(zone) => zone.offset_at(t),
        }
    }

    /// What the clock on the wall shows at `t`, held within the years 1 to 9999.
    ///
    /// # Errors
    ///
    /// As [`Zone::offset_at`].
    pub fn civil_at(&self, t: UtcMicros) -> Result<CivilMicros, Error> {
        Ok(CivilMicros::saturating(t.get() + self.offset_at(t)?))
    }

    /// What instants the civil time `civil` stands for.
    ///
    /// # Errors
    ///
    /// As [`Zone::offset_at`].
    pub fn resolve(&self, civil: CivilMicros) -> Result<Resolution, Error> {
        match self {
            Self::Fixed(seconds) => Ok(Resolution::Unique(i64::from(*seconds) * MICROS_PER_SECOND)),
            Self::Iana(zone) => Ok(match zone.to_ambiguous_timestamp(datetime(civil)?).offset() {
                AmbiguousOffset::Unambiguous { offset } => Resolution::Unique(micros(offset)),
                AmbiguousOffset::Gap { before, after } => {
                    Resolution::Gap { before: micros(before), after: micros(after) }
                }
                AmbiguousOffset::Fold { before, after } => {
                    Resolution::Fold { before: micros(before), after: micros(after) }
                }
            }),
            Self::Host(zone) => resolve_by_host(zone.as_ref(), civil),
        }
    }

    /// The instant of the change between the offsets `before` and `after` that puts `civil` in a gap or a
    /// fold: the first one at which `before` no longer holds.
    ///
    /// # Errors
    ///
    /// As [`Zone::offset_at`].
    pub(crate) fn change_at(&self, civil: CivilMicros, before: i64, after: i64) -> Result<i64, Error> {
        // The reading of `civil` by the greater offset is the instant before the change or at most the
        // last one of the old offset; by the smaller one, at or after the change.
        let mut old = civil.get() - before.max(after);
        let mut new = civil.get() - before.min(after);
        while new - old > 1 {
            let middle = old + (new - old) / 2;
            let Some(t) = UtcMicros::new(middle) else { break };
            if self.offset_at(t)? == before { old = middle } else { new = middle }
        }
        Ok(new)
    }
}

/// Resolves by the two readings of PEP 495. A `tzinfo` that knows no fold gives one offset for both; then
/// a civil time that does not come back from its instant is in a gap.
fn resolve_by_host(zone: &dyn HostZone, civil: CivilMicros) -> Result<Resolution, Error> {
    let before = zone.offset_of(civil, false)?;
    let after = zone.offset_of(civil, true)?;
    if before > after {
        return Ok(Resolution::Fold { before, after });
    }
    if before < after {
        return Ok(Resolution::Gap { before, after });
    }
    match UtcMicros::new(civil.get() - before) {
        Some(t) => match zone.offset_at(t)? {
            found if found > before => Ok(Resolution::Gap { before, after: found }),
            _ => Ok(Resolution::Unique(before)),
        },
        None => Ok(Resolution::Unique(before)),
    }
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * MICROS_PER_SECOND
}

/// jiff's form of a civil time. Its range holds the years 1 to 9999, so this does not fail.
fn datetime(civil: CivilMicros) -> Result<DateTime, Error> {
    let out_of_range = |e: jiff::Error| Error::new(ErrorKind::OutOfRange, e.to_string());
    let (year, month, day) = date_of(civil.day());
    let date = Date::new(year as i16, month as i8, day as i8).map_err(out_of_range)?;
    let (seconds, rest) =
        (civil.micros_of_day() / MICROS_PER_SECOND, civil.micros_of_day() % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let time =
        Time::new(hour as i8, minute as i8, second as i8, rest as i32 * 1_000).map_err(out_of_range)?;
    Ok(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600 * MICROS_PER_SECOND;

    fn iana(name: &str) -> Zone {
        Zone::Iana(TimeZone::get(name).unwrap())
    }

    fn civil(text: &str) -> CivilMicros {
        let datetime: DateTime = text.parse().unwrap();
        let t = UtcMicros::try_from(TimeZone::UTC.to_timestamp(datetime).unwrap()).unwrap();
        CivilMicros::new(t.get()).unwrap()
    }

    #[test]
    fn a_civil_time_is_one_instant_or_none_or_two() {
        let berlin = iana("Europe/Berlin");
        let (winter, summer) = (HOUR, 2 * HOUR);
        for (text, expected) in [
            ("2024-03-31T01:59:59", Resolution::Unique(winter)),
            ("2024-03-31T02:00:00", Resolution::Gap { before: winter, after: summer }),
            ("2024-03-31T02:59:59.999999", Resolution::Gap { before: winter, after: summer }),
            ("2024-03-31T03:00:00", Resolution::Unique(summer)),
            ("2024-10-27T02:00:00", Resolution::Fold { before: summer, after: winter }),
            ("2024-10-27T03:00:00", Resolution::Unique(winter)),
        ] {
            assert_eq!(berlin.resolve(civil(text)).unwrap(), expected, "{text}");
        }
        assert_eq!(
            Zone::fixed(-12_600).unwrap().resolve(CivilMicros::MIN).unwrap(),
            Resolution::Unique(-7 * HOUR / 2)
        );
        assert!(Zone::fixed(86_400).is_err());
    }

    #[test]
    fn finds_the_instant_of_a_change() {
        for (name, text, change) in [
            ("Europe/Berlin", "2024-03-31T02:30:00", "2024-03-31T01:00:00"),
            ("Europe/Berlin", "2024-10-27T02:59:59.999999", "2024-10-27T01:00:00"),
            ("Europe/Berlin", "2024-10-27T02:00:00", "2024-10-27T01:00:00"),
            ("Australia/Lord_Howe", "2024-10-06T02:29:59", "2024-10-05T15:30:00"),
            ("Pacific/Apia", "2011-12-30T00:00:00", "2011-12-30T10:00:00"),
            ("Pacific/Apia", "2011-12-30T23:59:59", "2011-12-30T10:00:00"),
        ] {
            let zone = iana(name);
            let (before, after) = match zone.resolve(civil(text)).unwrap() {
                Resolution::Gap { before, after } | Resolution::Fold { before, after } => (before, after),
                Resolution::Unique(_) => panic!("{text} is neither in a gap nor in a fold"),
            };
            assert_eq!(zone.change_at(civil(text), before, after).unwrap(), civil(change).get(), "{text}");
        }
    }

    #[test]
    fn jiffs_last_instant_is_not_the_end() {
        let new_york = iana("America/New_York");
        assert_eq!(new_york.offset_at(UtcMicros::MAX).unwrap(), -5 * HOUR);
        assert_eq!(new_york.resolve(CivilMicros::MAX).unwrap(), Resolution::Unique(-5 * HOUR));
        let kolkata = iana("Asia/Kolkata");
        assert_eq!(kolkata.civil_at(UtcMicros::MAX).unwrap(), CivilMicros::MAX);
        assert!(kolkata.resolve(CivilMicros::MIN).is_ok() && new_york.civil_at(UtcMicros::MIN).is_ok());
    }
}
