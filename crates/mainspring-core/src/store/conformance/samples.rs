//! Jobs, triggers and messages that the rules and the tests of single stores are written with.

use std::sync::Arc;

use super::{NewJob, Store};
use crate::engine::{Firing, Item, StoreId};
use crate::error::Error;
use crate::job::due::{Due, RunTimes};
use crate::job::{Fire, JobKey, RunPolicy};
use crate::time::UtcMicros;
use crate::trigger::{DateTrigger, HostTrigger, IntervalTrigger, Trigger};

pub(crate) const DEFAULT: RunPolicy = RunPolicy::DEFAULT;
pub(crate) const EACH: RunPolicy = RunPolicy { misfire_grace_seconds: None, coalesce: false, ..DEFAULT };

pub(crate) fn at(seconds: i64) -> UtcMicros {
    UtcMicros::clamped(seconds * 1_000_000)
}

pub(crate) fn every(seconds: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Interval(IntervalTrigger::new(seconds * 1_000_000, at(0), None, 0).unwrap()))
}

pub(crate) fn every_until(seconds: i64, end: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Interval(IntervalTrigger::new(seconds * 1_000_000, at(0), Some(at(end)), 0).unwrap()))
}

pub(crate) fn once(seconds: i64) -> Arc<Trigger> {
    Arc::new(Trigger::Date(DateTrigger::new(at(seconds))))
}

#[derive(Debug)]
struct Unasked;

impl HostTrigger for Unasked {
    fn next_fire_time(&self, _: Option<UtcMicros>, _: UtcMicros) -> Result<Option<UtcMicros>, Error> {
        unreachable!("the store never asks a trigger of the host")
    }
}

/// A trigger that only the host can evaluate.
pub(crate) fn host() -> Arc<Trigger> {
    Arc::new(Trigger::Host(Arc::new(Unasked)))
}

/// The payload of the job with this id.
pub(crate) fn tag(id: &str) -> usize {
    id.bytes().fold(0, |tag, byte| tag.wrapping_mul(31) + usize::from(byte))
}

pub(crate) fn job(id: &'static str, trigger: Arc<Trigger>, policy: RunPolicy, next: i64) -> NewJob<usize> {
    NewJob { id: id.into(), trigger, policy, route: 7, next: Some(at(next)), payload: tag(id) }
}

pub(crate) fn add<S: Store>(
    store: &mut S,
    id: &'static str,
    trigger: Arc<Trigger>,
    policy: RunPolicy,
    next: i64,
) -> JobKey {
    store.add(job(id, trigger, policy, next)).unwrap()
}

/// Takes all that is due.
pub(crate) fn sweep<S: Store>(store: &mut S, now: i64) -> Vec<Item> {
    let mut out = Vec::new();
    let next = store.sweep(at(now), usize::MAX, &mut out);
    assert_eq!(next, store.next_deadline());
    assert!(next.is_none_or(|next| next > at(now)), "an unlimited sweep takes all that is due");
    out
}

/// A fire of a job, to give its slot back with.
pub(crate) fn fire(key: JobKey) -> Fire {
    Fire::first(key, at(0))
}

pub(crate) fn run(key: JobKey, policy: RunPolicy, times: impl Into<RunTimes>) -> Item {
    let RunPolicy { misfire_grace_seconds, .. } = policy;
    let (store, run_times) = (StoreId(0), times.into());
    Item::Run(Firing { store, key, route: 7, misfire_grace_seconds, run_times, attempt: 1, last: false })
}

pub(crate) fn last_run(key: JobKey, policy: RunPolicy, times: impl Into<RunTimes>) -> Item {
    match run(key, policy, times) {
        Item::Run(firing) => Item::Run(Firing { last: true, ..firing }),
        other => other,
    }
}

pub(crate) fn skipped(key: JobKey, times: impl Into<RunTimes>) -> Item {
    Item::Skipped { store: StoreId(0), key, run_times: times.into() }
}

pub(crate) fn ended(key: JobKey) -> Item {
    Item::Ended { store: StoreId(0), key }
}

pub(crate) fn host_due(key: JobKey, due: i64) -> Item {
    Item::HostDue { store: StoreId(0), key, due: at(due) }
}

pub(crate) fn due(run: i64, next: Option<i64>) -> Due {
    Due { run_times: one(run), next: next.map(at) }
}

pub(crate) fn one(seconds: i64) -> RunTimes {
    RunTimes::One(at(seconds))
}

pub(crate) fn times(seconds: impl IntoIterator<Item = i64>) -> Vec<UtcMicros> {
    seconds.into_iter().map(at).collect()
}
