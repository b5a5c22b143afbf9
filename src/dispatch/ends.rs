//! How the runs of a scheduler have ended, in numbers.
//!
//! Ground rules: counted wherever a run ends, without a lock. Numbers that are read one after the other need not be of
//! one moment.

use std::sync::atomic::{AtomicU64, Ordering};

use mainspring_core::job::Ended;

/// How many run times of a scheduler have ended how since it was made.
#[derive(Default)]
pub struct Ends {
    executed: AtomicU64,
    failed: AtomicU64,
    missed: AtomicU64,
    skipped: AtomicU64,
}

/// What has been counted.
pub struct Counts {
    pub executed: u64,
    pub failed: u64,
    pub missed: u64,
    pub skipped: u64,
}

impl Ends {
    /// Counts one that has ended.
    pub fn count(&self, ended: Ended) {
        match ended {
            Ended::Executed => self.executed(),
            Ended::Error | Ended::Cancelled | Ended::Interrupted => self.failed(),
            Ended::Missed => self.missed(),
            // Counted by the executor that it was handed to, or its end is not known.
            Ended::HandedOver | Ended::Lost => (),
        }
    }

    pub fn executed(&self) {
        self.executed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts some that were skipped, since as many runs as allowed were going on.
    pub fn skipped(&self, times: usize) {
        self.skipped.fetch_add(times as u64, Ordering::Relaxed);
    }

    pub fn read(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            executed: read(&self.executed),
            failed: read(&self.failed),
            missed: read(&self.missed),
            skipped: read(&self.skipped),
        }
    }
}
