//! The calendar interval trigger: fires every so many years, months, weeks and days, always at the same time of day.

use super::combining::Rounds;
use super::jitter::{self, JitterSource, NoJitter};
use crate::error::Error;
use crate::time::calendar::MICROS_PER_DAY;
use crate::time::{CivilDate, CivilMicros, MICROS_PER_SECOND, Resolution, UtcMicros, Zone};

/// The distance between two fire dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalendarStep {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Weeks.
    pub weeks: u32,
    /// Days.
    pub days: u32,
}

/// A time of day in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
    second: u8,
}

impl TimeOfDay {
    /// The time of day `hour`:`minute`:`second`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with the message of Python's `datetime.time`.
    pub fn new(hour: u8, minute: u8, second: u8) -> Result<Self, Error> {
        match (hour, minute, second) {
            (24.., _, _) => Err(Error::invalid("hour must be in 0..23")),
            (_, 60.., _) => Err(Error::invalid("minute must be in 0..59")),
            (_, _, 60..) => Err(Error::invalid("second must be in 0..59")),
            _ => Ok(Self { hour, minute, second }),
        }
    }

    /// The hour, 0 to 23.
    pub fn hour(self) -> u8 {
        self.hour
    }

    /// The minute, 0 to 59.
    pub fn minute(self) -> u8 {
        self.minute
    }

    /// The second, 0 to 59.
    pub fn second(self) -> u8 {
        self.second
    }
}

/// Fires at the same time of day on dates that lie a calendar step apart.
///
/// Each date is reached from the one before: first the years and months are added, again and again until
/// the month has that day; then the weeks and days. The first date is the start date, even when it has
/// passed (so does APScheduler 3.11, though its documentation says otherwise).
///
/// A date on which a gap skips the time of day is passed over, and the next one is counted from it. In a
/// fold the earlier of the two instants is taken. Both are APScheduler's documented rules; 3.11 counts from
/// the date after the gap instead when the gap spans midnight, which APScheduler's own repository has
/// recognised as a mistake (pull request 1138).
#[derive(Clone, Debug, PartialEq)]
pub struct CalendarIntervalTrigger {
    step: CalendarStep,
    time: TimeOfDay,
    start_date: CivilDate,
    end_date: Option<CivilDate>,
    zone: Zone,
    jitter: i64,
}

impl CalendarIntervalTrigger {
    /// A trigger that fires at `time` of `zone` on `start_date` and every `step` after that, not on a date
    /// after `end_date`, each time up to `jitter` microseconds late.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a step of nothing, an end before the start, or a negative jitter.
    pub fn new(
        step: CalendarStep,
        time: TimeOfDay,
        start_date: CivilDate,
        end_date: Option<CivilDate>,
        zone: Zone,
        jitter: i64,
    ) -> Result<Self, Error> {
        if step == CalendarStep::default() {
            return Err(Error::invalid("interval must be at least 1 day long"));
        }
        if end_date.is_some_and(|end| start_date > end) {
            return Err(Error::invalid("end_date cannot be earlier than start_date"));
        }
        Ok(Self { step, time, start_date, end_date, zone, jitter: jitter::check(jitter)? })
    }

    /// The distance between two fire dates.
    pub fn step(&self) -> CalendarStep {
        self.step
    }

    /// The time of day it fires at.
    pub fn time(&self) -> TimeOfDay {
        self.time
    }

    /// The first fire date.
    pub fn start_date(&self) -> CivilDate {
        self.start_date
    }

    /// The last possible fire date.
    pub fn end_date(&self) -> Option<CivilDate> {
        self.end_date
    }

    /// The zone whose clock it reads.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// How late a fire time may be, in microseconds.
    pub fn jitter(&self) -> i64 {
        self.jitter
    }

    /// See [`super::Trigger::next_fire_time`]. What time it is now does not matter.
    ///
    /// # Errors
    ///
    /// What a host zone raised.
    pub fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        source: &mut dyn JitterSource,
    ) -> Result<Option<UtcMicros>, Error> {
        let mut next = match previous {
            Some(previous) => self.date_at(previous)?.and_then(|date| self.date_after(date)),
            None => Some(self.start_date),
        };
        while let Some(date) = next.filter(|date| self.end_date.is_none_or(|end| *date <= end)) {
            if let Some(t) = self.fire_time_on(date)? {
                return Ok(Some(jitter::add(t, self.jitter, source)));
            }
            next = self.date_after(date);
        }
        Ok(None)
    }

    /// See [`super::Trigger::own_after`].
    pub(super) fn own_after(
        &self,
        previous: Option<UtcMicros>,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        let first = self.next_fire_time(None, &mut NoJitter)?;
        match (first, previous) {
            (Some(first), Some(previous)) if first <= previous => {
                let last = self.latest_fire_time(first, previous, rounds)?;
                Ok(self.next_fire_time(Some(last), &mut NoJitter)?.filter(|next| *next > previous))
            }
            _ => Ok(first),
        }
    }

    /// See [`super::Trigger::latest_fire_time`]. Arithmetic where the step is of days alone or of months
    /// alone. Where it has both, each date depends on the one before, and the dates are walked: a round each.
    pub(super) fn latest_fire_time(
        &self,
        due: UtcMicros,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<UtcMicros, Error> {
        let (Some(first), Some(mut last)) = (self.date_at(due)?, self.date_at(now)?) else { return Ok(due) };
        last = self.end_date.map_or(last, |end| last.min(end));
        if self.months() > 0 && self.days() > 0 {
            let (mut latest, mut next) = (due, self.date_after(first));
            while let Some(date) = next.filter(|date| *date <= last && rounds.take()) {
                latest = self.fire_time_on(date)?.filter(|t| *t <= now).unwrap_or(latest);
                next = self.date_after(date);
            }
            return Ok(latest);
        }
        let (distance, step) = if self.months() > 0 {
            (month_number(last) - month_number(first), self.months())
        } else {
            (i64::from(last.epoch_day()) - i64::from(first.epoch_day()), self.days())
        };
        // The dates from the last one back, down to the first after that of `due`.
        for steps in (1..=distance.max(0) / step).rev() {
            let date = if self.months() > 0 {
                date_in_month(month_number(first) + steps * step, first.day())
            } else {
                day_number(i64::from(first.epoch_day()) + steps * step)
            };
            let Some(date) = date.filter(|date| *date <= last) else { continue };
            if let Some(t) = self.fire_time_on(date)?.filter(|t| *t <= now) {
                return Ok(t.max(due));
            }
        }
        Ok(due)
    }

    /// The step's years and months, in months.
    fn months(&self) -> i64 {
        i64::from(self.step.years) * 12 + i64::from(self.step.months)
    }

    /// The step's weeks and days, in days.
    fn days(&self) -> i64 {
        i64::from(self.step.weeks) * 7 + i64::from(self.step.days)
    }

    /// The date on the clock of the zone at `t`.
    fn date_at(&self, t: UtcMicros) -> Result<Option<CivilDate>, Error> {
        Ok(CivilDate::from_epoch_day(self.zone.civil_at(t)?.day()))
    }

    /// The date one step after `date`; `None` after the year 9999.
    fn date_after(&self, date: CivilDate) -> Option<CivilDate> {
        let mut month = month_number(date) + self.months();
        let date = loop {
            match date_in_month(month, date.day()) {
                Some(date) => break date,
                None if month > month_number(CivilDate::MAX) => return None,
                None => month += self.months(),
            }
        };
        day_number(i64::from(date.epoch_day()) + self.days())
    }

    /// The instant of the time of day on `date`: the earlier one in a fold, `None` in a gap.
    fn fire_time_on(&self, date: CivilDate) -> Result<Option<UtcMicros>, Error> {
        let TimeOfDay { hour, minute, second } = self.time;
        let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        let micros = i64::from(date.epoch_day()) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND;
        let Some(civil) = CivilMicros::new(micros) else { return Ok(None) };
        Ok(match self.zone.resolve(civil)? {
            Resolution::Unique(offset) | Resolution::Fold { before: offset, .. } => {
                UtcMicros::new(micros - offset)
            }
            Resolution::Gap { .. } => None,
        })
    }
}

/// Months since January of the year 0.
fn month_number(date: CivilDate) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The `day`th of a month counted from January of the year 0; `None` when it is not there.
fn date_in_month(month: i64, day: u8) -> Option<CivilDate> {
    CivilDate::checked(i32::try_from(month.div_euclid(12)).ok()?, month.rem_euclid(12) as u8 + 1, day)
}

/// A day counted from 1970-01-01.
fn day_number(days: i64) -> Option<CivilDate> {
    CivilDate::from_epoch_day(i32::try_from(days).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i16, month: u8, day: u8) -> CivilDate {
        CivilDate::new(year, month, day).unwrap()
    }

    fn midnight(year: i16, month: u8, day: u8) -> UtcMicros {
        UtcMicros::new(i64::from(date(year, month, day).epoch_day()) * MICROS_PER_DAY).unwrap()
    }

    fn trigger(step: CalendarStep, start: CivilDate, end: Option<CivilDate>) -> CalendarIntervalTrigger {
        CalendarIntervalTrigger::new(step, TimeOfDay::default(), start, end, Zone::UTC, 0).unwrap()
    }

    fn step(years: u32, months: u32, weeks: u32, days: u32) -> CalendarStep {
        CalendarStep { years, months, weeks, days }
    }

    #[test]
    fn the_first_date_is_the_start_date_even_in_the_past() {
        let trigger = trigger(step(0, 0, 0, 2), date(2011, 12, 28), None);
        assert_eq!(trigger.next_fire_time(None, &mut NoJitter), Ok(Some(midnight(2011, 12, 28))));
    }

    #[test]
    fn months_without_the_day_are_passed_over() {
        for (step, start, second, third) in [
            (step(0, 1, 0, 0), (2024, 1, 31), (2024, 3, 31), (2024, 5, 31)),
            (step(1, 0, 0, 0), (2096, 2, 29), (2104, 2, 29), (2108, 2, 29)),
            (step(0, 1, 0, 1), (2024, 1, 31), (2024, 4, 1), (2024, 5, 2)),
            (step(1, 1, 1, 1), (2023, 12, 31), (2025, 2, 8), (2026, 3, 16)),
            (step(0, 0, 2, 3), (2024, 2, 20), (2024, 3, 8), (2024, 3, 25)),
        ] {
            let trigger = trigger(step, date(start.0, start.1, start.2), None);
            let mut last = trigger.next_fire_time(None, &mut NoJitter).unwrap();
            for (year, month, day) in [second, third] {
                last = trigger.next_fire_time(last, &mut NoJitter).unwrap();
                assert_eq!(last, Some(midnight(year, month, day)), "{step:?}");
            }
            let due = midnight(start.0, start.1, start.2);
            let latest = trigger.latest_fire_time(due, last.unwrap(), &mut Rounds::new());
            assert_eq!(latest, Ok(last.unwrap()));
        }
    }

    #[test]
    fn ends_at_the_end_date_and_with_the_year_9999() {
        let short = trigger(step(0, 0, 0, 1), date(2024, 1, 1), Some(date(2024, 1, 2)));
        let second = short.next_fire_time(Some(midnight(2024, 1, 1)), &mut NoJitter).unwrap();
        assert_eq!(second, Some(midnight(2024, 1, 2)));
        assert_eq!(short.next_fire_time(second, &mut NoJitter), Ok(None));
        assert_eq!(
            short.latest_fire_time(midnight(2024, 1, 1), UtcMicros::MAX, &mut Rounds::new()),
            Ok(midnight(2024, 1, 2))
        );
        for step in [step(0, 0, 0, u32::MAX), step(u32::MAX, u32::MAX, u32::MAX, u32::MAX), step(0, 12, 0, 0)]
        {
            let trigger = trigger(step, date(2024, 1, 1), None);
            assert_eq!(trigger.next_fire_time(Some(midnight(9999, 3, 31)), &mut NoJitter), Ok(None));
        }
    }

    #[test]
    fn refuses_with_apschedulers_messages() {
        let make = |step, end| {
            CalendarIntervalTrigger::new(step, TimeOfDay::default(), date(2024, 1, 2), end, Zone::UTC, 0)
        };
        let error = make(CalendarStep::default(), None).unwrap_err();
        assert_eq!(error.message(), "interval must be at least 1 day long");
        let error = make(step(0, 0, 0, 1), Some(date(2024, 1, 1))).unwrap_err();
        assert_eq!(error.message(), "end_date cannot be earlier than start_date");
        assert_eq!(TimeOfDay::new(24, 0, 0).unwrap_err().message(), "hour must be in 0..23");
    }
}
