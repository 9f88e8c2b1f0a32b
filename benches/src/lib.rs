//! The cost of Brigade, beside sequential baselines and beside its peers in the same run.
//!
//! Two programs read the same lists of benches:
//!
//! * `cargo bench -p brigade-benches` runs criterion, with its statistics, history and HTML report. Each
//!   group has a bench file.
//! * `cargo run --release -p brigade-benches --bin compare -- [GROUP] [NAME…]` runs Brigade and the peer by
//!   turns, and shows the ratios that Brigade's goals are about. Absolute times do not travel from machine to
//!   machine; ratios do.
//!
//! # Nouns
//!
//! * [`bench`](mod@bench): a bench, its two sides, its rows and goals.
//! * [`group`]: the five lists of benches. [`group::demos`] holds the two headline experiments, in their
//!   modes.
//! * [`run`]: the interleaved measurement and its statistics.
//! * [`report`]: the table, JSON, `RESULTS.md`, the table in `README.md`, and the same benches under
//!   criterion.
//! * [`roles`]: the roles of the executable as a child of itself.
//!
//! # Fairness
//!
//! Both sides have the same number of workers, are warm, do the same work, and their results are checked.
//! Both are release builds in one process with the system's allocator. After each run the side comes to rest,
//! so that the CPU time that its workers use on their way to sleep is counted for that side.

pub mod bench;
mod cpu;
pub mod group;
mod load;
mod python;
pub mod report;
pub mod roles;
pub mod run;
pub mod scaling;
// Unsafe: calls of libc for CPU time, affinity and limits.
#[allow(unsafe_code)]
mod sys;
