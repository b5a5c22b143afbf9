//! What the trigger tests share: zones, instants by their text, and a second opinion on cron fields.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mainspring_core::UtcMicros;
use mainspring_core::time::*;
use mainspring_core::trigger::cron::expr::Expr;
use mainspring_core::trigger::cron::field::FieldName;
use mainspring_core::trigger::*;

/// Zones with all sorts of changes: by an hour, by half an hour, at midnight, a day left out, negative DST.
pub const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Nuuk",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Antarctica/Troll",
];

pub fn zone(name: &str) -> Zone {
    Zone::Iana(TimeZone::get(name).unwrap())
}

/// An instant such as `2024-03-31T01:30:00+01:00`.
pub fn at(text: &str) -> UtcMicros {
    UtcMicros::try_from(text.parse::<Timestamp>().unwrap()).unwrap()
}

/// An instant as the clock of `zone` shows it.
pub fn show(t: Option<UtcMicros>, name: &str) -> String {
    let Some(t) = t else { return "never".to_owned() };
    let zoned = Timestamp::try_from(t).unwrap().to_zoned(TimeZone::get(name).unwrap());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A cron trigger of `minute hour day month day_of_week`-like pairs: `[("hour", "2")]`.
pub fn cron(name: &str, given: &[(&str, &str)]) -> Trigger {
    let texts = FieldName::ALL.map(|field| given.iter().find(|(n, _)| *n == field.as_str()).map(|(_, e)| *e));
    let fields = CronFields::parse(texts).unwrap();
    Trigger::Cron(Arc::new(CronTrigger::new(fields, zone(name), None, None, 0).unwrap()))
}

pub fn next(trigger: &Trigger, previous: Option<UtcMicros>, now: UtcMicros) -> Option<UtcMicros> {
    trigger.next_fire_time(previous, now, &mut NoJitter).unwrap()
}

/// The first `n` fire times from `now` on.
pub fn chain(trigger: &Trigger, now: UtcMicros, n: usize) -> Vec<Option<UtcMicros>> {
    let mut times = vec![next(trigger, None, now)];
    while let Some(Some(last)) = times.last().copied().filter(|_| times.len() < n) {
        times.push(next(trigger, Some(last), last.max(now)));
    }
    times
}

/// What the clock shows at `t`, worked out by jiff alone.
pub fn wall(t: UtcMicros, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::try_from(t).unwrap())
}

/// Whether a civil time matches, worked out field by field without bit sets.
pub fn matches(fields: &CronFields, wall: DateTime) -> bool {
    wall.subsec_nanosecond() == 0
        && fields
            .as_slice()
            .iter()
            .all(|field| field.exprs().iter().any(|expr| expr_matches(field.name(), *expr, wall)))
}

fn expr_matches(name: FieldName, expr: Expr, wall: DateTime) -> bool {
    let date = wall.date();
    let weekday = date.weekday().to_monday_zero_offset();
    let value = match name {
        FieldName::Year => wall.year(),
        FieldName::Month => i16::from(wall.month()),
        FieldName::Day => i16::from(wall.day()),
        FieldName::Week => i16::from(date.iso_week_date().week()),
        FieldName::DayOfWeek => i16::from(weekday),
        FieldName::Hour => i16::from(wall.hour()),
        FieldName::Minute => i16::from(wall.minute()),
        FieldName::Second => i16::from(wall.second()),
    };
    let value = u16::try_from(value).unwrap();
    match expr {
        Expr::All { step } => value >= name.min() && (value - name.min()) % step.unwrap_or(1) == 0,
        Expr::Range { first, last, step } => {
            value >= first && value <= last.unwrap_or(name.max()) && (value - first) % step.unwrap_or(1) == 0
        }
        Expr::Months { first, last } | Expr::Weekdays { first, last } => (first..=last).contains(&value),
        Expr::WeekdayPosition { position: 5, weekday: wanted } => {
            weekday == wanted as i8 && wall.day() + 7 > date.days_in_month()
        }
        Expr::WeekdayPosition { position, weekday: wanted } => {
            weekday == wanted as i8 && (wall.day() - 1) / 7 == position as i8
        }
        Expr::LastDay => wall.day() == date.days_in_month(),
    }
}
