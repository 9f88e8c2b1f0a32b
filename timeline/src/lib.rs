//! One timeline of tasks, threads and processes that says what each wait waited for.
//!
//! This crate reads a [`Recording`] and shows it. Nothing below it knows how a recording is shown.
//!
//! # Nouns
//!
//! * [`Timeline`]: the events put in order, and turned into rows of spans (`build/`).
//! * [`Unit`]: a task, job, call, future or child process.
//! * [`Span`]: a time in which a unit or thread was in one [`State`]: ready, running, waiting.
//! * [`why`]: where the time went, as an [`Explanation`] whose parts add up to the wall time (`explain/`).
//! * [`text()`]: the timeline as lines of text. [`page()`]: the recording as one page,
//!   which needs no network; [`html()`]: the same without the explanation.
//!   [`svg()`]: a static picture. [`perfetto()`]: a trace for Perfetto's viewer.
//!
//! # One worked example
//!
//! ```
//! use brigade_trace::{Domain, Kind, Recording, Session, begin, end, fresh_id, record};
//!
//! let session = Session::start(64).unwrap();
//! let task = fresh_id(Domain::Task);
//! record(Kind::Spawn, task, 0);
//! begin(task);
//! end(task, 1);
//! let timeline = brigade_timeline::Timeline::of(&Recording::from(session.stop()));
//! assert_eq!(timeline.units.len(), 1);
//! assert!(brigade_timeline::text(&timeline, 80).contains("tasks"));
//! assert!(brigade_timeline::html(&timeline, "soup").starts_with("<!DOCTYPE html>"));
//! ```
//!
//! [`Recording`]: brigade_trace::Recording

mod build;
mod explain;
mod html;
mod model;
mod page;
mod perfetto;
mod reasons;
mod svg;
mod text;
mod words;
// Unsafe: a static in a section of the executable, which the loader reads.
#[allow(unsafe_code)]
mod writers;

pub use brigade_trace::Recording;
pub use explain::{
    Bucket, CannotExplain, Change, Difference, Edit, Explanation, Prediction, Reason, WhatIf, diff, what_if,
    why,
};
pub use html::html;
pub use model::{
    Edge, EdgeKind, Group, GroupKind, Link, Mark, Outcome, Process, Queue, Resource, Row, Span, State,
    Thread, Timeline, Unit, Wake,
};
pub use page::page;
pub use perfetto::perfetto;
pub use svg::svg;
pub use text::{lanes, text};
pub use words::harmless;
