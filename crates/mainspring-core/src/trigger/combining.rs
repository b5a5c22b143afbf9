//! Triggers made of triggers.
//!
//! An `And` fires at the instants that all its members have in common, an `Or` whenever one of them does.
//! Each question is answered within [`MAX_ROUNDS`], shared by everything nested in the trigger asked, so that
//! members that never agree end it after some milliseconds: with `None`, or with the latest fire time found
//! so far. Where the host has to be called, which is slower, a round counts for [`HOST_COST`].
//! (APScheduler 3.11 never returns then; it
//! does not either when the members of an `And` merely differ after a previous fire time.)

use super::jitter::{self, JitterSource, NoJitter};
use super::{HostTrigger, Trigger};
use crate::error::Error;
use crate::time::UtcMicros;

/// How many steps that no arithmetic can spare one question may take before it is given up.
pub const MAX_ROUNDS: u32 = 10_000;

/// How many rounds one counts for in which the host evaluates a member or its zone.
pub const HOST_COST: u32 = 20;

/// The members of an `And` or an `Or`.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    triggers: Box<[Trigger]>,
    jitter: i64,
}

/// The rounds that are left for one question.
pub(super) struct Rounds(u32);

impl Rounds {
    pub(super) fn new() -> Self {
        Self(MAX_ROUNDS)
    }

    /// Takes a round; false when there are none left.
    pub(super) fn take(&mut self) -> bool {
        self.take_at(1)
    }

    /// Takes a round that counts for `cost`.
    fn take_at(&mut self, cost: u32) -> bool {
        self.0 = self.0.saturating_sub(cost);
        self.0 > 0
    }
}

impl Combination {
    /// Combines `triggers`; each fire time comes up to `jitter` microseconds late.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a negative jitter.
    pub fn new(triggers: Vec<Trigger>, jitter: i64) -> Result<Self, Error> {
        Ok(Self { triggers: triggers.into(), jitter: jitter::check(jitter)? })
    }

    /// The members.
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    /// How late a fire time may be, in microseconds.
    pub fn jitter(&self) -> i64 {
        self.jitter
    }

    /// What one round of all members counts for.
    fn cost(&self) -> u32 {
        if self.triggers.iter().any(Trigger::needs_host) { HOST_COST } else { 1 }
    }

    /// The first instant that all members have in common. Each member starts from its own answer, and those
    /// behind the latest one move on along their own chains until all agree; one that ends, ends the `And`.
    pub(super) fn next_of_all(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        source: &mut dyn JitterSource,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        let mut times = Vec::with_capacity(self.triggers.len());
        for trigger in &self.triggers {
            let Some(t) = trigger.next_within(previous, now, source, rounds)? else { return Ok(None) };
            times.push(t);
        }
        let Some(mut latest) = times.iter().max().copied() else { return Ok(None) };
        let cost = self.cost();
        while times.iter().any(|t| *t != latest) {
            if !rounds.take_at(cost) {
                return Ok(None);
            }
            for (trigger, t) in self.triggers.iter().zip(&mut times) {
                let Some(next) = trigger.not_before(previous, *t, latest, source, rounds)? else {
                    return Ok(None);
                };
                *t = next;
                latest = latest.max(next);
            }
        }
        Ok(Some(jitter::add(latest, self.jitter, source)))
    }

    /// The earliest answer of any member. All are asked with the previous fire time of the whole, so a
    /// member that counts from it (an interval) starts anew whenever another one fires, as in APScheduler.
    pub(super) fn next_of_any(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        source: &mut dyn JitterSource,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        let mut earliest: Option<UtcMicros> = None;
        for trigger in &self.triggers {
            let t = match trigger {
                // A date that is still to come fires. APScheduler 3.11 drops it as soon as another member
                // has fired, which it calls a mistake (agronholm/apscheduler, issue 427).
                Trigger::Date(date) => Some(date.run_date()).filter(|t| previous.is_none_or(|p| p < *t)),
                _ => trigger.next_within(previous, now, source, rounds)?,
            };
            earliest = earliest.into_iter().chain(t).min();
        }
        Ok(earliest.map(|t| jitter::add(t, self.jitter, source)))
    }

    /// Goes back from `now` until the members agree, which they do at `due` if not before.
    pub(super) fn latest_of_all(
        &self,
        due: UtcMicros,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<UtcMicros, Error> {
        if self.triggers.is_empty() {
            return Ok(due);
        }
        let cost = self.cost();
        let mut until = now;
        loop {
            let (mut earliest, mut agree) = (until, true);
            for trigger in &self.triggers {
                let t = trigger.latest_within(due, earliest, rounds)?;
                agree &= t == until;
                earliest = earliest.min(t);
            }
            if agree || earliest <= due || !rounds.take_at(cost) {
                return Ok(if agree { until } else { due });
            }
            until = earliest;
        }
    }

    /// Members that do not count from the previous fire time (cron, dates) fire wherever the others do, so
    /// their latest fire time is one of the chain, and the chain after it is made by the others alone. That
    /// rest is walked, with intervals taken in one stride.
    pub(super) fn latest_of_any(
        &self,
        due: UtcMicros,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<UtcMicros, Error> {
        let mut latest = due;
        for trigger in &self.triggers {
            let t = match trigger {
                Trigger::Date(date) => date.run_date(),
                _ if trigger.counts_from_previous() => continue,
                _ => trigger.latest_within(due, now, rounds)?,
            };
            if t <= now {
                latest = latest.max(t);
            }
        }
        loop {
            let mut next: Option<UtcMicros> = None;
            for trigger in self.triggers.iter().filter(|trigger| trigger.counts_from_previous()) {
                let t = trigger.next_within(Some(latest), now, &mut NoJitter, rounds)?;
                next = next.into_iter().chain(t).min();
            }
            match next {
                Some(next) if next > latest && next <= now && rounds.take() => {
                    latest = self.stride(latest, next, now)?;
                }
                _ => return Ok(latest),
            }
        }
    }

    /// When `next` comes from an interval: how far that interval alone carries on from `latest`. Otherwise
    /// `next` itself.
    fn stride(&self, latest: UtcMicros, next: UtcMicros, now: UtcMicros) -> Result<UtcMicros, Error> {
        let mut until = now;
        for trigger in self.triggers.iter().filter(|trigger| trigger.counts_from_previous()) {
            match trigger {
                Trigger::Interval(_) => {}
                // Wherever in its civil day an interval fires, this one's next fire time stays the same.
                Trigger::CalendarInterval(trigger) => {
                    let same = trigger.next_fire_time(Some(latest), &mut NoJitter)?.unwrap_or(UtcMicros::MAX);
                    until = until.min(trigger.same_day_until(latest)?.min(same).saturating_add(-1));
                }
                _ => return Ok(next),
            }
        }
        let mut reached = next;
        for trigger in &self.triggers {
            if let Trigger::Interval(interval) = trigger {
                if latest.checked_add(interval.interval()) == Some(next) {
                    reached = reached.max(interval.latest_fire_time(latest, until));
                }
            }
        }
        Ok(reached)
    }
}

/// Asks a host trigger again and again, as it alone knows its chain: from `t` on to the first answer that
/// is not before `bound`, or the last one within the rounds.
pub(super) fn walk(
    trigger: &dyn HostTrigger,
    mut t: UtcMicros,
    now: UtcMicros,
    rounds: &mut Rounds,
    mut stop: impl FnMut(UtcMicros) -> bool,
) -> Result<(UtcMicros, Option<UtcMicros>), Error> {
    loop {
        match trigger.next_fire_time(Some(t), now)? {
            Some(next) if stop(next) => return Ok((t, Some(next))),
            Some(next) if next > t && rounds.take() => t = next,
            _ => return Ok((t, None)),
        }
    }
}
