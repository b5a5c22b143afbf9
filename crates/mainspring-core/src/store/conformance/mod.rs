//! What every store of jobs must do, as tests that any store can be put through (feature `testing`).
//!
//! A store implements [`Store`] for its tests and calls [`conforms`] and [`conforms_at_random`]. The first tries the
//! rules one by one; the second makes random calls and compares every answer with that of a plain list of jobs.
//!
//! The contract:
//! - **Ids and keys.** An id is one job's while the job is in the store, and free again at once when it has left. A
//!   key is given once and never comes to mean another job.
//! - **Fire times.** A sweep hands over what is due, the earliest first and of equal times the job that was added
//!   first, as [`job::due`](crate::job::due) works it out. No fire time of a trigger is handed over twice, whatever
//!   the clock does, unless the user asks for it with `set_next`. The deadline that a sweep returns is the earliest
//!   fire time that is left.
//! - **Revisions.** A job's revision is another one after each fire time that is handed over and each change to an
//!   unequal trigger. `plan` sets a fire time only where the revision is still the one that it was worked out with.
//! - **Instance slots.** A job has at most `max_instances` runs under way; each owns a slot until `finish`, which
//!   says how it ended. A job
//!   without a free slot is skipped and moves on. A job that is still due after
//!   [`MAX_RUN_TIMES`](crate::job::due::MAX_RUN_TIMES) run times waits until one of its runs is done.
//! - **The end of a job.** A job whose trigger ends leaves the store at once, and so does one that is removed. By its
//!   key it can be read, not changed, until its last run is done and, where its trigger has ended, the key has been
//!   released. Then its payload comes back: once, from the call that made it free.
//! - **Triggers of the host.** They are never evaluated here. The job is handed over as due, and waits; one answer,
//!   `settle_host` or `park_host`, is taken for it, and none after the job was changed meanwhile.
#![allow(clippy::unwrap_used)]

mod listed;
mod model;
mod ops;
mod rules;
pub(super) mod samples;

use std::sync::Arc;

use super::{HostVerdict, JobView, MemoryStore, NewJob, SharedStore};
use crate::engine::{Item, StoreId, Sweep};
use crate::error::Error;
use crate::job::due::Due;
use crate::job::{Ended, Fire, JobId, JobKey, RunPolicy};
use crate::time::UtcMicros;
use crate::trigger::Trigger;

/// A store under test, whose payloads are numbers. Each method is the one of [`MemoryStore`] by that name.
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait Store {
    /// A new store without jobs, whose messages carry `id`.
    fn empty(id: StoreId) -> Self;
    fn add(&mut self, job: NewJob<usize>) -> Result<JobKey, Error>;
    fn remove(&mut self, id: &str) -> Result<Option<usize>, Error>;
    fn remove_all(&mut self) -> Vec<usize>;
    fn set_next(&mut self, key: JobKey, next: Option<UtcMicros>) -> Result<(), Error>;
    fn plan(&mut self, key: JobKey, next: Option<UtcMicros>, revision: u32) -> Result<bool, Error>;
    fn update(
        &mut self,
        key: JobKey,
        trigger: Arc<Trigger>,
        policy: RunPolicy,
        route: u32,
        payload: usize,
    ) -> Result<usize, Error>;
    fn sweep(&mut self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros>;
    fn finish(&mut self, fire: Fire, ended: Ended) -> Option<usize>;
    fn release(&mut self, key: JobKey) -> Option<usize>;
    fn settle_host(&mut self, key: JobKey, asked: UtcMicros, due: Due, now: UtcMicros) -> HostVerdict;
    fn park_host(&mut self, key: JobKey, asked: UtcMicros) -> bool;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn next_deadline(&self) -> Option<UtcMicros>;
    fn key(&self, id: &str) -> Option<JobKey>;
    fn get(&self, key: JobKey) -> Option<Seen>;
    fn get_retired(&self, key: JobKey) -> Option<Seen>;
    fn jobs(&self) -> Vec<Seen>;
    fn due(&self, now: UtcMicros) -> Vec<JobKey>;
}

/// A job as a store under test showed it: see [`JobView`].
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Seen {
    pub key: JobKey,
    pub id: JobId,
    pub trigger: Arc<Trigger>,
    pub policy: RunPolicy,
    pub route: u32,
    pub next: Option<UtcMicros>,
    pub handed_over: Option<UtcMicros>,
    pub revision: u32,
    pub running: u32,
    pub ended: Option<Ended>,
    pub payload: usize,
}

impl From<JobView<'_, usize>> for Seen {
    fn from(job: JobView<'_, usize>) -> Self {
        Self {
            key: job.key,
            id: JobId::clone(job.id),
            trigger: Arc::clone(job.trigger),
            policy: job.policy,
            route: job.route,
            next: job.next,
            handed_over: job.handed_over,
            revision: job.revision,
            running: job.running,
            ended: job.ended,
            payload: *job.payload,
        }
    }
}

/// Tries the rules of the contract one by one.
///
/// # Panics
///
/// Where the store breaks one; the last rule that was printed is its name.
pub fn conforms<S: Store>() {
    for (name, rule) in rules::all::<S>() {
        println!("{name}");
        rule();
    }
}

/// Makes random calls, and compares every answer with that of a list of jobs.
///
/// # Panics
///
/// Where an answer differs; the message has the shortest such row of calls that was found.
pub fn conforms_at_random<S: Store>() {
    model::does_what_the_list_does::<S>();
}

impl Store for SharedStore<usize> {
    fn empty(id: StoreId) -> Self {
        let mut store = MemoryStore::new(1);
        store.set_id(id);
        Self::new(store)
    }

    fn add(&mut self, job: NewJob<usize>) -> Result<JobKey, Error> {
        self.change(|store| store.add(job)).map_err(|(error, _)| error)
    }

    fn remove(&mut self, id: &str) -> Result<Option<usize>, Error> {
        self.change(|store| store.remove(id))
    }

    fn remove_all(&mut self) -> Vec<usize> {
        self.change(MemoryStore::remove_all)
    }

    fn set_next(&mut self, key: JobKey, next: Option<UtcMicros>) -> Result<(), Error> {
        self.change(|store| store.set_next(key, next))
    }

    fn plan(&mut self, key: JobKey, next: Option<UtcMicros>, revision: u32) -> Result<bool, Error> {
        self.change(|store| store.plan(key, next, revision))
    }

    fn update(
        &mut self,
        key: JobKey,
        trigger: Arc<Trigger>,
        policy: RunPolicy,
        route: u32,
        payload: usize,
    ) -> Result<usize, Error> {
        self.change(|store| store.update(key, trigger, policy, route, payload))
    }

    fn sweep(&mut self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        Sweep::sweep(self, now, limit, out)
    }

    fn finish(&mut self, fire: Fire, ended: Ended) -> Option<usize> {
        Self::finish(self, fire, ended)
    }

    fn release(&mut self, key: JobKey) -> Option<usize> {
        self.change(|store| store.release(key))
    }

    fn settle_host(&mut self, key: JobKey, asked: UtcMicros, due: Due, now: UtcMicros) -> HostVerdict {
        self.change(|store| store.settle_host(key, asked, due, now))
    }

    fn park_host(&mut self, key: JobKey, asked: UtcMicros) -> bool {
        self.change(|store| store.park_host(key, asked))
    }

    fn len(&self) -> usize {
        self.read(MemoryStore::len)
    }

    fn next_deadline(&self) -> Option<UtcMicros> {
        self.read(MemoryStore::next_deadline)
    }

    fn key(&self, id: &str) -> Option<JobKey> {
        self.read(|store| store.key(id))
    }

    fn get(&self, key: JobKey) -> Option<Seen> {
        self.read(|store| store.get(key).map(Seen::from))
    }

    fn get_retired(&self, key: JobKey) -> Option<Seen> {
        self.read(|store| store.get_retired(key).map(Seen::from))
    }

    fn jobs(&self) -> Vec<Seen> {
        self.read(|store| store.jobs().map(Seen::from).collect())
    }

    fn due(&self, now: UtcMicros) -> Vec<JobKey> {
        self.read(|store| store.due(now).collect())
    }
}
