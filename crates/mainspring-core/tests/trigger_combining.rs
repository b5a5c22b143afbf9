//! `And`, `Or` and cron bounds, case by case.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{at, chain, cron, next, show, zone};
use mainspring_core::time::*;
use mainspring_core::trigger::*;
use mainspring_core::{Error, UtcMicros};

const HOUR: i64 = 3_600_000_000;

fn and(triggers: Vec<Trigger>) -> Trigger {
    Trigger::And(Arc::new(Combination::new(triggers, 0).unwrap()))
}

fn or(triggers: Vec<Trigger>) -> Trigger {
    Trigger::Or(Arc::new(Combination::new(triggers, 0).unwrap()))
}

fn interval(length: i64, start: &str) -> Trigger {
    Trigger::Interval(IntervalTrigger::new(length, at(start), None, 0).unwrap())
}

fn date(text: &str) -> Trigger {
    Trigger::Date(DateTrigger::new(at(text)))
}

fn days(n: u32, start: (i16, u8, u8)) -> Trigger {
    let step = CalendarStep { days: n, ..Default::default() };
    let start = CivilDate::new(start.0, start.1, start.2).unwrap();
    let time = TimeOfDay::default();
    Trigger::CalendarInterval(Arc::new(
        CalendarIntervalTrigger::new(step, time, start, None, Zone::UTC, 0).unwrap(),
    ))
}

fn shown(trigger: &Trigger, now: &str, n: usize) -> Vec<String> {
    chain(trigger, at(now), n).iter().map(|t| show(*t, "UTC").replace(":00+00:00", "")).collect()
}

#[test]
fn a_trigger_is_small() {
    assert!(size_of::<Trigger>() <= 48);
}

/// DIFFERENCE: APScheduler 3.11 never returns once there is a previous fire time and the members' next ones
/// differ.
#[test]
fn and_fires_where_all_agree() {
    let crons = and(vec![cron("UTC", &[("day", "*/2")]), cron("UTC", &[("day", "*/3")])]);
    assert_eq!(
        shown(&crons, "2024-01-02T00:00:00Z", 4),
        ["2024-01-07T00:00", "2024-01-13T00:00", "2024-01-19T00:00", "2024-01-25T00:00"]
    );
    let weekends = and(vec![
        cron("UTC", &[("day_of_week", "sat"), ("hour", "*")]),
        interval(9 * HOUR, "2024-01-01T00:00:00Z"),
    ]);
    assert_eq!(
        shown(&weekends, "2024-01-01T00:00:00Z", 4),
        ["2024-01-06T06:00", "2024-01-06T15:00", "2024-01-13T00:00", "2024-01-13T09:00"]
    );
    let calendar = and(vec![days(3, (2024, 1, 1)), days(5, (2024, 1, 2))]);
    assert_eq!(
        shown(&calendar, "2024-01-01T00:00:00Z", 3),
        ["2024-01-07T00:00", "2024-01-22T00:00", "2024-02-06T00:00"]
    );
}

#[test]
fn and_ends_when_it_cannot_go_on() {
    let now = at("2024-01-01T00:00:00Z");
    for never in [
        and(vec![]),
        and(vec![cron("UTC", &[("minute", "0")]), cron("UTC", &[("minute", "30")])]),
        and(vec![interval(HOUR, "2024-01-01T00:00:00Z"), interval(HOUR, "2024-01-01T00:00:01Z")]),
        and(vec![date("2024-01-01T00:00:00Z"), date("2024-01-02T00:00:00Z")]),
        and(vec![date("2023-01-01T00:00:00Z"), cron("UTC", &[("hour", "*")])]),
        and(vec![cron("UTC", &[("hour", "*")]), cron("UTC", &[("month", "2"), ("day", "30")])]),
    ] {
        assert_eq!(next(&never, None, now), None, "{never:?}");
    }
}

/// DIFFERENCE: APScheduler 3.11 has an interval start anew wherever another member has fired, so that one that is
/// longer than the other's distances never fires again.
#[test]
fn intervals_in_an_or_stay_on_their_series() {
    let trigger = or(vec![interval(HOUR * 2 / 3, "2024-01-01T00:00:00Z"), cron("UTC", &[("hour", "*")])]);
    assert_eq!(
        shown(&trigger, "2024-01-01T00:00:00Z", 5),
        ["2024-01-01T00:00", "2024-01-01T00:40", "2024-01-01T01:00", "2024-01-01T01:20", "2024-01-01T02:00"]
    );
    let due = at("2024-01-01T00:40:00Z");
    assert_eq!(trigger.latest_fire_time(due, at("2026-07-05T11:19:00Z")), Ok(at("2026-07-05T11:00:00Z")));
    assert_eq!(trigger.latest_fire_time(due, at("2026-07-05T11:21:00Z")), Ok(at("2026-07-05T11:20:00Z")));

    let half_past_nine = cron("Europe/Berlin", &[("hour", "9"), ("minute", "30")]);
    let trigger = or(vec![interval(24 * HOUR, "2024-03-30T08:00:00Z"), half_past_nine]);
    assert_eq!(
        shown(&trigger, "2024-03-30T00:00:00Z", 4),
        ["2024-03-30T08:00", "2024-03-30T08:30", "2024-03-31T07:30", "2024-03-31T08:00"]
    );
}

#[test]
fn an_or_of_intervals_and_days() {
    let trigger = or(vec![interval(7 * HOUR, "2024-01-01T01:00:00Z"), days(1, (2024, 1, 1))]);
    assert_eq!(
        shown(&trigger, "2024-01-01T00:00:00Z", 6),
        [
            "2024-01-01T00:00",
            "2024-01-01T01:00",
            "2024-01-01T08:00",
            "2024-01-01T15:00",
            "2024-01-01T22:00",
            "2024-01-02T00:00"
        ]
    );
    let due = at("2024-01-01T00:00:00Z");
    assert_eq!(trigger.latest_fire_time(due, at("2034-01-01T20:00:00Z")), Ok(at("2034-01-01T18:00:00Z")));
    assert_eq!(trigger.latest_fire_time(due, at("2034-01-01T02:59:00Z")), Ok(at("2034-01-01T00:00:00Z")));
}

/// A member whose start is still to come waits for it, whatever members fire in the meantime.
#[test]
fn members_of_an_or_begin_at_their_own_start() {
    let fields = CronFields::parse([None, None, None, None, None, Some("*"), None, None]).unwrap();
    let (start, end) = (at("2024-01-01T06:00:00Z"), at("2024-01-01T07:00:00Z"));
    let hourly = CronTrigger::new(fields, Zone::UTC, Some(start), Some(end), 0).unwrap();
    let trigger = or(vec![
        Trigger::Cron(Arc::new(hourly)),
        interval(48 * HOUR, "2024-01-01T06:30:00Z"),
        days(2, (2024, 1, 2)),
        interval(12 * HOUR, "2024-01-01T00:10:00Z"),
    ]);
    assert_eq!(
        shown(&trigger, "2024-01-01T00:00:00Z", 8),
        [
            "2024-01-01T00:10",
            "2024-01-01T06:00",
            "2024-01-01T06:30",
            "2024-01-01T07:00",
            "2024-01-01T12:10",
            "2024-01-02T00:00",
            "2024-01-02T00:10",
            "2024-01-02T12:10"
        ]
    );
    // So do those of what is nested.
    let nested = or(vec![
        and(vec![interval(2 * HOUR, "2024-01-01T00:00:00Z"), interval(3 * HOUR, "2024-01-01T00:00:00Z")]),
        or(vec![interval(5 * HOUR, "2024-01-01T00:00:00Z")]),
    ]);
    assert_eq!(
        shown(&nested, "2024-01-01T00:30:00Z", 5),
        ["2024-01-01T05:00", "2024-01-01T06:00", "2024-01-01T10:00", "2024-01-01T12:00", "2024-01-01T15:00"]
    );
}

/// The longest delay there may be.
struct Most;

impl JitterSource for Most {
    fn draw(&mut self, max_micros: i64) -> i64 {
        max_micros
    }
}

/// A fire time that came later than the next one would have that never come.
#[test]
fn jitter_costs_an_or_no_fire_time() {
    let start = at("2024-01-01T00:00:00Z");
    let hourly = Trigger::Interval(IntervalTrigger::new(HOUR, start, None, 2 * HOUR).unwrap());
    let half_past = cron("UTC", &[("minute", "30")]);
    for (trigger, expected) in [
        (or(vec![hourly.clone(), half_past.clone()]), [1_799_999_999, 1_800_000_000, 5_399_999_999_i64]),
        (or(vec![hourly]), [3_599_999_999, 7_199_999_999, 10_799_999_999]),
    ] {
        let mut previous = None;
        for micros in expected {
            let found = trigger.next_fire_time(previous, start, &mut Most).unwrap();
            assert_eq!(found, start.checked_add(micros));
            previous = found;
        }
    }
    let late = Trigger::Or(Arc::new(Combination::new(vec![half_past], HOUR / 60).unwrap()));
    assert_eq!(late.next_fire_time(None, start, &mut Most), Ok(Some(at("2024-01-01T00:31:00Z"))));
}

/// DIFFERENCE: APScheduler 3.11 forgets the later date once the earlier one has fired
/// (agronholm/apscheduler, issue 427).
#[test]
fn every_date_in_an_or_fires() {
    let trigger = or(vec![date("2024-01-03T00:00:00Z"), date("2024-01-01T00:00:00Z")]);
    assert_eq!(shown(&trigger, "2024-01-01T00:00:00Z", 4), ["2024-01-01T00:00", "2024-01-03T00:00", "never"]);
    let due = at("2024-01-01T00:00:00Z");
    assert_eq!(trigger.latest_fire_time(due, at("2024-01-02T00:00:00Z")), Ok(due));
    assert_eq!(trigger.latest_fire_time(due, at("2024-02-02T00:00:00Z")), Ok(at("2024-01-03T00:00:00Z")));
    assert_eq!(next(&or(vec![]), None, due), None);
}

#[test]
fn jitter_never_passes_the_end_of_a_cron() {
    let fields = CronFields::from_crontab("0 * * * *").unwrap();
    let (start, end) = (at("2024-01-01T00:00:00Z"), at("2024-01-01T02:00:00.5Z"));
    let trigger = CronTrigger::new(fields.clone(), zone("UTC"), Some(start), Some(end), HOUR / 2).unwrap();
    let fire = |previous, now| trigger.next_fire_time(previous, at(now), &mut Most).unwrap();
    assert_eq!(fire(None, "2023-01-01T00:00:00Z"), Some(at("2024-01-01T00:30:00Z")));
    assert_eq!(fire(Some(at("2024-01-01T01:30:00Z")), "2024-01-01T01:30:00Z"), Some(end));
    assert_eq!(fire(Some(end), "2024-01-01T02:00:01Z"), None);
    assert!(CronTrigger::new(fields, zone("UTC"), None, None, -1).is_err());

    let both = Combination::new(vec![date("2024-01-01T00:00:00Z")], HOUR).unwrap();
    let either = Trigger::Or(Arc::new(both));
    assert_eq!(either.next_fire_time(None, start, &mut Most), Ok(Some(at("2024-01-01T01:00:00Z"))));
}

/// As APScheduler 3.11: the start counts only without a previous fire time, and the search starts at `now`
/// when that is the earlier one.
#[test]
fn where_a_cron_search_starts() {
    let fields = CronFields::from_crontab("* * * * *").unwrap();
    let start = at("2024-01-01T00:00:00Z");
    let trigger = CronTrigger::new(fields, Zone::UTC, Some(start), None, 0).unwrap();
    for (previous, now, expected) in [
        (None, "2023-06-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        (None, "2024-06-01T00:00:00.000001Z", "2024-06-01T00:01:00Z"),
        (Some("2023-06-01T00:00:00Z"), "2023-06-01T00:00:00Z", "2023-06-01T00:01:00Z"),
        (Some("2024-06-01T00:00:00Z"), "2024-06-01T00:05:30Z", "2024-06-01T00:01:00Z"),
        (Some("2024-06-01T00:00:00Z"), "2024-05-31T23:59:59Z", "2024-06-01T00:00:00Z"),
    ] {
        let found = trigger.next_fire_time(previous.map(at), at(now), &mut NoJitter);
        assert_eq!(found, Ok(Some(at(expected))), "{previous:?} {now}");
    }
    assert_eq!(trigger.next_fire_time(Some(UtcMicros::MAX), UtcMicros::MAX, &mut NoJitter), Ok(None));
}

/// Fires every so many hours after `previous` or `now`, and counts how often it was asked.
#[derive(Debug)]
struct EveryHours(i64, AtomicU32);

impl HostTrigger for EveryHours {
    fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
    ) -> Result<Option<UtcMicros>, Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(previous.unwrap_or(now).checked_add(self.0 * HOUR))
    }
}

#[test]
fn a_host_trigger_works_wherever_a_native_one_does() {
    let every = |hours| Trigger::Host(Arc::new(EveryHours(hours, AtomicU32::new(0))));
    let (due, now) = (at("2024-01-01T00:00:00Z"), at("2024-01-03T10:30:00Z"));
    assert_eq!(every(4).latest_fire_time(due, now), Ok(at("2024-01-03T08:00:00Z")));

    let both = and(vec![every(5), cron("UTC", &[("hour", "12")])]);
    assert!(both.needs_host());
    assert_eq!(next(&both, Some(due), due), Some(at("2024-01-03T12:00:00Z")));

    // It goes on along its own fire times too, as long as it is known where it is in them.
    let either = or(vec![every(5), cron("UTC", &[("hour", "12")])]);
    assert_eq!(
        shown(&either, "2024-01-01T00:00:00Z", 6),
        [
            "2024-01-01T05:00",
            "2024-01-01T10:00",
            "2024-01-01T12:00",
            "2024-01-01T15:00",
            "2024-01-01T20:00",
            "2024-01-02T01:00"
        ]
    );
    assert_eq!(either.latest_fire_time(due, now), Ok(at("2024-01-03T07:00:00Z")));
    // Asked about what was before all it knows, it begins there.
    assert_eq!(next(&either, Some(at("2023-12-31T22:00:00Z")), due), Some(at("2024-01-01T03:00:00Z")));

    // One that stands still is asked a bounded number of times.
    let stuck = Arc::new(EveryHours(0, AtomicU32::new(0)));
    let both =
        and(vec![Trigger::Host(Arc::clone(&stuck) as Arc<dyn HostTrigger>), cron("UTC", &[("hour", "12")])]);
    assert_eq!(next(&both, Some(due), due), None);
    assert!(stuck.1.load(Ordering::Relaxed) <= 2 * combining::MAX_ROUNDS);
}
