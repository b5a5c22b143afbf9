//! What the core knows of a job: its id, its key, and the rules for its runs (grace time, coalescing, instances).

use std::sync::Arc;

/// The user's name for a job, unique within a store.
pub type JobId = Arc<str>;

/// A store's own handle on a job: a slot, and which of the slot's successive tenants is meant.
///
/// A key never comes to mean another job: when the slot is given to a new job its generation has moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl JobKey {
    /// The key as a number, for what can only hold one.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The key that [`JobKey::to_bits`] made a number of.
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// The rules a job's runs obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPolicy {
    /// How many seconds late a run may start; `None`: however late.
    pub misfire_grace_seconds: Option<u32>,
    /// Whether several fire times that are due together become one run.
    pub coalesce: bool,
    /// How many runs of the job may be under way at once.
    pub max_instances: u32,
}

impl RunPolicy {
    /// APScheduler's defaults: one second of grace, coalesced, one instance.
    pub const DEFAULT: Self = Self { misfire_grace_seconds: Some(1), coalesce: true, max_instances: 1 };

    /// A policy for a test at random, where `below(n)` is a number from 0 to n - 1.
    #[cfg(feature = "testing")]
    pub fn any(mut below: impl FnMut(usize) -> usize) -> Self {
        Self {
            misfire_grace_seconds: [None, Some(1), Some(60), Some(7_200)][below(4)],
            coalesce: below(2) == 1,
            max_instances: [1, 1, 2, 3, 0][below(5)],
        }
    }
}

impl Default for RunPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}
