//! The jobs of a native store, read in one pass.

use mainspring_core::UtcMicros;
use mainspring_core::job::JobKey;
use mainspring_core::store::JobView;

use crate::job::record::Record;
use crate::job::seen::Seen;
use crate::job::store::Store;

use std::sync::Arc;

/// How many jobs are put in order at once: they stay in the processor's cache until handles are made on them.
const AT_ONCE: usize = 256;

/// Jobs of a store as they were at one moment.
pub struct Listing {
    seen: Vec<Option<(JobKey, Seen)>>,
    /// The fire time of each, and its place in `seen`: by that and then by id, those without a fire time last.
    order: Vec<(i64, usize)>,
}

impl Listing {
    /// All jobs.
    pub fn of_all(store: &Store) -> Self {
        Self::of(store.read(|s| s.all().map(seen).collect()))
    }

    /// The jobs that are due at `now`.
    pub fn of_due(store: &Store, now: UtcMicros) -> Self {
        Self::of(store.read(|s| s.due(now).map(seen).collect()))
    }

    fn of(seen: Vec<Option<(JobKey, Seen)>>) -> Self {
        let id = |index: usize| seen[index].as_ref().map(|(_, seen)| &seen.id);
        let next = seen.iter().map(|each| each.as_ref().and_then(|(_, seen)| seen.next));
        let mut order: Vec<_> = next.map(|next| next.map_or(i64::MAX, UtcMicros::get)).zip(0..).collect();
        order.sort_unstable_by(|(a_next, a), (b_next, b)| {
            a_next.cmp(b_next).then_with(|| id(*a).cmp(&id(*b)))
        });
        Self { seen, order }
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Calls `take` with each in their order.
    ///
    /// Many are fetched at a time: the processor fetches ahead only in a loop as short as the one that does it.
    pub fn each<E>(mut self, mut take: impl FnMut(JobKey, Seen) -> Result<(), E>) -> Result<(), E> {
        for some in self.order.chunks(AT_ONCE) {
            let some: Vec<_> = some.iter().filter_map(|(_, index)| self.seen[*index].take()).collect();
            for (key, seen) in some {
                take(key, seen)?;
            }
        }
        Ok(())
    }
}

fn seen(job: JobView<'_, Arc<Record>>) -> Option<(JobKey, Seen)> {
    Some((job.key, Seen::from(job)))
}
