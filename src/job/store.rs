//! The store that holds jobs, whatever its type: no other file of the binding names that.
//!
//! What the binding asks of a store is what can be called here. A second type makes each of the three an enum, with a
//! match in every method.
//!
//! Ground rules: from any thread, attached to Python or not. What is given to [`Store::read`] and [`Store::change`] runs
//! while the store is locked: it must not call Python code, nor drop what may. See `SharedStore` of the core.

use std::sync::Arc;

use mainspring_core::engine::{Item, StoreId, Sweep, Waker};
use mainspring_core::job::due::Due;
use mainspring_core::job::{Ended, Fire, JobKey, RunPolicy};
use mainspring_core::store::{GivenBack, HostVerdict, JobView, MemoryStore, NewJob, SharedStore};
use mainspring_core::trigger::Trigger;
use mainspring_core::{Error, UtcMicros};

use crate::job::record::Record;

/// A store of jobs that the engine sweeps.
pub struct Store(SharedStore<Arc<Record>>);

/// The jobs of a store that is locked, to be read.
#[derive(Clone, Copy)]
pub struct Jobs<'a>(&'a MemoryStore<Arc<Record>>);

/// The jobs of a store that is locked, to be changed.
pub struct Changes<'a>(&'a mut MemoryStore<Arc<Record>>);

impl Store {
    /// A store in memory. `seed` governs the jitter of its jobs.
    pub fn in_memory(seed: u64) -> Self {
        Self(SharedStore::new(MemoryStore::new(seed)))
    }

    /// Reads the store. Nothing is dropped here.
    pub fn read<R>(&self, read: impl FnOnce(Jobs<'_>) -> R) -> R {
        self.0.read(|store| read(Jobs(store)))
    }

    /// Changes the store, and wakes the engine for an earlier deadline. `change` must return what it takes out.
    pub fn change<R>(&self, change: impl FnOnce(&mut Changes<'_>) -> R) -> R {
        self.0.change(|store| change(&mut Changes(store)))
    }

    /// A number that is another one after every [`Store::change`]. To be asked while the store is read.
    pub fn changes(&self) -> u64 {
        self.0.changes()
    }

    /// Gives back an instance slot; returns what nothing needs any more.
    pub fn finish(&self, fire: Fire, ended: Ended) -> Option<Arc<Record>> {
        self.0.finish(fire, ended)
    }

    /// Gives back what is owned, without waiting for the store.
    pub fn give_back(&self, given: impl IntoIterator<Item = GivenBack>) {
        self.0.give_back(given);
    }

    /// Tells the store what was given back, and drops what nothing needs any more.
    pub fn settle(&self) {
        self.0.settle();
    }

    /// Names the engine to wake when an earlier deadline comes, or none.
    pub fn set_waker(&self, waker: Option<Arc<Waker>>) {
        self.0.set_waker(waker);
    }
}

impl Sweep for Store {
    fn sweep(&self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        self.0.sweep(now, limit, out)
    }
}

impl<'a> Jobs<'a> {
    pub fn len(self) -> usize {
        self.0.len()
    }

    pub fn next_deadline(self) -> Option<UtcMicros> {
        self.0.next_deadline()
    }

    pub fn key(self, id: &str) -> Option<JobKey> {
        self.0.key(id)
    }

    pub fn get(self, key: JobKey) -> Option<JobView<'a, Arc<Record>>> {
        self.0.get(key)
    }

    /// The job under `key`, also while it is only kept for its runs that are under way.
    pub fn get_retired(self, key: JobKey) -> Option<JobView<'a, Arc<Record>>> {
        self.0.get_retired(key)
    }

    /// All of them, in no order.
    pub fn all(self) -> impl Iterator<Item = JobView<'a, Arc<Record>>> {
        self.0.jobs()
    }

    /// Those due at `now`, in no order.
    pub fn due(self, now: UtcMicros) -> impl Iterator<Item = JobView<'a, Arc<Record>>> {
        self.0.due(now).filter_map(move |key| self.0.get(key))
    }
}

/// What goes wrong, and what comes back, is as in the core's `MemoryStore`.
impl Changes<'_> {
    pub fn read(&self) -> Jobs<'_> {
        Jobs(self.0)
    }

    pub fn set_id(&mut self, id: StoreId) {
        self.0.set_id(id);
    }

    /// Has the jitter of the jobs follow from `seed` from now on.
    pub fn set_seed(&mut self, seed: u64) {
        self.0.set_seed(seed);
    }

    /// Makes room for so many more jobs.
    pub fn reserve(&mut self, additional: usize) {
        self.0.reserve(additional);
    }

    #[allow(clippy::result_large_err, reason = "only the caller may drop the job")]
    pub fn add(&mut self, job: NewJob<Arc<Record>>) -> Result<JobKey, (Error, NewJob<Arc<Record>>)> {
        self.0.add(job)
    }

    pub fn set_next(&mut self, key: JobKey, next: Option<UtcMicros>) -> Result<(), Error> {
        self.0.set_next(key, next)
    }

    /// Sets a fire time that was worked out when the job had this revision; says whether it has that still.
    pub fn plan(&mut self, key: JobKey, next: Option<UtcMicros>, revision: u32) -> Result<bool, Error> {
        self.0.plan(key, next, revision)
    }

    pub fn update(
        &mut self,
        key: JobKey,
        trigger: Arc<Trigger>,
        policy: RunPolicy,
        route: u32,
        record: Arc<Record>,
    ) -> Result<Arc<Record>, Error> {
        self.0.update(key, trigger, policy, route, record)
    }

    pub fn change_policy(
        &mut self,
        key: JobKey,
        change: impl FnOnce(RunPolicy) -> RunPolicy,
    ) -> Result<(), Error> {
        self.0.change_policy(key, change)
    }

    /// Puts a record in the place of the one that `replaces` accepts; returns the one that is not kept.
    pub fn replace_record(
        &mut self,
        key: JobKey,
        record: Arc<Record>,
        replaces: impl FnOnce(&Arc<Record>) -> bool,
    ) -> Arc<Record> {
        self.0.replace_payload(key, record, replaces)
    }

    pub fn remove(&mut self, id: &str) -> Result<Option<Arc<Record>>, Error> {
        self.0.remove(id)
    }

    pub fn remove_all(&mut self) -> Vec<Arc<Record>> {
        self.0.remove_all()
    }

    /// Forgets the runs under way, in a forked child, where they never end.
    #[must_use]
    pub fn forget_runs(&mut self) -> Vec<Arc<Record>> {
        self.0.forget_runs()
    }

    /// Answers that a job was due whose trigger only Python can evaluate.
    pub fn settle_host(&mut self, key: JobKey, asked: UtcMicros, due: Due, now: UtcMicros) -> HostVerdict {
        self.0.settle_host(key, asked, due, now)
    }

    /// Answers that such a trigger failed.
    pub fn park_host(&mut self, key: JobKey, asked: UtcMicros) -> bool {
        self.0.park_host(key, asked)
    }
}
