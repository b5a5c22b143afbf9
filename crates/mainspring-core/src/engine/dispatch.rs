//! What a sweep hands over: the runs that are due, and what else the host must be told.
//!
//! `finish`, `release` and `settle_host` are methods of the store that the message names, as of
//! [`MemoryStore`](crate::store::MemoryStore).

use crate::error::Error;
use crate::job::due::{self, RunTimes};
use crate::job::{Fire, JobKey};
use crate::time::UtcMicros;

/// Which of a scheduler's stores a message is about; the number is given where the store is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreId(pub u32);

/// A submission: one instance of a job, admitted, with the run times it is for.
///
/// Its receiver owns one instance slot of the job, and gives it back with `finish`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The store that holds the job.
    pub store: StoreId,
    /// The job.
    pub key: JobKey,
    /// Where the host wants the job's runs sent; opaque to the core.
    pub route: u32,
    /// The grace time in force when the job was due.
    pub misfire_grace_seconds: Option<u32>,
    /// The scheduled run times.
    pub run_times: RunTimes,
    /// Which attempt at them this is, from 1 on.
    pub attempt: u32,
    /// Whether the job's trigger has ended with this, which is then [`Item::Ended`], too.
    pub last: bool,
}

impl Firing {
    /// The fire at this place among the run times.
    pub fn fire(&self, index: usize) -> Option<Fire> {
        let scheduled = *self.run_times.as_slice().get(index)?;
        Some(Fire { key: self.key, scheduled, attempt: self.attempt })
    }

    /// The last fire, with which the instance slot is given back.
    pub fn last_fire(&self) -> Fire {
        Fire { key: self.key, scheduled: self.run_times.last(), attempt: self.attempt }
    }

    /// By how many microseconds a run for `scheduled` is too late when it starts at `now`; `None` when it is in time.
    pub fn missed_by(&self, scheduled: UtcMicros, now: UtcMicros) -> Option<i64> {
        due::missed_by(scheduled, now, due::grace_micros(self.misfire_grace_seconds))
    }
}

/// One message of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Run this.
    Run(Firing),
    /// These runs of a job were not admitted: it has `max_instances` runs under way.
    Skipped {
        /// The store that holds the job.
        store: StoreId,
        /// The job.
        key: JobKey,
        /// The scheduled run times that are skipped.
        run_times: RunTimes,
    },
    /// The job's trigger has ended and the job has left its store; not said by itself of a job that
    /// [runs](Item::Run) once more. Its receiver gives the key back with `release`.
    Ended {
        /// The store that held the job.
        store: StoreId,
        /// The job.
        key: JobKey,
    },
    /// The job is due, but only the host can evaluate its trigger, and tells `settle_host` what comes of it.
    HostDue {
        /// The store that holds the job.
        store: StoreId,
        /// The job.
        key: JobKey,
        /// The fire time that is due.
        due: UtcMicros,
    },
    /// The job's trigger failed; the job is parked (it has no next fire time until it is given one).
    Parked {
        /// The store that holds the job.
        store: StoreId,
        /// The job.
        key: JobKey,
        /// Why.
        error: Error,
    },
    /// The wall clock stepped by this many microseconds, forward when positive.
    ClockStepped(i64),
}

impl Item {
    /// Parts a job's last run from the word that the job has ended, where they are sent to different places.
    pub fn part_end(&mut self) -> Option<Self> {
        let Self::Run(firing) = self else { return None };
        let Firing { store, key, ref mut last, .. } = *firing;
        std::mem::take(last).then_some(Self::Ended { store, key })
    }
}

/// Where the engine sends what is due.
///
/// Called by the engine's thread without any lock of the core held. An implementation takes the items
/// out of `batch`; it must return quickly and must not call back into the engine.
pub trait Dispatch: Send + Sync {
    /// Takes the items of one pass, in order.
    fn dispatch(&self, batch: &mut Vec<Item>);

    /// Called by the engine's thread before it sleeps, at least about once a second, also while paused.
    fn tick(&self) {}
}
