//! The rules of a job that has become due, as pure functions: which of its fire times run, which are
//! missed, and when it is due next.
//!
//! They are those of APScheduler 3.x (`Job._get_run_times`, `BaseScheduler._process_jobs` and
//! `run_job`): every fire time from the due one up to now is a run; coalescing keeps the last; the next
//! fire time follows the last of them; a run that starts more than its grace time late is missed.

use crate::error::Error;
use crate::job::RunPolicy;
use crate::time::{MICROS_PER_SECOND, UtcMicros};
use crate::trigger::{JitterSource, Trigger};

/// How many fire times of one job that is not coalesced are handed over in one pass. What is left stays
/// due and follows in the next pass, so that years of missed fires cost no more memory than this.
pub const MAX_RUN_TIMES: usize = 10_000;

/// The scheduled run times of one submission, in order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunTimes {
    /// One run time, as nearly always.
    One(UtcMicros),
    /// The fire times of a job that is not coalesced and has fallen behind.
    Many(Box<[UtcMicros]>),
}

impl RunTimes {
    /// The run times as a slice.
    pub fn as_slice(&self) -> &[UtcMicros] {
        match self {
            Self::One(at) => std::slice::from_ref(at),
            Self::Many(all) => all,
        }
    }
}

impl From<Vec<UtcMicros>> for RunTimes {
    fn from(all: Vec<UtcMicros>) -> Self {
        match all[..] {
            [one] => Self::One(one),
            _ => Self::Many(all.into_boxed_slice()),
        }
    }
}

/// What a due job does now, and when it is due again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The runs of this pass.
    pub run_times: RunTimes,
    /// The next fire time; `None` when the trigger has ended.
    pub next: Option<UtcMicros>,
}

/// Works out the runs of a job that was due at `due`, which is not after `now`.
///
/// # Errors
///
/// What the trigger raised, and [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for a trigger
/// whose fire times do not advance, which would otherwise keep the engine busy for ever.
pub fn due(
    trigger: &Trigger,
    policy: RunPolicy,
    due: UtcMicros,
    now: UtcMicros,
    jitter: &mut dyn JitterSource,
) -> Result<Due, Error> {
    let next = next_after(trigger, due, now, jitter)?;
    match next {
        Some(second) if second <= now => {}
        _ => return Ok(Due { run_times: RunTimes::One(due), next }),
    }
    if policy.coalesce {
        let last = trigger.latest_fire_time(due, now)?;
        let next = next_after(trigger, last, now, jitter)?;
        return Ok(Due { run_times: RunTimes::One(last), next });
    }
    let mut all = vec![due];
    let mut next = next;
    while let Some(at) = next {
        if at > now || all.len() == MAX_RUN_TIMES {
            break;
        }
        all.push(at);
        next = next_after(trigger, at, now, jitter)?;
    }
    Ok(Due { run_times: all.into(), next })
}

fn next_after(
    trigger: &Trigger,
    previous: UtcMicros,
    now: UtcMicros,
    jitter: &mut dyn JitterSource,
) -> Result<Option<UtcMicros>, Error> {
    match trigger.next_fire_time(Some(previous), now, jitter)? {
        Some(next) if next <= previous => {
            Err(Error::invalid("the trigger returned a fire time that is not after the previous one"))
        }
        next => Ok(next),
    }
}

/// Microseconds by which a run scheduled for `run_time` is too late when it starts at `now`: its whole
/// lateness, where that exceeds the grace time; `None` when the run is in time.
pub fn missed_by(run_time: UtcMicros, now: UtcMicros, grace_seconds: Option<u32>) -> Option<i64> {
    let late = now.micros_since(run_time);
    let grace = i64::from(grace_seconds?) * MICROS_PER_SECOND;
    (late > grace).then_some(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_missed_only_beyond_its_grace_time() {
        let at = UtcMicros::clamped;
        assert_eq!(missed_by(at(0), at(1_000_000), Some(1)), None);
        assert_eq!(missed_by(at(0), at(1_000_001), Some(1)), Some(1_000_001));
        assert_eq!(missed_by(at(0), UtcMicros::MAX, None), None);
        assert_eq!(missed_by(at(5), at(0), Some(1)), None);
    }
}
