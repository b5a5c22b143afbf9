//! A simulated year of a few thousand jobs on a clock that is moved by hand: the engine is swept from
//! deadline to deadline, and every fire is held against a model that walks each trigger's chain.
//!
//! The year has runs that overlap, pauses, resumes and removals, steps of the wall clock in both directions
//! and gaps in which no sweep is made. Everything follows from one seed.

#![allow(clippy::unwrap_used)]

mod random;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use mainspring_core::UtcMicros;
use mainspring_core::engine::{Engine, Item, StoreId};
use mainspring_core::job::due::{RunTimes, grace_micros, missed_by};
use mainspring_core::job::{Ended, Fire, JobKey, RunPolicy};
use mainspring_core::store::{MemoryStore, NewJob, SharedStore};
use mainspring_core::time::{Clock, ManualClock};
use mainspring_core::trigger::{IntervalTrigger, NoJitter, Trigger};
use random::Random;

const JOBS: usize = 3_000;
const STORES: usize = 2;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600 * SECOND;
const END: i64 = START + 365 * DAY;

fn fire(key: JobKey) -> Fire {
    Fire::first(key, at(0))
}

fn at(micros: i64) -> UtcMicros {
    UtcMicros::new(micros).unwrap()
}

/// What is known of a job without looking at the engine.
struct ModelJob {
    trigger: Trigger,
    policy: RunPolicy,
    store: usize,
    key: JobKey,
    next: Option<UtcMicros>,
    running: u32,
    last_run: Option<UtcMicros>,
    gone: bool,
}

/// What a sweep must hand over, by number of the job.
#[derive(Debug, PartialEq)]
enum Told {
    Run(usize, Vec<UtcMicros>),
    Skipped(usize, Vec<UtcMicros>),
    Ended(usize),
}

/// What happens at a moment of monotonic time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Finish(usize),
    Change,
    Step,
    Gap,
}

#[derive(Debug, Default)]
struct Seen {
    fires: usize,
    in_time: usize,
    missed: usize,
    several: usize,
    skipped: usize,
    ended: usize,
    removed: usize,
    payloads: usize,
    steps_forward: usize,
    steps_backward: usize,
    gaps: usize,
}

struct Simulation {
    random: Random,
    clock: ManualClock,
    engine: Engine,
    stores: Vec<Arc<SharedStore<usize>>>,
    jobs: Vec<ModelJob>,
    /// The deadlines of each store's jobs, in the order in which they must come out.
    due: Vec<BTreeSet<(UtcMicros, usize)>>,
    agenda: BinaryHeap<Reverse<(Duration, Happening)>>,
    seen: Seen,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let stores: Vec<_> =
            (0..STORES).map(|_| Arc::new(SharedStore::new(MemoryStore::new(seed)))).collect();
        let mut engine = Engine::new();
        for (number, store) in stores.iter().enumerate() {
            let id = StoreId(number as u32);
            store.change(|s| s.set_id(id));
            engine.attach(id, Arc::clone(store) as _);
        }
        let mut simulation = Self {
            random: Random::new(seed),
            clock: ManualClock::new(at(START)),
            engine,
            stores,
            jobs: Vec::new(),
            due: vec![BTreeSet::new(); STORES],
            agenda: BinaryHeap::new(),
            seen: Seen::default(),
        };
        for number in 0..JOBS {
            simulation.add(number);
        }
        for happening in [Happening::Change, Happening::Step, Happening::Gap] {
            simulation.later(DAY, happening);
        }
        simulation
    }

    fn add(&mut self, number: usize) {
        let (trigger, policy) = (self.random.trigger(), self.random.policy());
        let store = number % STORES;
        let next = trigger.next_fire_time(None, self.clock.now(), &mut NoJitter).unwrap();
        let job = NewJob {
            id: format!("job {number}").into(),
            trigger: Arc::new(trigger.clone()),
            policy,
            route: 0,
            next,
            payload: number,
        };
        let key = self.stores[store].change(|s| s.add(job)).map_err(|(error, _)| error).unwrap();
        self.due[store].extend(next.map(|next| (next, number)));
        let (running, last_run, gone) = (0, None, false);
        self.jobs.push(ModelJob { trigger, policy, store, key, next, running, last_run, gone });
    }

    fn later(&mut self, within: i64, happening: Happening) {
        let delay = Duration::from_micros(1 + self.random.below(within) as u64);
        self.agenda.push(Reverse((self.clock.monotonic() + delay, happening)));
    }

    /// Lives until the wall clock shows the end.
    fn run(&mut self) {
        while self.clock.now() < at(END) {
            while let Some(&Reverse((when, happening))) = self.agenda.peek() {
                if when > self.clock.monotonic() {
                    break;
                }
                self.agenda.pop();
                self.happen(happening);
            }
            let deadline = self.sweep();
            let until_due = deadline.map(|d| d.micros_since(self.clock.now()).unsigned_abs());
            let until_agenda = self.agenda.peek().map(|Reverse((when, _))| *when - self.clock.monotonic());
            let wait = until_due.map(Duration::from_micros).into_iter().chain(until_agenda).min();
            self.clock.advance(wait.unwrap());
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Finish(number) => {
                let job = &mut self.jobs[number];
                job.running -= 1;
                let last = job.gone && job.running == 0;
                let payload = self.stores[job.store].change(|s| s.finish(fire(job.key), Ended::Executed));
                self.take_payload(number, last, payload);
            }
            Happening::Change => {
                self.change();
                self.later(HOUR, happening);
            }
            Happening::Step => {
                let step = self.random.below(6 * HOUR) - 3 * HOUR;
                self.clock.step(step);
                *if step < 0 { &mut self.seen.steps_backward } else { &mut self.seen.steps_forward } += 1;
                self.later(20 * DAY, happening);
            }
            Happening::Gap => {
                self.clock.advance(Duration::from_micros(self.random.below(2 * DAY) as u64));
                self.seen.gaps += 1;
                self.later(30 * DAY, happening);
            }
        }
    }

    /// Pauses, resumes or removes a job.
    fn change(&mut self) {
        let number = self.random.below(JOBS as i64) as usize;
        let job = &mut self.jobs[number];
        if job.gone || (job.next.is_some() && !self.random.one_in(4)) {
            return;
        }
        let store = &self.stores[job.store];
        if let Some(next) = job.next {
            self.due[job.store].remove(&(next, number));
        }
        if self.random.one_in(10) {
            job.gone = true;
            let last = job.running == 0;
            self.seen.removed += 1;
            let payload = store.change(|s| s.remove(&format!("job {number}"))).unwrap();
            self.take_payload(number, last, payload);
            return;
        }
        let next = match job.next {
            Some(_) => None,
            None => {
                // Resumed: what has run, before the wall clock was put back, does not run again.
                let after_last = job.last_run.map_or(UtcMicros::MIN, |last| last.saturating_add(1));
                let from = self.clock.now().max(after_last);
                let next = job.trigger.next_fire_time(None, from, &mut NoJitter).unwrap();
                next.filter(|next| *next >= after_last)
            }
        };
        job.next = next;
        self.due[job.store].extend(next.map(|next| (next, number)));
        store.change(|s| s.set_next(job.key, next)).unwrap();
    }

    fn take_payload(&mut self, number: usize, expected: bool, payload: Option<usize>) {
        assert_eq!(payload, expected.then_some(number));
        self.seen.payloads += usize::from(expected);
    }

    /// Sweeps until nothing more is due, and holds what comes out against the model.
    fn sweep(&mut self) -> Option<UtcMicros> {
        let now = self.clock.now();
        let mut out = Vec::new();
        let deadline = loop {
            match self.engine.sweep(now, &mut out) {
                Some(deadline) if deadline <= now => {}
                deadline => break deadline,
            }
        };
        let mut told: Vec<Vec<Told>> = (0..STORES).map(|_| Vec::new()).collect();
        for mut item in out {
            let end = item.part_end();
            for item in [Some(item), end].into_iter().flatten() {
                let (store, what) = self.read(item);
                told[store].push(what);
            }
        }
        for (store, told) in told.into_iter().enumerate() {
            let expected = self.expected(store, now);
            assert_eq!(told, expected, "at {now:?}");
            for what in told {
                self.handle(what, now);
            }
        }
        let expected = self.due.iter().filter_map(|due| due.first()).map(|(next, _)| *next).min();
        assert_eq!(deadline, expected, "at {now:?}");
        deadline
    }

    fn read(&self, item: Item) -> (usize, Told) {
        let number = |store: StoreId, key| {
            let payload = self.stores[store.0 as usize].read(|s| s.get_retired(key).map(|job| *job.payload));
            payload.unwrap()
        };
        let (store, what) = match item {
            Item::Run(firing) => {
                let number = number(firing.store, firing.key);
                assert_eq!(firing.misfire_grace_seconds, self.jobs[number].policy.misfire_grace_seconds);
                (firing.store, Told::Run(number, firing.run_times.as_slice().to_vec()))
            }
            Item::Skipped { store, key, run_times } => {
                assert!(matches!(run_times.as_slice(), [_]) == matches!(run_times, RunTimes::One(_)));
                (store, Told::Skipped(number(store, key), run_times.as_slice().to_vec()))
            }
            Item::Ended { store, key } => (store, Told::Ended(number(store, key))),
            other => panic!("unexpected {other:?}"),
        };
        (store.0 as usize, what)
    }

    /// The model: what the jobs of `store` do at `now`.
    fn expected(&mut self, store: usize, now: UtcMicros) -> Vec<Told> {
        let mut expected = Vec::new();
        let later = self.due[store].split_off(&(now.saturating_add(1), 0));
        for (due, number) in std::mem::replace(&mut self.due[store], later) {
            let job = &mut self.jobs[number];
            let mut times = vec![due];
            job.next = loop {
                let last = times[times.len() - 1];
                match job.trigger.next_fire_time(Some(last), now, &mut NoJitter).unwrap() {
                    Some(next) if next <= now => times.push(next),
                    next => break next,
                }
            };
            self.seen.several += usize::from(times.len() > 1);
            if job.policy.coalesce {
                times.drain(..times.len() - 1);
            }
            let admitted = job.running < job.policy.max_instances;
            expected.push(if admitted { Told::Run(number, times) } else { Told::Skipped(number, times) });
            job.running += u32::from(admitted);
            match job.next {
                Some(next) => drop(self.due[store].insert((next, number))),
                None => {
                    job.gone = true;
                    expected.push(Told::Ended(number));
                }
            }
        }
        expected
    }

    fn handle(&mut self, what: Told, now: UtcMicros) {
        match what {
            Told::Run(number, times) => {
                let job = &mut self.jobs[number];
                for time in &times {
                    assert!(*time <= now && job.last_run.is_none_or(|last| last < *time), "fires twice");
                    job.last_run = Some(*time);
                    let late = now.get() - time.get();
                    let grace = job.policy.misfire_grace_seconds.map(|grace| i64::from(grace) * SECOND);
                    let missed = grace.is_some_and(|grace| late > grace);
                    let judged = missed_by(*time, now, grace_micros(job.policy.misfire_grace_seconds));
                    assert_eq!(judged, missed.then_some(late));
                    *if missed { &mut self.seen.missed } else { &mut self.seen.in_time } += 1;
                }
                self.seen.fires += times.len();
                let lasts = if self.random.one_in(40) { DAY } else { 5 * 60 * SECOND };
                self.later(lasts, Happening::Finish(number));
            }
            Told::Skipped(number, times) => {
                let job = &mut self.jobs[number];
                assert!(job.last_run.is_none_or(|last| last < times[0]));
                job.last_run = times.last().copied();
                self.seen.skipped += 1;
            }
            Told::Ended(number) => {
                let job = &self.jobs[number];
                assert!(job.gone);
                let last = job.running == 0;
                let payload = self.stores[job.store].change(|s| s.release(job.key));
                self.seen.ended += 1;
                self.take_payload(number, last, payload);
            }
        }
    }

    /// Ends what still runs and removes what is left: every payload comes back, once.
    fn finish(&mut self) {
        while let Some(Reverse((_, happening))) = self.agenda.pop() {
            if matches!(happening, Happening::Finish(_)) {
                self.happen(happening);
            }
        }
        for store in &self.stores {
            self.seen.payloads += store.change(MemoryStore::remove_all).len();
            assert!(store.read(MemoryStore::is_empty));
        }
        assert_eq!(self.seen.payloads, JOBS);
    }
}

#[test]
fn a_year_of_thousands_of_jobs_fires_as_the_model_says() {
    let mut simulation = Simulation::new(20_250_101);
    simulation.run();
    simulation.finish();
    let seen = &simulation.seen;
    println!("{seen:?}");
    assert!(seen.fires > 500_000, "{seen:?}");
    let all = [seen.in_time, seen.missed, seen.several, seen.skipped, seen.ended, seen.removed];
    assert!(all.iter().all(|&count| count > 100), "{seen:?}");
    assert!(seen.steps_forward > 5 && seen.steps_backward > 5 && seen.gaps > 5, "{seen:?}");
}

/// An engine with one job that fires every ten seconds, from 10 s after the epoch on.
fn one_job(policy: RunPolicy) -> (ManualClock, Engine, Arc<SharedStore<()>>, JobKey) {
    let store = Arc::new(SharedStore::new(MemoryStore::new(1)));
    let trigger = Trigger::Interval(IntervalTrigger::new(10 * SECOND, at(0), None, 0).unwrap());
    let next = Some(at(10 * SECOND));
    let job = NewJob { id: "a".into(), trigger: Arc::new(trigger), policy, route: 0, next, payload: () };
    let key = store.change(|s| s.add(job)).unwrap();
    let mut engine = Engine::new();
    engine.attach(StoreId(0), Arc::clone(&store) as _);
    (ManualClock::new(at(0)), engine, store, key)
}

/// The run times of one sweep, in seconds, and the next deadline.
fn fires(engine: &Engine, clock: &ManualClock) -> (Vec<i64>, Option<i64>) {
    let mut out = Vec::new();
    let next = engine.sweep(clock.now(), &mut out);
    let times = out.iter().flat_map(|item| match item {
        Item::Run(firing) => firing.run_times.as_slice().iter().map(|t| t.get() / SECOND),
        other => panic!("unexpected {other:?}"),
    });
    (times.collect(), next.map(|next| next.get() / SECOND))
}

#[test]
fn a_forward_step_is_judged_by_the_policy() {
    for coalesce in [true, false] {
        let policy = RunPolicy { misfire_grace_seconds: Some(15), coalesce, ..RunPolicy::DEFAULT };
        let (clock, engine, _store, _key) = one_job(policy);
        clock.step(44 * SECOND);
        let (times, next) = fires(&engine, &clock);
        assert_eq!(times, if coalesce { vec![40] } else { vec![10, 20, 30, 40] });
        assert_eq!(next, Some(50));
        let in_time = |t: &i64| {
            missed_by(at(t * SECOND), clock.now(), grace_micros(policy.misfire_grace_seconds)).is_none()
        };
        assert_eq!(
            times.into_iter().filter(in_time).collect::<Vec<_>>(),
            if coalesce { [40].to_vec() } else { vec![30, 40] }
        );
    }
}

#[test]
fn a_backward_step_fires_nothing_twice() {
    let (clock, engine, store, key) = one_job(RunPolicy::default());
    clock.advance(Duration::from_secs(10));
    assert_eq!(fires(&engine, &clock), (vec![10], Some(20)));
    assert_eq!(store.change(|s| s.finish(fire(key), Ended::Executed)), None);
    clock.step(-3_600 * SECOND);
    assert_eq!(fires(&engine, &clock), (vec![], Some(20)));
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(fires(&engine, &clock), (vec![], Some(20)));
    clock.advance(Duration::from_secs(10));
    assert_eq!(fires(&engine, &clock), (vec![20], Some(30)));
}
