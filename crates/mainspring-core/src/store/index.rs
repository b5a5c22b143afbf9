//! Which slot of a memory store holds the job with a given id.
//!
//! The ids stand in the slots. Half of each id's hash stands here beside the slot, so that the table can grow
//! without looking at them, which would cost two cache misses a job.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

#[derive(Clone, Copy, Debug)]
struct HashedSlot {
    hash: u32,
    slot: u32,
}

/// Half the hash of an id, in one index.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdHash(u32);

/// Slots by the ids of their jobs.
#[derive(Debug, Default)]
pub(super) struct Index {
    table: HashTable<HashedSlot>,
    hasher: DefaultHashBuilder,
}

impl Index {
    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, additional: usize) {
        self.table.reserve(additional, |hashed| spread(hashed.hash));
    }

    /// What the other methods are given of an id.
    pub fn hash(&self, id: &str) -> IdHash {
        // Either half will do.
        IdHash(self.hasher.hash_one(id) as u32)
    }

    /// The slot of the job with this id; `has` says whether a slot's job has it.
    pub fn find(&self, id: IdHash, has: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.table.find(spread(id.0), |hashed| hashed.hash == id.0 && has(hashed.slot));
        found.map(|hashed| hashed.slot)
    }

    /// Adds the slot of a job whose id is not here.
    pub fn insert(&mut self, id: IdHash, slot: u32) {
        self.table.insert_unique(spread(id.0), HashedSlot { hash: id.0, slot }, |hashed| spread(hashed.hash));
    }

    /// Removes a slot, whose job has this id.
    pub fn remove(&mut self, id: IdHash, slot: u32) {
        if let Ok(found) = self.table.find_entry(spread(id.0), |hashed| hashed.slot == slot) {
            found.remove();
        }
    }

    /// Every slot, in no order.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.table.iter().map(|hashed| hashed.slot)
    }
}

/// Half a hash made whole: the table looks at the lowest and at the highest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_not_removed() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("job-{n}")).collect();
        let mut index = Index::default();
        for (slot, id) in (0..).zip(&ids) {
            index.insert(index.hash(id), slot);
        }
        for (slot, id) in (0..).zip(&ids).step_by(2) {
            index.remove(index.hash(id), slot);
        }
        assert_eq!(index.len(), 5_000);
        for (slot, id) in (0..).zip(&ids) {
            let found = index.find(index.hash(id), |slot| ids[slot as usize] == *id);
            assert_eq!(found, (slot % 2 == 1).then_some(slot));
        }
        assert_eq!(index.find(index.hash("another"), |_| false), None);
        let mut left: Vec<u32> = index.slots().collect();
        left.sort_unstable();
        assert_eq!(left, (0..10_000).filter(|slot| slot % 2 == 1).collect::<Vec<_>>());
    }
}
