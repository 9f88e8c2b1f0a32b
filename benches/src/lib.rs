//! What Brigade costs: against sequential baselines, and against its peers in the same run.
//!
//! Two programs read the same lists of benches:
//!
//! * `cargo bench -p brigade-benches`: criterion, with its statistics, history and HTML report; one bench file a group.
//! * `cargo run --release -p brigade-benches --bin compare -- [GROUP] [NAME…]`: ours and the peer by turns, with the
//!   ratios that Brigade's goals are about. Absolute times do not travel from machine to machine; ratios do.
//!
//! # Nouns
//!
//! * [`bench`](mod@bench): a bench, its two sides, its rows and goals.
//! * [`group`]: the four lists; [`group::demos`] holds the two headline experiments, in their modes.
//! * [`run`]: the interleaved measurement and its statistics.
//! * [`report`]: the table, JSON, and `RESULTS.md`; the same benches under criterion.
//! * [`roles`]: what the executable does as a child of itself.
//!
//! # Fairness
//!
//! Both sides have the same number of workers, are warm, do the same work and give results that are checked; both are
//! release builds in one process with the system's allocator. After each run both come to rest, so that what a side's
//! workers burn on their way to sleep is counted for that side.

pub mod bench;
mod cpu;
pub mod group;
mod load;
mod python;
pub mod report;
pub mod roles;
pub mod run;
// Unsafe: calls of libc for CPU time, affinity and limits.
#[allow(unsafe_code)]
mod sys;
