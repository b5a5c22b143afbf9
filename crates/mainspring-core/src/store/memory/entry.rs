//! The jobs of a memory store: on their way in, in their slots, as they are seen, and what goes out again.

use std::sync::Arc;

use super::super::index::IdHash;
use crate::engine::{Firing, Item, StoreId};
use crate::job::due::RunTimes;
use crate::job::{Ended, Fire, JobId, JobKey, RunPolicy};
use crate::time::UtcMicros;
use crate::trigger::Trigger;

/// A job on its way into the store.
#[derive(Debug)]
pub struct NewJob<P> {
    /// Unique in the store.
    pub id: JobId,
    /// When it fires.
    pub trigger: Arc<Trigger>,
    /// The rules its runs obey.
    pub policy: RunPolicy,
    /// Where its runs are sent; opaque to the core.
    pub route: u32,
    /// Its first fire time; `None` adds it paused.
    pub next: Option<UtcMicros>,
    /// What the host keeps with it.
    pub payload: P,
}

/// A job as it stands in the store.
#[derive(Debug)]
pub struct JobView<'a, P> {
    /// The job's key.
    pub key: JobKey,
    /// Its id.
    pub id: &'a JobId,
    /// When it fires.
    pub trigger: &'a Arc<Trigger>,
    /// The rules its runs obey.
    pub policy: RunPolicy,
    /// Where its runs are sent.
    pub route: u32,
    /// Its next fire time, or the last one where its trigger has ended; `None` while paused or parked.
    pub next: Option<UtcMicros>,
    /// The last fire time of its trigger that was handed over.
    pub handed_over: Option<UtcMicros>,
    /// A number that is another one whenever a fire time is handed over or the trigger becomes a different one,
    /// also for other jobs by the same id; 0 until then. See [`MemoryStore::plan`](super::MemoryStore::plan).
    pub revision: u32,
    /// How many runs of it are under way.
    pub running: u32,
    /// How the last run to end has ended; `None` until one has.
    pub ended: Option<Ended>,
    /// What the host keeps with it.
    pub payload: &'a P,
}

impl<P> JobView<'_, P> {
    /// The last fire time that was handed over, where `trigger` is the job's or equal to it.
    pub fn handed_over_by(&self, trigger: &Trigger) -> Option<UtcMicros> {
        self.handed_over.filter(|_| **self.trigger == *trigger)
    }
}

/// What becomes of a job whose trigger the host has evaluated.
#[derive(Debug, PartialEq, Eq)]
pub enum HostVerdict {
    /// Run it: this firing owns an instance slot.
    Run(Firing),
    /// It has too many runs under way.
    Skipped(RunTimes),
    /// It was paused, rescheduled or removed in the meantime: do nothing.
    Stale,
}

/// An instant or none, in eight bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(i64);

impl Moment {
    /// Out of the range of [`UtcMicros`].
    pub const NONE: Self = Self(i64::MIN);

    pub fn get(self) -> Option<UtcMicros> {
        UtcMicros::new(self.0)
    }
}

impl From<Option<UtcMicros>> for Moment {
    fn from(instant: Option<UtcMicros>) -> Self {
        instant.map_or(Self::NONE, |instant| Self(instant.get()))
    }
}

/// What a job waits for that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The host has been asked to evaluate the trigger.
    Host,
    /// More is due when a run is done.
    Run,
}

#[derive(Debug)]
pub(super) struct Entry<P> {
    pub id: JobId,
    pub trigger: Arc<Trigger>,
    pub payload: P,
    pub next: Moment,
    /// The last fire time of the trigger that was handed over.
    pub handed_over: Moment,
    pub revision: u32,
    pub policy: RunPolicy,
    pub route: u32,
    pub sequence: u32,
    /// What the index knows the id by.
    pub hash: IdHash,
    pub running: u32,
    /// Out of the index; waits for its runs and, if `ending`, for the notice of its end.
    pub retired: bool,
    pub ending: bool,
    /// What keeps the entry out of the queue though it has a next fire time.
    pub waits_for: Option<WaitsFor>,
    /// How the last run to end has ended.
    pub ended: Option<Ended>,
}

#[derive(Debug)]
pub(super) struct Slot<P> {
    pub generation: u32,
    pub entry: Option<Entry<P>>,
}

/// Triggers of the host, and payloads, that left a store and that only the caller may drop.
#[derive(Debug)]
pub struct Discarded<P> {
    /// Triggers.
    pub triggers: Vec<Arc<Trigger>>,
    /// Payloads.
    pub payloads: Vec<P>,
}

impl<P> Default for Discarded<P> {
    fn default() -> Self {
        Self { triggers: Vec::new(), payloads: Vec::new() }
    }
}

/// What the receiver of a message owned and needs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// The instance slot of a submission whose last fire ended so: see
    /// [`MemoryStore::finish`](super::MemoryStore::finish).
    Slot(Fire, Ended),
    /// The key that came with [`Item::Ended`]: see [`MemoryStore::release`](super::MemoryStore::release).
    Key(JobKey),
}

impl<P> Entry<P> {
    /// Takes note that these run times are handed over.
    pub fn note(&mut self, run_times: &RunTimes, revision: u32) {
        self.revision = revision;
        if let Some(last) = run_times.as_slice().last() {
            // Not an earlier one that the user has asked for once more.
            self.handed_over = self.handed_over.get().max(Some(*last)).into();
        }
    }

    /// Takes an instance slot for these runs, or says that there is none left.
    pub fn admit(&mut self, store: StoreId, key: JobKey, run_times: RunTimes, last: bool) -> Item {
        if self.running >= self.policy.max_instances {
            return Item::Skipped { store, key, run_times };
        }
        self.running += 1;
        Item::Run(Firing {
            store,
            key,
            route: self.route,
            misfire_grace_seconds: self.policy.misfire_grace_seconds,
            run_times,
            attempt: 1,
            last,
        })
    }
}
