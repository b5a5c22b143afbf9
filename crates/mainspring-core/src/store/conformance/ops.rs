//! The random calls that the model makes on a store, and when its jobs must fire.

use std::sync::Arc;

use proptest::prelude::*;

use super::samples::host;
use crate::job::RunPolicy;
use crate::job::due::MAX_RUN_TIMES;
use crate::time::UtcMicros;
use crate::trigger::{IntervalTrigger, Trigger};

pub const IDS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pub interval: i64,
    pub end: i64,
    pub host: bool,
}

#[derive(Clone, Debug)]
pub enum Op {
    Add {
        id: usize,
        schedule: Schedule,
        policy: RunPolicy,
        next: Option<i64>,
    },
    Remove(usize),
    RemoveAll,
    SetNext(usize, Option<i64>),
    Update(usize, Schedule, RunPolicy),
    /// Works out the next fire time from now on, for this trigger.
    Plan(usize, NewTrigger),
    /// Gives a job the fire time that was worked out: the `n`th of those.
    CarryOut(usize),
    Sweep {
        passes: i64,
        limit: usize,
    },
    /// Gives back, or answers, the `n`th thing that is owed to the store.
    Pay(usize),
    Park(usize),
    /// Something with a key that was valid some time ago, or still is.
    Poke(usize),
}

/// The trigger that a job is to have with a next fire time.
#[derive(Clone, Copy, Debug)]
pub enum NewTrigger {
    /// The one it has: it is resumed.
    Own,
    /// An equal one, as where a program sets up its jobs once more.
    Equal,
    Other(Schedule),
}

impl Schedule {
    pub fn trigger(self) -> Arc<Trigger> {
        if self.host {
            return host();
        }
        let trigger = IntervalTrigger::new(self.interval, at(0), Some(at(self.end)), 0);
        Arc::new(Trigger::Interval(trigger.unwrap()))
    }

    fn after(self, time: i64) -> Option<i64> {
        Some(time + self.interval).filter(|next| *next <= self.end)
    }

    /// Whether a job with this one that gets the trigger of `other` has an equal one.
    pub fn is_kept_by(self, other: Self) -> bool {
        !self.host && self == other
    }

    /// The first fire time from `now` on, and after `last`.
    pub fn first_from(self, last: Option<i64>, now: i64) -> Option<i64> {
        let from = last.map_or(now, |last| now.max(last + 1)).max(0);
        Some((from + self.interval - 1) / self.interval * self.interval).filter(|next| *next <= self.end)
    }

    /// The runs due now and the next fire time.
    pub fn due(self, due: i64, now: i64, coalesce: bool) -> (Vec<i64>, Option<i64>) {
        let mut times = vec![due];
        let mut next = self.after(due);
        while let Some(time) = next.filter(|time| *time <= now) {
            if !coalesce && times.len() == MAX_RUN_TIMES {
                break;
            }
            times.push(time);
            next = self.after(time);
        }
        if coalesce {
            times.drain(..times.len() - 1);
        }
        (times, next)
    }
}

pub fn at(micros: i64) -> UtcMicros {
    UtcMicros::new(micros).unwrap()
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let end = prop_oneof![Just(i64::from(i32::MAX)), 0..3_000i64];
    (1..20i64, end, prop::bool::weighted(0.3)).prop_map(|(interval, end, host)| Schedule {
        interval,
        end,
        host,
    })
}

fn policy() -> impl Strategy<Value = RunPolicy> {
    any::<usize>().prop_map(|mut choices| {
        RunPolicy::any(|n| {
            let chosen = choices % n;
            choices /= n;
            chosen
        })
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    let id = || 0..IDS;
    let passes = prop_oneof![10 => -20..40i64, 1 => 0..40_000i64];
    let limit = prop_oneof![Just(usize::MAX), 0..6usize];
    let new_trigger =
        prop_oneof![Just(NewTrigger::Own), Just(NewTrigger::Equal), schedule().prop_map(NewTrigger::Other),];
    prop_oneof![
        6 => (id(), schedule(), policy(), prop::option::weighted(0.9, -5..30i64))
            .prop_map(|(id, schedule, policy, next)| Op::Add { id, schedule, policy, next }),
        2 => id().prop_map(Op::Remove),
        1 => Just(Op::RemoveAll),
        3 => (id(), prop::option::weighted(0.8, -5..30i64)).prop_map(|(id, next)| Op::SetNext(id, next)),
        1 => (id(), schedule(), policy()).prop_map(|(id, schedule, policy)| Op::Update(id, schedule, policy)),
        8 => (id(), new_trigger).prop_map(|(id, trigger)| Op::Plan(id, trigger)),
        8 => any::<usize>().prop_map(Op::CarryOut),
        12 => (passes, limit).prop_map(|(passes, limit)| Op::Sweep { passes, limit }),
        12 => any::<usize>().prop_map(Op::Pay),
        1 => any::<usize>().prop_map(Op::Park),
        2 => any::<usize>().prop_map(Op::Poke),
    ]
}
