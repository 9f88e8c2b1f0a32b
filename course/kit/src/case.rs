//! The numbers that vary a test.

/// A case of a test: its seed gives the numbers that vary from case to case, such as how often a future is
/// woken. All runs of a case get the same numbers.
#[derive(Clone, Debug)]
pub struct Case {
    state: u64,
}

impl Case {
    /// Makes the case of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_add(0x9E37_79B9_7F4A_7C15) }
    }

    /// Returns a number from `low` to `high`, both included (SplitMix64: Steele, Lea and Flood, 2014).
    ///
    /// ```
    /// use brigade_course_kit::Case;
    ///
    /// let number = Case::new(7).number(1, 3);
    /// assert!((1..=3).contains(&number));
    /// assert_eq!(number, Case::new(7).number(1, 3));
    /// ```
    pub fn number(&mut self, low: u64, high: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (mixed ^ (mixed >> 31)) % (high - low + 1)
    }
}
