//! Triggers: when does a job fire next?

pub mod calendar_interval;
pub mod combining;
pub mod cron;
pub mod date;
pub mod interval;
pub mod jitter;

use std::fmt::Debug;
use std::sync::Arc;

pub use self::calendar_interval::{CalendarIntervalTrigger, CalendarStep, TimeOfDay};
pub use self::combining::{Combination, Cursor};
pub use self::cron::{CronFields, CronTrigger};
pub use self::date::DateTrigger;
pub use self::interval::IntervalTrigger;
pub use self::jitter::{JitterSource, NoJitter};

use self::combining::Rounds;
use crate::error::Error;
use crate::time::UtcMicros;

/// A trigger written in the host language.
pub trait HostTrigger: Send + Sync + Debug {
    /// See [`Trigger::next_fire_time`]; the jitter is the host's own affair.
    ///
    /// # Errors
    ///
    /// Whatever the host raised.
    fn next_fire_time(&self, previous: Option<UtcMicros>, now: UtcMicros)
    -> Result<Option<UtcMicros>, Error>;

    /// A number that two of these have in common where they stand for one object of the host.
    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl PartialEq for dyn HostTrigger {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

/// A trigger of any kind. Equal ones have the same fire times; those of the host are equal only where they are
/// one object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// Fires once.
    Date(DateTrigger),
    /// Fires at fixed distances on the time line.
    Interval(IntervalTrigger),
    /// Fires at the same time of day, some years, months, weeks or days apart.
    CalendarInterval(Arc<CalendarIntervalTrigger>),
    /// Fires when the clock on the wall matches.
    Cron(Arc<CronTrigger>),
    /// Fires when all its members agree.
    And(Arc<Combination>),
    /// Fires when any of its members does.
    Or(Arc<Combination>),
    /// Written in the host language.
    Host(Arc<dyn HostTrigger>),
}

impl Trigger {
    /// Whether only the host language can evaluate this trigger: a user-written trigger, a combination
    /// that holds one, or a trigger in a time zone that only the host knows.
    pub fn needs_host(&self) -> bool {
        match self {
            Self::Date(_) | Self::Interval(_) => false,
            Self::CalendarInterval(trigger) => trigger.zone().needs_host(),
            Self::Cron(trigger) => trigger.zone().needs_host(),
            Self::And(members) | Self::Or(members) => members.needs_host(),
            Self::Host(_) => true,
        }
    }

    /// The fire time after `previous`, or the first one at or after `now` when there was none.
    ///
    /// `None`: the trigger never fires again.
    ///
    /// # Errors
    ///
    /// What a time zone of the host raised; native zones never fail.
    pub fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        jitter: &mut dyn JitterSource,
    ) -> Result<Option<UtcMicros>, Error> {
        self.next_within(previous, now, jitter, &mut Rounds::new())
    }

    /// The last fire time not after `now` in the chain that starts at the fire time `due`, which is not
    /// after `now` itself. Does not walk the chain, except where only that tells: calendar intervals with steps of
    /// both months and days, and host triggers, which are asked at most [`combining::MAX_ROUNDS`] times.
    ///
    /// Jitter is left out: the answer is the latest time that the schedule itself gives, or `due`.
    ///
    /// # Errors
    ///
    /// As [`Trigger::next_fire_time`].
    pub fn latest_fire_time(&self, due: UtcMicros, now: UtcMicros) -> Result<UtcMicros, Error> {
        if now <= due { Ok(due) } else { self.latest_within(due, now, &mut Rounds::new()) }
    }

    /// [`Trigger::next_fire_time`] within so many rounds.
    fn next_within(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        jitter: &mut dyn JitterSource,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        match self {
            Self::Date(trigger) => Ok(trigger.next_fire_time(previous)),
            Self::Interval(trigger) => Ok(trigger.next_fire_time(previous, now, jitter)),
            Self::CalendarInterval(trigger) => trigger.next_fire_time(previous, jitter),
            Self::Cron(trigger) => trigger.next_fire_time(previous, now, jitter),
            Self::And(members) => {
                let fire = members.next_of_all(previous, now, rounds)?;
                Ok(fire.map(|fire| jitter::add(fire.at, fire.jitter, jitter)))
            }
            Self::Or(members) => members.next_of_any_late(previous, now, jitter, rounds),
            Self::Host(trigger) => trigger.next_fire_time(previous, now),
        }
    }

    /// [`Trigger::latest_fire_time`] within so many rounds, for a `due` not after `now`.
    fn latest_within(&self, due: UtcMicros, now: UtcMicros, rounds: &mut Rounds) -> Result<UtcMicros, Error> {
        match self {
            Self::Date(_) => Ok(due),
            Self::Interval(trigger) => Ok(trigger.latest_fire_time(due, now)),
            Self::CalendarInterval(trigger) => trigger.latest_fire_time(due, now, rounds),
            Self::Cron(trigger) => trigger.latest_fire_time(due, now),
            Self::And(members) => members.latest_of_all(due, now, rounds),
            Self::Or(members) => members.latest_of_any(due, now, rounds),
            Self::Host(trigger) => combining::latest_of_host(trigger.as_ref(), due, now, rounds),
        }
    }

    /// The first of its own fire times after `previous`, which need not be one of them; without one, the first
    /// that comes from `now` on. What the trigger itself calls the previous fire time would count anew from
    /// there; so does one of the host's, unless it is asked by its cursor: see [`combining::Cursor`].
    fn own_after(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<Fire>, Error> {
        let (next, jitter, end) = match self {
            Self::Date(trigger) => (trigger.own_after(previous), 0, UtcMicros::MAX),
            Self::Interval(trigger) => (trigger.own_after(previous, now), trigger.jitter(), trigger.end()),
            Self::CalendarInterval(trigger) => {
                (trigger.own_after(previous, rounds)?, trigger.jitter(), UtcMicros::MAX)
            }
            Self::Cron(trigger) => {
                (trigger.own_after(previous, now)?, trigger.jitter(), trigger.end().unwrap_or(UtcMicros::MAX))
            }
            Self::And(members) => return members.next_of_all(previous, now, rounds),
            Self::Or(members) => return members.next_of_any(previous, now, rounds),
            Self::Host(trigger) => (trigger.next_fire_time(previous, now)?, 0, UtcMicros::MAX),
        };
        Ok(next.map(|at| Fire { at, jitter: jitter.min(end.micros_since(at)) }))
    }
}

/// A fire time of a trigger without its jitter, and how many microseconds of that there may be.
#[derive(Clone, Copy, Debug)]
struct Fire {
    at: UtcMicros,
    jitter: i64,
}
