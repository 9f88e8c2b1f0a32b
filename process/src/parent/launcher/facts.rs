//! The facts that a launcher must pass on if it wraps another one.
//!
//! Some methods of [`Launched`](super::Launched) have a default, so a wrapper compiles without them. For a
//! worker of this crate's own launchers the default may be wrong: its calls would hang, or its command would
//! be left behind. So these launchers note on the command what they have done, and the pool compares that
//! with what the worker that it was given says. A wrapper that has forgotten a method fails at its first
//! start, with the method's name.
//!
//! The methods whose default does no harm are not checked: without `advice` and `command` an error says
//! less, and without `delivers_at_once` the end of a worker is noticed up to a second later.

use std::{
    fmt, io,
    sync::atomic::{AtomicU8, Ordering},
};

/// Something that a worker must say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fact {
    /// It was handed a ring.
    Ring = 1,
    /// Its setup lies in its channel.
    Setup = 1 << 1,
    /// The pipes of its output were made, and nobody has taken them.
    Output = 1 << 2,
    /// There is no channel yet, and nobody has asked for it.
    Connection = 1 << 3,
    /// Its command is asked to end before it is killed.
    Grace = 1 << 4,
    /// It may take another time to start than the usual one.
    StartLimit = 1 << 5,
}

const ALL: [Fact; 6] =
    [Fact::Ring, Fact::Setup, Fact::Output, Fact::Connection, Fact::Grace, Fact::StartLimit];

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring => "has_ring",
            Self::Setup => "has_setup",
            Self::Output => "output",
            Self::Connection => "connect",
            Self::Grace => "grace",
            Self::StartLimit => "start_limit",
        })
    }
}

/// The facts about one worker.
#[derive(Debug, Default)]
pub(crate) struct Facts(AtomicU8);

impl Facts {
    pub(crate) fn note(&self, fact: Fact) {
        // Relaxed: the launcher and the pool look on one thread, one after the other.
        self.0.fetch_or(fact as u8, Ordering::Relaxed);
    }

    /// Notes that the pool knows.
    pub(crate) fn told(&self, fact: Fact) {
        // Relaxed: see `note`.
        self.0.fetch_and(!(fact as u8), Ordering::Relaxed);
    }

    /// An error if there is something that the pool was not told.
    pub(crate) fn check(&self) -> io::Result<()> {
        // Relaxed: see `note`.
        let untold = self.0.load(Ordering::Relaxed);
        match ALL.into_iter().find(|&fact| untold & fact as u8 != 0) {
            None => Ok(()),
            Some(fact) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "starting a worker: its launcher wraps another one's worker and forgets a method of it: pass \
                     `Launched::{fact}` on"
                ),
            )),
        }
    }
}
