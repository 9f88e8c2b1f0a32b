//! A process pool whose children reply by a script: for code that calls into child processes.
//!
//! It takes the place of `brigade_process::ProcessPool` in a run, and has its methods: calls with time limits
//! and retries, maps, the ways to end. No process is started. Each child is a thread of the run that answers
//! calls, answers late, or dies, as the oracle or a [`script`](Builder::script) says. So the replies come in
//! every order, and a call is lost at each of its stages.
//!
//! The production supervisor does not run here. This pool keeps the promises of its documentation: a call
//! completes exactly once, a dead child takes only the call along that it ran, a call is tried again only if
//! that was asked for.
//!
//! ```
//! use brigade_explore::{Explore, Verdict, children::ProcessPool};
//!
//! // The sum of all answers, from a program that forgets that a child may die.
//! let verdict = Explore::new().coarse().explore_threads(|| {
//!     let procs = ProcessPool::builder().workers(2).deaths().build().unwrap();
//!     let squares = procs.map(|n: u32| n * n, 0..3);
//!     assert_eq!(squares.into_iter().flatten().sum::<u32>(), 5);
//! });
//! let Verdict::Failed(failed) = verdict else { panic!("an answer is lost under some schedules") };
//! assert_eq!(failed.schedule.deviations().len(), 1);
//! ```
//!
//! # Differences from processes
//!
//! Functions run in the process of the run, so they share its statics. A function that is running is not
//! interrupted: its time limit and [`kill_on_cancel`](CallBuilder::kill_on_cancel) count while its child is
//! late, and when it has returned. Options that concern the operating system are missing, and so are blocks.

mod call;
mod child;
mod pool;

pub use pool::{Builder, CallBuilder, ProcessPool};

use brigade_handle::explore::{Kind, pick};
use std::{fmt, time::Duration};

/// How a child replies to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It makes the call and answers.
    Answer,
    /// It makes the call and answers, so much later.
    AnswerLate(Duration),
    /// It dies before it makes the call.
    Die,
    /// It makes the call, and dies before it answers.
    DieAfterwards,
}

/// A delay that a busy machine may have.
const LATE: Duration = Duration::from_millis(100);
/// Longer than what most programs wait for.
const STALL: Duration = Duration::from_secs(60);

/// The way in which a pool finds its replies.
enum Script {
    /// The oracle chooses among these.
    Chosen(Vec<Reply>),
    /// The number of the call, from 0, decides. A call that is tried again keeps its number.
    Written(Box<dyn Fn(u64) -> Reply + Send + Sync>),
}

impl Script {
    fn reply(&self, number: u64) -> Reply {
        match self {
            Self::Chosen(ways) => ways[pick(Kind::Reply, ways.len())],
            Self::Written(script) => script(number),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(ways) => f.debug_tuple("Chosen").field(ways).finish(),
            Self::Written(_) => f.write_str("Written"),
        }
    }
}
