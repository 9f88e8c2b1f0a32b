//! The model that all views show.
//!
//! ```text
//! timeline ─┬─ groups ── rows ── spans     what is drawn, from top to bottom and from left to right
//!           ├─ units, threads              what the spans are about
//!           ├─ wakes                       arrows from a waker to the woken unit
//!           ├─ edges                       arrows from one process to another
//!           ├─ queues                      lines of depth over time
//!           └─ marks                       moments that are worth a look
//! ```
//!
//! Times are nanoseconds since the first event. Links between the parts are indices ([`Link`]).

use brigade_trace::{Cause, Domain, Id, Lane, Role};

/// An index into a list of the timeline, or nothing.
///
/// ```
/// use brigade_timeline::Link;
///
/// assert_eq!(Link::to(3).get(), Some(3));
/// assert_eq!(Link::NONE.get(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(u32);

impl Link {
    /// The link to nothing.
    pub const NONE: Self = Self(u32::MAX);

    /// The link to this index.
    #[must_use]
    pub fn to(index: usize) -> Self {
        Self(u32::try_from(index).expect("a timeline has fewer than 2³² parts"))
    }

    /// Returns the index.
    #[must_use]
    pub fn get(self) -> Option<usize> {
        (self != Self::NONE).then_some(self.0 as usize)
    }

    /// Returns one more than the index, or 0 for nothing.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.0.wrapping_add(1))
    }
}

/// The state of a unit or thread during a [`Span`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// It could run, and no thread has taken it yet. For a child process: it starts.
    Ready = 0,
    /// A thread runs it.
    Running = 1,
    /// It waits for something else.
    Waiting = 2,
    /// The thread sleeps because there is nothing to run.
    Parked = 3,
    /// Several spans that were too short to keep apart.
    Merged = 4,
}

/// A time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The row that it is drawn in.
    pub row: u32,
    /// When it began.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
    /// The state.
    pub state: State,
    /// The unit that it is about; in the row of a thread, the unit that ran.
    pub unit: Link,
    /// For a wait: what ended it, or would have.
    pub cause: Cause,
    /// For a wait: what it waited for, in [`Timeline::resources`].
    pub resource: Link,
    /// For a wait: the unit that held the resource. For a call that runs: the child process.
    pub holder: Link,
    /// For a wait: the place in the program, in [`Timeline::texts`].
    pub site: Link,
    /// For a run: the thread.
    pub thread: Link,
    /// For merged spans: the parts of 255 in which they were ready, ran and waited, as [`State`] counts them.
    pub shares: [u8; 3],
}

/// How a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It goes on at the end of the recording.
    Open = 0,
    /// It ended.
    Done = 1,
    /// It ended with an error: a panic, a cancellation, a lost child.
    Failed = 2,
    /// It was cancelled.
    Cancelled = 3,
}

/// A task, job, call, future or child process; or a thread that held a resource while it ran none of these.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its id in the recording.
    pub id: Id,
    /// The process that it belongs to.
    pub process: u32,
    /// The name that the program gave it, in [`Timeline::texts`].
    pub label: Link,
    /// The place in the program that spawned it, in [`Timeline::texts`].
    pub site: Link,
    /// The unit that spawned it.
    pub parent: Link,
    /// When it was spawned, or first seen.
    pub begin: u64,
    /// When it ended, or the end of the recording.
    pub end: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The row that its spans are drawn in.
    pub row: u32,
}

impl Unit {
    /// Whether it is a thread, which stands in the list of units because it held a resource.
    ///
    /// ```
    /// let timeline = brigade_timeline::Timeline::default();
    /// assert!(!timeline.units.iter().any(|unit| unit.is_thread()));
    /// ```
    #[must_use]
    pub fn is_thread(&self) -> bool {
        matches!(self.id.domain(), Domain::Thread | Domain::Worker)
    }
}

/// A thread that recorded.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Its name.
    pub name: String,
    /// Its role.
    pub lane: Lane,
    /// The process that it belongs to.
    pub process: u32,
    /// The number of its events that are missing because its ring was full.
    pub dropped: u64,
    /// Its row.
    pub row: u32,
}

/// A process that recorded.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its process id, or 0 if the recording does not say.
    pub pid: u32,
    /// Its part.
    pub role: Role,
}

/// The kind of rows in a [`Group`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum GroupKind {
    /// Threads, and what runs on each.
    Threads = 0,
    /// Units, each in the first row that is free when it begins.
    Units = 1,
    /// Child processes.
    Children = 2,
    /// Locks, and the unit that holds each.
    Locks = 3,
}

/// Rows under one heading.
#[derive(Debug, Clone)]
pub struct Group {
    /// The heading.
    pub name: String,
    /// The kind of rows.
    pub kind: GroupKind,
    /// The number of units in it, or of threads.
    pub members: u32,
}

/// A row of spans that do not overlap.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its group, in [`Timeline::groups`].
    pub group: u32,
    /// Its name, or empty if several units share it.
    pub name: String,
    /// How deep it is drawn: a future is a part of its task.
    pub depth: u32,
}

/// Something that can be waited for.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name: the label that the program gave it, or its id.
    pub name: String,
    /// The unit that it is, if one waits for a unit to end.
    pub unit: Link,
}

/// A waker that made a unit ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: u64,
    /// The unit that ran on the waking thread.
    pub from: Link,
    /// The waking thread.
    pub thread: Link,
    /// The unit that was woken.
    pub to: Link,
    /// Why.
    pub cause: Cause,
}

/// The kinds of an [`Edge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EdgeKind {
    /// A thread forked a child process.
    Fork = 0,
    /// A child process said that it runs the program.
    Exec = 1,
    /// A call was sent to a child, which began it.
    Send = 2,
    /// A child ended a call, and the answer was received.
    Reply = 3,
    /// A child process ended.
    Exit = 4,
}

impl EdgeKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Fork, Self::Exec, Self::Send, Self::Reply, Self::Exit];

    /// Returns what happens at its two ends, as words after the name of the [unit](Edge::unit).
    ///
    /// ```
    /// assert_eq!(brigade_timeline::EdgeKind::Send.ends(), ("is sent", "begins in the child"));
    /// ```
    #[must_use]
    pub const fn ends(self) -> (&'static str, &'static str) {
        match self {
            Self::Fork => ("is forked", "starts"),
            Self::Exec => ("runs the program", "is known to run the program"),
            Self::Send => ("is sent", "begins in the child"),
            Self::Reply => ("is answered", "has its answer"),
            Self::Exit => ("ended", "is reaped"),
        }
    }
}

/// Something that went from the lane of one process to that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Its kind.
    pub kind: EdgeKind,
    /// When it left.
    pub begin: u64,
    /// The row that it left.
    pub from: u32,
    /// When it arrived. It is the same as `begin` if only one side recorded it.
    pub end: u64,
    /// The row that it arrived at.
    pub to: u32,
    /// The call that was sent or answered, or the child process.
    pub unit: Link,
}

/// A moment that is worth a look: one that the program marked, the end of work that failed or was cancelled,
/// a wait that closes a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: u64,
    /// The row that it is drawn in.
    pub row: u32,
    /// The unit that it is about.
    pub unit: Link,
    /// Its text, in [`Timeline::texts`].
    pub text: Link,
    /// Whether it is a fault: a failure, a cycle.
    pub is_fault: bool,
}

/// A line of depth over time.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Times and lengths.
    pub points: Vec<(u64, u64)>,
}

/// Events put in order, as rows of spans.
///
/// ```
/// use brigade_timeline::Timeline;
/// use brigade_trace::Recording;
///
/// let empty = Timeline::of(&Recording::default());
/// assert_eq!((empty.length, empty.spans.len()), (0, 0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// The time from the first event to the last, in nanoseconds.
    pub length: u64,
    /// The number of events that it was made of.
    pub events: u64,
    /// The processes.
    pub processes: Vec<Process>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// The units, in the order in which they were first seen.
    pub units: Vec<Unit>,
    /// The headings, from top to bottom.
    pub groups: Vec<Group>,
    /// The rows, from top to bottom.
    pub rows: Vec<Row>,
    /// The spans, sorted by row, then by time.
    pub spans: Vec<Span>,
    /// The wake-ups, in order of time.
    pub wakes: Vec<Wake>,
    /// The arrows from one process to another, in the order in which they began.
    pub edges: Vec<Edge>,
    /// The lines of depth.
    pub queues: Vec<Queue>,
    /// The moments that are worth a look, sorted by row, then by time.
    pub marks: Vec<Mark>,
    /// The things that can be waited for.
    pub resources: Vec<Resource>,
    /// Labels and sites.
    pub texts: Vec<String>,
    /// Sentences that a reader must know: what is missing, and what was merged.
    pub notes: Vec<String>,
}

impl Timeline {
    /// Returns the text of a link into [`texts`](Self::texts).
    #[must_use]
    pub fn text(&self, link: Link) -> Option<&str> {
        self.texts.get(link.get()?).map(String::as_str)
    }

    /// Returns the name of a unit: its label, or its id.
    #[must_use]
    pub fn name(&self, unit: &Unit) -> String {
        self.text(unit.label).map_or_else(|| unit.id.to_string(), str::to_owned)
    }
}
