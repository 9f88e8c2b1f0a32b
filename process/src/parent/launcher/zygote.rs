//! The zygote: a child with one thread, exec'd once and set up by the initializer, that forks workers on
//! request.
//!
//! An exec'd worker loads the program and runs the initializer anew. A worker that is forked from a zygote
//! has both already, in pages that it shares with the others until somebody writes there. A process with
//! several threads must not fork and go on, since a lock that another thread holds stays locked for ever.
//! So the pool's own process is not a zygote, and a process whose initializer has started a thread cannot
//! be one.
//!
//! ```text
//!   pool                                  zygote                          worker
//!   exec ───────────────────────────────> Setup: initializer
//!        <────────────────────────────── Ready
//!   what, and descriptors by SCM_RIGHTS ─> clone(CLONE_PARENT) ─────────> descriptors to their numbers
//!        <────────────────────────────── process id                       Hello, and so on
//! ```
//!
//! # Descriptors that the initializer has opened
//!
//! A worker finds its channel, its leash and its bell under fixed numbers. The zygote holds these numbers
//! before the initializer runs, so that no descriptor of the initializer's gets one of them and is lost
//! when a worker takes it (`worker/zygote/mod.rs`). Blocks that the initializer has made are each worker's
//! own from the fork on (`call/block/inherited.rs`).
//!
//! # The parent of the workers
//!
//! By `CLONE_PARENT` a worker is a child of the pool's process and of the thread that starts workers there,
//! as if that had forked it: it is reaped there, it dies with that thread, and the end of the zygote does
//! not matter to it. So all that is said of workers elsewhere holds.
//!
//! A zygote that ends, or is stopped, is replaced. If that happens between its fork and its answer, nobody
//! knows of the worker: then the worker's own hello tells its process id, and it is ended ([`end_orphan`]).

use crate::{
    parent::launcher::{
        Command, Stop,
        exec::{self, Plan},
    },
    sys as calls,
    system::{
        descriptors,
        leash::{self, Leash},
        stream,
    },
    wire::{
        frame::{Decoder, Kind},
        handover::{CHANNEL, LEASH, MEMORY, OUTPUT, RING, start_error},
        hello::Hello,
    },
};
use brigade_trace::clock;
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

/// How long it may take to be set up, if the pool's builder has not said.
const SETUP_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a fork may take.
const FORK_TIMEOUT: Duration = Duration::from_secs(2);

/// The pool's side of a zygote. Ends and reaps the zygote when it is dropped.
#[derive(Debug)]
pub(crate) struct Zygote {
    pid: i32,
    channel: UnixStream,
    leash: Option<Leash>,
}

impl Zygote {
    /// Starts a zygote and waits until it is set up by the frame `setup`, or until the pool ends.
    pub(crate) fn start(plan: &Plan, command: &Command, setup: &[u8]) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| start_error(error, "socketpair"))?;
        calls::set_nonblocking(ours.as_fd()).map_err(|error| start_error(error, "fcntl"))?;
        let (leash, worn) = leash::new().map_err(|error| start_error(error, "pipe for its leash"))?;
        let forked = exec::fork(plan, &[(&OwnedFd::from(theirs), CHANNEL), (&worn, LEASH)])?;
        drop(worn);
        let zygote = Self { pid: forked.pid, channel: ours, leash: Some(leash) };
        forked.confirm(&command.stop)?;
        zygote.set_up(setup, command)?;
        Ok(zygote)
    }

    fn set_up(&self, setup: &[u8], command: &Command) -> io::Result<()> {
        let stop = &command.stop;
        let end = clock::after(clock::now(), command.setup_limit.unwrap_or(SETUP_TIMEOUT));
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
            match stream::receive(self.channel.as_fd(), &mut space)? {
                0 => return Err(io::Error::other("the zygote ended before it was set up")),
                received => decoder.push(&space[..received]),
            }
        }
    }

    /// Has the zygote fork a worker with these descriptors under these numbers. Returns the worker's
    /// process id.
    pub(crate) fn fork(&mut self, handed: &[(&OwnedFd, RawFd)], stop: &Stop) -> Result<i32, NoWorker> {
        let has = |number| handed.iter().any(|&(_, other)| other == number);
        let what = if has(MEMORY) { RING } else { 0 } | if has(1) { OUTPUT } else { 0 };
        let fds: Vec<_> = handed.iter().map(|(fd, _)| fd.as_fd()).collect();
        descriptors::send(self.channel.as_fd(), &[what], &fds).map_err(|_| NoWorker::NotAsked)?;
        match self.answer(stop) {
            Ok(pid) if pid > 0 => Ok(pid),
            Ok(code) => Err(NoWorker::Refused(start_error(
                io::Error::from_raw_os_error(code.wrapping_neg()),
                "fork by the zygote",
            ))),
            Err(error) => Err(NoWorker::Unknown(start_error(error, "asking the zygote"))),
        }
    }

    fn answer(&self, stop: &Stop) -> io::Result<i32> {
        if !stop.wait_for_input(self.channel.as_fd(), clock::now() + FORK_TIMEOUT)? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
        }
        let mut answer = [0; 4];
        match stream::receive(self.channel.as_fd(), &mut answer)? {
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

/// Ends and reaps the worker at the other end of this channel, if there is one. On this side nobody else
/// has the channel. The worker's zygote has ended without reporting it. The worker is let go only when its
/// hello has told its number.
pub(crate) fn end_orphan(channel: BorrowedFd<'_>, leash: Leash) {
    let (mut decoder, mut space) = (Decoder::default(), [0; 256]);
    // The end of the stream says that nobody has the other end.
    let is_there = calls::wait_for_input(channel, clock::now() + FORK_TIMEOUT).unwrap_or(false);
    let received = if is_there { stream::receive_at_once(channel, &mut space).unwrap_or(0) } else { 0 };
    decoder.push(&space[..received]);
    if let Ok(Some(frame)) = decoder.next()
        && let Ok(hello) = postcard::from_bytes::<Hello>(&frame.payload)
        && let Ok(pid) = i32::try_from(hello.pid)
    {
        // It is our child and was not reaped, so the number is its own.
        let _ = calls::kill(pid);
        drop(leash);
        let _ = calls::wait_for(pid);
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // A zygote has nothing to lose. Errors would mean that it is gone already, or another user's: then
        // the kernel kills it.
        let _ = calls::kill(self.pid);
        drop(self.leash.take());
        let _ = calls::wait_for(self.pid);
    }
}
