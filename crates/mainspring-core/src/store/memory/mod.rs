//! The memory store: jobs in a row of slots, an index by id, and a timer queue.
//!
//! A plain data structure without a lock or a clock; [`SharedStore`](super::SharedStore) adds the lock.
//! `P` is what the host keeps with each job (its function, arguments and so on); the store never looks
//! into it and never drops it inside a call: whatever leaves the store is returned to the caller, because
//! dropping a host object may run code of the host. What has no place in a return value (a trigger of the
//! host, the payload of a refused update) waits in [`MemoryStore::take_discarded`].
//!
//! A job that is removed, or whose trigger has ended, while runs of it are under way stays in its slot,
//! *retired*: out of the index and the queue, but readable through its key until the last run is done.
//!
//! A job that is still due after its runs of a pass were handed over (see
//! [`MAX_RUN_TIMES`](crate::job::due::MAX_RUN_TIMES)) is *behind*: it leaves the queue until one of its runs
//! is done. So the rest does not count as one more instance, and no other job waits for it.

mod entry;
mod sweep;

use std::sync::Arc;

pub use entry::{Discarded, GivenBack, HostVerdict, JobView, NewJob};
use entry::{Entry, Moment, Slot, WaitsFor};

use super::index::{IdHash, Index};
use super::timer_queue::TimerQueue;
use crate::engine::StoreId;
use crate::error::{Error, ErrorKind};
use crate::job::{Ended, Fire, JobKey, RunPolicy};
use crate::random::SplitMix64;
use crate::time::UtcMicros;
use crate::trigger::Trigger;

/// Jobs in memory. See the module's documentation.
#[derive(Debug)]
pub struct MemoryStore<P> {
    id: StoreId,
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    index: Index,
    queue: TimerQueue,
    sequence: u32,
    /// The last number that was given as a [revision](JobView::revision).
    revision: u32,
    jitter: SplitMix64,
    discarded: Discarded<P>,
}

impl<P> MemoryStore<P> {
    /// An empty store. `seed` governs the jitter of its jobs.
    pub fn new(seed: u64) -> Self {
        Self {
            id: StoreId(0),
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::default(),
            queue: TimerQueue::new(),
            sequence: 0,
            revision: 0,
            jitter: SplitMix64::new(seed),
            discarded: Discarded::default(),
        }
    }

    /// Sets the number that this store's messages carry.
    pub fn set_id(&mut self, id: StoreId) {
        self.id = id;
    }

    /// Has the jitter of the store's jobs follow from `seed` from now on.
    pub fn set_seed(&mut self, seed: u64) {
        self.jitter = SplitMix64::new(seed);
    }

    /// How many jobs the store holds, retired ones not counted.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the store holds no job.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The earliest fire time of all jobs.
    pub fn next_deadline(&self) -> Option<UtcMicros> {
        self.queue.next_deadline()
    }

    /// Adds a job.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConflictingId`] when the id exists; the job comes back with it.
    // The job must come back whole, because only the caller may drop its payload.
    #[allow(clippy::result_large_err)]
    pub fn add(&mut self, job: NewJob<P>) -> Result<JobKey, (Error, NewJob<P>)> {
        let hash = self.index.hash(&job.id);
        if self.find(hash, &job.id).is_some() {
            let error = Error::new(
                ErrorKind::ConflictingId,
                format!("Job identifier ({}) conflicts with an existing job", job.id),
            );
            return Err((error, job));
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let Ok(slot) = u32::try_from(self.slots.len()) else {
                    return Err((Error::new(ErrorKind::OutOfRange, "the store holds 2^32 jobs"), job));
                };
                self.slots.push(Slot { generation: 0, entry: None });
                slot
            }
        };
        let sequence = self.sequence;
        // After four thousand million jobs only the order of ties suffers.
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(next) = job.next {
            self.queue.set(slot, next, sequence);
        }
        self.index.insert(hash, slot);
        let place = &mut self.slots[slot as usize];
        place.entry = Some(Entry {
            id: job.id,
            trigger: job.trigger,
            payload: job.payload,
            next: job.next.into(),
            handed_over: Moment::NONE,
            revision: 0,
            policy: job.policy,
            route: job.route,
            sequence,
            hash,
            running: 0,
            retired: false,
            ending: false,
            waits_for: None,
            ended: None,
        });
        Ok(JobKey { slot, generation: place.generation })
    }

    /// Makes room for so many more jobs.
    pub fn reserve(&mut self, additional: usize) {
        self.slots.reserve(additional.saturating_sub(self.free.len()));
        self.index.reserve(additional);
        self.queue.reserve(additional);
    }

    /// The key of the job with this id.
    pub fn key(&self, id: &str) -> Option<JobKey> {
        let slot = self.find(self.index.hash(id), id)?;
        Some(JobKey { slot, generation: self.slots[slot as usize].generation })
    }

    /// The job under `key`, while the store holds it.
    pub fn get(&self, key: JobKey) -> Option<JobView<'_, P>> {
        self.get_retired(key).filter(|_| self.entry(key).is_some_and(|e| !e.retired))
    }

    /// The job under `key`, also while it is only kept for the runs of it that are under way.
    pub fn get_retired(&self, key: JobKey) -> Option<JobView<'_, P>> {
        let entry = self.entry(key)?;
        Some(JobView {
            key,
            id: &entry.id,
            trigger: &entry.trigger,
            policy: entry.policy,
            route: entry.route,
            next: entry.next.get(),
            handed_over: entry.handed_over.get(),
            revision: entry.revision,
            running: entry.running,
            ended: entry.ended,
            payload: &entry.payload,
        })
    }

    /// Every job of the store, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_, P>> {
        // One slot after the other: what is beside another one in memory is read with it.
        let taken = (0..).zip(&self.slots).filter(|(_, place)| place.entry.is_some());
        taken.filter_map(|(slot, place)| self.get(JobKey { slot, generation: place.generation }))
    }

    /// The keys of the jobs due at `now`, in no order.
    pub fn due(&self, now: UtcMicros) -> impl Iterator<Item = JobKey> {
        self.queue.due(now).map(|slot| self.key_of(slot))
    }

    /// Gives the job another fire time, or none (which pauses it).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::JobLookup`] when the store no longer holds the job.
    pub fn set_next(&mut self, key: JobKey, next: Option<UtcMicros>) -> Result<(), Error> {
        let entry = self.live_mut(key)?;
        entry.next = next.into();
        entry.waits_for = None;
        let sequence = entry.sequence;
        match next {
            Some(next) => self.queue.set(key.slot, next, sequence),
            None => drop(self.queue.cancel(key.slot)),
        }
        Ok(())
    }

    /// Gives the job a fire time that was worked out from its trigger and the time it was, after `revision` had
    /// been read. Says whether it did: not where that has [changed](JobView::revision), since the fire time may
    /// have been handed over meanwhile. It has to be worked out anew then, as by
    /// [`from_now`](crate::job::due::from_now).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::JobLookup`] when the store no longer holds the job.
    pub fn plan(&mut self, key: JobKey, next: Option<UtcMicros>, revision: u32) -> Result<bool, Error> {
        let holds = self.live_mut(key)?.revision == revision;
        if holds {
            self.set_next(key, next)?;
        }
        Ok(holds)
    }

    /// Changes what the store knows of the job, but for its id and fire time. Returns the old payload.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::JobLookup`] when the store no longer holds the job.
    pub fn update(
        &mut self,
        key: JobKey,
        trigger: Arc<Trigger>,
        policy: RunPolicy,
        route: u32,
        payload: P,
    ) -> Result<P, Error> {
        let revision = self.next_revision();
        let entry = match self.live_mut(key) {
            Ok(entry) => entry,
            Err(error) => {
                self.discard(trigger);
                self.discarded.payloads.push(payload);
                return Err(error);
            }
        };
        let mut asks_again = None;
        if *entry.trigger != *trigger {
            (entry.handed_over, entry.revision) = (Moment::NONE, revision);
            // The host was asked about the old one.
            let asked = entry.waits_for.take_if(|waits| *waits == WaitsFor::Host).is_some();
            asks_again = entry.next.get().filter(|_| asked).map(|next| (next, entry.sequence));
        }
        let old_trigger = std::mem::replace(&mut entry.trigger, trigger);
        let old_payload = std::mem::replace(&mut entry.payload, payload);
        entry.policy = policy;
        entry.route = route;
        if let Some((next, sequence)) = asks_again {
            self.queue.set(key.slot, next, sequence);
        }
        self.discard(old_trigger);
        Ok(old_payload)
    }

    /// Changes the rules that the job's runs obey.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::JobLookup`] when the store no longer holds the job.
    pub fn change_policy(
        &mut self,
        key: JobKey,
        change: impl FnOnce(RunPolicy) -> RunPolicy,
    ) -> Result<(), Error> {
        let entry = self.live_mut(key)?;
        entry.policy = change(entry.policy);
        Ok(())
    }

    /// Puts another payload in the place of the one that `replaces` accepts; returns the one that is not kept.
    pub fn replace_payload(&mut self, key: JobKey, payload: P, replaces: impl FnOnce(&P) -> bool) -> P {
        match self.entry_mut(key) {
            Some(entry) if replaces(&entry.payload) => std::mem::replace(&mut entry.payload, payload),
            _ => payload,
        }
    }

    /// Sends the job's runs elsewhere from now on.
    pub fn set_route(&mut self, key: JobKey, route: u32) {
        if let Some(entry) = self.entry_mut(key) {
            entry.route = route;
        }
    }

    /// Removes a job. Its payload is returned, unless runs of it are under way: then the last of them
    /// returns it from [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::JobLookup`] when there is no job by that id.
    pub fn remove(&mut self, id: &str) -> Result<Option<P>, Error> {
        let key = self.key(id).ok_or_else(|| lookup_error(id))?;
        self.queue.cancel(key.slot);
        self.retire(key.slot);
        Ok(self.free_if_done(key))
    }

    /// Removes every job; returns the payloads of those that have no run under way.
    pub fn remove_all(&mut self) -> Vec<P> {
        self.queue.clear();
        let keys: Vec<JobKey> = self.index.slots().map(|slot| self.key_of(slot)).collect();
        let mut payloads = Vec::with_capacity(keys.len());
        for key in keys {
            self.retire(key.slot);
            payloads.extend(self.free_if_done(key));
        }
        payloads
    }

    /// Gives back one instance slot of the job, with how the last fire of its submission ended. Returns the payload
    /// when the job is gone and this was the last thing that needed it.
    pub fn finish(&mut self, fire: Fire, ended: Ended) -> Option<P> {
        let key = fire.key;
        let entry = self.entry_mut(key)?;
        entry.ended = Some(ended);
        entry.running = entry.running.saturating_sub(1);
        if entry.waits_for.take_if(|waits| *waits == WaitsFor::Run).is_some() && !entry.retired {
            if let (Some(next), sequence) = (entry.next.get(), entry.sequence) {
                self.queue.set(key.slot, next, sequence);
            }
        }
        self.free_if_done(key)
    }

    /// Forgets the runs under way and the questions put to the host, for a copy of the store in a process
    /// where they are never ended nor answered. Returns the payloads of the jobs that were only kept for them.
    #[must_use]
    pub fn forget_runs(&mut self) -> Vec<P> {
        let mut payloads = Vec::new();
        for index in 0..self.slots.len() {
            let Slot { generation, entry: Some(entry) } = &mut self.slots[index] else { continue };
            // The store never has more slots than a key can name.
            let key = JobKey { slot: index as u32, generation: *generation };
            entry.running = 0;
            entry.ending = false;
            let waits = entry.waits_for.take().is_some();
            if let (true, false, Some(next)) = (waits, entry.retired, entry.next.get()) {
                self.queue.set(key.slot, next, entry.sequence);
            }
            payloads.extend(self.free_if_done(key));
        }
        payloads
    }

    /// Gives back the key that came with [`Item::Ended`](crate::engine::Item::Ended). Returns the payload when no
    /// run needs it any more.
    pub fn release(&mut self, key: JobKey) -> Option<P> {
        self.entry_mut(key)?.ending = false;
        self.free_if_done(key)
    }

    /// Takes back what was owned; payloads that this sets free wait in
    /// [`take_discarded`](Self::take_discarded).
    pub fn take_back(&mut self, given_back: impl IntoIterator<Item = GivenBack>) {
        for given in given_back {
            let payload = match given {
                GivenBack::Slot(fire, ended) => self.finish(fire, ended),
                GivenBack::Key(key) => self.release(key),
            };
            self.discarded.payloads.extend(payload);
        }
    }

    /// Whether there is something that only the caller may drop.
    pub fn has_discarded(&self) -> bool {
        !self.discarded.triggers.is_empty() || !self.discarded.payloads.is_empty()
    }

    /// Takes what only the caller may drop and no call returned. See the module's documentation.
    #[must_use]
    pub fn take_discarded(&mut self) -> Discarded<P> {
        std::mem::take(&mut self.discarded)
    }

    /// A number that no job has as its revision, but for those that have not seen four thousand million others.
    fn next_revision(&mut self) -> u32 {
        self.revision = self.revision.checked_add(1).unwrap_or(1);
        self.revision
    }

    fn retire(&mut self, slot: u32) {
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return };
        entry.retired = true;
        self.index.remove(entry.hash, slot);
    }

    fn free_if_done(&mut self, key: JobKey) -> Option<P> {
        let slot = &mut self.slots[key.slot as usize];
        if slot.entry.as_ref().is_none_or(|e| !e.retired || e.ending || e.running > 0) {
            return None;
        }
        let entry = slot.entry.take()?;
        // A slot whose generations are used up has no more tenants: no key may come to mean another job.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free.push(key.slot);
        }
        self.discard(entry.trigger);
        Some(entry.payload)
    }

    /// Drops a trigger, unless that may run code of the host.
    fn discard(&mut self, trigger: Arc<Trigger>) {
        if trigger.needs_host() {
            self.discarded.triggers.push(trigger);
        }
    }

    fn find(&self, hash: IdHash, id: &str) -> Option<u32> {
        self.index.find(hash, |slot| self.slots[slot as usize].entry.as_ref().is_some_and(|e| &*e.id == id))
    }

    fn key_of(&self, slot: u32) -> JobKey {
        JobKey { slot, generation: self.slots[slot as usize].generation }
    }

    fn entry(&self, key: JobKey) -> Option<&Entry<P>> {
        self.slots.get(key.slot as usize).filter(|s| s.generation == key.generation)?.entry.as_ref()
    }

    fn entry_mut(&mut self, key: JobKey) -> Option<&mut Entry<P>> {
        self.slots.get_mut(key.slot as usize).filter(|s| s.generation == key.generation)?.entry.as_mut()
    }

    fn live_mut(&mut self, key: JobKey) -> Result<&mut Entry<P>, Error> {
        self.entry_mut(key)
            .filter(|e| !e.retired)
            .ok_or_else(|| Error::new(ErrorKind::JobLookup, "the job has left its job store"))
    }
}

fn lookup_error(id: &str) -> Error {
    Error::new(ErrorKind::JobLookup, format!("No job by the id of {id} was found"))
}

#[cfg(test)]
mod tests;
