//! What runs that are handled in one go share: the store they looked at last, the jobs that were read from it
//! together, what they give back to it together, and the last look at the clock.
//!
//! Ground rules: a batch belongs to one thread and is borrowed for single moves, never while Python code runs.
//! Whatever it drops may run Python code, so it is dropped after the move.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Firing, Item, StoreId};
use mainspring_core::job::{Ended, JobKey};
use mainspring_core::store::GivenBack;

use crate::dispatch::hub::{Attached, Hub};
use crate::dispatch::loop_queue::Work;
use crate::job::seen::Seen;

#[derive(Default)]
pub struct Batch {
    store: RefCell<Option<(StoreId, Arc<Attached>)>>,
    /// Whether runs give back together what they own, in [`Batch::settle`].
    settles_together: bool,
    ahead: RefCell<Ahead>,
    /// The keys of ended jobs, to be given back.
    keys: RefCell<Vec<GivenBack>>,
    /// How many runs have ended that the hub still counts.
    ended: Cell<isize>,
    now: Cell<Option<UtcMicros>>,
}

impl Batch {
    /// For many runs, one after the other.
    pub fn of_many() -> Self {
        Self { settles_together: true, ..Self::default() }
    }

    /// The store with this number and its alias.
    pub fn store(&self, hub: &Hub, id: StoreId) -> Option<Arc<Attached>> {
        if let Some((known, attached)) = &*self.store.borrow() {
            if *known == id {
                return Some(Arc::clone(attached));
            }
        }
        let attached = hub.attached(id)?;
        self.settle(hub);
        self.store.replace(Some((id, Arc::clone(&attached))));
        Some(attached)
    }

    /// Reads the jobs of the runs among `work`, as far as they are in the store of the first.
    pub fn read_ahead(&self, hub: &Hub, work: &VecDeque<Work>) {
        let firing = |work| match work {
            &Work::Item(Item::Run(ref firing)) => Some(firing),
            _ => None,
        };
        let Some(id) = work.iter().find_map(firing).map(|firing| firing.store) else { return };
        let Some(attached) = self.store(hub, id) else { return };
        self.settle(hub);
        let keys = work.iter().filter_map(firing).filter(|firing| firing.store == id).map(|f| f.key);
        let mut seen = self.ahead.take().seen;
        let old: Vec<_> = seen.drain(..).collect();
        let changes = attached.store.read(|s| {
            seen.extend(keys.filter_map(|key| Some((key, Seen::get(s, key)?))));
            attached.store.changes()
        });
        self.ahead.replace(Ahead { store: id, changes, seen });
        drop(old);
    }

    /// A job as it is now.
    pub fn seen(&self, attached: &Attached, store: StoreId, key: JobKey) -> Option<Seen> {
        let known = self.ahead.borrow_mut().take(attached, store, key);
        known.or_else(|| Seen::read(&attached.store, key))
    }

    /// The time at which a run starts: now, or that of [`Batch::read_clock`], once.
    pub fn now(&self, hub: &Hub) -> UtcMicros {
        self.now.take().unwrap_or_else(|| hub.clock.now())
    }

    /// Looks at the clock for the end of a run and the start of the next.
    pub fn read_clock(&self, hub: &Hub) -> UtcMicros {
        let now = hub.clock.now();
        self.now.set(Some(now));
        now
    }

    /// Has the next run look at the clock by itself, since other code has run since the last look.
    pub fn forget_clock(&self) {
        self.now.set(None);
    }

    /// Gives back the instance slot of a firing, whose last fire ended so.
    pub fn finish(&self, hub: &Hub, attached: &Attached, firing: &Firing, ended: Ended) {
        if !hub.origin.is_here() {
            return;
        }
        if !self.settles(attached) {
            return hub.finish_in(&attached.store, firing, ended);
        }
        let slot = GivenBack::Slot(firing.last_fire(), ended);
        attached.store.give_back(self.keys.borrow_mut().drain(..).chain([slot]));
        self.ended.set(self.ended.get() + 1);
    }

    /// Gives back the key of a job that has ended.
    pub fn release(&self, attached: &Attached, key: JobKey) {
        let key = GivenBack::Key(key);
        if self.settles(attached) {
            self.keys.borrow_mut().push(key);
        } else {
            attached.store.give_back([key]);
            attached.store.settle();
        }
    }

    fn settles(&self, attached: &Attached) -> bool {
        let store = self.store.borrow();
        self.settles_together && store.as_ref().is_some_and(|(_, known)| std::ptr::eq(&**known, attached))
    }

    /// Tells the store that was looked up last, and the hub, what the runs have given back.
    pub fn settle(&self, hub: &Hub) {
        let (keys, ended) = (self.keys.take(), self.ended.take());
        let store = self.store.borrow().as_ref().map(|(_, attached)| Arc::clone(attached));
        let Some(attached) = store.filter(|_| self.settles_together && hub.origin.is_here()) else { return };
        attached.store.give_back(keys);
        attached.store.settle();
        if ended > 0 {
            hub.runs.add(-ended);
        }
    }
}

/// Jobs of one store that were read together, in the order of their runs.
#[derive(Default)]
struct Ahead {
    store: StoreId,
    /// [`Store::changes`](crate::job::store::Store::changes) when they were read.
    changes: u64,
    seen: VecDeque<(JobKey, Seen)>,
}

impl Ahead {
    /// Takes a job out, if nothing has been changed in its store since it was read.
    fn take(&mut self, attached: &Attached, store: StoreId, key: JobKey) -> Option<Seen> {
        if store != self.store || attached.store.changes() != self.changes {
            return None;
        }
        let is_next = self.seen.front().is_some_and(|(known, _)| *known == key);
        if is_next { self.seen.pop_front().map(|(_, seen)| seen) } else { None }
    }
}
