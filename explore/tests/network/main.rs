//! The simulated network, through the runtime's own sockets.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod faults;
mod names;
mod planted;
mod reactor;
mod tcp;
mod udp;
mod unix;

use brigade_explore::Explore;

/// A check without choice points at atomics, so that most of its choices are those of the network.
fn coarse(schedules: u64) -> Explore {
    Explore::new().coarse().schedules(schedules)
}
