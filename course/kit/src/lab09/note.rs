//! The events that the harness sees, and the rules over them.

use super::system::Tried;
use crate::{
    events::{at_most, never},
    log::{Log, counted},
};
use std::fmt;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A stream is registered, or registered anew.
    Register(&'static str),
    /// The registration of a stream ends.
    Deregister(&'static str),
    /// A stream is closed.
    Close(&'static str),
    /// The selector reports a stream.
    Report { name: &'static str, reads: bool, writes: bool, ends: bool },
    /// Somebody tries to read.
    Read(&'static str, Tried),
    /// Somebody tries to write.
    Write(&'static str, Tried),
    /// A task is polled.
    Poll(&'static str),
    /// A task is woken.
    Wake(&'static str),
    /// The peer of a stream writes so many bytes.
    Send(&'static str, usize),
    /// The peer of a stream writes no more.
    End(&'static str),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Register(name) => write!(f, "register {name}"),
            Self::Deregister(name) => write!(f, "deregister {name}"),
            Self::Close(name) => write!(f, "close {name}"),
            Self::Report { name, reads, writes, ends } => {
                let words = [(reads, "readable"), (writes, "writable"), (ends, "end")];
                let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
                write!(f, "event: {name} {}", words.join(", "))
            }
            Self::Read(name, tried) => write!(f, "read {name}: {tried}"),
            Self::Write(name, tried) => write!(f, "write {name}: {tried}"),
            Self::Poll(task) => write!(f, "poll {task}"),
            Self::Wake(task) => write!(f, "wake {task}"),
            Self::Send(name, count) => write!(f, "{} to {name}", counted(count, "byte")),
            Self::End(name) => write!(f, "end of {name}"),
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(0) => f.write_str("the end"),
            Self::Done(count) => f.write_str(&counted(*count, "byte")),
            Self::WouldBlock => f.write_str("would block"),
            Self::Failed => f.write_str("an error"),
        }
    }
}

/// Demands that a read in vain has a report of its own: the first one needs none.
pub(super) fn demand_no_attempt_in_vain(log: &Log<Note>, stream: &'static str) {
    const EXPECTED: &str = "at most one read in vain, and one more for each event of the stream";
    log.demand("vain", EXPECTED, move |notes| {
        let is_vain = |note: &Note| *note == Note::Read(stream, Tried::WouldBlock);
        let is_report = |note: &Note| matches!(note, Note::Report { name, .. } if *name == stream);
        at_most(notes, 1, is_vain, is_report).map_err(|index| {
            let count = |is: &dyn Fn(&Note) -> bool| notes[..=index].iter().filter(|note| is(note)).count();
            let (vain, events) = (count(&is_vain), count(&is_report));
            format!("{} of {stream} in vain after {}", counted(vain, "read"), counted(events, "event"))
        })
    });
}

/// Demands that a stream is registered once, and deregistered before it is closed.
pub(super) fn demand_one_registration(log: &Log<Note>, stream: &'static str) {
    log.demand("registration", "a stream is registered once", move |notes| {
        at_most(notes, 1, |note| *note == Note::Register(stream), |_| false)
            .map_err(|_| format!("{stream} is registered again"))
    });
    log.demand(
        "registration",
        "the registration of a stream ends before the stream is closed",
        move |notes| {
            let is_registered = !notes.contains(&Note::Deregister(stream));
            never(notes, |note| is_registered && *note == Note::Close(stream))
                .map_err(|_| format!("{stream} is closed while it is registered"))
        },
    );
}
