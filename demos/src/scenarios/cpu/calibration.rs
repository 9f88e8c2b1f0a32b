//! How large the sums have to be on this machine, so that there is something to see.
//!
//! The start of a thread or a child, a time slice of the scheduler and a moment of other load take
//! milliseconds. If all the work takes some tens of them, the speed-ups are noise.

use crate::sums::{N_MAX, sum_of_squares};
use brigade_trace::clock;
use std::{hint::black_box, time::Duration};

/// How many terms are summed to see how fast this core is. That takes less than a time slice of the
/// scheduler, so other load interrupts some of the sums and not all.
const PROBE_TERMS: u64 = 50_000;

/// How many such sums there are. The fastest counts, because other load makes a sum only slower.
const PROBES: u32 = 100;

/// Chooses the end of each of `sums` sums, so that one core takes about `wanted` for all of them.
pub(super) fn choose_n(sums: usize, wanted: Duration) -> u64 {
    let probe = || clock::timed(|| black_box(sum_of_squares(0..PROBE_TERMS))).1;
    let fastest = (0..PROBES).map(|_| probe()).min().unwrap_or_default();
    let terms_per_second = PROBE_TERMS as f64 / fastest.as_secs_f64();
    round_up(terms_per_second * wanted.as_secs_f64() / sums as f64)
}

/// Rounds up to a number that is easy to read: its first two digits, and zeros.
fn round_up(n: f64) -> u64 {
    let mut unit = 1;
    while n / unit as f64 > 99.0 && unit < N_MAX {
        unit *= 10;
    }
    ((n / unit as f64).ceil() as u64).saturating_mul(unit).clamp(1, N_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_has_two_digits_and_zeros_and_is_not_too_small() {
        for (n, rounded) in [
            (0.0, 1),
            (0.3, 1),
            (7.2, 8),
            (99.0, 99),
            (101.0, 110),
            (141_234_567.8, 150_000_000),
            (1e9, 1_000_000_000),
        ] {
            assert_eq!(round_up(n), rounded, "{n}");
        }
        assert_eq!((round_up(f64::INFINITY), round_up(f64::NAN)), (N_MAX, 1));
    }

    #[test]
    fn more_sums_are_shorter_sums() {
        let wanted = Duration::from_secs(60);
        assert!(choose_n(1, wanted) > choose_n(100, wanted));
    }
}
