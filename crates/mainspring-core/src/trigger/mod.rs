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
}

/// A trigger of any kind.
#[derive(Clone, Debug)]
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
        match self {
            Self::Date(trigger) => Ok(trigger.next_fire_time(previous)),
            Self::Interval(trigger) => Ok(trigger.next_fire_time(previous, now, jitter)),
            Self::CalendarInterval(trigger) => trigger.next_fire_time(previous, jitter),
            Self::Cron(trigger) => trigger.next_fire_time(previous, now, jitter),
            Self::And(_) | Self::Or(_) => Ok(None),
            Self::Host(trigger) => trigger.next_fire_time(previous, now),
        }
    }

    /// The last fire time not after `now` in the chain that starts at the fire time `due`, which is not
    /// after `now` itself. Does not walk the chain.
    ///
    /// # Errors
    ///
    /// As [`Trigger::next_fire_time`].
    pub fn latest_fire_time(&self, due: UtcMicros, _now: UtcMicros) -> Result<UtcMicros, Error> {
        Ok(due)
    }
}
