//! `And` and `Or`: triggers made of triggers.
//!
//! An `And` fires at the instants that all its members have in common, an `Or` whenever one of them does. So a
//! member is not asked what follows the fire time before of the whole, as APScheduler does, but for the first of
//! its *own* fire times after that (`Trigger::own_after`): an interval stays on its series, whatever members fire
//! in between. Of a trigger of the host, whose series it alone knows, a [`Cursor`] in that is remembered.
//!
//! Jitter belongs to the instant at which the whole fires, so members are asked for their times without it.
//!
//! Each question is answered within [`MAX_ROUNDS`], shared by everything nested in the trigger asked, so that
//! members that never agree end it after some milliseconds: with `None`, or with the latest fire time found
//! so far. The members of an `Or` have equal parts of the rounds, so that none of them is kept from firing by
//! another that never does. Where the host has to be called, which is slower, a round counts for [`HOST_COST`].
//! (APScheduler 3.11 never
//! returns then; nor does it when the members of an `And` merely differ after a previous fire time.)

use std::sync::{Arc, Mutex, PoisonError};

use super::jitter::{self, JitterSource};
use super::{Fire, HostTrigger, Trigger};
use crate::error::Error;
use crate::time::UtcMicros;

/// How many steps that no arithmetic can spare one question may take before it is given up.
pub const MAX_ROUNDS: u32 = 10_000;

/// How many rounds one counts for in which the host evaluates a member or its zone.
pub const HOST_COST: u32 = 20;

/// The members of an `And` or an `Or`.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    members: Box<[Member]>,
    jitter: i64,
}

#[derive(Clone, Debug)]
struct Member {
    trigger: Trigger,
    /// Of a trigger of the host.
    cursor: Arc<Cursor>,
}

/// Where a member stands in its series does not change what the series is.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.trigger == other.trigger
    }
}

/// Where a member that the host evaluates stands in its own series: its last answer, and to which fire time before.
///
/// Ground rules: locked for the length of an assignment, never while the host is asked. A member that
/// two threads ask at once gives two answers, of which either will do.
#[derive(Debug, Default)]
pub struct Cursor(Mutex<Option<Step>>);

/// A fire time, and the one before it, which the first of the series has not.
pub type Step = (Option<UtcMicros>, UtcMicros);

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

    /// Answers a question within one of `parts` equal parts of what is left, and takes what it took of that.
    fn within_part<R>(&mut self, parts: usize, answer: impl FnOnce(&mut Self) -> R) -> R {
        let part = self.0 / u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        let mut own = Self(part);
        let answer = answer(&mut own);
        self.0 -= part - own.0;
        answer
    }
}

impl Combination {
    /// Combines `triggers`; each fire time comes up to `jitter` microseconds late.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a negative jitter.
    pub fn new(triggers: Vec<Trigger>, jitter: i64) -> Result<Self, Error> {
        Self::at_cursors(triggers.into_iter().map(|trigger| (trigger, Arc::default())), jitter)
    }

    /// A combination of triggers with their cursors, which the host keeps.
    ///
    /// # Errors
    ///
    /// As [`Combination::new`].
    pub fn at_cursors(
        triggers: impl IntoIterator<Item = (Trigger, Arc<Cursor>)>,
        jitter: i64,
    ) -> Result<Self, Error> {
        let members = triggers.into_iter().map(|(trigger, cursor)| Member { trigger, cursor });
        Ok(Self { members: members.collect(), jitter: jitter::check(jitter)? })
    }

    /// Whether only the host can evaluate one of the members.
    pub(super) fn needs_host(&self) -> bool {
        self.members.iter().any(|member| member.trigger.needs_host())
    }

    /// How late a fire time may be, in microseconds.
    pub fn jitter(&self) -> i64 {
        self.jitter
    }

    /// What one round of all members counts for.
    fn cost(&self) -> u32 {
        if self.needs_host() { HOST_COST } else { 1 }
    }

    /// The first instant after `previous` that all members have in common, or without one the first from `now`
    /// on. Members behind the latest one move on along their own fire times until all agree; one that ends,
    /// ends the `And`.
    pub(super) fn next_of_all(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<Fire>, Error> {
        let mut fires = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let Some(fire) = member.own_after(previous, now, rounds)? else { return Ok(None) };
            fires.push(fire);
        }
        let Some(mut latest) = fires.iter().map(|fire| fire.at).max() else { return Ok(None) };
        let cost = self.cost();
        while fires.iter().any(|fire| fire.at != latest) {
            if !rounds.take_at(cost) {
                return Ok(None);
            }
            for (member, fire) in self.members.iter().zip(&mut fires) {
                let Some(next) = member.not_before(previous, *fire, latest, rounds)? else {
                    return Ok(None);
                };
                *fire = next;
                latest = latest.max(next.at);
            }
        }
        let most = fires.iter().map(|fire| fire.jitter).max().unwrap_or(0);
        Ok(Some(Fire { at: latest, jitter: most.saturating_add(self.jitter) }))
    }

    /// The first fire time of any member after `previous`, or without one the first from `now` on.
    pub(super) fn next_of_any(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<Fire>, Error> {
        Ok(self.first(&self.answers(previous, now, rounds)?))
    }

    /// [`next_of_any`](Self::next_of_any) and its jitter, of which there is less than would have it pass the next fire
    /// time: that would never come then.
    pub(super) fn next_of_any_late(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        source: &mut dyn JitterSource,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        let answers = self.answers(previous, now, rounds)?;
        let Some(Fire { at, jitter }) = self.first(&answers) else { return Ok(None) };
        if jitter == 0 {
            return Ok(Some(at));
        }
        let mut next = UtcMicros::MAX;
        for (member, answer) in self.members.iter().zip(answers) {
            let after = match answer {
                Some(fire) if fire.at == at && !member.trigger.needs_host() => {
                    member.own_after(Some(at), now.max(at), rounds)?
                }
                // One of the host's is asked once only.
                other => other.filter(|fire| fire.at > at),
            };
            next = after.map_or(next, |fire| next.min(fire.at));
        }
        Ok(Some(jitter::add(at, jitter.min(next.micros_since(at) - 1).max(0), source)))
    }

    /// What each member answers.
    fn answers(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Vec<Option<Fire>>, Error> {
        let parts = (1..=self.members.len()).rev();
        let members = self.members.iter().zip(parts);
        members
            .map(|(member, parts)| {
                rounds.within_part(parts, |rounds| member.own_after(previous, now, rounds))
            })
            .collect()
    }

    /// The earliest of the answers; of those at one instant the one that is soonest over.
    fn first(&self, answers: &[Option<Fire>]) -> Option<Fire> {
        let first = answers.iter().flatten().min_by_key(|fire| (fire.at, fire.jitter))?;
        Some(Fire { at: first.at, jitter: first.jitter.saturating_add(self.jitter) })
    }

    /// Goes back from `now` until the members agree; where they do not before `due`, that.
    pub(super) fn latest_of_all(
        &self,
        due: UtcMicros,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<UtcMicros, Error> {
        if self.members.is_empty() {
            return Ok(due);
        }
        let cost = self.cost();
        let mut until = now;
        loop {
            let (mut earliest, mut agree) = (until, true);
            for member in &self.members {
                let t = member.latest_own(due, earliest, rounds)?;
                agree &= t == until;
                earliest = earliest.min(t);
            }
            if agree || earliest <= due || !rounds.take_at(cost) {
                return Ok(if agree { until } else { due });
            }
            until = earliest;
        }
    }

    /// The latest fire time of any member.
    pub(super) fn latest_of_any(
        &self,
        due: UtcMicros,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<UtcMicros, Error> {
        let mut latest = due;
        for (member, parts) in self.members.iter().zip((1..=self.members.len()).rev()) {
            let own = rounds.within_part(parts, |rounds| member.latest_own(due, now, rounds))?;
            latest = latest.max(own);
        }
        Ok(latest)
    }
}

impl Member {
    /// See [`Trigger::own_after`].
    fn own_after(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<Fire>, Error> {
        match &self.trigger {
            Trigger::Host(trigger) => {
                let next = self.cursor.follow(trigger.as_ref(), previous, now, rounds)?;
                Ok(next.map(|at| Fire { at, jitter: 0 }))
            }
            trigger => trigger.own_after(previous, now, rounds),
        }
    }

    /// The last of its own fire times after `due` that is not after `now`; `due` where there is none.
    fn latest_own(&self, due: UtcMicros, now: UtcMicros, rounds: &mut Rounds) -> Result<UtcMicros, Error> {
        if let Trigger::Host(trigger) = &self.trigger {
            let mut latest = due;
            loop {
                match self.cursor.follow(trigger.as_ref(), Some(latest), now, rounds)? {
                    Some(next) if next > latest && next <= now && rounds.take() => latest = next,
                    _ => return Ok(latest),
                }
            }
        }
        match self.own_after(Some(due), due, rounds)? {
            Some(first) if first.at <= now => self.trigger.latest_within(first.at, now, rounds),
            _ => Ok(due),
        }
    }

    /// The first of its own fire times not before `bound`, when `fire` is its answer to `previous`.
    fn not_before(
        &self,
        previous: Option<UtcMicros>,
        fire: Fire,
        bound: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<Fire>, Error> {
        if fire.at >= bound {
            return Ok(Some(fire));
        }
        let before = bound.saturating_add(-1);
        let Trigger::Host(trigger) = &self.trigger else {
            return self.own_after(Some(before), before, rounds);
        };
        // As APScheduler does, the question is repeated for a later time, which most triggers heed.
        let next = self.cursor.ask(trigger.as_ref(), previous, bound)?;
        if next.is_some_and(|next| next < bound) {
            return self.own_after(Some(before), before, rounds);
        }
        Ok(next.map(|at| Fire { at, jitter: 0 }))
    }
}

impl Cursor {
    /// Makes this the last step.
    pub fn set(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    /// The last step of the series, where there has been one.
    pub fn step(&self) -> Option<Step> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the fire time after `previous`, at which the cursor is from then on.
    fn ask(
        &self,
        trigger: &dyn HostTrigger,
        previous: Option<UtcMicros>,
        now: UtcMicros,
    ) -> Result<Option<UtcMicros>, Error> {
        let next = trigger.next_fire_time(previous, now)?;
        if let Some(next) = next {
            self.set((previous, next));
        }
        Ok(next)
    }

    /// The first fire time after `previous` of the series. Where nothing is known of it there, or it does not get
    /// that far, it begins anew at `previous`, as with APScheduler each time.
    fn follow(
        &self,
        trigger: &dyn HostTrigger,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        rounds: &mut Rounds,
    ) -> Result<Option<UtcMicros>, Error> {
        let Some(after) = previous else { return self.ask(trigger, None, now) };
        let Some((_, mut t)) = self.step().filter(|(before, _)| before.is_none_or(|before| before <= after))
        else {
            return self.ask(trigger, previous, now);
        };
        while t <= after {
            match self.ask(trigger, Some(t), now)? {
                None => return Ok(None),
                Some(next) if next > t && rounds.take() => t = next,
                Some(_) => return self.ask(trigger, previous, now),
            }
        }
        Ok(Some(t))
    }
}

/// The last fire time not after `now` that a host trigger gives when it is asked again and again from `t` on.
pub(super) fn latest_of_host(
    trigger: &dyn HostTrigger,
    mut t: UtcMicros,
    now: UtcMicros,
    rounds: &mut Rounds,
) -> Result<UtcMicros, Error> {
    loop {
        match trigger.next_fire_time(Some(t), now)? {
            Some(next) if next > t && next <= now && rounds.take() => t = next,
            _ => return Ok(t),
        }
    }
}
