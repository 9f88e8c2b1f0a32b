//! The file format `.brigade`, version 1: segments of events that can be concatenated.
//!
//! A segment is the recording of one process. `cat parent.brigade child.brigade > both.brigade` is a valid
//! file. All fixed-width numbers are little-endian; a *varint* has seven bits a byte, lowest first, and the
//! highest bit of a byte says that another follows; a *text* is a varint length and UTF-8 bytes.
//!
//! ```text
//! file      ┌─────────┬─────────┬──────
//!           │ segment │ segment │ …
//!           └─────────┴─────────┴──────
//! segment   ┌───────────────┬─────────────┬────────────┬─────────┬─────────┬───
//!           │ "BRIGADE\x01" │ version u16 │ length u64 │ section │ section │ …       length: of all sections
//!           └───────────────┴─────────────┴────────────┴─────────┴─────────┴───
//! section   ┌────────┬───────────────┬─────────┬───────────────┐
//!           │ tag u8 │ length varint │ payload │ FNV-1a-32 u32 │                    length: of the payload
//!           └────────┴───────────────┴─────────┴───────────────┘
//!
//! tag  payload
//!  1   PROCESS  process id varint · role u8 (0 parent, 1 child, 2 remote) · monotonic time u64 ·
//!               unix time u64 · host text · command: count varint, then its words (not in older files);
//!               the times are those of the epoch, in nanoseconds, 0 if unknown
//!  2   NAMES    for each of kinds, causes, domains: count varint, then the texts in the order of their bytes
//!  3   STRINGS  count varint, then texts: the pool that sites and labels refer to
//!  4   SITES    count varint, then for each: number varint · a string's index varint
//!  5   LABELS   count varint, then for each: domain u8 · number varint · a string's index varint
//!  6   THREAD   name text · thread id varint · process id varint · lane u8 (the numbers of `Lane`) ·
//!               own id (domain u8 · number varint) · mode u8 (0 keeps the first events, 1 the last) ·
//!               dropped varint · count varint · events
//! event     ┌─────────┬──────────┬─────────────┬───────────┬──────┬──────────┬──────────┐
//!           │ kind u8 │ flags u8 │ time varint │ [subject] │ [by] │ [cause]  │ [detail] │
//!           └─────────┴──────────┴─────────────┴───────────┴──────┴──────────┴──────────┘
//! flags      7   6 5       4        3 2      1 0
//!            0  detail   cause?     by     subject
//! ```
//!
//! The time is the difference from the previous event of the thread. An id that is neither none nor one of
//! the previous event's is its domain and the difference from the last number of that domain; a detail is the
//! difference from the last detail of that kind. Differences are zigzag-coded: 0, −1, 1, −2 … A typical event
//! takes five to seven bytes (`delta.rs`).
//!
//! A reader maps kinds, causes and domains through the names in the file. So it can read events whose numbers
//! have changed, and it can say which kinds it does not know. It skips sections with a tag that it does not
//! know, damaged sections, and segments of a later version; [`Recording::problems`] says so. A file that was
//! cut off shows all events before the cut. Nothing is allocated for bytes that are not there.

mod bytes;
mod decode;
mod delta;
mod encode;
#[cfg(any(test, fuzzing))]
pub mod hostile;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::{command, export::Trace};
use std::{fmt, io};

/// The first bytes of every segment.
const MAGIC: &[u8; 8] = b"BRIGADE\x01";
/// The version that [`Segment::write_to`] writes.
const VERSION: u16 = 1;
/// The bytes before the sections of a segment: magic, version, length.
const HEAD_BYTES: usize = 8 + 2 + 8;

/// The tags of sections.
mod tag {
    pub(super) const PROCESS: u8 = 1;
    pub(super) const NAMES: u8 = 2;
    pub(super) const STRINGS: u8 = 3;
    pub(super) const SITES: u8 = 4;
    pub(super) const LABELS: u8 = 5;
    pub(super) const THREAD: u8 = 6;
}

/// The part that a process plays in a recording.
///
/// ```
/// use brigade_trace::Role;
///
/// assert_eq!(Role::default(), Role::Parent);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// The program that the user started.
    #[default]
    Parent,
    /// A worker process on the same machine.
    Child,
    /// A worker process that shares no memory with its parent, on another machine perhaps. Its events are
    /// missing.
    Remote,
}

/// The process that recorded a [`Segment`].
///
/// ```
/// let here = brigade_trace::ProcessInfo::here();
/// assert_eq!(here.pid, std::process::id());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The process id, or 0 if the file does not say.
    pub pid: u32,
    /// The part that it plays.
    pub role: Role,
    /// The name of the machine, or empty.
    pub host: String,
    /// The words of the command that started the program, without the program; empty if the file does not
    /// say. A program says so by [`tell_command`](crate::tell_command).
    pub command: Vec<String>,
}

impl ProcessInfo {
    /// Describes this process, as far as it knows itself without a system call.
    #[must_use]
    pub fn here() -> Self {
        Self { pid: std::process::id(), command: command::words(), ..Self::default() }
    }
}

/// The recording of one process.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// The process.
    pub process: ProcessInfo,
    /// Its events.
    pub trace: Trace,
}

/// Something in a file that could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The position in the file, in bytes.
    pub offset: usize,
    /// One line that says what is wrong, and what is missing for it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.what)
    }
}

/// The content of a `.brigade` file.
///
/// ```
/// use brigade_trace::{Domain, Kind, Recording, Session, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// record(Kind::Spawn, fresh_id(Domain::Task), 0);
/// let trace = session.stop();
/// let mut file = Vec::new();
/// trace.write_to(&mut file)?;
/// let recording = Recording::read_from(&file[..])?;
/// assert!(recording.problems.is_empty());
/// assert_eq!(recording.segments[0].trace.threads[0].events, trace.threads[0].events);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// One entry for each process, in the order of the file.
    pub segments: Vec<Segment>,
    /// The parts of the file that could not be read, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Recording {
    /// Reads a file to its end and decodes it. A damaged file gives what can be read, and
    /// [`problems`](Self::problems).
    ///
    /// # Errors
    ///
    /// Returns the error of the reader, and `InvalidData` if the bytes hold no segment at all.
    pub fn read_from(mut reader: impl io::Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let recording = Self::decode(&bytes);
        if recording.segments.is_empty() {
            let why =
                recording.problems.first().map_or("the file is empty".into(), |first| first.what.clone());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(recording)
    }

    /// Decodes the bytes of a file. Bytes that hold no segment give an empty recording and a problem.
    ///
    /// ```
    /// let recording = brigade_trace::Recording::decode(b"soup");
    /// assert!(recording.segments.is_empty());
    /// assert!(recording.problems[0].what.contains("not a recording of Brigade"));
    /// ```
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        decode::recording(bytes)
    }

    /// Returns the bytes of a file: all segments, one after the other.
    ///
    /// ```
    /// use brigade_trace::{Recording, Session};
    ///
    /// let bytes = Recording::from(Session::start(16).unwrap().stop()).to_bytes();
    /// assert_eq!(Recording::decode(&bytes).segments.len(), 1);
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.segments.iter().try_for_each(|segment| segment.write_to(&mut bytes));
        written.expect("a vector takes all bytes");
        bytes
    }

    /// The number of events that are missing because a ring was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.trace.dropped()))
    }
}

impl From<Trace> for Recording {
    fn from(trace: Trace) -> Self {
        Self { segments: vec![Segment { process: ProcessInfo::here(), trace }], problems: Vec::new() }
    }
}

impl Segment {
    /// Writes the segment. A file may hold several, one after the other.
    ///
    /// # Errors
    ///
    /// Returns the error of the writer.
    pub fn write_to(&self, writer: impl io::Write) -> io::Result<()> {
        encode::segment(&self.process, &self.trace, writer)
    }
}

impl Trace {
    /// Writes these events of this process as a segment of a `.brigade` file; [`Recording::read_from`] reads
    /// it.
    ///
    /// # Errors
    ///
    /// Returns the error of the writer.
    pub fn write_to(&self, writer: impl io::Write) -> io::Result<()> {
        encode::segment(&ProcessInfo::here(), self, writer)
    }
}
