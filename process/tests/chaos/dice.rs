//! A seeded generator: the same seed gives the same storm, as far as the operating system allows.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of one thread of a test.
    pub(crate) fn new(thread: u64) -> Self {
        let text = std::env::var("BRIGADE_CHAOS_SEED").ok();
        let seed: u64 = text.map_or(1, |text| text.parse().expect("BRIGADE_CHAOS_SEED is a number"));
        Self(seed.wrapping_mul(1 << 20).wrapping_add(thread))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
