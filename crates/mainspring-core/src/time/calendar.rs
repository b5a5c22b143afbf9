//! Dates and civil times as numbers, in the proleptic Gregorian calendar: what the searches need and no more.
//!
//! Days are counted from 1970-01-01. Weekdays are counted from Monday = 0, as Python and APScheduler do.

use super::{MICROS_PER_SECOND, UtcMicros};
use crate::error::{Error, ErrorKind};

/// Microseconds in a civil day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A civil time: what the clock on the wall shows, as microseconds from 1970-01-01T00:00:00 on that clock.
///
/// Within the years 1 to 9999. To turn it into an instant takes a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilMicros(i64);

impl CivilMicros {
    /// 0001-01-01T00:00:00.
    pub const MIN: Self = Self(UtcMicros::MIN.get());
    /// 9999-12-31T23:59:59.999999.
    pub const MAX: Self = Self(UtcMicros::MAX.get());

    /// The civil time `micros` after 1970-01-01T00:00:00; `None` outside the years 1 to 9999.
    pub const fn new(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// The nearest civil time to `micros` within the years 1 to 9999.
    pub(crate) fn saturating(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970-01-01T00:00:00 on the same clock.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The day, counted from 1970-01-01.
    pub(crate) fn day(self) -> i32 {
        // Within the years 1 to 9999 a day number needs 23 bits.
        self.0.div_euclid(MICROS_PER_DAY) as i32
    }

    /// Microseconds since midnight, in `0..MICROS_PER_DAY`.
    pub fn micros_of_day(self) -> i64 {
        self.0.rem_euclid(MICROS_PER_DAY)
    }

    /// The date.
    pub fn date(self) -> CivilDate {
        let (year, month, day) = date_of(self.day());
        CivilDate { year: year as i16, month, day }
    }
}

/// A date of the Gregorian calendar, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    year: i16,
    month: u8,
    day: u8,
}

impl CivilDate {
    /// 9999-12-31.
    pub const MAX: Self = Self { year: 9999, month: 12, day: 31 };

    /// The date `year`-`month`-`day`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfRange`] when there is no such date in the years 1 to 9999.
    pub fn new(year: i16, month: u8, day: u8) -> Result<Self, Error> {
        let no_such_date =
            || Error::new(ErrorKind::OutOfRange, format!("there is no date {year:04}-{month:02}-{day:02}"));
        Self::checked(i32::from(year), month, day).ok_or_else(no_such_date)
    }

    /// As [`CivilDate::new`], `None` for no such date.
    pub(crate) fn checked(year: i32, month: u8, day: u8) -> Option<Self> {
        let ok = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        ok.then_some(Self { year: year as i16, month, day })
    }

    /// The date `days` after 1970-01-01; `None` outside the years 1 to 9999.
    pub(crate) fn from_epoch_day(days: i32) -> Option<Self> {
        if days > Self::MAX.epoch_day() {
            return None;
        }
        let (year, month, day) = date_of(days);
        Self::checked(year, month, day)
    }

    /// Days since 1970-01-01.
    pub(crate) fn epoch_day(self) -> i32 {
        epoch_day(i32::from(self.year), self.month, self.day)
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, January = 1.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }
}

/// Whether `year` has a 29th of February.
pub(crate) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The number of days in a month, 1 to 12, of `year`.
pub(crate) fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. Counts in years that start in March, so that the leap day comes last.
pub(crate) fn epoch_day(year: i32, month: u8, day: u8) -> i32 {
    let (month, day) = (i32::from(month), i32::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The (year, month, day) of a day counted from 1970-01-01: the inverse of [`epoch_day`].
pub(crate) fn date_of(days: i32) -> (i32, u8, u8) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i32::from(month <= 2);
    (year, month as u8, day as u8)
}

/// The weekday of a day counted from 1970-01-01 (a Thursday), Monday = 0.
pub(crate) fn weekday(days: i32) -> u8 {
    (days + 3).rem_euclid(7) as u8
}

/// The ISO 8601 week number, 1 to 53, of a day counted from 1970-01-01: the number of its week's Thursday.
pub(crate) fn iso_week(days: i32) -> u8 {
    let thursday = days - i32::from(weekday(days)) + 3;
    let (year, _, _) = date_of(thursday);
    ((thursday - epoch_day(year, 1, 1)) / 7 + 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;

    #[test]
    fn agrees_with_jiff_on_every_day_of_ten_thousand_years() {
        let mut date = Date::constant(1, 1, 1);
        for days in epoch_day(1, 1, 1)..=epoch_day(9999, 12, 31) {
            let ymd = (i32::from(date.year()), date.month() as u8, date.day() as u8);
            assert_eq!(date_of(days), ymd);
            assert_eq!(epoch_day(ymd.0, ymd.1, ymd.2), days);
            assert_eq!(weekday(days), date.weekday().to_monday_zero_offset() as u8);
            assert_eq!(days_in_month(ymd.0, ymd.1), date.days_in_month() as u8);
            if ymd.0 < 9999 && days % 3 == 0 {
                assert_eq!(iso_week(days), date.iso_week_date().week() as u8, "{date}");
            }
            if let Ok(next) = date.tomorrow() {
                date = next;
            }
        }
    }

    #[test]
    fn dates_are_checked() {
        assert!(CivilDate::new(2023, 2, 29).is_err());
        assert!(CivilDate::new(2024, 2, 29).is_ok());
        assert!(CivilDate::new(0, 1, 1).is_err());
        assert!(CivilDate::new(2024, 13, 1).is_err());
        assert!(CivilDate::from_epoch_day(epoch_day(10_000, 1, 1)).is_none());
    }
}
