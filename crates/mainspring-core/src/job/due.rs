//! The rules of a job that has become due, as pure functions: which of its fire times run, which are
//! missed, and when it is due next.
//!
//! They are those of APScheduler 3.x (`Job._get_run_times`, `BaseScheduler._process_jobs` and
//! `run_job`): every fire time from the due one up to now is a run; coalescing keeps the last; the next
//! fire time follows the last of them; a run that starts more than its grace time late is missed.

use super::RunPolicy;
use crate::error::Error;
use crate::time::{MICROS_PER_SECOND, UtcMicros};
use crate::trigger::{JitterSource, Trigger};

/// How many fire times of one job that is not coalesced are handed over at once. What is left stays due and
/// follows when these are done, so that years of missed fires cost no more memory than this.
pub const MAX_RUN_TIMES: usize = 10_000;

/// The scheduled run times of one submission, in order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunTimes {
    /// One run time, as nearly always.
    One(UtcMicros),
    /// The fire times of a job that is not coalesced and has fallen behind.
    Many(Box<[UtcMicros]>),
}

impl RunTimes {
    /// The run times as a slice.
    pub fn as_slice(&self) -> &[UtcMicros] {
        match self {
            Self::One(at) => std::slice::from_ref(at),
            Self::Many(all) => all,
        }
    }

    /// The last of them.
    pub fn last(&self) -> UtcMicros {
        match self {
            Self::One(at) => *at,
            // There is one: they are never empty.
            Self::Many(all) => all.last().copied().unwrap_or(UtcMicros::MIN),
        }
    }
}

impl From<Vec<UtcMicros>> for RunTimes {
    fn from(all: Vec<UtcMicros>) -> Self {
        match all[..] {
            [one] => Self::One(one),
            _ => Self::Many(all.into_boxed_slice()),
        }
    }
}

/// What a due job does now, and when it is due again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The runs of this pass.
    pub run_times: RunTimes,
    /// The next fire time; `None` when the trigger has ended.
    pub next: Option<UtcMicros>,
}

/// Works out the runs of a job that was due at `due`, which is not after `now`.
///
/// # Errors
///
/// What the trigger raised, and [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for a trigger
/// whose fire times do not advance, which would otherwise keep the engine busy for ever.
pub fn due(
    trigger: &Trigger,
    policy: RunPolicy,
    due: UtcMicros,
    now: UtcMicros,
    jitter: &mut dyn JitterSource,
) -> Result<Due, Error> {
    let next = next_after(trigger, due, now, jitter)?;
    match next {
        Some(second) if second <= now => {}
        _ => return Ok(Due { run_times: RunTimes::One(due), next }),
    }
    if policy.coalesce {
        let last = trigger.latest_fire_time(due, now)?;
        let next = next_after(trigger, last, now, jitter)?;
        return Ok(Due { run_times: RunTimes::One(last), next });
    }
    let mut all = vec![due];
    let mut next = next;
    while let Some(at) = next {
        if at > now || all.len() == MAX_RUN_TIMES {
            break;
        }
        all.push(at);
        next = next_after(trigger, at, now, jitter)?;
    }
    Ok(Due { run_times: all.into(), next })
}

/// The first fire time from `now` on of a trigger whose last one to be handed over was `last`, if there was one:
/// that one, and what comes before it, is not given again, though the trigger may not look at the clock, or the
/// clock may have stepped back or not moved on.
///
/// # Errors
///
/// What the trigger raised.
pub fn from_now(
    trigger: &Trigger,
    last: Option<UtcMicros>,
    now: UtcMicros,
    jitter: &mut dyn JitterSource,
) -> Result<Option<UtcMicros>, Error> {
    let now = last.map_or(now, |last| now.max(last.saturating_add(1)));
    match trigger.next_fire_time(None, now, jitter)? {
        Some(next) if last.is_some_and(|last| next <= last) => trigger.next_fire_time(last, now, jitter),
        next => Ok(next),
    }
}

fn next_after(
    trigger: &Trigger,
    previous: UtcMicros,
    now: UtcMicros,
    jitter: &mut dyn JitterSource,
) -> Result<Option<UtcMicros>, Error> {
    match trigger.next_fire_time(Some(previous), now, jitter)? {
        Some(next) if next <= previous => {
            Err(Error::invalid("the trigger returned a fire time that is not after the previous one"))
        }
        next => Ok(next),
    }
}

/// A grace time in microseconds.
pub fn grace_micros(seconds: Option<u32>) -> Option<i64> {
    seconds.map(|seconds| i64::from(seconds) * MICROS_PER_SECOND)
}

/// Microseconds by which a run scheduled for `run_time` is too late when it starts at `now`: its whole
/// lateness, where that exceeds the grace time; `None` when the run is in time.
pub fn missed_by(run_time: UtcMicros, now: UtcMicros, grace_micros: Option<i64>) -> Option<i64> {
    let late = now.micros_since(run_time);
    (late > grace_micros?).then_some(late)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::ErrorKind;
    use crate::time::{CivilDate, Zone};
    use crate::trigger::{
        CalendarIntervalTrigger, CalendarStep, CronFields, CronTrigger, DateTrigger, HostTrigger,
        IntervalTrigger, TimeOfDay,
    };

    /// Counts how often a trigger with jitter is asked for its next fire time.
    #[derive(Default)]
    struct Questions(usize);

    impl JitterSource for Questions {
        fn draw(&mut self, _max_micros: i64) -> i64 {
            self.0 += 1;
            0
        }
    }

    fn at(seconds: i64) -> UtcMicros {
        UtcMicros::clamped(seconds * MICROS_PER_SECOND)
    }

    /// Every second, with a jitter of which [`Questions`] makes nothing.
    fn every_second() -> Trigger {
        Trigger::Interval(IntervalTrigger::new(MICROS_PER_SECOND, at(0), None, 1).unwrap())
    }

    fn policy(coalesce: bool) -> RunPolicy {
        RunPolicy { coalesce, ..RunPolicy::default() }
    }

    #[test]
    fn a_job_in_time_asks_its_trigger_once() {
        for coalesce in [true, false] {
            let mut questions = Questions::default();
            let due = due(&every_second(), policy(coalesce), at(5), at(5), &mut questions).unwrap();
            assert_eq!(due, Due { run_times: RunTimes::One(at(5)), next: Some(at(6)) });
            assert_eq!(questions.0, 1);
        }
    }

    #[test]
    fn coalescing_ten_years_asks_twice() {
        let now = at(10 * 365 * 86_400);
        let cron = CronFields::parse([None, None, None, None, None, None, None, Some("*")]).unwrap();
        let cron = CronTrigger::new(cron, Zone::UTC, None, None, 1).unwrap();
        for trigger in [every_second(), Trigger::Cron(Arc::new(cron))] {
            let mut questions = Questions::default();
            let due = due(&trigger, policy(true), at(1), now, &mut questions).unwrap();
            assert_eq!(due.run_times, RunTimes::One(now));
            assert_eq!(due.next, now.checked_add(MICROS_PER_SECOND));
            assert_eq!(questions.0, 2);
        }
    }

    #[test]
    fn runs_that_are_not_coalesced_come_in_bounded_pieces() {
        let mut questions = Questions::default();
        let max = MAX_RUN_TIMES as i64;
        let first = due(&every_second(), policy(false), at(1), at(max + 2), &mut questions).unwrap();
        assert_eq!(first.run_times.as_slice().len(), MAX_RUN_TIMES);
        assert_eq!(first.next, Some(at(max + 1)));
        assert_eq!(questions.0, MAX_RUN_TIMES);
        let rest = due(&every_second(), policy(false), at(max + 1), at(max + 2), &mut questions).unwrap();
        assert_eq!(rest.run_times.as_slice(), [at(max + 1), at(max + 2)]);
        assert_eq!(rest.next, Some(at(max + 3)));
    }

    #[test]
    fn a_trigger_may_end_at_or_before_now() {
        let date = Trigger::Date(DateTrigger::new(at(3)));
        let until_4 = IntervalTrigger::new(MICROS_PER_SECOND, at(0), Some(at(4)), 0).unwrap();
        for coalesce in [true, false] {
            let due =
                |trigger| due(trigger, policy(coalesce), at(3), at(9), &mut Questions::default()).unwrap();
            assert_eq!(due(&date), Due { run_times: RunTimes::One(at(3)), next: None });
            let runs = if coalesce { vec![at(4)] } else { vec![at(3), at(4)] };
            assert_eq!(due(&Trigger::Interval(until_4)), Due { run_times: runs.into(), next: None });
        }
    }

    /// Gives the fire time so many seconds after the previous one; 13 is its unlucky number.
    #[derive(Debug)]
    struct Stride(i64);

    impl HostTrigger for Stride {
        fn next_fire_time(
            &self,
            previous: Option<UtcMicros>,
            _: UtcMicros,
        ) -> Result<Option<UtcMicros>, Error> {
            match previous {
                Some(previous) if previous >= at(13) => Err(Error::new(ErrorKind::Host, "unlucky")),
                Some(previous) => Ok(previous.checked_add(self.0 * MICROS_PER_SECOND)),
                None => Ok(None),
            }
        }
    }

    #[test]
    fn a_trigger_that_fails_or_does_not_advance_is_an_error() {
        for coalesce in [true, false] {
            for (stride, now, kind) in [
                (0, 1, ErrorKind::InvalidValue),
                (-1, 1, ErrorKind::InvalidValue),
                (1, 20, ErrorKind::Host),
                (12, 20, ErrorKind::Host),
            ] {
                let trigger = Trigger::Host(Arc::new(Stride(stride)));
                let result = due(&trigger, policy(coalesce), at(1), at(now), &mut Questions::default());
                assert_eq!(result.unwrap_err().kind(), kind, "{stride} {coalesce}");
            }
        }
    }

    #[test]
    fn from_now_on_nothing_is_given_again() {
        let from_now = |trigger: &Trigger, last: Option<i64>, now: i64| {
            super::from_now(trigger, last.map(at), at(now), &mut Questions::default()).unwrap()
        };
        for (last, now, next) in [(None, 5, 5), (Some(4), 5, 5), (Some(5), 5, 6), (Some(9), 5, 10)] {
            assert_eq!(from_now(&every_second(), last, now), Some(at(next)));
        }
        // These do not look at the clock.
        let date = Trigger::Date(DateTrigger::new(at(5)));
        assert_eq!((from_now(&date, None, 9), from_now(&date, Some(5), 9)), (Some(at(5)), None));
        let daily = CalendarIntervalTrigger::new(
            CalendarStep { days: 1, ..CalendarStep::default() },
            TimeOfDay::default(),
            CivilDate::new(1970, 1, 1).unwrap(),
            None,
            Zone::UTC,
            0,
        );
        let daily = Trigger::CalendarInterval(Arc::new(daily.unwrap()));
        let day = 86_400;
        assert_eq!(from_now(&daily, None, day), Some(at(0)));
        assert_eq!(from_now(&daily, Some(day), day), Some(at(2 * day)));
    }

    #[test]
    fn a_fire_time_at_the_end_of_time_is_the_last() {
        let due =
            due(&every_second(), policy(true), UtcMicros::MAX, UtcMicros::MAX, &mut Questions::default());
        assert_eq!(due.unwrap(), Due { run_times: RunTimes::One(UtcMicros::MAX), next: None });
    }

    #[test]
    fn a_run_is_missed_only_beyond_its_grace_time() {
        let at = UtcMicros::clamped;
        assert_eq!(missed_by(at(0), at(1_000_000), Some(1_000_000)), None);
        assert_eq!(missed_by(at(0), at(1_000_001), grace_micros(Some(1))), Some(1_000_001));
        assert_eq!(missed_by(at(0), UtcMicros::MAX, None), None);
        assert_eq!(missed_by(at(5), at(0), Some(1)), None);
    }
}
