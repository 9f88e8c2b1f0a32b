//! Why there is no result: the three ways in which spawned work can fail to produce one.

use std::{any::Any, borrow::Cow, fmt, time::Duration};

/// Why a [`JoinHandle`](crate::JoinHandle) has no result to give.
#[must_use]
pub enum JoinError {
    /// The work panicked. Holds what was passed to `panic!`: a `&'static str` or a `String` as a rule, a
    /// [`RemotePanic`] if the panic happened in another process.
    Panicked(Box<dyn Any + Send + 'static>),
    /// The work was cancelled before it could finish.
    Cancelled,
    /// The worker that had the work is gone, or its answer could not be read.
    Lost(Lost),
}

/// How a result got lost between a worker and the one who waits for it.
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
    /// The argument or the result could not be encoded or decoded, or has more bytes than a message carries; the text says which,
    /// and why.
    Codec(String),
    /// The worker answered with something that is not a frame of the protocol; the text says what was wrong.
    Protocol(String),
    /// No worker could be started; the text says why.
    NotStarted(String),
    /// The call ran for longer than it may, and its worker was killed.
    TimedOut {
        /// How long it may run.
        limit: Duration,
    },
    /// The worker took more memory than it may while it ran the call, and was killed.
    OverMemory {
        /// How much it may take, in bytes.
        limit: u64,
    },
    /// The call may be tried again, and was, but so many workers have ended under it that it is not given to one more.
    Quarantined {
        /// How many have ended.
        workers: u32,
        /// How the last one did.
        last: Box<Lost>,
    },
    /// The work was handed to an executor before this process was forked: its threads and its workers are the parent's.
    Forked,
    /// The thread that looks after the executor's workers could not go on, or not with this one: the text says why. It is a panic of ours, or of
    /// a launcher that the executor was given.
    Supervisor(String),
    /// The executor could not go on with any of its work: the text says why. It is a panic of ours, or a descriptor of the executor's that the
    /// program has closed.
    Executor(String),
    /// The executor dropped the work without running it and without a reason: a bug in that executor.
    Abandoned,
}

/// A panic that happened in another process: only its words crossed the boundary, not its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePanic {
    /// The panic's message.
    pub message: String,
    /// Where it happened, as `file:line:column`, if known.
    pub location: Option<String>,
}

impl JoinError {
    /// The panic's message, if this is a panic and its payload is a text: see [`panic_message`].
    pub fn panic_message(&self) -> Option<&str> {
        let Self::Panicked(payload) = self else { return None };
        panic_message(&**payload)
    }

    /// Where a panic of another process happened, as `file:line:column`.
    pub fn panic_location(&self) -> Option<&str> {
        let Self::Panicked(payload) = self else { return None };
        innermost(&**payload).downcast_ref::<RemotePanic>()?.location.as_deref()
    }

    /// Goes on with the panic on this thread.
    ///
    /// # Panics
    ///
    /// Always: with the work's own payload if it panicked, else with this error's text.
    #[track_caller]
    pub fn resume(self) -> ! {
        match self {
            Self::Panicked(payload) => std::panic::resume_unwind(payload),
            other => panic!("{other}"),
        }
    }
}

/// The payload that a panic began with, under the boxes and errors in which it was passed on.
fn innermost(mut payload: &(dyn Any + Send)) -> &(dyn Any + Send) {
    loop {
        payload = if let Some(inner) = payload.downcast_ref::<Box<dyn Any + Send>>() {
            &**inner
        } else if let Some(JoinError::Panicked(inner)) = payload.downcast_ref::<JoinError>() {
            &**inner
        } else {
            return payload;
        };
    }
}

/// The message in a panic's payload, if it is a text: a `&'static str`, a `String`, another owned `str`, or the words of a
/// [`RemotePanic`]. A payload that was panicked with once more, in its box or as a [`JoinError`], keeps its message.
///
/// ```
/// let payload = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new("no flour"))).unwrap_err();
/// assert_eq!(brigade_handle::panic_message(&*payload), Some("no flour"));
/// ```
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    let payload = innermost(payload);
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<Box<str>>() {
        Some(text)
    } else if let Some(text) = payload.downcast_ref::<Cow<'static, str>>() {
        Some(text)
    } else {
        payload.downcast_ref::<RemotePanic>().map(|panic| panic.message.as_str())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => {
                write!(f, "panicked: {}", self.panic_message().unwrap_or("(a payload that is not a text)"))?;
                match self.panic_location() {
                    Some(location) => write!(f, ", at {location}"),
                    None => Ok(()),
                }
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::Lost(lost) => write!(f, "lost: {lost}"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "the worker exited with code {code} before it answered"),
            Self::Killed { signal } => {
                write!(f, "the worker was killed by signal {signal} before it answered")
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_remote_panic_shows_its_message_and_its_place() {
        let panic = RemotePanic { message: "no flour".into(), location: Some("src/bake.rs:3:5".into()) };
        let error = JoinError::Panicked(Box::new(panic));
        assert_eq!(error.to_string(), "panicked: no flour, at src/bake.rs:3:5");
        assert_eq!(error.panic_message(), Some("no flour"));
    }

    #[test]
    fn a_payload_that_is_passed_on_keeps_its_words() {
        let panic = RemotePanic { message: "no flour".into(), location: Some("src/bake.rs:3:5".into()) };
        let payload: Box<dyn Any + Send> = Box::new(panic);
        let error = JoinError::Panicked(Box::new(JoinError::Panicked(Box::new(payload))));
        assert_eq!(error.to_string(), "panicked: no flour, at src/bake.rs:3:5");
        let texts: [Box<dyn Any + Send>; 4] = [
            Box::new("no flour"),
            Box::new("no flour".to_owned()),
            Box::new(Box::<str>::from("no flour")),
            Box::new(Cow::Borrowed("no flour")),
        ];
        for payload in texts {
            assert_eq!(panic_message(&*payload), Some("no flour"));
            assert_eq!(JoinError::Panicked(Box::new(payload)).panic_message(), Some("no flour"));
        }
    }

    #[test]
    fn a_payload_that_is_no_text_is_said_to_be_none() {
        let error = JoinError::Panicked(Box::new(7_u8));
        assert_eq!(error.to_string(), "panicked: (a payload that is not a text)");
    }
}
