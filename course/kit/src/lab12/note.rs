//! The events that the harness sees, and the rules over them.

use crate::{events::at_most, log::Log};
use std::fmt;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A child is started.
    Start(usize),
    /// The pool kills a child.
    Kill(usize),
    /// Somebody else kills a child.
    Murder(usize),
    /// A child has ended.
    End(usize),
    /// The pool reaps a child.
    Reap(usize),
    /// A child runs the function for a call.
    Run(usize),
    /// A call is answered.
    Answer(usize, bool),
    /// The right to answer a call is dropped.
    Drop(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Start(child) => write!(f, "start child {child}"),
            Self::Kill(child) => write!(f, "kill child {child}"),
            Self::Murder(child) => write!(f, "kill -9: child {child} dies"),
            Self::End(child) => write!(f, "child {child} ends"),
            Self::Reap(child) => write!(f, "reap child {child}"),
            Self::Run(call) => write!(f, "run call {call}"),
            Self::Answer(call, true) => write!(f, "answer call {call}"),
            Self::Answer(call, false) => write!(f, "call {call} is lost"),
            Self::Drop(call) => write!(f, "drop the answer of call {call}"),
        }
    }
}

/// The number of calls that a test makes at most.
const MAX_CALLS: usize = 8;

/// Adds the rules that hold in all tests.
pub(super) fn demand_all(log: &Log<Note>) {
    log.demand("once", "each call is answered once", |notes| {
        for call in 0..MAX_CALLS {
            let is_answer = |note: &Note| matches!(*note, Note::Answer(of, _) if of == call);
            at_most(notes, 1, is_answer, |_| false).map_err(|_| format!("call {call} is answered twice"))?;
            if notes.contains(&Note::Drop(call)) && !notes.iter().any(is_answer) {
                return Err(format!("the answer of call {call} is dropped"));
            }
        }
        Ok(())
    });
    log.demand("rerun", "no call is run twice", |notes| {
        (0..MAX_CALLS).try_for_each(|call| {
            at_most(notes, 1, |note| *note == Note::Run(call), |_| false)
                .map_err(|_| format!("call {call} is run again"))
        })
    });
}
