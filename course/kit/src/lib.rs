//! The parts of a lab: the trait that the student fills, the types that the student's code is built with, and
//! the harness that grades it.
//!
//! The student's package depends on this crate alone. Its locks, atomics and threads come from [`sync`] and
//! [`thread`]; there the exploring scheduler decides which thread goes on, so that every test runs under many
//! interleavings and each failure can be replayed. Nothing depends on the time of the machine: a test has a
//! budget of steps, and a sleep of an hour passes at once.
//!
//! ```text
//!   brigade-course ── starts ──> my-labs/01-block-on (runner) ── forks ──> child: one run after another
//!        ▲                                  │                               runs the student's code,
//!        └──── one line of JSON a test ─────┘                               with limits (`sys.rs`)
//! ```
//!
//! # Nouns
//!
//! * A [`Lab`] has a trait, some [`Test`]s with points, and hints.
//! * A **case** is one run of a test: its code, and the numbers that its seed gives.
//! * An **event** is what the harness sees from its side of the trait: a poll, a wake-up, a drop.
//! * A **rule** is what a test demands of the events. A broken rule ends the run, and has a [`Hint`].
//! * A [`Verdict`] says of one test whether it passed, and if not, under which schedule.

mod case;
pub mod events;
mod gate;
mod hand;
mod lab;
pub mod lab01;
pub mod lab02;
pub mod lab03;
pub mod lab04;
pub mod lab05;
pub mod lab06;
pub mod lab07;
pub mod lab08;
pub mod lab09;
pub mod lab11;
pub mod lab12;
mod log;
mod outcome;
mod real;
pub mod runner;
pub mod sync;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
pub mod thread;

pub use case::Case;
pub use lab::{Hint, Incident, Lab, Question, Stuck, Test, find};
pub use outcome::{Finding, Picture, Verdict};

/// All labs, in their order.
pub const LABS: &[&Lab] = &[
    &lab01::LAB,
    &lab02::LAB,
    &lab03::LAB,
    &lab04::LAB,
    &lab05::LAB,
    &lab06::LAB,
    &lab07::LAB,
    &lab08::LAB,
    &lab09::LAB,
    &lab11::LAB,
    &lab12::LAB,
];

/// Stands in a skeleton for code that the student writes. The grader names the step.
///
/// # Panics
///
/// Always.
///
/// ```should_panic
/// brigade_course_kit::to_write("step 1: poll the future once");
/// ```
#[track_caller]
pub fn to_write(step: &str) -> ! {
    if brigade_explore::handle::explore::is_managed() || real::is_running() {
        log::broken("unwritten", "this step is written", &format!("it is not: {step}"));
    }
    panic!("not written yet: {step}");
}
