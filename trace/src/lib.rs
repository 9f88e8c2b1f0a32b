//! What happened, in which order, on which thread, and why: one event model for tasks, jobs and calls.
//!
//! Every executor of Brigade records what it does by [`record`]. While nobody listens that costs one relaxed load and a
//! branch. Between [`Session::start`] and [`Session::stop`] each thread writes to a ring of its own, without a lock; when
//! a ring is full the newest events are dropped and counted, never silently.
//!
//! # Nouns
//!
//! * [`Event`]: when, what ([`Kind`]), to whom ([`Id`]), by whom, and why ([`Cause`]). `event.rs` is the vocabulary.
//! * [`Session`]: the time between start and stop. One at a time in a process.
//! * [`Trace`]: what a session saw; its `Display` is a plain-text dump, a line an event.
//! * [`clock`]: the one place that reads the time of the operating system.
//!
//! # One worked example
//!
//! ```
//! use brigade_trace::{Cause, Domain, Id, Kind, Session, because, record};
//!
//! let session = Session::start(1024).unwrap();
//! let task = Id::fresh(Domain::Task);
//! record(Kind::Spawn, task, 0);
//! because(Cause::Timer, || record(Kind::Wake, task, 0));
//! let trace = session.stop();
//! let wake = trace.events().find(|event| event.kind == Kind::Wake && event.subject == task).unwrap();
//! assert_eq!(wake.cause, Cause::Timer);
//! ```

pub mod clock;
mod event;
mod export;
mod record;
#[cfg_attr(not(loom), allow(unreachable_pub))]
mod ring;
mod sync;

pub use event::{Cause, Domain, Event, Id, Kind};
pub use export::{ThreadTrace, Trace};
pub use record::{Busy, Session, because, begin, current, end, label, on, record};
#[cfg(loom)]
pub use ring::Ring;
