//! The zygote: a child with one thread, exec'd once and set up by the initializer, that forks workers on request.
//!
//! An exec'd worker loads the program and runs the initializer anew. One that is forked from a zygote has both already, in pages
//! that it shares with the others until somebody writes there. A process with several threads must not fork and go on, since
//! what the other threads hold stays held for ever; so the pool's own process is no zygote, and a process whose initializer has
//! started a thread cannot be one.
//!
//! ```text
//!   pool                                  zygote                          worker
//!   exec ───────────────────────────────> Setup: initializer
//!        <────────────────────────────── Ready
//!   what, and descriptors by SCM_RIGHTS ─> clone(CLONE_PARENT) ─────────> descriptors to their numbers
//!        <────────────────────────────── process id                       Hello, and so on
//! ```
//!
//! # Whose children they are
//!
//! By `CLONE_PARENT` a worker is a child of the pool's supervising thread, as if that had forked it: it is reaped there, it dies
//! with that thread, and the end of the zygote does not matter to it. So all that is said of workers elsewhere holds.
//!
//! A zygote that ends, or is stopped, is replaced. If that was between its fork and its answer, nobody knows of the worker: then the worker's
//! own hello tells its process id, and it is ended ([`end_orphan`]).

// Unsafe: clone, and descriptors that travel over a socket.
#[allow(unsafe_code)]
mod sys;

use crate::{
    block::inherited,
    exec::{self, BELL, CHANNEL, MEMORY, Plan},
    frame::{Decoder, Kind},
    init,
    launcher::{Command, Stop, told},
    sys as calls,
    worker::Hello,
};
use brigade_handle::fork::Generation;
use brigade_trace::clock;
use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

/// What makes a process a zygote.
pub(crate) const MARKER: &str = "1:zygote";
/// How long it may take to be set up, if the pool's builder has not said.
const SETUP: Duration = Duration::from_secs(120);
/// How long a fork may take.
const FORK: Duration = Duration::from_secs(2);
/// The most descriptors that a request has: channel, memory, bell, stdout, stderr.
pub(crate) const MOST: usize = 5;
/// What a request says: which descriptors it has beside the channel.
const RING: u8 = 1;
const OUTPUT: u8 = 2;

/// The pool's side. Ended and reaped when it is dropped.
#[derive(Debug)]
pub(crate) struct Zygote {
    pid: i32,
    channel: UnixStream,
}

impl Zygote {
    /// Starts one and waits until it is set up by the frame `setup`, or until the pool ends.
    pub(crate) fn start(plan: &Plan, command: &Command, setup: &[u8]) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| told(error, "socketpair"))?;
        calls::set_nonblocking(ours.as_fd()).map_err(|error| told(error, "fcntl"))?;
        let forked = exec::fork(plan, &[(&OwnedFd::from(theirs), CHANNEL)])?;
        let zygote = Self { pid: forked.pid, channel: ours };
        forked.confirm(&command.stop)?;
        zygote.set_up(setup, command)?;
        Ok(zygote)
    }

    fn set_up(&self, setup: &[u8], command: &Command) -> io::Result<()> {
        let stop = &command.stop;
        let end = clock::after(clock::now(), command.setup_limit.unwrap_or(SETUP));
        stop.send(self.channel.as_fd(), setup, end)?;
        let (mut decoder, mut space) = (Decoder::default(), [0; 4096]);
        loop {
            if let Some(frame) = decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                return match frame.kind {
                    Kind::Ready if frame.payload.is_empty() => Ok(()),
                    _ => Err(io::Error::other(String::from_utf8_lossy(&frame.payload).into_owned())),
                };
            }
            if !stop.wait_for_input(self.channel.as_fd(), end)? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the zygote is not set up in time"));
            }
            match calls::receive(self.channel.as_fd(), &mut space)? {
                0 => return Err(io::Error::other("the zygote ended before it was set up")),
                received => decoder.push(&space[..received]),
            }
        }
    }

    /// Has it fork a worker with these descriptors under these numbers: its process id.
    pub(crate) fn fork(&mut self, handed: &[(&OwnedFd, RawFd)], stop: &Stop) -> Result<i32, NoWorker> {
        let has = |number| handed.iter().any(|&(_, other)| other == number);
        let what = if has(MEMORY) { RING } else { 0 } | if has(1) { OUTPUT } else { 0 };
        let fds: Vec<_> = handed.iter().map(|(fd, _)| fd.as_fd()).collect();
        sys::send(self.channel.as_fd(), what, &fds).map_err(|_| NoWorker::NotAsked)?;
        match self.answer(stop) {
            Ok(pid) if pid > 0 => Ok(pid),
            Ok(code) => Err(NoWorker::Refused(told(
                io::Error::from_raw_os_error(code.wrapping_neg()),
                "fork by the zygote",
            ))),
            Err(error) => Err(NoWorker::Unknown(told(error, "asking the zygote"))),
        }
    }

    fn answer(&self, stop: &Stop) -> io::Result<i32> {
        if !stop.wait_for_input(self.channel.as_fd(), clock::now() + FORK)? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
        }
        let mut answer = [0; 4];
        match calls::receive(self.channel.as_fd(), &mut answer)? {
            4 => Ok(i32::from_le_bytes(answer)),
            _ => Err(io::Error::other("it has ended")),
        }
    }
}

/// Why a zygote gave no worker.
#[derive(Debug)]
pub(crate) enum NoWorker {
    /// It had ended before.
    NotAsked,
    /// It could not fork.
    Refused(io::Error),
    /// It did not answer, and may have forked: the descriptors may be a worker's.
    Unknown(io::Error),
}

/// Ends and reaps the worker at the other end of this channel, which is ours alone on this side, if there is one. Its zygote has
/// ended without a word of it.
pub(crate) fn end_orphan(channel: BorrowedFd<'_>) {
    let (mut decoder, mut space) = (Decoder::default(), [0; 256]);
    // The end of the stream says that nobody has the other end.
    let is_there = calls::wait_for_input(channel, clock::now() + FORK).unwrap_or(false);
    let received = if is_there { calls::receive_at_once(channel, &mut space).unwrap_or(0) } else { 0 };
    decoder.push(&space[..received]);
    if let Ok(Some(frame)) = decoder.next()
        && let Ok(hello) = postcard::from_bytes::<Hello>(&frame.payload)
        && let Ok(pid) = i32::try_from(hello.pid)
    {
        // It is our child and was not reaped, so the number is its own.
        let _ = calls::kill(pid);
        let _ = calls::wait_for(pid);
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // It has nothing to lose. Errors would mean that it is gone already.
        let _ = calls::kill(self.pid);
        let _ = calls::wait_for(self.pid);
    }
}

/// The zygote's life, after it was set up. Returns in each worker, with what makes it one; and in the zygote only by an error.
pub(crate) fn serve(channel: OwnedFd) -> io::Result<&'static str> {
    let pool = calls::parent();
    let zygote = Generation::current();
    loop {
        let Some((what, fds)) = sys::receive(channel.as_fd())? else { calls::exit_now(0) };
        let pid = match sys::fork_sibling() {
            Ok(0) => {
                calls::die_with_parent(pool)?;
                inherited::take_for_own(zygote)
                    .map_err(|error| told(error, "making the initializer's blocks its own"))?;
                // Its number will lead to the worker's channel.
                let _ = channel.into_raw_fd();
                return adopt(what, fds);
            }
            Ok(pid) => pid,
            Err(error) => -error.raw_os_error().unwrap_or(1),
        };
        drop(fds);
        calls::send(channel.as_fd(), &pid.to_le_bytes())?;
    }
}

/// Under which numbers a request's descriptors are expected, in the order in which they come.
pub(crate) fn numbers(what: u8) -> Vec<RawFd> {
    let ring = [MEMORY, BELL].into_iter().filter(|_| what & RING != 0);
    let output = [1, 2].into_iter().filter(|_| what & OUTPUT != 0);
    [CHANNEL].into_iter().chain(ring).chain(output).collect()
}

/// In a new worker: moves the descriptors to where workers expect them.
fn adopt(what: u8, fds: Vec<OwnedFd>) -> io::Result<&'static str> {
    let numbers = numbers(what);
    if fds.len() != numbers.len() {
        return Err(io::Error::other("a request of the pool's lacks descriptors"));
    }
    let high = fds.iter().map(|fd| calls::duplicate_above(fd, 10)).collect::<io::Result<Vec<_>>>()?;
    drop(fds);
    for (fd, number) in high.iter().zip(numbers) {
        calls::move_to(fd, number)?;
    }
    Ok(if what & RING != 0 { init::WITH_RING } else { init::WITHOUT_RING })
}

/// Whether this process has one thread, so that it may fork and go on.
pub(crate) fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}
