//! What must hold for every trigger, checked on generated ones.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{ZONES, matches, next, wall, zone};
use jiff::tz::TimeZone;
use mainspring_core::time::*;
use mainspring_core::trigger::*;
use mainspring_core::{Error, ErrorKind, UtcMicros};
use proptest::prelude::*;
use proptest::sample::select;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;

/// An expression of plain numbers.
fn numbers(min: u16, max: u16) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (1..=max - min).prop_map(|step| format!("*/{step}")),
        (min..=max).prop_map(|n| n.to_string()),
        (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (min..max).prop_flat_map(move |a| (Just(a), 1..=max - a)).prop_map(|(a, step)| format!("{a}/{step}")),
        proptest::collection::vec(min..=max, 1..4).prop_map(|list| list
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(",")),
    ]
}

fn some(strategy: impl Strategy<Value = String>, likely: f64) -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(likely, strategy)
}

/// Fields that fire at most once a minute.
fn fields() -> impl Strategy<Value = CronFields> {
    let year = prop_oneof![Just("*".to_owned()), Just("*/4".to_owned()), Just("2000-2037/3".to_owned())];
    let month = prop_oneof![numbers(1, 12), Just("mar,oct".to_owned()), Just("feb".to_owned())];
    let day = prop_oneof![
        numbers(1, 31),
        Just("last".to_owned()),
        (select(vec!["1st", "2nd", "3rd", "4th", "5th", "last"]), select(vec!["mon", "wed", "sun"]))
            .prop_map(|(position, weekday)| format!("{position} {weekday}")),
    ];
    let weekday = prop_oneof![numbers(0, 6), Just("mon-fri".to_owned()), Just("sat,sun".to_owned())];
    (
        some(year, 0.1),
        some(month, 0.2),
        some(day, 0.3),
        some(numbers(1, 53), 0.1),
        some(weekday, 0.2),
        some(prop_oneof![numbers(0, 23), numbers(0, 4)], 0.7),
        some(numbers(0, 59), 0.7),
    )
        .prop_map(|given| {
            let (year, month, day, week, weekday, hour, minute) = &given;
            let given = [year, month, day, week, weekday, hour, minute];
            let mut texts = [None; 8];
            for (text, given) in texts.iter_mut().zip(given) {
                *text = given.as_deref();
            }
            texts[7] = Some("0");
            CronFields::parse(texts).unwrap()
        })
}

fn zone_name() -> impl Strategy<Value = &'static str> {
    select(ZONES.to_vec())
}

/// Instants of the years 1970 to 2037, most of them within two days of a change of the clock of `name`.
fn instant(name: &'static str) -> impl Strategy<Value = UtcMicros> {
    let tz = TimeZone::get(name).unwrap();
    (0..2_145_000_000_i64, any::<bool>(), -2 * DAY..DAY, 0..1_000_000_i64).prop_map(
        move |(seconds, near, distance, micros)| {
            let start = jiff::Timestamp::from_second(seconds).unwrap();
            let change = tz.following(start).next().filter(|_| near).map(|change| change.timestamp());
            let micros = change.unwrap_or(start).as_microsecond() + distance + micros;
            UtcMicros::new(micros.clamp(0, 2_145_000_000_000_000)).unwrap()
        },
    )
}

fn zone_and_instant() -> impl Strategy<Value = (&'static str, UtcMicros)> {
    zone_name().prop_flat_map(|name| (Just(name), instant(name)))
}

fn cron(fields: &CronFields, zone: Zone) -> Trigger {
    Trigger::Cron(Arc::new(CronTrigger::new(fields.clone(), zone, None, None, 0).unwrap()))
}

/// The first minute from `from` on, within `minutes` of it, that the clock of `tz` shows to match.
fn first_by_trying(fields: &CronFields, tz: &TimeZone, from: UtcMicros, minutes: i64) -> Option<UtcMicros> {
    let first = from.get() + (-from.get()).rem_euclid(MINUTE);
    (0..minutes).filter_map(|n| UtcMicros::new(first + n * MINUTE)).find(|t| matches(fields, wall(*t, tz)))
}

/// The last minute up to `until`, within `minutes` of it, that the clock of `tz` shows to match.
fn last_by_trying(fields: &CronFields, tz: &TimeZone, until: UtcMicros, minutes: i64) -> Option<UtcMicros> {
    let last = until.get() - until.get().rem_euclid(MINUTE);
    (0..minutes).filter_map(|n| UtcMicros::new(last - n * MINUTE)).find(|t| matches(fields, wall(*t, tz)))
}

fn calendar_interval(name: &'static str) -> impl Strategy<Value = Trigger> {
    let step = prop_oneof![
        (1..40_u32).prop_map(|days| CalendarStep { days, ..Default::default() }),
        (1..14_u32).prop_map(|months| CalendarStep { months, ..Default::default() }),
        (0..2_u32, 0..3_u32, 0..2_u32, 1..3_u32).prop_map(|(years, months, weeks, days)| CalendarStep {
            years,
            months,
            weeks,
            days
        }),
    ];
    (step, 0..24_u8, 0..60_u8, 1970..2037_i16, 1..13_u8, 1..29_u8).prop_map(
        move |(step, hour, minute, year, month, day)| {
            let time = TimeOfDay::new(hour, minute, 0).unwrap();
            let start = CivilDate::new(year, month, day).unwrap();
            let trigger = CalendarIntervalTrigger::new(step, time, start, None, zone(name), 0).unwrap();
            Trigger::CalendarInterval(Arc::new(trigger))
        },
    )
}

fn interval() -> impl Strategy<Value = Trigger> {
    let length = prop_oneof![Just(10 * MINUTE), Just(60 * MINUTE), 5 * MINUTE..3 * DAY];
    (length, 0..2_000_000_000_i64).prop_map(|(length, start)| {
        let start = UtcMicros::new(start * 1_000_000).unwrap();
        Trigger::Interval(IntervalTrigger::new(length, start, None, 0).unwrap())
    })
}

fn simple(name: &'static str) -> impl Strategy<Value = Trigger> {
    prop_oneof![
        4 => fields().prop_map(move |fields| cron(&fields, zone(name))),
        2 => interval(),
        2 => calendar_interval(name),
        1 => instant(name).prop_map(|t| Trigger::Date(DateTrigger::new(t))),
    ]
}

fn several(name: &'static str, kind: fn(Arc<Combination>) -> Trigger) -> impl Strategy<Value = Trigger> {
    proptest::collection::vec(simple(name), 1..4)
        .prop_map(move |triggers| kind(Arc::new(Combination::new(triggers, 0).unwrap())))
}

fn any_trigger(name: &'static str) -> impl Strategy<Value = Trigger> {
    prop_oneof![4 => simple(name), 2 => several(name, Trigger::Or), 1 => several(name, Trigger::And)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cron_finds_the_first_matching_instant((name, from) in zone_and_instant(), fields in fields()) {
        let tz = TimeZone::get(name).unwrap();
        let found = next(&cron(&fields, zone(name)), None, from);
        let minutes = 4 * 1_440;
        match first_by_trying(&fields, &tz, from, minutes) {
            Some(first) => prop_assert_eq!(found, Some(first)),
            None => prop_assert!(found.is_none_or(|t| t.micros_since(from) > (minutes - 1) * MINUTE)),
        }
        if let Some(t) = found {
            prop_assert!(t >= from && matches(&fields, wall(t, &tz)));
        }
    }

    /// So the first fire time from one moment on is known for all moments up to it.
    #[test]
    fn the_first_fire_time_is_the_same_up_to_it(
        (name, from) in zone_and_instant(),
        fields in fields(),
        passed in 0.0..=1.0,
    ) {
        let trigger = cron(&fields, zone(name));
        if let Some(first) = next(&trigger, None, from) {
            let between = from.saturating_add((first.micros_since(from) as f64 * passed) as i64).min(first);
            prop_assert_eq!(next(&trigger, None, between), Some(first));
            prop_assert_eq!(next(&trigger, None, first), Some(first));
        }
    }

    #[test]
    fn cron_finds_the_last_matching_instant((name, until) in zone_and_instant(), fields in fields()) {
        let tz = TimeZone::get(name).unwrap();
        let due = until.checked_add(-4 * DAY).unwrap();
        let found = cron(&fields, zone(name)).latest_fire_time(due, until).unwrap();
        prop_assert_eq!(found, last_by_trying(&fields, &tz, until, 4 * 1_440).unwrap_or(due));
    }

    #[test]
    fn a_host_zone_answers_as_the_native_one((name, from) in zone_and_instant(), fields in fields()) {
        let native = cron(&fields, zone(name));
        let host = cron(&fields, Zone::Host(Arc::new(Pep495(TimeZone::get(name).unwrap()))));
        prop_assert!(host.needs_host() && !native.needs_host());
        prop_assert_eq!(next(&host, None, from), next(&native, None, from));
        let due = UtcMicros::new(0).unwrap();
        prop_assert_eq!(host.latest_fire_time(due, from).unwrap(), native.latest_fire_time(due, from).unwrap());
    }

    /// A `tzinfo` written before PEP 495 knows one instant of a fold only, and gaps not at all.
    #[test]
    fn a_host_zone_without_folds_still_gives_matching_times(
        (name, from) in zone_and_instant(),
        fields in fields(),
    ) {
        let tz = TimeZone::get(name).unwrap();
        let host = cron(&fields, Zone::Host(Arc::new(NoFolds(tz.clone()))));
        if let Some(t) = next(&host, None, from) {
            prop_assert!(t >= from && matches(&fields, wall(t, &tz)));
        }
    }

    #[test]
    fn the_latest_fire_time_is_that_of_the_chain(
        (trigger, start, passed) in zone_name().prop_flat_map(|name| (any_trigger(name), instant(name), 0..40 * DAY))
    ) {
        let Some(due) = next(&trigger, None, start) else { return Ok(()) };
        let now = due.saturating_add(passed);
        let mut latest = due;
        for _ in 0..3_000 {
            match next(&trigger, Some(latest), now) {
                Some(t) if t <= now => {
                    prop_assert!(t > latest, "{latest:?} is followed by {t:?}");
                    latest = t;
                }
                _ => {
                    prop_assert_eq!(trigger.latest_fire_time(due, now).unwrap(), latest);
                    return Ok(());
                }
            }
        }
        // Too long a chain to walk here: the answer must still be one of it.
        let latest = trigger.latest_fire_time(due, now).unwrap();
        prop_assert!(latest <= now && next(&trigger, Some(latest), now).is_none_or(|t| t > now));
    }

    /// Whatever the members. (The search of an `And` is given up sooner where there are others.)
    #[test]
    fn an_or_fires_at_the_fire_times_of_its_members(
        (members, start) in zone_name().prop_flat_map(|name| {
            let members = proptest::collection::vec(prop_oneof![3 => simple(name), 1 => several(name, Trigger::Or)], 1..4);
            (members, instant(name))
        })
    ) {
        // What all of them do is known up to here.
        let mut horizon = UtcMicros::MAX;
        let mut own = Vec::new();
        for member in &members {
            let mut previous = None;
            for _ in 0..60 {
                let Some(t) = next(member, previous, previous.unwrap_or(start)) else { break };
                own.push(t);
                previous = Some(t);
            }
            if let Some(last) = previous.filter(|last| next(member, previous, *last).is_some()) {
                horizon = horizon.min(last);
            }
        }
        // A calendar interval may begin in the past, where others fire only as members of a whole.
        own.retain(|t| *t >= start && *t <= horizon);
        own.sort_unstable();
        own.dedup();
        let trigger = Trigger::Or(Arc::new(Combination::new(members, 0).unwrap()));
        let mut previous = start.checked_add(-1).unwrap();
        for t in own {
            let found = next(&trigger, Some(previous), previous);
            prop_assert_eq!(found, Some(t));
            prop_assert_eq!(trigger.latest_fire_time(previous, t), Ok(t));
            previous = t;
        }
    }

    #[test]
    fn no_instant_is_too_extreme(
        trigger in zone_name().prop_flat_map(any_trigger),
        previous in proptest::option::of(extreme()),
        now in extreme(),
    ) {
        if let Some(t) = next(&trigger, previous, now) {
            let _ = next(&trigger, Some(t), now);
        }
        if let Some(previous) = previous {
            let latest = trigger.latest_fire_time(previous, now).unwrap();
            prop_assert!(latest == previous || (previous < latest && latest <= now));
        }
    }
}

fn extreme() -> impl Strategy<Value = UtcMicros> {
    prop_oneof![
        UtcMicros::MIN.get()..=UtcMicros::MAX.get(),
        UtcMicros::MIN.get()..UtcMicros::MIN.get() + 3 * DAY,
        UtcMicros::MAX.get() - 3 * DAY..=UtcMicros::MAX.get(),
        -2 * DAY..2 * DAY,
    ]
    .prop_map(|micros| UtcMicros::new(micros).unwrap())
}

fn offset_at(tz: &TimeZone, t: UtcMicros) -> Result<i64, Error> {
    Zone::Iana(tz.clone()).offset_at(t)
}

/// A zone of the host that keeps to PEP 495, as zoneinfo does.
#[derive(Debug)]
struct Pep495(TimeZone);

impl HostZone for Pep495 {
    fn offset_at(&self, t: UtcMicros) -> Result<i64, Error> {
        offset_at(&self.0, t)
    }

    fn offset_of(&self, civil: CivilMicros, fold: bool) -> Result<i64, Error> {
        Ok(match Zone::Iana(self.0.clone()).resolve(civil)? {
            Resolution::Unique(offset) => offset,
            Resolution::Gap { before, after } | Resolution::Fold { before, after } => {
                if fold {
                    after
                } else {
                    before
                }
            }
        })
    }
}

/// A zone of the host that never heard of folds.
#[derive(Debug)]
struct NoFolds(TimeZone);

impl HostZone for NoFolds {
    fn offset_at(&self, t: UtcMicros) -> Result<i64, Error> {
        offset_at(&self.0, t)
    }

    fn offset_of(&self, civil: CivilMicros, _fold: bool) -> Result<i64, Error> {
        Pep495(self.0.clone()).offset_of(civil, false)
    }
}

/// A zone of the host that raises.
#[derive(Debug)]
struct Broken;

impl HostZone for Broken {
    fn offset_at(&self, _t: UtcMicros) -> Result<i64, Error> {
        Err(Error::new(ErrorKind::Host, "no"))
    }

    fn offset_of(&self, _civil: CivilMicros, _fold: bool) -> Result<i64, Error> {
        Err(Error::new(ErrorKind::Host, "no"))
    }
}

#[test]
fn what_a_host_zone_raises_comes_through() {
    let fields = CronFields::from_crontab("0 2 * * *").unwrap();
    let trigger = cron(&fields, Zone::Host(Arc::new(Broken)));
    let now = UtcMicros::new(0).unwrap();
    let both = Trigger::Or(Arc::new(Combination::new(vec![trigger], 0).unwrap()));
    assert!(both.needs_host());
    assert_eq!(both.next_fire_time(None, now, &mut NoJitter).unwrap_err().kind(), ErrorKind::Host);
    let later = UtcMicros::new(DAY).unwrap();
    assert_eq!(both.latest_fire_time(now, later).unwrap_err().kind(), ErrorKind::Host);
}
