//! The handover at a process's start: the numbers of its descriptors, and the variable that says what the
//! process is.

use crate::wire::ring::{SLOTS, WORDS};
use brigade_trace::{WORKER_TRACE_CALLS, WORKER_TRACE_WORDS};
use std::{io, os::fd::RawFd};

/// The words of the memory that a worker shares with the pool: its ring, and the events that it records.
pub(crate) const WORKER_WORDS: usize = WORDS + WORKER_TRACE_WORDS;
const _: () = assert!(SLOTS <= WORKER_TRACE_CALLS as u64, "a trace tells all calls in a ring apart");

/// The number under which a worker finds its channel.
pub(crate) const CHANNEL: RawFd = 3;
/// The number under which it finds its end of the leash.
pub(crate) const LEASH: RawFd = 4;
/// The number under which a worker with a ring finds the pool's bell.
pub(crate) const BELL: RawFd = 5;
/// The number under which a worker with a ring finds the ring's memory. It closes this one as soon as it
/// has mapped it.
pub(crate) const MEMORY: RawFd = 6;

/// Where calls print. A worker whose output the pool reads gets pipes there.
pub(crate) const PRINTED: [RawFd; 2] = [1, 2];

/// The environment variable that makes a process a worker: the protocol's version and the channel.
pub(crate) const VARIABLE: &str = "BRIGADE_WORKER";
/// The variable's value if calls come over the socket alone.
pub(crate) const WITHOUT_RING: &str = "1:socket";
/// The variable's value if there is a ring besides.
pub(crate) const WITH_RING: &str = "1:ring";
/// The variable's value for a zygote.
pub(crate) const AS_ZYGOTE: &str = "1:zygote";

/// The exit code of a worker that cannot speak to its pool.
pub(crate) const WITHOUT_POOL: i32 = 70;

/// A bit of a request to a zygote: the descriptors of a ring come with the channel and the leash.
pub(crate) const RING: u8 = 1;
/// A bit of a request to a zygote: the descriptors for the worker's output come, too.
pub(crate) const OUTPUT: u8 = 2;

/// The numbers at which a request's descriptors are expected, in the order in which they come.
pub(crate) fn numbers(what: u8) -> Vec<RawFd> {
    let ring = [MEMORY, BELL].into_iter().filter(|_| what & RING != 0);
    let output = PRINTED.into_iter().filter(|_| what & OUTPUT != 0);
    [CHANNEL, LEASH].into_iter().chain(ring).chain(output).collect()
}

/// Adds to an error what was being done for a worker that is to start.
pub(crate) fn start_error(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("starting a worker: {what}: {error}"))
}
