//! Clocks: the only place in the project that asks what time it is.
//!
//! The engine counts in wall-clock time, because fire times are wall-clock times, and sleeps in
//! monotonic time, because that is what an operating system can wait on. Wall-clock time may step
//! (NTP, a resumed laptop, an administrator); [`StepDetector`] notices by comparing the two.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::UtcMicros;

/// What time it is, by the wall and since some fixed moment.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> UtcMicros;

    /// Time since an arbitrary fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UtcMicros {
        // Rounds down to whole microseconds: a fire is never early. A clock outside the years 1 to 9999
        // is held at their ends.
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos().div_ceil(1_000)).map_or(i64::MIN, |m| -m)
            }
        };
        UtcMicros::clamped(micros)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that moves only when told to, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start` until it is moved.
    pub fn new(start: UtcMicros) -> Self {
        Self { wall: AtomicI64::new(start.get()), monotonic: AtomicI64::new(0) }
    }

    /// Lets `by` pass on both the wall and the monotonic clock.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        add(&self.wall, micros);
        add(&self.monotonic, micros);
    }

    /// Lets time pass until the wall clock shows `at`; does nothing when it is past that.
    pub fn advance_to(&self, at: UtcMicros) {
        let by = at.micros_since(self.now());
        if let Ok(by) = u64::try_from(by) {
            self.advance(Duration::from_micros(by));
        }
    }

    /// Steps the wall clock by `micros` while no time passes.
    pub fn step(&self, micros: i64) {
        add(&self.wall, micros);
    }
}

/// Adds without wrapping round: a clock at its end stays there.
fn add(clock: &AtomicI64, micros: i64) {
    // The closure never refuses, so neither does the update.
    let _before =
        clock.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |at| Some(at.saturating_add(micros)));
}

impl Clock for ManualClock {
    fn now(&self) -> UtcMicros {
        UtcMicros::clamped(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.monotonic.load(Ordering::SeqCst)).unwrap_or(0))
    }
}

/// Tells a step of the wall clock from the passing of time.
#[derive(Debug)]
pub struct StepDetector {
    wall: UtcMicros,
    monotonic: Duration,
}

impl StepDetector {
    /// Differences up to this many microseconds are slewing and scheduling noise, not a step.
    pub const TOLERANCE_MICROS: i64 = 500_000;

    /// Starts to watch `clock`.
    pub fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// Takes a further reading of both clocks: microseconds by which the wall clock stepped since the one
    /// before, positive for a step forward, or `None`.
    pub fn check(&mut self, wall: UtcMicros, monotonic: Duration) -> Option<i64> {
        let passed =
            i64::try_from((monotonic.saturating_sub(self.monotonic)).as_micros()).unwrap_or(i64::MAX);
        let step = wall.micros_since(self.wall).saturating_sub(passed);
        (self.wall, self.monotonic) = (wall, monotonic);
        (step.abs() > Self::TOLERANCE_MICROS).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> UtcMicros {
        UtcMicros::clamped(micros)
    }

    #[test]
    fn system_clock_is_in_this_millennium_and_monotonic_never_goes_back() {
        let clock = SystemClock::new();
        assert!(clock.now() > at(1_700_000_000_000_000));
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(at(1_000));
        assert_eq!(clock.now(), at(1_000));
        clock.advance(Duration::from_micros(5));
        clock.advance_to(at(900));
        assert_eq!((clock.now(), clock.monotonic()), (at(1_005), Duration::from_micros(5)));
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (UtcMicros::MAX, Duration::from_micros(i64::MAX as u64))
        );
    }

    #[test]
    fn a_step_is_told_from_time_passing() {
        let clock = ManualClock::new(at(0));
        let mut detector = StepDetector::new(&clock);
        let mut check = || detector.check(clock.now(), clock.monotonic());
        clock.advance(Duration::from_secs(3600));
        assert_eq!(check(), None);
        clock.step(7_200_000_000);
        assert_eq!(check(), Some(7_200_000_000));
        clock.step(-3_600_000_000);
        clock.advance(Duration::from_secs(1));
        assert_eq!(check(), Some(-3_600_000_000));
        assert_eq!(check(), None);
        clock.step(StepDetector::TOLERANCE_MICROS);
        assert_eq!(check(), None);
    }
}
