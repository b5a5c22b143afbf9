//! A cron trigger's fields as bit sets, and the search for the next or previous civil time that matches them.
//!
//! Each step of the search fixes one field, so its cost does not depend on how far away the match is. The
//! exception is a date: months are tried one by one, each by one mask of its days, and years of a kind
//! that has been tried in full are passed over (there are 28 kinds at most), so that `day=31, month=2`
//! ends at once.

use super::expr::Expr;
use super::field::{Field, FieldName};
use crate::time::calendar::{MICROS_PER_DAY, date_of, days_in_month, epoch_day, is_leap, iso_week, weekday};
use crate::time::{CivilMicros, MICROS_PER_SECOND};

const ALL_WEEKDAYS: u8 = 0b111_1111;
const ALL_WEEKS: u64 = (1 << 54) - 2;

/// What the eight fields match. Bit n stands for the value n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSets {
    second: u64,
    minute: u64,
    week: u64,
    /// Bit `7 * position + weekday` for `2nd fri` and its like.
    positions: u64,
    hour: u32,
    day: u32,
    month: u16,
    day_of_week: u8,
    last_day: bool,
    years: Box<[YearRange]>,
}

/// Every `step`th year from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct YearRange {
    first: i32,
    last: i32,
    step: i32,
}

/// A date in parts: year, month, day of the month.
type Ymd = (i32, u8, u8);

impl FieldSets {
    /// The sets of the eight `fields`, in the order of [`FieldName::ALL`].
    pub(crate) fn new(fields: &[Field; 8]) -> Self {
        let [year, month, day, week, day_of_week, hour, minute, second] = fields;
        let years = year.exprs().iter().filter_map(|expr| numbers(FieldName::Year, *expr));
        let years = years.map(|(first, last, step)| YearRange { first, last, step }).collect();
        let mut positions = 0;
        for expr in day.exprs() {
            if let Expr::WeekdayPosition { position, weekday } = *expr {
                positions |= 1 << (7 * position + weekday);
            }
        }
        Self {
            second: bits(second),
            minute: bits(minute),
            week: bits(week),
            positions,
            hour: bits(hour) as u32,
            day: bits(day) as u32,
            month: bits(month) as u16,
            day_of_week: bits(day_of_week) as u8,
            last_day: day.exprs().contains(&Expr::LastDay),
            years,
        }
    }

    /// The first matching civil time not before `from`.
    pub(crate) fn next(&self, from: CivilMicros) -> Option<CivilMicros> {
        let seconds = from.get().div_euclid(MICROS_PER_SECOND)
            + i64::from(from.get().rem_euclid(MICROS_PER_SECOND) > 0);
        let (day, second) = (seconds.div_euclid(86_400) as i32, seconds.rem_euclid(86_400) as u32);
        let date = date_of(day);
        if self.matches_date(date) {
            if let Some(second) = self.next_second(second) {
                return civil(day, second);
            }
        }
        let (year, month, day) = self.next_date(date)?;
        civil(epoch_day(year, month, day), self.next_second(0)?)
    }

    /// The last matching civil time not after `until`.
    pub(crate) fn previous(&self, until: CivilMicros) -> Option<CivilMicros> {
        let (day, second) = (until.day(), (until.micros_of_day() / MICROS_PER_SECOND) as u32);
        let date = date_of(day);
        if self.matches_date(date) {
            if let Some(second) = self.previous_second(second) {
                return civil(day, second);
            }
        }
        let (year, month, day) = self.previous_date(date)?;
        civil(epoch_day(year, month, day), self.previous_second(86_399)?)
    }

    fn matches_date(&self, (year, month, day): Ymd) -> bool {
        self.years.iter().any(|range| range.next(year) == Some(year))
            && self.month & 1 << month != 0
            && self.days_of(year, month) & 1 << day != 0
    }

    /// The first matching second of the day not before `second`.
    fn next_second(&self, second: u32) -> Option<u32> {
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        if self.hour & 1 << hour != 0 {
            if self.minute & 1 << minute != 0 {
                if let Some(second) = lowest(self.second, second) {
                    return Some(hour * 3_600 + minute * 60 + second);
                }
            }
            if let Some(minute) = lowest(self.minute, minute + 1) {
                return Some(hour * 3_600 + minute * 60 + lowest(self.second, 0)?);
            }
        }
        let hour = lowest(u64::from(self.hour), hour + 1)?;
        Some(hour * 3_600 + lowest(self.minute, 0)? * 60 + lowest(self.second, 0)?)
    }

    /// The last matching second of the day not after `second`.
    fn previous_second(&self, second: u32) -> Option<u32> {
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        if self.hour & 1 << hour != 0 {
            if self.minute & 1 << minute != 0 {
                if let Some(second) = highest(self.second, second + 1) {
                    return Some(hour * 3_600 + minute * 60 + second);
                }
            }
            if let Some(minute) = highest(self.minute, minute) {
                return Some(hour * 3_600 + minute * 60 + highest(self.second, 60)?);
            }
        }
        let hour = highest(u64::from(self.hour), hour)?;
        Some(hour * 3_600 + highest(self.minute, 60)? * 60 + highest(self.second, 60)?)
    }

    /// The first matching date after a given one.
    fn next_date(&self, (year, month, day): Ymd) -> Option<Ymd> {
        if self.years.iter().any(|range| range.next(year) == Some(year)) {
            let rest = if self.month & 1 << month == 0 { 0 } else { self.days_of(year, month) };
            if let Some(day) = lowest(u64::from(rest), u32::from(day) + 1) {
                return Some((year, month, day as u8));
            }
            if let Some(found) = self.first_date(year, month + 1) {
                return Some(found);
            }
        }
        let (mut year, mut tried) = (year, 0_u32);
        for _ in 0..self.enough_years() {
            year = self.years.iter().filter_map(|range| range.next(year + 1)).min()?;
            if tried & kind_of(year) == 0 {
                if let Some(found) = self.first_date(year, 1) {
                    return Some(found);
                }
                tried |= kind_of(year);
            }
        }
        None
    }

    /// The last matching date before a given one.
    fn previous_date(&self, (year, month, day): Ymd) -> Option<Ymd> {
        if self.years.iter().any(|range| range.next(year) == Some(year)) {
            let rest = if self.month & 1 << month == 0 { 0 } else { self.days_of(year, month) };
            if let Some(day) = highest(u64::from(rest), u32::from(day)) {
                return Some((year, month, day as u8));
            }
            if let Some(found) = self.last_date(year, month) {
                return Some(found);
            }
        }
        let (mut year, mut tried) = (year, 0_u32);
        for _ in 0..self.enough_years() {
            year = self.years.iter().filter_map(|range| range.previous(year - 1)).max()?;
            if tried & kind_of(year) == 0 {
                if let Some(found) = self.last_date(year, 13) {
                    return Some(found);
                }
                tried |= kind_of(year);
            }
        }
        None
    }

    /// After how many years without a match there will be none. The calendar repeats every 400 years, so
    /// years at one distance show all their kinds within 400 of them.
    fn enough_years(&self) -> u32 {
        if self.years.len() == 1 { 400 } else { 9_999 }
    }

    /// The first matching date of `year` in the month `from` or a later one.
    fn first_date(&self, year: i32, from: u8) -> Option<Ymd> {
        let mut from = u32::from(from);
        while let Some(month) = lowest(u64::from(self.month), from) {
            if let Some(day) = lowest(u64::from(self.days_of(year, month as u8)), 1) {
                return Some((year, month as u8, day as u8));
            }
            from = month + 1;
        }
        None
    }

    /// The last matching date of `year` in a month before `until`.
    fn last_date(&self, year: i32, until: u8) -> Option<Ymd> {
        let mut until = u32::from(until);
        while let Some(month) = highest(u64::from(self.month), until) {
            if let Some(day) = highest(u64::from(self.days_of(year, month as u8)), 32) {
                return Some((year, month as u8, day as u8));
            }
            until = month;
        }
        None
    }

    /// The days of a month that match the fields day, week and day of the week.
    fn days_of(&self, year: i32, month: u8) -> u32 {
        let length = u32::from(days_in_month(year, month));
        let first = epoch_day(year, month, 1);
        let first_weekday = u32::from(weekday(first));
        let mut days = u64::from(self.day);
        if self.last_day {
            days |= 1 << length;
        }
        if self.positions != 0 {
            days |= self.days_by_position(first_weekday, length);
        }
        if self.day_of_week != ALL_WEEKDAYS {
            // The week as it runs from the first of the month, five times over.
            let week = u64::from(self.day_of_week);
            let week = (week >> first_weekday | week << (7 - first_weekday)) & u64::from(ALL_WEEKDAYS);
            days &= (week | week << 7 | week << 14 | week << 21 | week << 28) << 1;
        }
        if self.week != ALL_WEEKS {
            let mut day = 1;
            while day <= length {
                let here = first + day as i32 - 1;
                let after_sunday = day + 7 - u32::from(weekday(here));
                if self.week & 1 << iso_week(here) == 0 {
                    days &= !((1 << after_sunday) - (1 << day));
                }
                day = after_sunday;
            }
        }
        (days & ((1 << (length + 1)) - 2)) as u32
    }

    /// The days that `2nd fri` and its like stand for in a month that begins on `first_weekday`.
    fn days_by_position(&self, first_weekday: u32, length: u32) -> u64 {
        let (mut days, mut rest) = (0, self.positions);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let (position, weekday) = (bit / 7, bit % 7);
            let first_hit = 1 + (weekday + 7 - first_weekday) % 7;
            let week = if position == 5 { (length - first_hit) / 7 } else { position };
            days |= 1 << (first_hit + 7 * week);
        }
        days
    }
}

impl YearRange {
    /// The first year of the range not before `year`.
    fn next(self, year: i32) -> Option<i32> {
        let missing = (year - self.first).max(0);
        let found = self.first + (missing + self.step - 1) / self.step * self.step;
        Some(found).filter(|found| *found <= self.last)
    }

    /// The last year of the range not after `year`.
    fn previous(self, year: i32) -> Option<i32> {
        let room = year.min(self.last) - self.first;
        (room >= 0).then(|| self.first + room / self.step * self.step)
    }
}

/// A bit for all that decides which days of `year` match, whatever the fields: the weekday it begins on,
/// whether it is a leap year and, for the number of the ISO week it begins in, whether the last one was.
fn kind_of(year: i32) -> u32 {
    let leap = u32::from(is_leap(year)) * 2 + u32::from(is_leap(year - 1));
    1 << (u32::from(weekday(epoch_day(year, 1, 1))) * 4 + leap)
}

/// The first, last and step of an expression of plain numbers.
fn numbers(name: FieldName, expr: Expr) -> Option<(i32, i32, i32)> {
    let (first, last, step) = match expr {
        Expr::All { step } => (name.min(), name.max(), step),
        Expr::Range { first, last, step } => (first, last.unwrap_or(name.max()), step),
        Expr::Months { first, last } | Expr::Weekdays { first, last } => (first, last, None),
        Expr::WeekdayPosition { .. } | Expr::LastDay => return None,
    };
    Some((i32::from(first), i32::from(last), step.map_or(1, i32::from).max(1)))
}

/// The plain numbers that a field matches, as bits. For every field but the year, whose numbers are too great.
fn bits(field: &Field) -> u64 {
    let mut bits = 0;
    for (first, last, step) in field.exprs().iter().filter_map(|expr| numbers(field.name(), *expr)) {
        for value in (first..=last).step_by(step as usize) {
            bits |= 1 << value;
        }
    }
    bits
}

/// The lowest bit not below `from`, which is at most 63.
fn lowest(bits: u64, from: u32) -> Option<u32> {
    let bits = bits >> from << from;
    (bits != 0).then(|| bits.trailing_zeros())
}

/// The highest bit below `until`, which is at most 63.
fn highest(bits: u64, until: u32) -> Option<u32> {
    let bits = bits & ((1 << until) - 1);
    (bits != 0).then(|| 63 - bits.leading_zeros())
}

fn civil(day: i32, second: u32) -> Option<CivilMicros> {
    CivilMicros::new(i64::from(day) * MICROS_PER_DAY + i64::from(second) * MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::super::CronFields;
    use super::*;

    fn sets(given: [Option<&str>; 8]) -> FieldSets {
        CronFields::parse(given).unwrap().sets
    }

    fn at(year: i32, month: u8, day: u8, hour: i64) -> CivilMicros {
        let micros = i64::from(epoch_day(year, month, day)) * MICROS_PER_DAY;
        CivilMicros::new(micros + hour * 3_600 * MICROS_PER_SECOND).unwrap()
    }

    #[test]
    fn what_never_matches_ends() {
        for given in [
            [None, Some("2"), Some("31"), None, None, None, None, None],
            [None, Some("2"), Some("5th mon"), None, Some("tue"), None, None, None],
            [None, Some("jul"), None, Some("1-20"), None, None, None, None],
            [Some("2021-2025"), None, None, Some("53"), Some("mon"), None, None, None],
            [Some("1970-9999/2,1971"), Some("2"), Some("30"), None, None, None, None, None],
            [Some("2023"), Some("2"), Some("29"), None, None, None, None, None],
        ] {
            assert_eq!(sets(given).next(at(1970, 1, 1, 0)), None);
            assert_eq!(sets(given).previous(at(9999, 12, 31, 23)), None);
        }
    }

    #[test]
    fn rare_dates_are_found() {
        for (given, from, found) in [
            ([None, Some("2"), Some("29"), None, None, None, None, None], (2096, 3, 1), (2104, 2, 29)),
            ([None, Some("2"), Some("29"), None, Some("sun"), None, None, None], (2088, 3, 1), (2128, 2, 29)),
            ([Some("*/400"), None, Some("last"), None, None, None, None, None], (2000, 1, 1), (2370, 1, 31)),
            ([None, None, None, Some("53"), Some("sun"), None, None, None], (2021, 1, 4), (2027, 1, 3)),
            ([None, None, None, Some("1"), None, None, None, None], (2024, 2, 1), (2024, 12, 30)),
            ([None, Some("feb"), Some("5th thu"), None, None, None, None, None], (2025, 1, 1), (2052, 2, 29)),
        ] {
            let (sets, (year, month, day)) = (sets(given), from);
            let next = sets.next(at(year, month, day, 0)).unwrap();
            assert_eq!(date_of(next.day()), found, "{given:?}");
            assert_eq!(sets.previous(next), Some(next));
            assert!(sets.previous(CivilMicros::new(next.get() - 1).unwrap()) < Some(at(year, month, day, 0)));
        }
    }

    #[test]
    fn begins_in_1970_and_ends_in_9999() {
        let every = sets([None, None, None, None, None, None, None, Some("*")]);
        assert_eq!(every.next(CivilMicros::MIN), Some(at(1970, 1, 1, 0)));
        assert_eq!(every.next(CivilMicros::MAX), None);
        assert_eq!(every.previous(CivilMicros::MAX).unwrap().get(), CivilMicros::MAX.get() - 999_999);
        assert_eq!(every.previous(at(1969, 12, 31, 23)), None);
    }
}
