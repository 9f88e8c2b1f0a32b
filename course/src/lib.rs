//! The grader of the course: it builds a student's package, runs each test of a lab in a process of its own,
//! and tells what it found.
//!
//! * [`Package`] is a student's code in a folder, which cargo builds to a runner.
//! * [`Submission`] is a runner, and how it is called.
//! * [`Marked`] is a test with its verdict, and [`Grade`] all those of a lab.
//! * [`Format`] names the forms in which a grade is written for other programs.
//!
//! `course/kit/src/runner.rs` is the other side: the `main` of the student's package.

mod formats;
mod grade;
pub mod mutant;
mod package;
mod picture;
mod show;
mod submission;

pub use formats::{Format, write};
pub use grade::{Grade, Marked, grade};
pub use package::{Look, Package, root};
pub use picture::draw;
pub use show::Show;
pub use submission::Submission;
