//! The costs of the core, named `group/operation/implementation`.

#![allow(clippy::expect_used)]
// `criterion_group!` makes a public function.
#![allow(missing_docs)]

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use mainspring_core::UtcMicros;
use mainspring_core::engine::{Engine, Item, StoreId};
use mainspring_core::job::due::{due, missed_by};
use mainspring_core::job::{Ended, JobKey, RunPolicy};
use mainspring_core::random::SplitMix64;
use mainspring_core::store::{MemoryStore, NewJob, SharedStore, TimerQueue};
use mainspring_core::time::{CivilDate, Zone};
use mainspring_core::trigger::{
    CalendarIntervalTrigger, CalendarStep, CronFields, CronTrigger, IntervalTrigger, NoJitter, TimeOfDay,
    Trigger,
};

const JOBS: u32 = 20_000;
/// How many jobs are there while single ones are changed, and how many of them are.
const LOADED: u32 = 100_000;
const CHANGED: u32 = 1_000;
const SECOND: i64 = 1_000_000;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600 * SECOND;

fn at(micros: i64) -> UtcMicros {
    UtcMicros::clamped(micros)
}

fn every(micros: i64) -> Trigger {
    IntervalTrigger::new(micros, at(START), None, 0).map(Trigger::Interval).expect("a valid interval")
}

/// In the order of the fields: year month day week day_of_week hour minute second.
type Fields = [Option<&'static str>; 8];
const EVERY_QUARTER: Fields = [None, None, None, None, None, None, Some("*/15"), None];
const EVERY_FIVE: Fields = [None, None, None, None, None, None, Some("*/5"), None];
const LEAP_DAY: Fields = [None, Some("2"), Some("29"), None, None, Some("0"), None, None];
const LAST_FRIDAY: Fields = [None, None, Some("last fri"), None, None, Some("12"), None, None];

fn cron(fields: Fields, zone: Zone) -> Trigger {
    let trigger = CronFields::parse(fields).and_then(|fields| CronTrigger::new(fields, zone, None, None, 0));
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

fn job(number: u32, trigger: &Arc<Trigger>, next: UtcMicros) -> NewJob<u32> {
    NewJob {
        id: id(number).into(),
        trigger: Arc::clone(trigger),
        policy: RunPolicy::default(),
        route: 0,
        next: Some(next),
        payload: number,
    }
}

fn id(number: u32) -> String {
    format!("job {number}")
}

/// Interval jobs that are all due at the start.
fn jobs() -> Vec<NewJob<u32>> {
    let trigger = Arc::new(every(SECOND));
    (0..JOBS).map(|number| job(number, &trigger, at(START))).collect()
}

fn store_of(jobs: impl IntoIterator<Item = NewJob<u32>>) -> (MemoryStore<u32>, Vec<JobKey>) {
    let mut store = MemoryStore::new(1);
    let add = |job| store.add(job).map_err(|(error, _)| error).expect("a new id");
    let keys = jobs.into_iter().map(add).collect();
    (store, keys)
}

fn full_store() -> MemoryStore<u32> {
    store_of(jobs()).0
}

/// Instants in no order, within the weeks after the start.
fn instants(count: u32) -> Vec<UtcMicros> {
    let mut random = SplitMix64::new(1);
    (0..count).map(|_| at(START + (random.next_u64() >> 24) as i64)).collect()
}

fn store(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(u64::from(JOBS))).sample_size(20);
    group.bench_function("add/memory", |b| {
        b.iter_batched(jobs, store_of, BatchSize::LargeInput);
    });
    group.bench_function("sweep_and_finish/memory", |b| {
        let mut store = full_store();
        let (mut now, mut out) = (START, Vec::new());
        b.iter(|| {
            store.sweep(at(now), usize::MAX, &mut out);
            for item in out.drain(..) {
                if let Item::Run(firing) = item {
                    store.finish(firing.last_fire(), Ended::Executed);
                }
            }
            now += SECOND;
        });
    });
    group.finish();
}

/// Single changes to jobs among many.
fn change(c: &mut Criterion) {
    let hourly = Arc::new(every(3_600 * SECOND));
    let all = instants(LOADED);
    let (store, keys) = store_of((0..).zip(&all).map(|(number, &next)| job(number, &hourly, next)));
    // Every hundredth, in no order of their fire times.
    let chosen = || (0..CHANGED).map(|number| number * (LOADED / CHANGED));
    let mut group = c.benchmark_group("change");
    group.throughput(Throughput::Elements(u64::from(CHANGED))).sample_size(20);
    group.bench_function("find/memory", |b| {
        let ids: Vec<String> = chosen().map(id).collect();
        b.iter(|| ids.iter().filter_map(|id| store.key(id)).count());
    });
    let mut store = store;
    group.bench_function("pause_and_resume/memory", |b| {
        b.iter(|| {
            for number in chosen() {
                let key = keys[number as usize];
                store.set_next(key, None).expect("a job");
                store.set_next(key, Some(all[number as usize])).expect("a job");
            }
        });
    });
    group.bench_function("reschedule/memory", |b| {
        b.iter(|| {
            for number in chosen() {
                let next = all[(number + 1) as usize];
                store.set_next(keys[number as usize], Some(next)).expect("a job");
            }
        });
    });
    group.bench_function("remove_and_add/memory", |b| {
        b.iter(|| {
            for number in chosen() {
                store.remove(&id(number)).expect("a job");
                let next = all[number as usize];
                store.add(job(number, &hourly, next)).map_err(|(error, _)| error).expect("a new id");
            }
        });
    });
    group.finish();
}

fn engine(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(u64::from(JOBS))).sample_size(20);
    for stores in [1, 4] {
        let shared: Vec<_> = (0..stores).map(|_| Arc::new(SharedStore::new(MemoryStore::new(1)))).collect();
        let mut engine = Engine::new();
        for (number, store) in (0..).zip(&shared) {
            store.change(|s| s.set_id(StoreId(number)));
            engine.attach(StoreId(number), Arc::clone(store) as _);
        }
        for (number, job) in jobs().into_iter().enumerate() {
            let added = shared[number % shared.len()].change(|s| s.add(job));
            added.map_err(|(error, _)| error).expect("a new id");
        }
        let (mut now, mut out) = (START, Vec::new());
        group.bench_function(BenchmarkId::new("sweep_and_finish", format!("{stores}_stores")), |b| {
            b.iter(|| {
                while engine.sweep(at(now), &mut out).is_some_and(|next| next <= at(now)) || !out.is_empty() {
                    for item in out.drain(..) {
                        if let Item::Run(firing) = item {
                            shared[firing.store.0 as usize]
                                .change(|s| s.finish(firing.last_fire(), Ended::Executed));
                        }
                    }
                }
                now += SECOND;
            });
        });
    }
    group.finish();
}

/// A heap whose entries are forgotten instead of removed, as a rival of [`TimerQueue`].
#[derive(Default)]
struct LazyHeap {
    heap: BinaryHeap<Reverse<(UtcMicros, u32, u32)>>,
    generations: Vec<u32>,
}

impl LazyHeap {
    fn set(&mut self, slot: u32, deadline: UtcMicros) {
        if slot as usize >= self.generations.len() {
            self.generations.resize(slot as usize + 1, 0);
        }
        let generation = &mut self.generations[slot as usize];
        *generation += 1;
        self.heap.push(Reverse((deadline, slot, *generation)));
    }

    fn pop(&mut self) -> Option<(u32, UtcMicros)> {
        while let Some(Reverse((deadline, slot, generation))) = self.heap.pop() {
            if self.generations[slot as usize] == generation {
                return Some((slot, deadline));
            }
        }
        None
    }
}

fn timer(c: &mut Criterion) {
    for (count, name) in [(JOBS, "timer"), (1_000_000, "timer_of_a_million")] {
        let deadlines = instants(count);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(u64::from(count))).sample_size(10);
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
        group.bench_function("set_and_pop/binary_heap_lazy", |b| {
            b.iter(|| {
                let mut queue = LazyHeap::default();
                for (slot, &deadline) in (0..).zip(&deadlines) {
                    queue.set(slot, deadline);
                }
                while let Some(due) = queue.pop() {
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
        // What a running scheduler does: the earliest is taken out and comes back a while later.
        let again = |due: UtcMicros| due.saturating_add(1 << 40);
        group.bench_function("pop_and_set/four_ary_heap", |b| {
            let mut queue = TimerQueue::new();
            for (slot, &deadline) in (0..).zip(&deadlines) {
                queue.set(slot, deadline, slot);
            }
            b.iter(|| {
                for _ in 0..count {
                    let Some((slot, due)) = queue.pop_due(UtcMicros::MAX) else { return };
                    queue.set(slot, again(due), slot);
                }
            });
        });
        group.bench_function("pop_and_set/binary_heap_lazy", |b| {
            let mut queue = LazyHeap::default();
            for (slot, &deadline) in (0..).zip(&deadlines) {
                queue.set(slot, deadline);
            }
            b.iter(|| {
                for _ in 0..count {
                    let Some((slot, due)) = queue.pop() else { return };
                    queue.set(slot, again(due));
                }
            });
        });
        group.bench_function("pop_and_set/btree_set", |b| {
            let mut queue: BTreeSet<(UtcMicros, u32)> = deadlines.iter().copied().zip(0..).collect();
            b.iter(|| {
                for _ in 0..count {
                    let Some((due, slot)) = queue.pop_first() else { return };
                    queue.insert((again(due), slot));
                }
            });
        });
        group.finish();
    }
}

fn trigger(c: &mut Criterion) {
    let triggers = [
        ("interval", every(SECOND)),
        ("cron_utc", cron(EVERY_QUARTER, Zone::UTC)),
        ("cron_berlin", cron(EVERY_QUARTER, berlin())),
        ("cron_every_five_utc", cron(EVERY_FIVE, Zone::UTC)),
        ("cron_leap_day_utc", cron(LEAP_DAY, Zone::UTC)),
        ("cron_leap_day_berlin", cron(LEAP_DAY, berlin())),
        ("cron_last_friday_utc", cron(LAST_FRIDAY, Zone::UTC)),
        ("cron_last_friday_berlin", cron(LAST_FRIDAY, berlin())),
        ("calendar_interval_berlin", calendar_interval()),
    ];
    let mut group = c.benchmark_group("trigger");
    for (name, trigger) in &triggers {
        let first = trigger.next_fire_time(None, at(START), &mut NoJitter).ok().flatten();
        group.bench_function(format!("next/{name}"), |b| {
            let mut previous = first;
            b.iter(|| {
                let now = previous.unwrap_or(at(START));
                previous = trigger.next_fire_time(previous, now, &mut NoJitter).ok().flatten();
            });
        });
        let due = first.expect("a trigger that fires");
        let ten_years_on = due.saturating_add(3_650 * 86_400 * SECOND + 1);
        group.bench_function(format!("latest_of_ten_years/{name}"), |b| {
            b.iter(|| trigger.latest_fire_time(black_box(due), ten_years_on));
        });
    }
    for (name, fields) in [("every_five", EVERY_FIVE), ("last_friday", LAST_FRIDAY)] {
        group.bench_function(format!("parse/cron_{name}"), |b| {
            b.iter(|| CronFields::parse(black_box(fields)));
        });
    }
    group.finish();
}

fn policy(c: &mut Criterion) {
    let mut group = c.benchmark_group("policy");
    let second = every(SECOND);
    for (name, behind) in [("in_time", 0), ("ten_years_behind", 3_650 * 86_400 * SECOND)] {
        group.bench_function(format!("due/{name}"), |b| {
            let policy = RunPolicy { coalesce: true, ..RunPolicy::default() };
            b.iter(|| due(&second, policy, black_box(at(START)), at(START + behind), &mut NoJitter));
        });
    }
    group.bench_function("missed_by/grace", |b| {
        b.iter(|| missed_by(black_box(at(START)), at(START + 2 * SECOND), Some(SECOND)));
    });
    group.finish();
}

criterion_group!(benches, store, change, engine, timer, trigger, policy);
criterion_main!(benches);
