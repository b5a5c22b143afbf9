//! The costs of the core, named `group/operation/implementation`.

#![allow(clippy::expect_used)]
// `criterion_group!` makes a public function.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use mainspring_core::UtcMicros;
use mainspring_core::dispatch::Item;
use mainspring_core::job::RunPolicy;
use mainspring_core::rng::SplitMix64;
use mainspring_core::store::{MemoryStore, NewJob};
use mainspring_core::timer::TimerQueue;
use mainspring_core::trigger::{
    CalendarIntervalTrigger, CalendarStep, CivilDate, CronFields, CronTrigger, IntervalTrigger, NoJitter,
    TimeOfDay, Trigger, Zone,
};

const JOBS: u32 = 20_000;
const SECOND: i64 = 1_000_000;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600 * SECOND;

fn at(micros: i64) -> UtcMicros {
    UtcMicros::clamped(micros)
}

fn every(micros: i64) -> Trigger {
    IntervalTrigger::new(micros, at(START), None, 0).map(Trigger::Interval).expect("a valid interval")
}

fn cron(minute: &str, zone: Zone) -> Trigger {
    let fields = CronFields::parse([None, None, None, None, None, None, Some(minute), None]);
    let trigger = fields.and_then(|fields| CronTrigger::new(fields, zone, None, None, 0));
    Trigger::Cron(Arc::new(trigger.expect("a valid cron trigger")))
}

fn berlin() -> Zone {
    Zone::Iana(TimeZone::get("Europe/Berlin").expect("a zone of the bundled database"))
}

fn calendar_interval() -> Trigger {
    let step = CalendarStep { days: 1, ..CalendarStep::default() };
    let time = TimeOfDay::new(2, 30, 0).expect("a valid time");
    let date = CivilDate::new(2025, 1, 1).expect("a valid date");
    let trigger = CalendarIntervalTrigger::new(step, time, date, None, berlin(), 0);
    Trigger::CalendarInterval(Arc::new(trigger.expect("a valid calendar interval")))
}

/// Interval jobs that are all due at the start.
fn jobs() -> Vec<NewJob<u32>> {
    let trigger = Arc::new(every(SECOND));
    let job = |number: u32| NewJob {
        id: format!("job {number}").into(),
        trigger: Arc::clone(&trigger),
        policy: RunPolicy::default(),
        route: 0,
        next: Some(at(START)),
        payload: number,
    };
    (0..JOBS).map(job).collect()
}

fn full_store() -> MemoryStore<u32> {
    let mut store = MemoryStore::new(1);
    for job in jobs() {
        store.add(job).map_err(|(error, _)| error).expect("a new id");
    }
    store
}

fn store(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(u64::from(JOBS))).sample_size(20);
    group.bench_function("add/memory", |b| {
        let add_all = |jobs| {
            let mut store = MemoryStore::new(1);
            for job in jobs {
                store.add(job).map_err(|(error, _)| error).expect("a new id");
            }
            store
        };
        b.iter_batched(jobs, add_all, BatchSize::LargeInput);
    });
    group.bench_function("sweep_and_finish/memory", |b| {
        let mut store = full_store();
        let (mut now, mut out) = (START, Vec::new());
        b.iter(|| {
            store.sweep(at(now), usize::MAX, &mut out);
            for item in out.drain(..) {
                if let Item::Run(firing) = item {
                    store.finish(firing.key);
                }
            }
            now += SECOND;
        });
    });
    group.finish();
}

fn timer(c: &mut Criterion) {
    let mut random = SplitMix64::new(1);
    let deadlines: Vec<UtcMicros> = (0..JOBS).map(|_| at(START + (random.next_u64() >> 24) as i64)).collect();
    let mut group = c.benchmark_group("timer");
    group.throughput(Throughput::Elements(u64::from(JOBS))).sample_size(20);
    group.bench_function("set_and_pop/four_ary_heap", |b| {
        b.iter(|| {
            let mut queue = TimerQueue::new();
            for (slot, &deadline) in (0..).zip(&deadlines) {
                queue.set(slot, deadline, slot);
            }
            while let Some(due) = queue.pop_due(UtcMicros::MAX) {
                black_box(due);
            }
        });
    });
    group.bench_function("set_and_pop/btree_set", |b| {
        b.iter(|| {
            let mut queue: BTreeSet<(UtcMicros, u32)> = BTreeSet::new();
            queue.extend(deadlines.iter().copied().zip(0..));
            while let Some(due) = queue.pop_first() {
                black_box(due);
            }
        });
    });
    group.finish();
}

fn trigger(c: &mut Criterion) {
    let triggers = [
        ("interval", every(SECOND)),
        ("cron_utc", cron("*/15", Zone::UTC)),
        ("cron_berlin", cron("*/15", berlin())),
        ("calendar_interval_berlin", calendar_interval()),
    ];
    let mut group = c.benchmark_group("trigger");
    for (name, trigger) in &triggers {
        let first = trigger.next_fire_time(None, at(START), &mut NoJitter).ok().flatten();
        group.bench_function(format!("next/{name}"), |b| {
            let mut previous = first;
            b.iter(|| {
                let now = previous.unwrap_or(UtcMicros::MIN);
                previous = trigger.next_fire_time(previous, now, &mut NoJitter).ok().flatten();
            });
        });
        let due = first.expect("a trigger that fires");
        let ten_years_on = due.saturating_add(3_650 * 86_400 * SECOND + 1);
        group.bench_function(format!("latest_of_ten_years/{name}"), |b| {
            b.iter(|| trigger.latest_fire_time(black_box(due), ten_years_on));
        });
    }
    group.finish();
}

criterion_group!(benches, store, timer, trigger);
criterion_main!(benches);
