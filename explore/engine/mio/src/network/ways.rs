//! The choices that a network leaves open. Index 0 is always what a healthy machine usually does.

use super::Network;
use brigade_handle::explore::{Kind, pick};
use std::time::Duration;

/// A short delay: less than what any program waits for.
pub(super) const SHORT: Duration = Duration::from_millis(1);
/// A long one, as between two continents.
const LONG: Duration = Duration::from_millis(100);
/// A fault: longer than what most programs wait for.
const STALL: Duration = Duration::from_secs(60);

/// Chooses how many of `most` units a call transfers: all, one, half of them, or all but one.
pub(super) fn length(most: usize, least: usize) -> usize {
    let mut ways = vec![most];
    for way in [1, most / 2, most.saturating_sub(1)] {
        if way >= least.max(1) && !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways[pick(Kind::Length, ways.len())]
}

/// Chooses which of so many datagrams comes first.
pub(super) fn datagram(count: usize) -> usize {
    const MAX_WAYS: usize = 4;
    pick(Kind::Datagram, count.min(MAX_WAYS))
}

/// Chooses which of several ready sources are reported. Returns all, or the index of a single one.
pub(super) fn readiness(count: usize) -> Option<usize> {
    const MAX_WAYS: usize = 4;
    match pick(Kind::Readiness, count.min(MAX_WAYS)) {
        0 => None,
        single => Some(single),
    }
}

/// The ways of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    IsLost,
    ArrivesTwice,
}

impl Network {
    /// Chooses how long something is under way.
    pub(super) fn delay(&self) -> Duration {
        let ways = [Duration::ZERO, SHORT, LONG, STALL];
        let count = if self.faults.stalls { ways.len() } else { ways.len() - 1 };
        ways[pick(Kind::Arrival, count)]
    }

    /// Chooses whether a connection is reset here.
    pub(super) fn resets(&self) -> bool {
        self.faults.resets && pick(Kind::Fault, 2) == 1
    }

    /// Chooses what becomes of a datagram.
    pub(super) fn fate(&self) -> Fate {
        let mut ways = vec![Fate::Arrives];
        if self.faults.losses {
            ways.push(Fate::IsLost);
        }
        if self.faults.duplicates {
            ways.push(Fate::ArrivesTwice);
        }
        ways[pick(Kind::Fault, ways.len())]
    }
}
