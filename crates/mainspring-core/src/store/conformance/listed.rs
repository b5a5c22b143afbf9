//! What the model keeps of a job, of a planned fire time and of what the host owes.

use std::collections::BTreeSet;

use super::ops::{NewTrigger, Schedule};
use crate::job::{Ended, JobKey, RunPolicy};

/// What the host has to give back or to answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Finish(usize),
    Release(usize),
    Answer(usize, i64),
}

/// A job as the model sees it; its place in the list of all jobs ever added is its payload.
#[derive(Debug)]
pub(super) struct ModelJob {
    pub(super) id: usize,
    pub(super) key: JobKey,
    pub(super) payload: usize,
    pub(super) schedule: Schedule,
    pub(super) policy: RunPolicy,
    pub(super) next: Option<i64>,
    /// The last fire time of its trigger that was handed over.
    pub(super) handed_over: Option<i64>,
    /// What the trigger has given since it was there or the user asked for a fire time: nothing twice.
    pub(super) given: BTreeSet<i64>,
    /// How often a fire time was handed over or the trigger became another one.
    pub(super) revision: u32,
    pub(super) state: State,
    pub(super) running: u32,
    pub(super) ended: Option<Ended>,
    pub(super) in_store: bool,
    pub(super) notice_owed: bool,
    pub(super) freed: bool,
}

/// A fire time that was worked out for a job.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) number: usize,
    pub(super) trigger: NewTrigger,
    pub(super) next: Option<i64>,
    /// The revision that the job had for the store, and for the model.
    pub(super) seen: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Fires at its next fire time, if it has one.
    Queued,
    /// The host was asked.
    Asked,
    /// Fires on when a run is done.
    Behind,
}
