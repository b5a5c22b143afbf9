//! The steps of a submission: fire by fire, each is judged, called and settled.
//!
//! An executor that runs a submission asks [`Steps::next`] what to do and says with [`Steps::settle`] how it ended,
//! whether the job's function is called on an event loop, in a thread or in another process. There is no clock, no
//! queue and no function in here.

/// What comes next in a submission. A fire is named by its place among the run times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call the job's function for this fire, and settle it.
    Call(usize),
    /// This fire is too late by so many microseconds: settle it as missed.
    Missed(usize, i64),
    /// Nothing: all fires have ended.
    Done,
}

/// What has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The fire, by its place among the run times.
    pub index: usize,
    /// Whether it is the last, with which the instance slot is given back. That comes before a listener is told, who
    /// so finds the job free.
    pub is_last: bool,
}

/// How far a submission has come.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    ended: usize,
    count: usize,
}

impl Steps {
    /// The steps of a submission with so many run times.
    pub const fn new(count: usize) -> Self {
        Self { ended: 0, count }
    }

    /// How many fires have come to their end.
    pub const fn ended(&self) -> usize {
        self.ended
    }

    /// The fire that is under way or comes next; `None` at the end.
    pub const fn current(&self) -> Option<usize> {
        if self.ended < self.count { Some(self.ended) } else { None }
    }

    /// What comes next. `late` says by how much a fire is too late when it begins now, as
    /// [`missed_by`](super::due::missed_by) judges it.
    ///
    /// # Errors
    ///
    /// Those of `late`.
    pub fn next<E>(&self, late: impl FnOnce(usize) -> Result<Option<i64>, E>) -> Result<Next, E> {
        let Some(index) = self.current() else { return Ok(Next::Done) };
        Ok(match late(index)? {
            Some(late) => Next::Missed(index, late),
            None => Next::Call(index),
        })
    }

    /// Takes note of the end of the current fire; `None` when all have ended already.
    pub fn settle(&mut self) -> Option<Settled> {
        let index = self.current()?;
        self.ended += 1;
        Some(Settled { index, is_last: self.ended == self.count })
    }

    /// Takes all fires for ended that have not.
    pub const fn give_up(&mut self) {
        self.ended = self.count;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::job::Ended;
    use crate::job::due::missed_by;
    use crate::time::UtcMicros;

    fn next(steps: &Steps, late: Option<i64>) -> Next {
        steps.next(|_| Ok::<_, Infallible>(late)).unwrap_or(Next::Done)
    }

    #[test]
    fn each_fire_is_judged_when_its_turn_comes() {
        let at = UtcMicros::clamped;
        let (times, grace) = ([at(0), at(10), at(20)], Some(5));
        let mut steps = Steps::new(times.len());
        // The second begins late, since the first takes so long.
        let mut told = Vec::new();
        for now in [0, 17, 17] {
            let late = |index: usize| Ok::<_, Infallible>(missed_by(times[index], at(now), grace));
            told.push(steps.next(late).unwrap());
            steps.settle();
        }
        assert_eq!(told, [Next::Call(0), Next::Missed(1, 7), Next::Call(2)]);
        assert_eq!(next(&steps, None), Next::Done);
    }

    #[test]
    fn the_slot_goes_with_the_last_fire_however_it_ends() {
        let mut steps = Steps::new(3);
        let last: Vec<_> = std::iter::from_fn(|| steps.settle()).map(|settled| settled.is_last).collect();
        assert_eq!(last, [false, false, true]);
        assert_eq!((steps.settle(), steps.current(), steps.ended()), (None, None, 3));
    }

    #[test]
    fn nobody_is_asked_how_late_it_is_when_all_has_ended() {
        let steps = Steps::new(0);
        assert_eq!(steps.next(|_| Err(())), Ok(Next::Done));
    }

    #[test]
    fn what_is_cancelled_takes_the_rest_with_it() {
        assert!([Ended::Executed, Ended::Error, Ended::Missed].iter().all(|ended| !ended.ends_submission()));
        assert!([Ended::Cancelled, Ended::Interrupted].iter().all(|ended| ended.ends_submission()));
        let mut steps = Steps::new(3);
        steps.settle();
        steps.give_up();
        assert_eq!((steps.settle(), next(&steps, None)), (None, Next::Done));
    }
}
