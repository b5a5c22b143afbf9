//! The timer queue: which of the jobs in memory is due next.
//!
//! A four-ary heap that knows where each slot's entry stands, so that cancelling and rescheduling are
//! exact and leave nothing behind. Equal deadlines come out in the order of their sequence numbers.
//! Sixteen bytes an entry and four a slot.

use crate::time::UtcMicros;

const ARITY: usize = 4;
const ABSENT: u32 = u32::MAX;

/// Deadline, sequence number and slot in one number, since heaps compare more than they do anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

impl Entry {
    fn new(deadline: UtcMicros, sequence: u32, slot: u32) -> Self {
        let deadline = deadline.get() as u64 ^ SIGN;
        Self(u128::from(deadline) << 64 | u128::from(sequence) << 32 | u128::from(slot))
    }

    fn deadline(self) -> UtcMicros {
        UtcMicros::clamped(((self.0 >> 64) as u64 ^ SIGN) as i64)
    }

    fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// Puts negative numbers before positive ones when they are compared as unsigned ones.
const SIGN: u64 = 1 << 63;

/// Deadlines of slots, earliest first.
#[derive(Debug, Default)]
pub struct TimerQueue {
    heap: Vec<Entry>,
    /// Where in `heap` each slot stands, or `ABSENT`.
    position: Vec<u32>,
}

impl TimerQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many slots have a deadline.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no slot has a deadline.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, additional: usize) {
        self.heap.reserve(additional);
        self.position.reserve(additional);
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<UtcMicros> {
        self.heap.first().map(|e| e.deadline())
    }

    /// Gives `slot` the deadline `deadline`, in place of one it may have. Among equal deadlines the lower
    /// `sequence` comes first.
    pub fn set(&mut self, slot: u32, deadline: UtcMicros, sequence: u32) {
        let entry = Entry::new(deadline, sequence, slot);
        match self.index_of(slot) {
            Some(index) => {
                let earlier = entry < self.heap[index];
                self.heap[index] = entry;
                if earlier { self.sift_up(index) } else { self.sift_down(index) }
            }
            None => {
                let slot = slot as usize;
                if slot >= self.position.len() {
                    self.position.resize(slot + 1, ABSENT);
                }
                self.heap.push(entry);
                self.sift_up(self.heap.len() - 1);
            }
        }
    }

    /// Takes the deadline of `slot` away; says whether it had one.
    pub fn cancel(&mut self, slot: u32) -> bool {
        let Some(index) = self.index_of(slot) else { return false };
        self.position[slot as usize] = ABSENT;
        let last = self.heap.len() - 1;
        let removed = self.heap.swap_remove(index);
        if index < last {
            // `swap_remove` put the last entry at `index`; it may belong above or below that place.
            if self.heap[index] < removed { self.sift_up(index) } else { self.sift_down(index) }
        }
        true
    }

    /// Takes out the earliest slot whose deadline is not after `now`, with that deadline.
    pub fn pop_due(&mut self, now: UtcMicros) -> Option<(u32, UtcMicros)> {
        let first = *self.heap.first()?;
        let (slot, deadline) = (first.slot(), first.deadline());
        if deadline > now {
            return None;
        }
        self.position[slot as usize] = ABSENT;
        if let Some(last) = self.heap.pop().filter(|last| *last != first) {
            // It came from the bottom and most likely belongs there again.
            let hole = self.sink_hole();
            self.heap[hole] = last;
            self.sift_up(hole);
        }
        Some((slot, deadline))
    }

    /// Every slot whose deadline is not after `now`, in no order.
    pub fn due(&self, now: UtcMicros) -> impl Iterator<Item = u32> {
        self.heap.iter().filter(move |e| e.deadline() <= now).map(|e| e.slot())
    }

    /// Forgets every deadline.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.position.clear();
    }

    fn index_of(&self, slot: u32) -> Option<usize> {
        match self.position.get(slot as usize) {
            Some(&index) if index != ABSENT => Some(index as usize),
            _ => None,
        }
    }

    fn sift_up(&mut self, mut index: usize) {
        let entry = self.heap[index];
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if self.heap[parent] <= entry {
                break;
            }
            self.place(index, self.heap[parent]);
            index = parent;
        }
        self.place(index, entry);
    }

    fn sift_down(&mut self, mut index: usize) {
        let entry = self.heap[index];
        while let Some(child) = self.earliest_child(index) {
            if entry <= self.heap[child] {
                break;
            }
            self.place(index, self.heap[child]);
            index = child;
        }
        self.place(index, entry);
    }

    /// Moves the earliest of the children into the first place, of its children into its place, and so on;
    /// returns the last place that was left.
    fn sink_hole(&mut self) -> usize {
        let mut hole = 0;
        while let Some(child) = self.earliest_child(hole) {
            self.place(hole, self.heap[child]);
            hole = child;
        }
        hole
    }

    fn earliest_child(&self, index: usize) -> Option<usize> {
        let first = index * ARITY + 1;
        match self.heap.get(first..first + ARITY) {
            Some(&[a, b, c, d]) => {
                // All of them are there: no branches.
                let left = if b < a { (b, 1) } else { (a, 0) };
                let right = if d < c { (d, 3) } else { (c, 2) };
                Some(first + if right.0 < left.0 { right.1 } else { left.1 })
            }
            _ => (first..self.heap.len()).min_by_key(|&c| self.heap[c]),
        }
    }

    fn place(&mut self, index: usize, entry: Entry) {
        self.heap[index] = entry;
        // A heap of u32::MAX entries would need 64 GiB; slots are u32, so the index fits.
        self.position[entry.slot() as usize] = index as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> UtcMicros {
        UtcMicros::clamped(micros)
    }

    #[test]
    fn equal_deadlines_come_out_in_sequence() {
        let mut queue = TimerQueue::new();
        for slot in (0..50).rev() {
            queue.set(slot, at(7), slot);
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop_due(at(7))).map(|(slot, _)| slot).collect();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[derive(Clone, Debug)]
    enum Op {
        Set(u32, i64),
        Cancel(u32),
        Pop(i64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0..40u32, 0..100i64).prop_map(|(slot, t)| Op::Set(slot, t)),
            1 => (0..40u32).prop_map(Op::Cancel),
            1 => (0..100i64).prop_map(Op::Pop),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(ops in proptest::collection::vec(op(), 0..300)) {
            let mut queue = TimerQueue::new();
            let mut model: BTreeMap<u32, i64> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Set(slot, t) => {
                        queue.set(slot, at(t), slot);
                        model.insert(slot, t);
                    }
                    Op::Cancel(slot) => prop_assert_eq!(queue.cancel(slot), model.remove(&slot).is_some()),
                    Op::Pop(now) => {
                        let first = model.iter().map(|(&slot, &t)| (t, slot)).min();
                        let expected = first.filter(|&(t, _)| t <= now);
                        if let Some((_, slot)) = expected {
                            model.remove(&slot);
                        }
                        prop_assert_eq!(queue.pop_due(at(now)), expected.map(|(t, slot)| (slot, at(t))));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.next_deadline(), model.values().min().map(|&t| at(t)));
            }
        }
    }
}
