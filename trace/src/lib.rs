//! One event model for tasks, jobs and calls: what happened, in which order, on which thread, and why.
//!
//! Every executor of Brigade records what it does with [`record`]. While no session runs, a call costs one
//! relaxed load and a branch. Between [`Session::start`] and [`Session::stop`] each thread writes to a ring
//! of its own and takes no lock. When a ring is full, the newest events are dropped and counted, or the
//! oldest are overwritten ([`Mode`]).
//!
//! # Nouns
//!
//! * [`Event`]: when, what ([`Kind`]), to whom ([`Id`]), by whom, and why ([`Cause`]). `event.rs` is the
//!   vocabulary.
//! * [`Site`]: the place in the program that spawned or waits, as a small number.
//! * [`Origin`]: the id of a task or a job with the site that spawned it, in one word.
//! * [`Resource`]: a lock, a channel or the like, as a trace sees it. [`Wait`]: a wait for one.
//! * [`Session`]: the time between start and stop. A process has one at a time.
//! * [`RecordingFile`]: a session that records a whole program into a file ([`record_to`], `BRIGADE_TRACE`).
//! * [`Trace`]: the events of a session; its `Display` is a plain-text dump with one line an event.
//! * [`clock`]: the clock of the ground floor, in the nanoseconds that events count in.
//!
//! # One worked example
//!
//! ```
//! use brigade_trace::{Cause, Domain, Id, Kind, Session, because, fresh_id, record};
//!
//! let session = Session::start(1024).unwrap();
//! let task = fresh_id(Domain::Task);
//! record(Kind::Spawn, task, 0);
//! because(Cause::Timer, || record(Kind::Wake, task, 0));
//! let trace = session.stop();
//! let wake = trace.events().find(|event| event.kind == Kind::Wake && event.subject == task).unwrap();
//! assert_eq!(wake.cause, Cause::Timer);
//! ```

mod children;
pub mod clock;
mod command;
mod cpu;
mod event;
mod export;
// The fuzz target sees more of it.
#[cfg_attr(not(fuzzing), allow(unreachable_pub))]
mod file;
mod limits;
mod listener;
pub mod live;
mod local;
mod mark;
mod origin;
mod part;
mod program;
mod record;
mod registry;
mod resource;
#[cfg_attr(not(loom), allow(unreachable_pub))]
mod ring;
mod session;
// Unsafe: the table of sites holds pointers to statics.
mod shared;
#[allow(unsafe_code)]
mod site;
mod sync;
mod wait;
mod worker_numbers;
mod worker_trace;

pub use brigade_handle::{Domain, Id, Subject};
pub use children::{ChildTrace, SharedWords};
pub use command::tell_command;
pub use event::{Cause, Event, Kind};
pub use export::{Epoch, Lane, Mode, ThreadTrace, Trace};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use file::hostile;
pub use file::{Problem, ProcessInfo, Recording, Role, Segment};
pub use mark::mark;
pub use origin::Origin;
pub use program::{RecordingFile, Writer, record_if_asked, record_to, recorded_by_parent, register_writer};
pub use record::{
    because, begin, complete, current, end, fresh_id, gap, label, lane, on, own_id, park, record, subject,
    unpark,
};
pub use resource::Resource;
#[cfg(loom)]
pub use ring::{Ring, RingWriter};
pub use session::{Builder, Busy, Session};
pub use shared::{WORKER_TRACE_CALLS, WORKER_TRACE_WORDS};
pub use site::{Site, record_spawn};
pub use wait::{Wait, left_child, runs_in_child, wait_begin, wait_begin_of, wait_end};
pub use worker_numbers::worker_numbers;
pub use worker_trace::WorkerTrace;
