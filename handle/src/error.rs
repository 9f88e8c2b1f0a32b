//! Why there is no result: the three ways in which spawned work can fail to produce one.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

/// Why a [`JoinHandle`](crate::JoinHandle) has no result.
///
/// ```
/// use brigade_handle::JoinError;
///
/// let (_completer, handle) = brigade_handle::pair::<u32>();
/// handle.cancel();
/// match handle.join() {
///     Ok(number) => println!("{number}"),
///     Err(JoinError::Cancelled) => println!("cancelled"),
///     Err(JoinError::Panicked(payload)) => std::panic::resume_unwind(payload),
///     Err(JoinError::Lost(lost)) => println!("{lost}"),
/// }
/// ```
#[doc(alias("BrokenProcessPool", "CancelledError"))]
#[must_use]
pub enum JoinError {
    /// The work panicked. Holds the payload that was passed to `panic!`: normally a `&'static str` or a
    /// `String`, or a [`RemotePanic`] if the panic happened in another process.
    Panicked(Box<dyn Any + Send + 'static>),
    /// The work was cancelled before it could finish.
    Cancelled,
    /// The worker that had the work is gone, or its answer could not be read.
    Lost(Lost),
}

/// How a result was lost on its way from a worker to the code that waits for it.
///
/// ```
/// use brigade_handle::{JoinError, Lost};
///
/// let (completer, handle) = brigade_handle::pair::<u32>();
/// drop(completer);
/// assert!(matches!(handle.join(), Err(JoinError::Lost(Lost::Abandoned))));
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
    Codec(String),
    /// The worker answered with something that is not a frame of the protocol. The text says what was
    /// wrong.
    Protocol(String),
    /// No worker could be started. The text says why.
    NotStarted(String),
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
    Supervisor(String),
    /// The executor could not go on with any of its work. The text says why. This is a panic of our own,
    /// or a descriptor of the executor that the program has closed.
    Executor(String),
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

/// A panic that happened in another process. Only its text crossed the boundary, not its payload.
///
/// ```
/// use brigade_handle::{JoinError, RemotePanic};
///
/// let panic = RemotePanic { message: "no flour".into(), location: Some("bake.rs:7:5".into()) };
/// let error = JoinError::Panicked(Box::new(panic));
/// assert_eq!(error.panic_message(), Some("no flour"));
/// assert_eq!(error.panic_location(), Some("bake.rs:7:5"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePanic {
    /// The panic's message.
    pub message: String,
    /// The place of the panic, as `file:line:column`, if known.
    pub location: Option<String>,
}

impl JoinError {
    /// Returns the panic's message, if this is a panic and its payload is a text: see [`panic_message`].
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// let payload = std::panic::catch_unwind(|| panic!("no flour")).unwrap_err();
    /// assert_eq!(JoinError::Panicked(payload).panic_message(), Some("no flour"));
    /// assert_eq!(JoinError::Cancelled.panic_message(), None);
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        let Self::Panicked(payload) = self else { return None };
        panic_message(&**payload)
    }

    /// Returns the place of a panic of another process, as `file:line:column`.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// // Only a panic of another process has a place.
    /// let payload = std::panic::catch_unwind(|| panic!("no flour")).unwrap_err();
    /// assert_eq!(JoinError::Panicked(payload).panic_location(), None);
    /// ```
    pub fn panic_location(&self) -> Option<&str> {
        let Self::Panicked(payload) = self else { return None };
        innermost(&**payload).downcast_ref::<RemotePanic>()?.location.as_deref()
    }

    /// Continues the panic on this thread.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let payload = catch_unwind(|| panic!("no flour")).unwrap_err();
    /// let resume = AssertUnwindSafe(|| JoinError::Panicked(payload).resume());
    /// let again = catch_unwind(resume).unwrap_err();
    /// assert_eq!(again.downcast_ref(), Some(&"no flour"));
    /// ```
    ///
    /// # Panics
    ///
    /// Always panics: with the work's own payload if it panicked, otherwise with this error's text.
    #[track_caller]
    pub fn resume(self) -> ! {
        match self {
            Self::Panicked(payload) => std::panic::resume_unwind(payload),
            other => panic!("{other}"),
        }
    }
}

/// Returns the payload of the original panic, under the boxes and errors in which it was passed on.
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

/// Returns the message in a panic's payload, if it is a text: a `&'static str`, a `String`, another owned
/// `str`, or the message of a [`RemotePanic`]. If code panicked again with a payload, in its box or as a
/// [`JoinError`], the message is still found.
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

// The payload is from a panic that was caught, so no holder takes it for more than that.
impl UnwindSafe for JoinError {}
impl RefUnwindSafe for JoinError {}

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_since_every_result_has_room_for_one() {
        // The largest variants hold a String.
        assert!(size_of::<JoinError>() <= size_of::<String>() + size_of::<usize>());
    }

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
    fn a_payload_that_is_no_text_has_no_message() {
        let error = JoinError::Panicked(Box::new(7_u8));
        assert_eq!(error.to_string(), "panicked: (a payload that is not a text)");
    }
}
