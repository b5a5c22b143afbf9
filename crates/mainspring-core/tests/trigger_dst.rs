//! Fire times around changes of the clock. Each table row is a zone, the fields, where the search starts,
//! and the fire times from there on as the clock of the zone shows them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{at, chain, cron, show, zone};
use mainspring_core::UtcMicros;
use mainspring_core::time::*;
use mainspring_core::trigger::*;
use std::sync::Arc;

type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

fn check(rows: &[Row]) {
    for (name, fields, from, expected) in rows {
        let trigger = cron(name, fields);
        let times = chain(&trigger, at(from), expected.len());
        let shown: Vec<String> = times.iter().map(|t| show(*t, name)).collect();
        assert_eq!(shown, *expected, "{name} {fields:?} from {from}");
        // And back again: each fire time is the last one before the next.
        for pair in times.windows(2) {
            if let [Some(earlier), Some(later)] = *pair {
                let before = later.checked_add(-1).unwrap();
                assert_eq!(trigger.latest_fire_time(times[0].unwrap(), before).unwrap(), earlier);
            }
        }
    }
}

/// DIFFERENCE: APScheduler 3.11 returns the time that does not exist, 02:30+01:00 in Berlin, or after a
/// change at midnight a time that does not match the fields.
#[test]
fn a_time_in_a_gap_does_not_fire() {
    check(&[
        (
            "Europe/Berlin",
            &[("hour", "2"), ("minute", "30")],
            "2024-03-30T12:00:00Z",
            &["2024-04-01T02:30:00+02:00", "2024-04-02T02:30:00+02:00"],
        ),
        (
            "America/New_York",
            &[("hour", "1-3"), ("minute", "*/30")],
            "2024-03-10T06:15:00Z",
            &[
                "2024-03-10T01:30:00-05:00",
                "2024-03-10T03:00:00-04:00",
                "2024-03-10T03:30:00-04:00",
                "2024-03-11T01:00:00-04:00",
            ],
        ),
        (
            "Australia/Lord_Howe",
            &[("hour", "2"), ("minute", "*/15")],
            "2024-10-05T15:00:00Z",
            &["2024-10-06T02:30:00+11:00", "2024-10-06T02:45:00+11:00", "2024-10-07T02:00:00+11:00"],
        ),
        (
            "Asia/Beirut",
            &[("hour", "0")],
            "2024-03-30T12:00:00Z",
            &["2024-04-01T00:00:00+03:00", "2024-04-02T00:00:00+03:00"],
        ),
        (
            "America/Sao_Paulo",
            &[("hour", "0"), ("minute", "0,59")],
            "2018-11-03T03:30:00Z",
            &["2018-11-03T00:59:00-03:00", "2018-11-05T00:00:00-02:00", "2018-11-05T00:59:00-02:00"],
        ),
        (
            "America/St_Johns",
            &[("hour", "0"), ("minute", "*/39")],
            "2010-03-14T03:30:53Z",
            &["2010-03-15T00:00:00-02:30", "2010-03-15T00:39:00-02:30"],
        ),
        (
            "Africa/Casablanca",
            &[("hour", "2"), ("minute", "30")],
            "2024-04-13T12:00:00Z",
            &["2024-04-15T02:30:00+01:00"],
        ),
        (
            "Pacific/Apia",
            &[("hour", "10")],
            "2011-12-29T12:00:00Z",
            &["2011-12-29T10:00:00-10:00", "2011-12-31T10:00:00+14:00"],
        ),
        (
            "Pacific/Apia",
            &[("day", "30"), ("month", "12"), ("year", "2011")],
            "2011-12-01T00:00:00Z",
            &["never"],
        ),
    ]);
}

#[test]
fn a_time_in_a_fold_fires_twice() {
    check(&[
        (
            "Europe/Berlin",
            &[("hour", "2"), ("minute", "30")],
            "2024-10-26T12:00:00Z",
            &["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-28T02:30:00+01:00"],
        ),
        (
            "America/New_York",
            &[("minute", "*/30")],
            "2024-11-03T05:00:00Z",
            &[
                "2024-11-03T01:00:00-04:00",
                "2024-11-03T01:30:00-04:00",
                "2024-11-03T01:00:00-05:00",
                "2024-11-03T01:30:00-05:00",
                "2024-11-03T02:00:00-05:00",
            ],
        ),
        (
            "Australia/Lord_Howe",
            &[("minute", "*/15"), ("hour", "1")],
            "2024-04-06T14:30:00Z",
            &[
                "2024-04-07T01:30:00+11:00",
                "2024-04-07T01:45:00+11:00",
                "2024-04-07T01:30:00+10:30",
                "2024-04-07T01:45:00+10:30",
                "2024-04-08T01:00:00+10:30",
            ],
        ),
        (
            "America/St_Johns",
            &[("hour", "0-1"), ("minute", "0")],
            "2010-11-07T02:29:00Z",
            &[
                "2010-11-07T00:00:00-02:30",
                "2010-11-07T00:00:00-03:30",
                "2010-11-07T01:00:00-03:30",
                "2010-11-08T00:00:00-03:30",
            ],
        ),
        (
            "Africa/Casablanca",
            &[("hour", "2")],
            "2024-03-09T12:00:00Z",
            &["2024-03-10T02:00:00+01:00", "2024-03-10T02:00:00+00:00", "2024-03-11T02:00:00+00:00"],
        ),
        (
            "Asia/Beirut",
            &[("hour", "23"), ("minute", "59")],
            "2024-10-26T12:00:00Z",
            &["2024-10-26T23:59:00+03:00", "2024-10-26T23:59:00+02:00", "2024-10-27T23:59:00+02:00"],
        ),
    ]);
}

/// DIFFERENCE: APScheduler 3.11 adds elapsed time to step to the next day or month, lands an hour late after
/// a change forward, and so misses the fire time of that day (agronholm/apscheduler, issue 529).
#[test]
fn a_change_of_the_clock_on_the_way_costs_no_fire_time() {
    check(&[
        (
            "Europe/Berlin",
            &[("day", "1")],
            "2024-02-15T00:00:00Z",
            &["2024-03-01T00:00:00+01:00", "2024-04-01T00:00:00+02:00", "2024-05-01T00:00:00+02:00"],
        ),
        (
            "Europe/Berlin",
            &[("day_of_week", "mon")],
            "2024-03-30T00:00:00Z",
            &["2024-04-01T00:00:00+02:00", "2024-04-08T00:00:00+02:00"],
        ),
        (
            "America/Chicago",
            &[("day_of_week", "0-4")],
            "2021-03-12T06:00:01Z",
            &["2021-03-15T00:00:00-05:00", "2021-03-16T00:00:00-05:00"],
        ),
        (
            "Asia/Kolkata",
            &[("day", "last"), ("hour", "23")],
            "2024-02-15T00:00:00Z",
            &["2024-02-29T23:00:00+05:30", "2024-03-31T23:00:00+05:30"],
        ),
    ]);
}

fn calendar(name: &str, days: u32, time: (u8, u8), start: (i16, u8, u8)) -> Trigger {
    let step = CalendarStep { days, ..Default::default() };
    let time = TimeOfDay::new(time.0, time.1, 0).unwrap();
    let start = CivilDate::new(start.0, start.1, start.2).unwrap();
    let trigger = CalendarIntervalTrigger::new(step, time, start, None, zone(name), 0).unwrap();
    Trigger::CalendarInterval(Arc::new(trigger))
}

/// DIFFERENCE: in Nuuk APScheduler 3.11 goes on from the date after the gap and so passes over one date too
/// many (agronholm/apscheduler, pull request 1138); in Apia it moves the day that was left out to the next.
#[test]
fn calendar_intervals_pass_over_gaps_and_take_the_earlier_of_a_fold() {
    for (name, days, time, start, expected) in [
        (
            "Europe/Berlin",
            1,
            (2, 30),
            (2024, 3, 30),
            ["2024-03-30T02:30:00+01:00", "2024-04-01T02:30:00+02:00", "2024-04-02T02:30:00+02:00"],
        ),
        (
            "Europe/Berlin",
            1,
            (2, 30),
            (2024, 10, 26),
            ["2024-10-26T02:30:00+02:00", "2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00"],
        ),
        (
            "America/Nuuk",
            1,
            (23, 30),
            (2024, 3, 29),
            ["2024-03-29T23:30:00-02:00", "2024-03-31T23:30:00-01:00", "2024-04-01T23:30:00-01:00"],
        ),
        (
            "Pacific/Apia",
            2,
            (10, 0),
            (2011, 12, 28),
            ["2011-12-28T10:00:00-10:00", "2012-01-01T10:00:00+14:00", "2012-01-03T10:00:00+14:00"],
        ),
        (
            "America/Sao_Paulo",
            7,
            (0, 0),
            (2018, 10, 28),
            ["2018-10-28T00:00:00-03:00", "2018-11-11T00:00:00-02:00", "2018-11-18T00:00:00-02:00"],
        ),
    ] {
        let times = chain(&calendar(name, days, time, start), at("2024-01-01T00:00:00Z"), 3);
        let shown: Vec<String> = times.iter().map(|t| show(*t, name)).collect();
        assert_eq!(shown, expected, "{name}");
    }
}

#[test]
fn starts_in_the_second_showing_of_a_fold() {
    let trigger = cron("Europe/Berlin", &[("hour", "2"), ("minute", "*/20")]);
    let times = chain(&trigger, at("2024-10-27T02:10:00+01:00"), 3);
    let shown: Vec<String> = times.iter().map(|t| show(*t, "Europe/Berlin")).collect();
    assert_eq!(
        shown,
        ["2024-10-27T02:20:00+01:00", "2024-10-27T02:40:00+01:00", "2024-10-28T02:00:00+01:00"]
    );
}

/// jiff's last instant is 9999-12-30T22:00Z; the year goes on after it.
#[test]
fn the_last_days_of_the_year_9999() {
    for name in common::ZONES {
        let trigger = cron(name, &[("minute", "*")]);
        let mut last = common::next(&trigger, None, UtcMicros::MAX.saturating_add(-100_000_000_000));
        while let Some(t) = last {
            let next = common::next(&trigger, Some(t), t);
            assert!(next.is_none_or(|next| next.get() == t.get() + 60_000_000));
            if next.is_none() {
                let offset = zone(name).offset_at(UtcMicros::MAX).unwrap();
                assert_eq!(t.get(), UtcMicros::MAX.get() - 59_999_999 - offset.max(0), "{name}");
            }
            last = next;
        }
    }
}
