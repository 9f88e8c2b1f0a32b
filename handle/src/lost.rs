//! How a result was lost, in one type for all executors.

use std::{fmt, time::Duration};

/// How a result was lost on its way from a worker to the code that waits for it.
///
/// ```
/// use brigade_handle::{JoinError, Lost};
///
/// let (completer, handle) = brigade_handle::pair::<u32>();
/// drop(completer);
/// assert!(matches!(handle.join(), Err(JoinError::Lost(Lost::Abandoned, _))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// The worker process exited with this code instead of answering.
    Exited {
        /// The exit code of the process.
        code: i32,
    },
    /// The worker process was killed by this signal.
    Killed {
        /// The number of the signal, such as 9 for SIGKILL.
        signal: i32,
    },
    /// The worker ran behind a command, on another machine perhaps, and the command has ended.
    CommandEnded(Box<CommandEnd>),
    /// The argument or the result could not be encoded or decoded, or has more bytes than a message
    /// carries. The text says which, and why.
    Codec(Box<str>),
    /// The worker answered with something that is not a frame of the protocol. The text says what was
    /// wrong.
    Protocol(Box<str>),
    /// No worker could be started. The text says why.
    NotStarted(Box<str>),
    /// The call ran for longer than allowed, and its worker was killed.
    TimedOut {
        /// How long the call may run.
        limit: Duration,
    },
    /// The worker took more memory than allowed while it ran the call, and was killed.
    OverMemory {
        /// How much memory the worker may take, in bytes.
        limit: u64,
    },
    /// The call may be retried, and was, but so many workers have ended under it that no further worker
    /// gets it.
    Quarantined {
        /// How many workers have ended.
        workers: u32,
        /// How the last one ended.
        last: Box<Lost>,
    },
    /// The work was given to an executor before this process was forked: its threads and its workers are
    /// the parent's.
    Forked,
    /// The thread that looks after the executor's workers could not go on, or not with this one. The text
    /// says why. This is a panic of our own, or of a launcher that the executor was given.
    Supervisor(Box<str>),
    /// The executor could not go on with any of its work. The text says why. This is a panic of our own,
    /// or a descriptor of the executor that the program has closed.
    Executor(Box<str>),
    /// The executor dropped the work without running it and without a reason: a bug in that executor.
    Abandoned,
}

/// How a command has ended that a worker ran behind. It is in a box, so that results that are lost in other
/// ways, and those that are not, stay small.
///
/// ```
/// use brigade_handle::{CommandEnd, Lost};
///
/// let end = Lost::Killed { signal: 9 };
/// let end = CommandEnd { command: "srun".into(), end, said: "STEP CANCELLED".into() };
/// assert!(Lost::CommandEnded(Box::new(end)).to_string().ends_with("`srun` said: STEP CANCELLED"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// The name of the command, such as `srun`.
    pub command: String,
    /// How the command has ended.
    pub end: Lost,
    /// The last lines that it printed on stderr, or that the worker did: mostly the reason.
    pub said: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "the worker exited with code {code} before it answered"),
            Self::Killed { signal } => {
                write!(f, "the worker was killed by signal {signal} before it answered")
            }
            Self::CommandEnded(ended) => {
                write!(f, "{}; `{}` said: {}", ended.end, ended.command, ended.said)
            }
            Self::Codec(why) => f.write_str(why),
            Self::Protocol(why) => write!(f, "the worker answered with garbage: {why}"),
            Self::NotStarted(why) => write!(f, "no worker could be started: {why}"),
            Self::TimedOut { limit } => {
                write!(f, "the call ran for more than {limit:?}, and its worker was killed")
            }
            Self::OverMemory { limit } => {
                write!(f, "the worker took more than {limit} bytes of memory, and was killed")
            }
            Self::Quarantined { workers, last } => {
                write!(
                    f,
                    "the call is not tried again, {workers} workers have ended under it; the last time {last}"
                )
            }
            Self::Forked => f.write_str(
                "its executor was made before the process forked, and works for the parent only; make a new one in the child",
            ),
            Self::Supervisor(why) => write!(f, "the pool could not look after the call: {why}"),
            Self::Executor(why) => write!(f, "the executor could not go on: {why}"),
            Self::Abandoned => f.write_str("the executor abandoned the work"),
        }
    }
}
