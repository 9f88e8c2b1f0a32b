//! Attaching: a running program shows its wait-for graph to `brigade tree` and `brigade top`.
//!
//! ```text
//!   brigade tree 4711                      the program, process 4711
//!     connect ───────────────────────────▶ abstract socket "brigade-attach-4711"
//!     is it this process, of this user? ◀▶ is it this user?
//!     "brigade 1" ───────────────────────▶
//!             ◀─────────────────────────── "brigade 1", the graph, "end"
//! ```
//!
//! The socket has a name in the abstract namespace of Linux and no file. So nothing is left of it when the
//! process ends, however it ends. Each side asks the kernel for the user of the other side, and the one that
//! attaches also whether the process is the one that was meant: another program may have taken the name.
//!
//! One thread answers one peer after the other. It reads a line of at most [`REQUEST_MAX`] bytes, and gives
//! each peer [`PEER_TIME`] in all.

mod server;
// Unsafe: a system call tells who is at the other end of a socket.
#[allow(unsafe_code)]
mod sys;
mod wire;

pub use server::{Attachable, attachable, attachable_if_wanted};

use super::graph::WaitGraph;
use std::{
    fmt,
    io::{self, Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    path::Path,
    time::Duration,
};

/// The version of what the two sides say to each other.
const VERSION: &str = "brigade 1";
/// The most bytes of a request.
const REQUEST_MAX: usize = 64;
/// The time that a peer may take in all.
const PEER_TIME: Duration = Duration::from_secs(2);
/// The most bytes of an answer that are read: some hundred for each agent.
const ANSWER_MAX: u64 = 1 << 30;

fn address(process: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("brigade-attach-{process}"))
}

/// The state of a program at one time.
///
/// ```
/// assert_eq!(brigade_trace::live::Snapshot::default().process, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The process.
    pub process: u32,
    /// The name of the program.
    pub program: String,
    /// The agents, their waits, and the threads.
    pub graph: WaitGraph,
}

/// The reason why a program cannot be attached to.
///
/// ```
/// use brigade_trace::live::{AttachError, fetch};
///
/// // No process has this number.
/// assert!(matches!(fetch(u32::MAX), Err(AttachError::NoProcess)));
/// let late = AttachError::from(std::io::Error::from(std::io::ErrorKind::WouldBlock));
/// assert!(late.to_string().starts_with("it does not answer"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// There is no such process.
    NoProcess,
    /// It is no program of ours, or it has not opted in.
    NotAttachable,
    /// It belongs to another user.
    OtherUser,
    /// It speaks another version, which is named.
    OtherVersion(String),
    /// The connection failed.
    Io(io::Error),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProcess => f.write_str("there is no such process"),
            Self::NotAttachable => f.write_str(
                "it does not use Brigade, or has not opted in: start it with BRIGADE_ATTACH=1, or have it call \
                 brigade_trace::live::attachable",
            ),
            Self::OtherUser => f.write_str("it belongs to another user, and only that user can attach to it"),
            Self::OtherVersion(theirs) => {
                write!(f, "it speaks another version ({theirs}, not {VERSION}): use the `brigade` it was built with")
            }
            // Not in the words of the kernel, which are about another resource.
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => f.write_str(
                "it does not answer: it may be stopped, or others attach at the same time",
            ),
            Self::Io(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl std::error::Error for AttachError {}

impl From<io::Error> for AttachError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Asks a running program for its state.
///
/// ```
/// use brigade_trace::live;
///
/// let _attachable = live::attachable()?;
/// let own = live::fetch(std::process::id()).unwrap();
/// assert_eq!(own.process, std::process::id());
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// Fails if there is no such process, or it cannot be attached to; the error says why.
pub fn fetch(process: u32) -> Result<Snapshot, AttachError> {
    let mut stream = UnixStream::connect_addr(&address(process)?).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused if Path::new(&format!("/proc/{process}")).exists() => {
            AttachError::NotAttachable
        }
        io::ErrorKind::ConnectionRefused => AttachError::NoProcess,
        _ => AttachError::Io(error),
    })?;
    let peer = sys::peer(&stream)?;
    if peer.user != sys::user() && sys::user() != 0 {
        return Err(AttachError::OtherUser);
    }
    if peer.process != process {
        return Err(AttachError::NotAttachable);
    }
    stream.set_read_timeout(Some(PEER_TIME))?;
    stream.set_write_timeout(Some(PEER_TIME))?;
    stream.write_all(format!("{VERSION}\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (version, rest) = answer.split_once('\n').unwrap_or((&answer, ""));
    match version {
        VERSION => {}
        "other user" => return Err(AttachError::OtherUser),
        theirs => {
            return Err(AttachError::OtherVersion(
                theirs.chars().filter(|c| !c.is_control()).take(40).collect(),
            ));
        }
    }
    let garbled =
        || AttachError::Io(io::Error::new(io::ErrorKind::InvalidData, "the answer is not complete"));
    wire::decode(rest).ok_or_else(garbled)
}
