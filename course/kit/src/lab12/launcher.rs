//! The children as the student sees them: a launcher, a child, and the channel between the two sides.

use super::{
    Note, ProcessPool, Serve,
    forked::{ForkedChild, ForkedEnd, Forks},
    simulated::{Side, SimulatedChild, Simulation},
};
use crate::log::Log;
use std::{fmt, io};

/// Starts children, which run your `serve`.
#[derive(Clone)]
pub struct Launcher(Launches);

#[derive(Clone)]
enum Launches {
    Simulated(Simulation),
    Forked(Forks),
}

/// A child. To drop it closes the channel, and does not reap it.
pub struct Child {
    kind: ChildKind,
    channel: Channel,
}

enum ChildKind {
    Simulated(SimulatedChild),
    Forked(ForkedChild),
}

/// One side of the connection between a pool and a child: a stream of bytes in each direction.
pub struct Channel(pub(super) End);

pub(super) enum End {
    Simulated(Side),
    Forked(ForkedEnd),
}

/// The behaviour of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It answers its first call with bytes that are no frame.
    Garbage,
    /// It kills itself at this operation on its channel.
    DiesAt(u32),
}

impl Launcher {
    pub(super) fn simulated<S: ProcessPool>(log: &Log<Note>, manners: &[Manner]) -> Self {
        Self(Launches::Simulated(Simulation::new(log, S::serve as Serve, manners)))
    }

    pub(super) fn forked<S: ProcessPool>(log: &Log<Note>, manners: &[Manner]) -> Self {
        Self(Launches::Forked(Forks::new(log, S::serve as Serve, manners)))
    }

    /// Starts a child.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn launch(&self) -> io::Result<Child> {
        let (kind, end) = match &self.0 {
            Launches::Simulated(simulation) => {
                let (child, side) = simulation.launch();
                (ChildKind::Simulated(child), End::Simulated(side))
            }
            Launches::Forked(forks) => {
                let (child, end) = forks.launch()?;
                (ChildKind::Forked(child), End::Forked(end))
            }
        };
        Ok(Child { kind, channel: Channel(end) })
    }

    /// Kills a simulated child from outside, if it was started and has not ended.
    pub(super) fn kill(&self, child: usize) {
        if let Launches::Simulated(simulation) = &self.0 {
            simulation.murder(child);
        }
    }

    /// Demands that all children are reaped.
    pub(super) fn check(&self) {
        if let Launches::Simulated(simulation) = &self.0 {
            simulation.check();
        }
    }
}

impl Child {
    /// Returns the pool's side of the channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Kills the child: `kill -9`. A child that has ended and is not reaped takes no notice.
    pub fn kill(&self) {
        match &self.kind {
            ChildKind::Simulated(child) => child.kill(),
            ChildKind::Forked(child) => child.kill(),
        }
    }

    /// Waits until the child has ended, and reaps it: the operating system forgets it, and may give its
    /// number to another process.
    pub fn wait(&self) {
        match &self.kind {
            ChildKind::Simulated(child) => child.wait(),
            ChildKind::Forked(child) => child.wait(),
        }
    }
}

impl Channel {
    /// Reads what is there, at most so much that `place` is full. Waits until there is something. Returns 0
    /// at the end: the other side has closed its side, or has died.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn read(&self, place: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            End::Simulated(side) => side.read(place),
            End::Forked(end) => end.read(place),
        }
    }

    /// Writes some of the bytes, from the first one on. Returns their number.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the other side has closed its side, or has died.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            End::Simulated(side) => side.write(bytes),
            End::Forked(end) => end.write(bytes),
        }
    }

    /// Closes the direction in which this side writes. The other side reads the end.
    pub fn close(&self) {
        match &self.0 {
            End::Simulated(side) => side.close(),
            End::Forked(end) => end.close(),
        }
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").finish_non_exhaustive()
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").finish_non_exhaustive()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
