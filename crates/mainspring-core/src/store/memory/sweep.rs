//! What becomes of a job in memory that is due: its trigger is asked, runs are admitted, the job is put back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::entry::{Entry, Moment, WaitsFor};
use super::{HostVerdict, MemoryStore};
use crate::engine::Item;
use crate::error::{Error, ErrorKind};
use crate::job::JobKey;
use crate::job::due::{self, Due};
use crate::time::UtcMicros;

impl<P> MemoryStore<P> {
    /// See [`Sweep::sweep`](crate::engine::Sweep::sweep).
    pub fn sweep(&mut self, now: UtcMicros, limit: usize, out: &mut Vec<Item>) -> Option<UtcMicros> {
        let enough = out.len().saturating_add(limit);
        while out.len() < enough {
            let Some((slot, due)) = self.queue.pop_due(now) else { break };
            self.fire(slot, due, now, out);
        }
        self.queue.next_deadline()
    }

    /// Evaluates the job in `slot`, which has just been taken out of the queue.
    fn fire(&mut self, slot: u32, due: UtcMicros, now: UtcMicros, out: &mut Vec<Item>) {
        let (store, key) = (self.id, self.key_of(slot));
        let jitter = &mut self.jitter;
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return };
        if entry.trigger.needs_host() {
            entry.waits_for = Some(WaitsFor::Host);
            out.push(Item::HostDue { store, key, due });
            return;
        }
        let (trigger, policy) = (&entry.trigger, entry.policy);
        let answer = no_panic(|| due::due(trigger, policy, due, now, jitter));
        self.settle(key, answer, now, out);
    }

    /// Does what the trigger's answer asks for.
    pub(super) fn settle(
        &mut self,
        key: JobKey,
        answer: Result<Due, Error>,
        now: UtcMicros,
        out: &mut Vec<Item>,
    ) {
        let store = self.id;
        match answer {
            Ok(due) => {
                let ends = due.next.is_none();
                let item = self.advance(key, due, now);
                let runs = matches!(item, Some(Item::Run(_)));
                out.extend(item);
                if ends && !runs {
                    out.push(Item::Ended { store, key });
                }
            }
            Err(error) => {
                if let Some(entry) = self.entry_mut(key) {
                    entry.next = Moment::NONE;
                }
                out.push(Item::Parked { store, key, error });
            }
        }
    }

    /// Admits the runs of a job and puts it where its next fire time wants it.
    fn advance(&mut self, key: JobKey, due: Due, now: UtcMicros) -> Option<Item> {
        let (store, revision) = (self.id, self.next_revision());
        let entry = self.entry_mut(key)?;
        entry.note(&due.run_times, revision);
        if due.next.is_some() {
            entry.next = due.next.into();
        }
        let item = entry.admit(store, key, due.run_times, due.next.is_none());
        let behind = entry.running > 0 && due.next.is_some_and(|next| next <= now);
        entry.waits_for = behind.then_some(WaitsFor::Run);
        let sequence = entry.sequence;
        match due.next {
            Some(_) if behind => {}
            Some(next) => self.queue.set(key.slot, next, sequence),
            None => self.end(key.slot),
        }
        Some(item)
    }

    /// Takes what the host worked out, at `now`, for a job that came with [`Item::HostDue`] as due at
    /// `asked`: the runs that are due and the next fire time. Without a next fire time the job leaves the
    /// store; where it does not run once more, the caller owes a [`release`](Self::release), as after
    /// [`Item::Ended`].
    pub fn settle_host(&mut self, key: JobKey, asked: UtcMicros, due: Due, now: UtcMicros) -> HostVerdict {
        if !self.awaits_host(key, asked) {
            return HostVerdict::Stale;
        }
        match self.advance(key, due, now) {
            Some(Item::Run(firing)) => HostVerdict::Run(firing),
            Some(Item::Skipped { run_times, .. }) => HostVerdict::Skipped(run_times),
            _ => HostVerdict::Stale,
        }
    }

    /// Parks a job that came with [`Item::HostDue`] as due at `asked` and whose trigger failed; says whether
    /// it did, which is not so where [`settle_host`](Self::settle_host) would be [`HostVerdict::Stale`].
    pub fn park_host(&mut self, key: JobKey, asked: UtcMicros) -> bool {
        let parks = self.awaits_host(key, asked);
        if let Some(entry) = self.entry_mut(key).filter(|_| parks) {
            entry.waits_for = None;
            entry.next = Moment::NONE;
        }
        parks
    }

    /// Whether the host still owes an answer about the fire time `asked` of this job.
    fn awaits_host(&self, key: JobKey, asked: UtcMicros) -> bool {
        let asked_for = |e: &Entry<P>| e.waits_for == Some(WaitsFor::Host) && e.next.get() == Some(asked);
        self.entry(key).is_some_and(|e| asked_for(e) && !e.retired)
    }

    fn end(&mut self, slot: u32) {
        if let Some(entry) = self.slots[slot as usize].entry.as_mut() {
            entry.ending = true;
        }
        self.retire(slot);
    }
}

/// What `evaluate` returns, or an error where it panics: one bad trigger must not stop the rest.
pub(super) fn no_panic<T>(evaluate: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(evaluate))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Host, "the trigger panicked")))
}
