//! Random numbers for jitter: small, seedable, not for secrets.

use crate::trigger::JitterSource;

/// Steele, Lea and Flood's SplitMix64 ("Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator that always gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl JitterSource for SplitMix64 {
    fn draw(&mut self, max_micros: i64) -> i64 {
        match u64::try_from(max_micros) {
            // The high half of a 128-bit product scales evenly to 0..=max without a division.
            Ok(max) => ((u128::from(self.next_u64()) * (u128::from(max) + 1)) >> 64) as i64,
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_cover_their_range_and_nothing_else() {
        let mut random = SplitMix64::new(1);
        let mut seen = [false; 4];
        for _ in 0..200 {
            seen[usize::try_from(random.draw(3)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!((random.draw(0), random.draw(-5)), (0, 0));
    }
}
