//! Triggers: when does a job fire next?

pub mod calendar;
pub mod calendar_interval;
pub mod combining;
pub mod cron;
pub mod date;
pub mod interval;
pub mod jitter;
pub mod zone;

use std::fmt::Debug;
use std::sync::Arc;

pub use self::calendar::{CivilDate, CivilMicros};
pub use self::calendar_interval::{CalendarIntervalTrigger, CalendarStep, TimeOfDay};
pub use self::combining::Combination;
pub use self::cron::{CronFields, CronTrigger};
pub use self::date::DateTrigger;
pub use self::interval::IntervalTrigger;
pub use self::jitter::{JitterSource, NoJitter};
pub use self::zone::{HostZone, Zone};

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
            Self::And(members) | Self::Or(members) => members.triggers().iter().any(Self::needs_host),
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
    /// after `now` itself. Does not walk the chain, except where only that tells: see [`combining`] for
    /// `Or`, and host triggers, which are asked at most [`combining::MAX_ROUNDS`] times.
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
            Self::And(members) => members.next_of_all(previous, now, jitter, rounds),
            Self::Or(members) => members.next_of_any(previous, now, jitter, rounds),
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
            Self::Host(trigger) => {
                Ok(combining::walk(trigger.as_ref(), due, now, rounds, |next| next > now)?.0)
            }
        }
    }

    /// The first fire time not before `bound` in the chain that goes on from `t`, this trigger's answer to
    /// `previous`.
    fn not_before(
        &self,
        previous: Option<UtcMicros>,
        t: UtcMicros,
        bound: UtcMicros,
        jitter: &mut dyn JitterSource,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        if t >= bound {
            return Ok(Some(t));
        }
        if let Self::Host(trigger) = self {
            // As APScheduler does: the same question, asked at a later time. Most triggers heed it.
            return match trigger.next_fire_time(previous, bound)? {
                Some(next) if next < bound => {
                    Ok(combining::walk(trigger.as_ref(), next, bound, rounds, |next| next >= bound)?.1)
                }
                next => Ok(next),
            };
        }
        let last = self.latest_within(t, bound.saturating_add(-1), rounds)?;
        self.next_within(Some(last), last, jitter, rounds)
    }

    /// Whether the answer depends on the previous fire time in more than having to be later.
    fn counts_from_previous(&self) -> bool {
        match self {
            Self::Interval(_) | Self::CalendarInterval(_) | Self::Host(_) => true,
            Self::Date(_) | Self::Cron(_) => false,
            Self::And(members) | Self::Or(members) => {
                members.triggers().iter().any(Self::counts_from_previous)
            }
        }
    }
}
