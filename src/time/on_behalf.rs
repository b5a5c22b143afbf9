//! The time and the chance that a thread is told while it acts on behalf of a scheduler whose clock is not the system's.

use std::cell::RefCell;

use mainspring_core::UtcMicros;
use mainspring_core::random::SplitMix64;
use mainspring_core::trigger::JitterSource;

/// What a clock answers, in one thread, to those who ask for the time or for chance.
struct Answers {
    now: UtcMicros,
    jitter: SplitMix64,
}

thread_local! {
    /// `None`: the time is the system's, and jitter is drawn from Python's `random`.
    static ANSWERS: RefCell<Option<Answers>> = const { RefCell::new(None) };
}

/// A value drawn evenly from 0 to `longest` where the thread is on behalf of another clock than the system's.
pub fn drawn_here(longest: f64) -> Option<f64> {
    let micros = (longest * 1e6) as i64;
    ANSWERS.with_borrow_mut(|answers| answers.as_mut().map(|a| a.jitter.draw(micros) as f64 / 1e6))
}

/// The time now where the thread is on behalf of another clock than the system's.
pub fn now_here() -> Option<UtcMicros> {
    ANSWERS.with_borrow(|answers| answers.as_ref().map(|a| a.now))
}

/// Has a clock answer in this thread, for as long as it lives.
pub struct OnBehalf(Option<Answers>);

impl OnBehalf {
    /// From now on the time is `now`, and chance follows from `seed`.
    pub fn begin(now: UtcMicros, seed: u64) -> Self {
        Self(ANSWERS.replace(Some(Answers { now, jitter: SplitMix64::new(seed) })))
    }
}

impl Drop for OnBehalf {
    fn drop(&mut self) {
        ANSWERS.set(self.0.take());
    }
}
