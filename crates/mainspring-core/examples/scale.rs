//! What a job and a fire cost in the core, with so many jobs loaded: one line of JSON.
//!
//! `cargo run --release -p mainspring-core --example scale -- 1000000`
//!
//! Interval jobs with ids of 32 characters in a memory store. The times are of sweeps alone, as the timer
//! thread makes them, each fire given back at once; the memory is what the resident set grew by.

#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::time::Instant;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Item, PASS};
use mainspring_core::job::{Ended, JobKey, RunPolicy};
use mainspring_core::random::SplitMix64;
use mainspring_core::store::{MemoryStore, NewJob};
use mainspring_core::trigger::{IntervalTrigger, Trigger};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600 * SECOND;
/// How many fires or changes are measured.
const SAMPLE: u32 = 200_000;

fn at(micros: i64) -> UtcMicros {
    UtcMicros::clamped(micros)
}

/// In bytes; nothing where there is no /proc.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0
}

fn nanos(begin: Instant, count: u32) -> f64 {
    begin.elapsed().as_nanos() as f64 / f64::from(count)
}

/// Sweeps what is due at `now`, pass by pass; returns how many fires there were, and how many microseconds
/// each pass took, for which it would have held the store's lock.
fn sweep(store: &mut MemoryStore<u32>, now: UtcMicros, out: &mut Vec<Item>) -> (u32, Vec<f64>) {
    let (mut fires, mut passes) = (0, Vec::new());
    loop {
        let begin = Instant::now();
        store.sweep(now, PASS, out);
        if out.is_empty() {
            return (fires, passes);
        }
        passes.push(nanos(begin, 1_000));
        for item in out.drain(..) {
            if let Item::Run(firing) = item {
                fires += 1;
                store.finish(firing.last_fire(), Ended::Executed);
            }
        }
    }
}

fn main() {
    let jobs: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).expect("a number of jobs");
    let mut random = SplitMix64::new(1);
    let mut below = |bound: i64| (random.next_u64() % bound.unsigned_abs()) as i64;
    let mut store = MemoryStore::new(1);
    let mut out = Vec::new();
    let interval = IntervalTrigger::new(HOUR, at(START), None, 0).expect("a valid interval");
    let trigger = Arc::new(Trigger::Interval(interval));

    // Fire times spread over the hour: nearly every fire is alone.
    let before = resident();
    let begin = Instant::now();
    let keys: Vec<JobKey> = (0..jobs)
        .map(|number| {
            let next = at(START + below(HOUR));
            let (trigger, policy) = (Arc::clone(&trigger), RunPolicy::default());
            let id = format!("{number:032x}").into();
            let job = NewJob { id, trigger, policy, route: 0, next: Some(next), payload: number };
            store.add(job).map_err(|(error, _)| error).expect("a new id")
        })
        .collect();
    let add_ns = nanos(begin, jobs);
    let bytes = (resident() - before) / f64::from(jobs);

    let begin = Instant::now();
    let mut spread = 0;
    while spread < SAMPLE {
        let now = store.next_deadline().expect("jobs without an end");
        spread += sweep(&mut store, now, &mut out).0;
    }
    let spread_ns = nanos(begin, spread);

    let begin = Instant::now();
    for _ in 0..SAMPLE {
        let key = keys[below(i64::from(jobs)) as usize];
        store.set_next(key, Some(at(START + 2 * HOUR + below(HOUR)))).expect("a job");
    }
    let change_ns = nanos(begin, SAMPLE);

    // All at one instant.
    let instant = at(START + 10 * HOUR);
    for &key in &keys {
        store.set_next(key, Some(instant)).expect("a job");
    }
    let begin = Instant::now();
    let (together, mut passes) = sweep(&mut store, instant, &mut out);
    let together_ns = nanos(begin, together);
    assert_eq!(together, jobs, "each job fires once");
    // Not the longest: that one has met with whatever else the machine had to do.
    passes.sort_by(f64::total_cmp);
    let lock_us = passes[passes.len() * 99 / 100];

    println!(
        "{{\"jobs\": {jobs}, \"bytes\": {bytes:.0}, \"add_ns\": {add_ns:.0}, \"spread_ns\": {spread_ns:.0}, \
         \"together_ns\": {together_ns:.0}, \"lock_us\": {lock_us:.0}, \"change_ns\": {change_ns:.0}}}"
    );
}
