//! The date trigger: fires once, at a given instant.

use crate::time::UtcMicros;

/// Fires once, at its run date, even when that has passed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTrigger {
    run_date: UtcMicros,
}

impl DateTrigger {
    /// A trigger that fires at `run_date`.
    pub const fn new(run_date: UtcMicros) -> Self {
        Self { run_date }
    }

    /// When it fires.
    pub const fn run_date(&self) -> UtcMicros {
        self.run_date
    }

    /// The run date if nothing fired before, else `None`.
    pub const fn next_fire_time(&self, previous: Option<UtcMicros>) -> Option<UtcMicros> {
        match previous {
            None => Some(self.run_date),
            Some(_) => None,
        }
    }

    /// See [`super::Trigger::own_after`]. APScheduler 3.11 drops a date as soon as another member of an `Or` has
    /// fired, which it calls a mistake (agronholm/apscheduler, issue 427).
    pub(super) fn own_after(&self, previous: Option<UtcMicros>) -> Option<UtcMicros> {
        Some(self.run_date).filter(|date| previous.is_none_or(|previous| previous < *date))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_once() {
        let trigger = DateTrigger::new(UtcMicros::MIN);
        assert_eq!(trigger.next_fire_time(None), Some(UtcMicros::MIN));
        assert_eq!(trigger.next_fire_time(Some(UtcMicros::MIN)), None);
    }
}
