//! Moments of a clock that the harness moves. Each look at one is counted.

use std::{
    cmp::Ordering,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The looks at all moments of the process so far.
static LOOKS: AtomicU64 = AtomicU64::new(0);

/// A moment, in milliseconds since the beginning, written with four digits from 0 to 63.
///
/// Timers may compare moments, and look at their digits. The harness counts both.
///
/// ```
/// use brigade_course_kit::lab04::Moment;
///
/// let moment = Moment::new(2 * 64 + 5);
/// assert_eq!((moment.digit(1), moment.digit(0)), (2, 5));
/// assert_eq!(moment.with_digit(1, 3), Moment::new(3 * 64));
/// assert!(moment < Moment::new(200));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Moment(u64);

impl Moment {
    /// The number of digits.
    pub const DIGITS: usize = 4;
    /// The number of values of a digit.
    pub const BASE: usize = 64;

    /// Makes the moment of so many milliseconds, less than 64 × 64 × 64 × 64.
    #[must_use]
    pub fn new(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Returns a digit. That of place 0 counts milliseconds, that of place 1 counts 64 of them.
    #[must_use]
    pub fn digit(self, place: usize) -> usize {
        look();
        (self.0 >> (6 * place)) as usize % Self::BASE
    }

    /// Returns the moment with another digit at this place, and zeros at the lower places.
    #[must_use]
    pub fn with_digit(self, place: usize, digit: usize) -> Self {
        look();
        let above = self.0 >> (6 * (place + 1)) << (6 * (place + 1));
        Self(above + ((digit as u64) << (6 * place)))
    }

    /// The milliseconds, for the harness, which counts no looks of its own.
    pub(super) fn milliseconds(self) -> u64 {
        self.0
    }
}

fn look() {
    // Relaxed: one thread runs at a time.
    LOOKS.fetch_add(1, Relaxed);
}

/// Returns the looks so far.
pub(super) fn looks() -> u64 {
    LOOKS.load(Relaxed)
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        look();
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
