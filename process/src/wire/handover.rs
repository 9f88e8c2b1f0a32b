//! What a process is handed when it is started: the numbers of its descriptors, and the variable that says what it is.

use std::{io, os::fd::RawFd};

/// The number under which a worker finds its channel.
pub(crate) const CHANNEL: RawFd = 3;
/// The number under which it finds its end of the leash.
pub(crate) const LEASH: RawFd = 4;
/// The numbers under which it finds what is handed over for a ring: the pool's bell, and the memory, which it
/// closes as soon as it has mapped it.
pub(crate) const BELL: RawFd = 5;
/// See [`BELL`].
pub(crate) const MEMORY: RawFd = 6;

/// Where calls print. A worker whose output is read by the pool gets pipes there.
pub(crate) const PRINTED: [RawFd; 2] = [1, 2];

/// The environment variable that makes a process a worker: the protocol's version and the channel.
pub(crate) const VARIABLE: &str = "BRIGADE_WORKER";
/// What the variable holds if calls come over the socket alone.
pub(crate) const WITHOUT_RING: &str = "1:socket";
/// What it holds if there is a ring besides.
pub(crate) const WITH_RING: &str = "1:ring";
/// What makes a process a zygote.
pub(crate) const AS_ZYGOTE: &str = "1:zygote";

/// The exit code of a worker that cannot speak to its pool.
pub(crate) const WITHOUT_POOL: i32 = 70;

/// What a request to a zygote says: which descriptors it has beside the channel.
pub(crate) const RING: u8 = 1;
/// See [`RING`].
pub(crate) const OUTPUT: u8 = 2;

/// Under which numbers a request's descriptors are expected, in the order in which they come.
pub(crate) fn numbers(what: u8) -> Vec<RawFd> {
    let ring = [MEMORY, BELL].into_iter().filter(|_| what & RING != 0);
    let output = PRINTED.into_iter().filter(|_| what & OUTPUT != 0);
    [CHANNEL, LEASH].into_iter().chain(ring).chain(output).collect()
}

/// The error, with what was being done for a worker that is to start.
pub(crate) fn start_error(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("starting a worker: {what}: {error}"))
}
