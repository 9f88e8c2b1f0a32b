//! Marks: moments that the program names, such as the step of an algorithm.

use crate::{
    clock,
    event::{Cause, Event, Kind},
    part,
    record::{self, on},
    site::Site,
};
use brigade_handle::Domain;
use std::panic::Location;

/// Marks this moment of the running task, or else of this thread, with a text that every view shows. Does
/// nothing while no session runs.
///
/// ```
/// use brigade_trace::{Kind, Session, mark};
///
/// let session = Session::start(16).unwrap();
/// mark(|| "the soup boils".into());
/// let trace = session.stop();
/// let mark = trace.events().find(|event| event.kind == Kind::Mark).unwrap();
/// assert_eq!(trace.labels[&mark.by], "the soup boils");
/// ```
#[inline]
#[track_caller]
pub fn mark(text: impl FnOnce() -> String) {
    if on() {
        record_mark(text, Location::caller());
    }
}

#[cold]
fn record_mark(text: impl FnOnce() -> String, at: &'static Location<'static>) {
    let by = record::draw_id(Domain::Mark);
    record::label(by, text);
    let (subject, detail) = (record::actor(), Site::of(at).number());
    part::push(Event { at: clock::stamp(), kind: Kind::Mark, subject, by, cause: Cause::Unknown, detail });
}
