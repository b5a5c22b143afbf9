//! The jobs of the simulated year: triggers of every kind and rules, drawn at random.

use std::sync::Arc;

use jiff::tz::TimeZone;
use mainspring_core::job::RunPolicy;
use mainspring_core::random::SplitMix64;
use mainspring_core::time::{CivilDate, Zone};
use mainspring_core::trigger::{
    CalendarIntervalTrigger, CalendarStep, CronFields, CronTrigger, DateTrigger, IntervalTrigger, TimeOfDay,
    Trigger,
};

use crate::{DAY, HOUR, START, at};

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/St_Johns",
];

/// In the order of the fields: year month day week day_of_week hour minute second.
const CRONS: [[Option<&str>; 8]; 9] = [
    [None, None, None, None, None, Some("*/6"), None, None],
    [None, None, None, None, None, None, Some("17"), None],
    [None, None, None, None, Some("mon-fri"), Some("9-17/4"), Some("30"), None],
    [None, None, None, None, None, Some("2"), Some("30"), None],
    [None, None, None, None, None, Some("0,1,2,3"), Some("0"), None],
    [None, None, Some("last"), None, None, None, None, None],
    [None, None, Some("2nd fri"), None, None, Some("12"), None, None],
    [None, Some("3,10"), None, None, Some("sun"), None, Some("*/20"), None],
    [Some("2025"), Some("*/2"), Some("1-7"), None, None, Some("23"), Some("59"), Some("59")],
];

/// What is drawn from one seed.
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub fn below(&mut self, bound: i64) -> i64 {
        (self.0.next_u64() % bound.unsigned_abs()) as i64
    }

    pub fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as i64) as usize]
    }

    fn zone(&mut self) -> Zone {
        match self.below(8) {
            0 => Zone::UTC,
            1 => Zone::fixed(20_700).unwrap(),
            _ => Zone::Iana(TimeZone::get(self.pick(&ZONES)).unwrap()),
        }
    }

    pub fn trigger(&mut self) -> Trigger {
        let end = self.one_in(4).then(|| at(START + self.below(365) * DAY + self.below(DAY)));
        match self.below(20) {
            0..8 => {
                let fields = CronFields::parse(self.pick(&CRONS)).unwrap();
                Trigger::Cron(Arc::new(CronTrigger::new(fields, self.zone(), None, end, 0).unwrap()))
            }
            8..14 => {
                let interval = if self.one_in(20) { HOUR / 2 } else { HOUR + self.below(20 * DAY) };
                let start = at(START + self.below(30 * DAY) - 5 * DAY);
                Trigger::Interval(IntervalTrigger::new(interval, start, end, 0).unwrap())
            }
            14..17 => Trigger::Date(DateTrigger::new(at(START - DAY + self.below(360 * DAY)))),
            _ => {
                let mut step = CalendarStep { days: 1 + self.below(9) as u32, ..CalendarStep::default() };
                if self.one_in(3) {
                    step = CalendarStep { months: 1, weeks: self.below(2) as u32, ..CalendarStep::default() };
                }
                let time = TimeOfDay::new(self.below(4) as u8, self.below(60) as u8, 0).unwrap();
                let date = CivilDate::new(2025, 1, 1 + self.below(31) as u8).unwrap();
                let trigger = CalendarIntervalTrigger::new(step, time, date, None, self.zone(), 0).unwrap();
                Trigger::CalendarInterval(Arc::new(trigger))
            }
        }
    }

    pub fn policy(&mut self) -> RunPolicy {
        RunPolicy::any(|n| self.below(n as i64) as usize)
    }
}
