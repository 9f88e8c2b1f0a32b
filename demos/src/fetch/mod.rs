//! One HTTP request, with the same contract whichever client makes it.
//!
//! There are two clients: [`blocking`] (ureq) for threads and processes, and [`concurrent`] (hyper on our
//! runtime) for tasks. Both open a connection for each request, follow no redirect, use no proxy, read the
//! whole answer, give up after the same time and trust the same certificates (`tls.rs`), so that two modes
//! differ only in how they wait.

pub mod blocking;
pub mod concurrent;
mod resolver;
mod target;
mod tls;

use crate::remedy::remedy;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

pub use target::Target;

/// The result of a request: the status of the answer, or why there is none.
pub type Reply = Result<u16, Failure>;

/// Why a request, or any other piece of an experiment, failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure, for programs.
    pub kind: FailureKind,
    /// A phrase for people that goes on after a colon and says what happened.
    pub message: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The text is not a URL, or not a URL that we fetch.
    Url,
    /// The host's name has no address.
    Resolve,
    /// Nobody listens there.
    Refused,
    /// The connection ended before the answer was whole.
    Reset,
    /// The request took too long.
    Timeout,
    /// The two sides could not agree on trust or encryption.
    Tls,
    /// The answer came, and its status is no success (200 to 299).
    Status,
    /// The answer was not HTTP.
    Protocol,
    /// The worker that had the request is gone.
    Lost,
    /// The code that made the request panicked.
    Panicked,
    /// The operating system reported something else.
    Io,
}

impl FailureKind {
    /// The name of the kind in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::Lost => "lost",
            Self::Panicked => "panicked",
            Self::Io => "io",
        }
    }
}

impl Failure {
    /// A failure of this kind, with a message that says what happened.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Translates an error of the operating system.
    pub fn from_io(error: &io::Error) -> Self {
        let (kind, message) = match error.kind() {
            io::ErrorKind::ConnectionRefused => (FailureKind::Refused, "nobody listens there".into()),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => {
                (FailureKind::Reset, "the server hung up before it had answered".into())
            }
            io::ErrorKind::TimedOut => (FailureKind::Timeout, "the network gave up waiting".into()),
            // rustls reports a rejection as invalid data.
            io::ErrorKind::InvalidData => (FailureKind::Tls, tls::explain_io(error)),
            _ if is_name_failure(error) => (FailureKind::Resolve, "the host name has no address".into()),
            _ => {
                let message = error.to_string();
                let remedy = remedy(&message).unwrap_or_default();
                (FailureKind::Io, format!("{message}{remedy}"))
            }
        };
        Self { kind, message }
    }

    /// Translates the error of a worker that gave no result.
    pub fn from_join(error: &brigade_handle::JoinError) -> Self {
        use brigade_handle::JoinError;
        match error {
            JoinError::Panicked(..) => {
                Self::new(FailureKind::Panicked, error.panic_message().unwrap_or("it did not say why"))
            }
            JoinError::Lost(lost, _) => Self::new(FailureKind::Lost, lost.to_string()),
            JoinError::Cancelled(_) => Self::new(FailureKind::Lost, error.to_string()),
        }
    }

    /// The failure of a request that was not over after `seconds`.
    pub fn timeout(seconds: f64) -> Self {
        Self::new(FailureKind::Timeout, format!("no answer within {seconds} s"))
    }
}

/// Whether the resolver failed. The standard library gives such an error no kind of its own.
fn is_name_failure(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Failure {}
