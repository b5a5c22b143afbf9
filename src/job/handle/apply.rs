//! Puts checked changes to a job in force: in its store's entry, where the job has one, else in the object alone.
//!
//! What a change does not say is read from the entry before Python makes the new objects, and the store is not
//! locked meanwhile. So an entry that others have changed until then is read anew, and the work done once more.

use std::sync::Arc;

use mainspring_core::job::JobKey;
use mainspring_core::store::NewJob;
use mainspring_core::{Error, UtcMicros};
use pyo3::prelude::*;

use super::Job;
use crate::job::fields::Fields;
use crate::job::record::Record;
use crate::job::seen::{Seen, new_job};
use crate::job::store::{Changes, Store};
use crate::time::datetime;

/// On what basis a change sets the fire time.
#[derive(Clone, Copy)]
pub enum Basis {
    /// The user wants it, whatever has been handed over.
    Asked,
    /// It was worked out when the entry had this revision: see [`Changes::plan`].
    Planned(u32),
}

impl Basis {
    /// Gives the job this fire time; says whether it still holds.
    pub fn set_next(
        self,
        store: &mut Changes<'_>,
        key: JobKey,
        next: Option<UtcMicros>,
    ) -> Result<bool, Error> {
        match self {
            Self::Asked => store.set_next(key, next).map(|()| true),
            Self::Planned(revision) => store.plan(key, next, revision),
        }
    }
}

/// What has become of a change.
enum Change {
    /// It is made; what was there before is to be dropped.
    Made(Option<Arc<Record>>),
    /// Its fire time does not hold any more.
    Stale,
    /// The entry is not as it was read.
    Again,
}

impl Job {
    /// Puts validated changes in force.
    pub fn apply(&self, py: Python<'_>, changes: &Fields) -> PyResult<()> {
        self.apply_from(py, changes, Basis::Asked).map(drop)
    }

    /// Puts validated changes in force, whose fire time is set on this basis; says whether it still holds, or else nothing
    /// is changed.
    pub fn apply_from(&self, py: Python<'_>, changes: &Fields, basis: Basis) -> PyResult<bool> {
        let entry = self.lock().link.as_ref().map(|link| (Arc::clone(&link.store), link.key));
        if let Some((store, key)) = entry {
            if let Some(made) = self.apply_linked(py, &store, key, changes, basis)? {
                return Ok(made);
            }
            // The entry has left the store: the change is made to the handle alone.
            self.detach(py)?;
        }
        self.complete(py)?;
        let old = changes.write_to(py, self.lock().fields_mut());
        drop(old);
        Ok(true)
    }

    /// Makes this a job of its own, with what it sees now.
    pub(super) fn detach(&self, py: Python<'_>) -> PyResult<()> {
        let fields = self.fields(py)?;
        let mut state = self.lock();
        let old = (state.fields.replace(Box::new(fields)), state.link.take());
        drop(state);
        drop(old);
        Ok(())
    }

    /// Changes the entry of a linked job; says whether the fire time still holds. `None`: the entry has left.
    fn apply_linked(
        &self,
        py: Python<'_>,
        store: &Arc<Store>,
        key: JobKey,
        changes: &Fields,
        basis: Basis,
    ) -> PyResult<Option<bool>> {
        let next = match &changes.next_run_time {
            Some(Some(at)) => Some(Some(datetime::instant(at.bind(py))?)),
            Some(None) => Some(None),
            None => None,
        };
        loop {
            let Some(seen) = Seen::read(store, key) else { return Ok(None) };
            let Some((seen, mut new)) = self.changed(py, seen, changes)? else { return Ok(None) };
            let changed: Result<Change, Error> = store.change(|s| {
                if new.is_some() && Seen::get(s.read(), key).is_some_and(|now| !seen.is_alike(&now)) {
                    return Ok(Change::Again);
                }
                if !next.map_or(Ok(true), |next| basis.set_next(s, key, next))? {
                    return Ok(Change::Stale);
                }
                // What is not taken is dropped after the store's lock is released.
                match new.take() {
                    Some(new) => s.update(key, new.trigger, new.policy, new.route, new.payload).map(Some),
                    None => s.change_policy(key, |policy| changes.policy(policy)).map(|()| None),
                }
                .map(Change::Made)
            });
            match changed {
                // The old record is dropped here.
                Ok(Change::Made(_old)) => return Ok(Some(true)),
                Ok(Change::Stale) => return Ok(Some(false)),
                Ok(Change::Again) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// The entry that was seen with all its objects, where they are needed, and what the changes make of it;
    /// `None` for the latter where they leave its record alone, as most do. `None` for both: this is not a
    /// handle on an entry any more.
    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    fn changed(
        &self,
        py: Python<'_>,
        seen: Seen,
        changes: &Fields,
    ) -> PyResult<Option<(Seen, Option<NewJob<Arc<Record>>>)>> {
        if changes.touches_call_or_trigger() {
            let Some(seen) = self.seen_complete(py)? else { return Ok(None) };
            let mut fields = self.fields_of(py, seen.clone())?;
            drop(changes.write_to(py, &mut fields));
            let new = new_job(py, fields, self.owner(py).0.as_ref().map(|s| s.bind(py)))?;
            return Ok(Some((seen, Some(new))));
        }
        if !changes.touches_record() {
            return Ok(Some((seen, None)));
        }
        let (record, route) = changes.record(py, &seen.record, seen.route)?;
        let new = NewJob {
            id: Arc::clone(&seen.id),
            trigger: Arc::clone(&seen.trigger),
            policy: changes.policy(seen.policy),
            route,
            next: seen.next,
            payload: Arc::new(record),
        };
        Ok(Some((seen, Some(new))))
    }
}
