//! A worker behind a command, as the pool sees it: the command's process, and the channel through it.

use super::{Ended, Fact, Facts, Launched, Stop, dial_back::DialBack, exec::Forked, local::ended};
use crate::sys;
use brigade_handle::Lost;
use std::{
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

pub(super) enum Connection {
    There(OwnedFd),
    /// The worker dials back.
    Awaited(DialBack),
}

/// The usual cause when frames over a command's standard streams do not arrive, or arrive among other
/// output.
const UNCHANGED: &str = "the command in front must pass the worker's stdin and stdout on unchanged and at once: \
     `srun` does with `--unbuffered` and without `--label`, `ssh` if no shell's startup file over there prints to \
     stdout; or let workers dial back, with `Argv::dial_back`";

/// A command that was started.
pub(super) struct ArgvWorker {
    pub(super) name: String,
    pub(super) forked: Option<Forked>,
    pub(super) pid: i32,
    pub(super) channel: Connection,
    /// The other end of the worker's stdin, from which it reads the token. It must not end before.
    pub(super) line: Option<UnixStream>,
    pub(super) dials: bool,
    /// It is known to pass streams on, or says itself why it does not.
    pub(super) is_known: bool,
    pub(super) exit: Option<OwnedFd>,
    pub(super) output: Option<[OwnedFd; 2]>,
    pub(super) stop: Arc<Stop>,
    pub(super) start_limit: Option<Duration>,
    /// How long the command may take to end after SIGTERM, if it cleans up then.
    pub(super) grace: Option<Duration>,
    /// SIGTERM was sent.
    pub(super) is_asked: bool,
    pub(super) facts: Arc<Facts>,
}

impl ArgvWorker {
    /// Ends the channel. A worker ends by itself when its channel does.
    fn hang_up(&self) -> io::Result<()> {
        match &self.channel {
            Connection::There(fd) => UnixStream::from(fd.try_clone()?).shutdown(Shutdown::Both),
            Connection::Awaited(_) => Ok(()),
        }
    }
}

impl Launched for ArgvWorker {
    fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    fn channel(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Connection::There(fd) => fd.as_fd(),
            Connection::Awaited(port) => port.knock(),
        }
    }

    fn connect(&mut self) -> io::Result<bool> {
        self.facts.told(Fact::Connection);
        let Connection::Awaited(port) = &self.channel else { return Ok(true) };
        let Some(stream) = port.admitted()? else { return Ok(false) };
        (self.channel, self.line) = (Connection::There(stream.into()), None);
        Ok(true)
    }

    fn advice(&self, lost: &Lost) -> Option<String> {
        match (&self.channel, lost) {
            (Connection::Awaited(port), _) => Some(match port.refused() {
                0 => format!("nobody has connected to {}", port.address()),
                count => format!(
                    "whoever has connected to {} lacks the token ({count} were sent away)",
                    port.address()
                ),
            }),
            (Connection::There(_), Lost::Protocol(_)) if !self.dials => Some(UNCHANGED.to_owned()),
            (Connection::There(_), Lost::NotStarted(_)) if !self.dials && !self.is_known => {
                Some(UNCHANGED.to_owned())
            }
            (Connection::There(_), _) => None,
        }
    }

    fn command(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn start_limit(&self) -> Option<Duration> {
        self.start_limit
    }

    fn grace(&self) -> Option<Duration> {
        self.grace
    }

    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    fn confirm(&mut self) -> io::Result<()> {
        self.forked.take().map_or(Ok(()), |forked| forked.confirm(&self.stop))
    }

    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.facts.told(Fact::Output);
        self.output.take()
    }

    fn kill(&mut self) -> io::Result<()> {
        if self.grace.is_some() && !self.is_asked {
            self.is_asked = true;
            let told = sys::terminate(self.pid);
            // The worker need not wait for the command. It comes second: a command whose worker ends of
            // itself would not clean up. An error means that the channel has ended already.
            let _ = self.hang_up();
            return told;
        }
        match sys::kill(self.pid) {
            // One of the two has changed its user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.hang_up(),
            done => done,
        }
    }

    fn wait(&mut self) -> io::Result<Option<Ended>> {
        ended(self.pid)
    }
}
