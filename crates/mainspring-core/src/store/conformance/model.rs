//! Random operations on a store, and on a list of jobs that looks at every job each time.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::listed::{ModelJob, Owed, Plan, State};
use super::ops::{IDS, NewTrigger, Op, Schedule, at, op};
use super::samples::fire;
use super::{HostVerdict, NewJob, Store};
use crate::engine::{Firing, Item, StoreId};
use crate::error::ErrorKind;
use crate::job::due::{self, Due};
use crate::job::{Ended, JobKey, RunPolicy};
use crate::time::UtcMicros;
use crate::trigger::NoJitter;

fn all(times: &[i64]) -> Vec<UtcMicros> {
    times.iter().map(|t| at(*t)).collect()
}

/// The store and the list.
struct Both<S> {
    store: S,
    jobs: Vec<ModelJob>,
    owed: Vec<Owed>,
    plans: Vec<Plan>,
    now: i64,
}

impl<S: Store> Both<S> {
    fn new() -> Self {
        let store = S::empty(StoreId(3));
        Self { store, jobs: Vec::new(), owed: Vec::new(), plans: Vec::new(), now: 0 }
    }

    fn find(&self, id: usize) -> Option<usize> {
        self.jobs.iter().position(|job| job.in_store && job.id == id)
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Add { id, schedule, policy, next } => self.add(id, schedule, policy, next),
            Op::Remove(id) => match self.find(id) {
                Some(job) => {
                    let payload = self.store.remove(&id.to_string()).unwrap();
                    self.jobs[job].in_store = false;
                    self.expect_freed(job, payload);
                }
                None => {
                    let error = self.store.remove(&id.to_string()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::JobLookup);
                }
            },
            Op::RemoveAll => {
                let mut payloads = self.store.remove_all();
                payloads.sort_unstable();
                let mut expected = Vec::new();
                for job in &mut self.jobs {
                    if std::mem::take(&mut job.in_store) && job.running == 0 {
                        job.freed = true;
                        expected.push(job.payload);
                    }
                }
                expected.sort_unstable();
                assert_eq!(payloads, expected);
            }
            Op::SetNext(id, after) => {
                let next = after.map(|after| self.now + after);
                if let Some(job) = self.find(id) {
                    let job = &mut self.jobs[job];
                    self.store.set_next(job.key, next.map(at)).unwrap();
                    (job.next, job.state) = (next, State::Queued);
                    job.given.clear();
                }
            }
            Op::Update(id, schedule, policy) => {
                if let Some(job) = self.find(id) {
                    self.update(job, schedule, policy);
                }
            }
            Op::Plan(id, trigger) => self.plan(id, trigger),
            Op::CarryOut(n) if !self.plans.is_empty() => {
                let plan = self.plans.swap_remove(n % self.plans.len());
                self.carry_out(plan);
            }
            Op::Sweep { passes, limit } => {
                self.now += passes;
                self.sweep(limit);
            }
            Op::Pay(n) if !self.owed.is_empty() => {
                let owed = self.owed.swap_remove(n % self.owed.len());
                self.pay(owed);
            }
            Op::Park(n) => {
                let asked: Vec<usize> =
                    (0..self.owed.len()).filter(|&i| matches!(self.owed[i], Owed::Answer(..))).collect();
                if !asked.is_empty() {
                    let owed = self.owed.swap_remove(asked[n % asked.len()]);
                    self.park(owed);
                }
            }
            Op::Poke(n) if !self.jobs.is_empty() => self.poke(n % self.jobs.len()),
            Op::Pay(_) | Op::Poke(_) | Op::CarryOut(_) => {}
        }
    }

    fn add(&mut self, id: usize, schedule: Schedule, policy: RunPolicy, after: Option<i64>) {
        let (next, payload) = (after.map(|after| self.now + after), self.jobs.len());
        let new = NewJob {
            id: id.to_string().into(),
            trigger: schedule.trigger(),
            policy,
            route: 1,
            next: next.map(at),
            payload,
        };
        match (self.store.add(new), self.find(id)) {
            (Ok(key), None) => {
                assert!(self.jobs.iter().all(|job| job.key != key), "a key is given twice");
                let (state, running) = (State::Queued, 0);
                let (in_store, notice_owed, freed) = (true, false, false);
                let (handed_over, given, revision) = (None, BTreeSet::new(), 0);
                let job = ModelJob {
                    id,
                    key,
                    payload,
                    schedule,
                    policy,
                    next,
                    handed_over,
                    given,
                    revision,
                    state,
                    running,
                    ended: None,
                    in_store,
                    notice_owed,
                    freed,
                };
                self.jobs.push(job);
            }
            (Err(error), Some(_)) => assert_eq!(error.kind(), ErrorKind::ConflictingId),
            (added, found) => panic!("{added:?} where the model has {found:?}"),
        }
    }

    fn update(&mut self, number: usize, schedule: Schedule, policy: RunPolicy) {
        let job = &mut self.jobs[number];
        let old = self.store.update(job.key, schedule.trigger(), policy, 2, job.payload + 1_000);
        assert_eq!(old.unwrap(), job.payload);
        if !job.schedule.is_kept_by(schedule) {
            job.given.clear();
            job.handed_over = None;
            job.revision += 1;
            if job.state == State::Asked {
                job.state = State::Queued;
            }
        }
        (job.schedule, job.policy, job.payload) = (schedule, policy, job.payload + 1_000);
    }

    /// Does the first half of what resumes, reschedules or replaces a job: it reads the job, and then the clock.
    fn plan(&mut self, id: usize, trigger: NewTrigger) {
        let Some(number) = self.find(id) else { return };
        let job = &self.jobs[number];
        let seen = self.store.get(job.key).unwrap();
        let schedule = match trigger {
            NewTrigger::Own | NewTrigger::Equal => job.schedule,
            NewTrigger::Other(schedule) => schedule,
        };
        let new = if matches!(trigger, NewTrigger::Own) { seen.trigger.clone() } else { schedule.trigger() };
        let is_kept = matches!(trigger, NewTrigger::Own) || job.schedule.is_kept_by(schedule);
        let last = job.handed_over.filter(|_| is_kept);
        assert_eq!(seen.handed_over, job.handed_over.map(at));
        let next = schedule.first_from(last, self.now);
        if !schedule.host {
            let planned = due::from_now(&new, last.map(at), at(self.now), &mut NoJitter).unwrap();
            assert_eq!(planned, next.map(at));
        }
        self.plans.push(Plan { number, trigger, next, seen: (seen.revision, job.revision) });
    }

    /// Does the second half, after whatever has been done meanwhile.
    fn carry_out(&mut self, plan: Plan) {
        let job = &mut self.jobs[plan.number];
        let carried_out = self.store.plan(job.key, plan.next.map(at), plan.seen.0);
        if !job.in_store {
            assert_eq!(carried_out.unwrap_err().kind(), ErrorKind::JobLookup);
            return;
        }
        let holds = job.revision == plan.seen.1;
        assert_eq!(carried_out.unwrap(), holds);
        if !holds {
            return;
        }
        (job.next, job.state) = (plan.next, State::Queued);
        let (schedule, policy) = (job.schedule, job.policy);
        match plan.trigger {
            NewTrigger::Own => {}
            NewTrigger::Equal => self.update(plan.number, schedule, policy),
            NewTrigger::Other(schedule) => self.update(plan.number, schedule, policy),
        }
    }

    fn sweep(&mut self, limit: usize) {
        let mut out = Vec::new();
        let deadline = self.store.sweep(at(self.now), limit, &mut out);
        let mut expected: Vec<Item> = Vec::new();
        while expected.len() < limit {
            // The list is in the order of addition, and `min_by_key` takes the first of equals.
            let due = |job: &usize| self.deadline(*job).filter(|next| *next <= self.now);
            let Some(job) = (0..self.jobs.len()).filter(|job| due(job).is_some()).min_by_key(due) else {
                break;
            };
            let due = self.jobs[job].next.unwrap();
            let (store, key) = (StoreId(3), self.jobs[job].key);
            if self.jobs[job].schedule.host {
                self.jobs[job].state = State::Asked;
                self.owed.push(Owed::Answer(job, due));
                expected.push(Item::HostDue { store, key, due: at(due) });
                continue;
            }
            let (times, next) = self.jobs[job].schedule.due(due, self.now, self.jobs[job].policy.coalesce);
            let run_times = all(&times).into();
            match self.advance(job, &times, next) {
                Some(firing) => expected.push(Item::Run(Firing { run_times, ..firing })),
                None => {
                    expected.push(Item::Skipped { store, key, run_times });
                    expected.extend(next.is_none().then_some(Item::Ended { store, key }));
                }
            }
        }
        assert_eq!(out, expected);
        let expected = (0..self.jobs.len()).filter_map(|job| self.deadline(job)).min();
        assert_eq!(deadline, expected.map(at));
    }

    /// The fire time of a job that waits for nothing else.
    fn deadline(&self, job: usize) -> Option<i64> {
        let job = &self.jobs[job];
        job.next.filter(|_| job.in_store && job.state == State::Queued)
    }

    /// Moves the model's job on; `None` when it is not admitted.
    fn advance(&mut self, number: usize, times: &[i64], next: Option<i64>) -> Option<Firing> {
        let job = &mut self.jobs[number];
        for time in times {
            assert!(job.given.insert(*time), "{time} is handed over twice");
        }
        job.handed_over = job.handed_over.max(times.last().copied());
        job.revision += 1;
        let admitted = job.running < job.policy.max_instances;
        job.running += u32::from(admitted);
        job.next = next.or(job.next);
        let behind = job.running > 0 && next.is_some_and(|next| next <= self.now);
        job.state = if behind { State::Behind } else { State::Queued };
        if next.is_none() {
            (job.in_store, job.notice_owed) = (false, true);
            self.owed.push(Owed::Release(number));
        }
        if admitted {
            self.owed.push(Owed::Finish(number));
        }
        admitted.then_some(Firing {
            store: StoreId(3),
            key: job.key,
            route: if job.payload < 1_000 { 1 } else { 2 },
            misfire_grace_seconds: job.policy.misfire_grace_seconds,
            run_times: all(&[0]).into(),
            attempt: 1,
            last: next.is_none(),
        })
    }

    fn pay(&mut self, owed: Owed) {
        match owed {
            Owed::Finish(number) => {
                let job = &mut self.jobs[number];
                let ended = if self.now % 2 == 0 { Ended::Executed } else { Ended::Error };
                (job.running, job.ended) = (job.running - 1, Some(ended));
                if job.state == State::Behind {
                    job.state = State::Queued;
                }
                let payload = self.store.finish(fire(job.key), ended);
                self.expect_freed(number, payload);
            }
            Owed::Release(number) => {
                let job = &mut self.jobs[number];
                job.notice_owed = false;
                let payload = self.store.release(job.key);
                self.expect_freed(number, payload);
            }
            Owed::Answer(number, asked) => {
                let awaited = self.awaits(number, asked);
                let job = &self.jobs[number];
                let (times, next) = job.schedule.due(asked, self.now, job.policy.coalesce);
                let due = Due { run_times: all(&times).into(), next: next.map(at) };
                let verdict = self.store.settle_host(job.key, at(asked), due, at(self.now));
                let run_times = all(&times).into();
                let expected = match awaited.then(|| self.advance(number, &times, next)) {
                    Some(Some(firing)) => HostVerdict::Run(Firing { run_times, ..firing }),
                    Some(None) => HostVerdict::Skipped(run_times),
                    None => HostVerdict::Stale,
                };
                assert_eq!(verdict, expected);
            }
        }
    }

    fn park(&mut self, owed: Owed) {
        let Owed::Answer(number, asked) = owed else { unreachable!() };
        let awaited = self.awaits(number, asked);
        assert_eq!(self.store.park_host(self.jobs[number].key, at(asked)), awaited);
        if awaited {
            (self.jobs[number].next, self.jobs[number].state) = (None, State::Queued);
        }
    }

    fn awaits(&self, number: usize, asked: i64) -> bool {
        let job = &self.jobs[number];
        job.in_store && job.state == State::Asked && job.next == Some(asked)
    }

    /// A job that has left the store can be read by its key until it is freed, but not changed.
    fn poke(&mut self, number: usize) {
        let job = &self.jobs[number];
        assert_eq!(self.store.get(job.key).map(|seen| seen.payload), job.in_store.then_some(job.payload));
        let kept = (!job.freed).then_some((job.payload, job.running, job.ended, job.next.map(at)));
        let seen =
            self.store.get_retired(job.key).map(|seen| (seen.payload, seen.running, seen.ended, seen.next));
        assert_eq!(seen, kept);
        if !job.in_store {
            assert!(self.store.set_next(job.key, Some(at(0))).is_err());
            let refused = self.store.update(job.key, job.schedule.trigger(), job.policy, 9, 9_999);
            assert!(refused.is_err());
        }
        if job.freed {
            assert_eq!(
                (self.store.finish(fire(job.key), Ended::Lost), self.store.release(job.key)),
                (None, None)
            );
        }
    }

    /// The payload comes back when the job has left the store and nothing needs it any more.
    fn expect_freed(&mut self, number: usize, payload: Option<usize>) {
        let job = &mut self.jobs[number];
        let frees = !job.in_store && !job.notice_owed && job.running == 0 && !job.freed;
        assert_eq!(payload, frees.then_some(job.payload));
        job.freed |= frees;
    }

    fn check(&self) {
        let live = self.jobs.iter().filter(|job| job.in_store);
        let mut expected: Vec<_> = live.map(|job| (job.key, job.payload, job.next.map(at))).collect();
        let mut seen: Vec<_> = self.store.jobs().iter().map(|job| (job.key, job.payload, job.next)).collect();
        expected.sort_unstable_by_key(|job| job.1);
        seen.sort_unstable_by_key(|job| job.1);
        assert_eq!(seen, expected);
        assert_eq!(self.store.len(), seen.len());
        for id in 0..IDS {
            let key = self.find(id).map(|job| self.jobs[job].key);
            assert_eq!(self.store.key(&id.to_string()), key);
        }
        let is_due = |job: &usize| self.deadline(*job).is_some_and(|next| next <= self.now);
        let mut due: Vec<_> = (0..self.jobs.len()).filter(is_due).map(|job| self.jobs[job].key).collect();
        let mut seen = self.store.due(at(self.now));
        let order = |key: &JobKey| self.jobs.iter().position(|job| job.key == *key);
        due.sort_unstable_by_key(order);
        seen.sort_unstable_by_key(order);
        assert_eq!(seen, due);
    }

    /// Pays every debt and empties the store: then no payload is left behind.
    fn finish(&mut self) {
        while let Some(owed) = self.owed.pop() {
            self.pay(owed);
        }
        self.apply(Op::RemoveAll);
        assert!(self.jobs.iter().all(|job| job.freed));
        assert!(self.jobs.iter().all(|job| self.store.get_retired(job.key).is_none()));
    }
}

/// Has proptest compare the store with the list.
pub(super) fn does_what_the_list_does<S: Store>() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(400) });
    let result = runner.run(&prop::collection::vec(op(), 1..200), |ops| {
        let mut both = Both::<S>::new();
        for op in ops {
            both.apply(op);
            both.check();
        }
        both.finish();
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}\n{runner}");
    }
}
