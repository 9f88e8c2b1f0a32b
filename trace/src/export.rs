//! The events of a session, for reading.

use crate::event::{Event, Kind};
use brigade_handle::{Domain, Id};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// The role of the thread that recorded.
///
/// ```
/// use brigade_trace::Lane;
///
/// assert_eq!(Lane::default().name(), "thread");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Lane {
    /// A thread of the program.
    #[default]
    Thread = 0,
    /// A thread that runs the tasks of a runtime.
    Runtime = 1,
    /// A thread of a pool.
    Pool = 2,
    /// The thread that looks after the worker processes.
    Supervisor = 3,
    /// A worker process.
    Child = 4,
}

impl Lane {
    /// All roles, in the order of the numbers that stand for them in a file.
    pub const ALL: &'static [Self] =
        &[Self::Thread, Self::Runtime, Self::Pool, Self::Supervisor, Self::Child];

    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Runtime => "runtime",
            Self::Pool => "pool",
            Self::Supervisor => "supervisor",
            Self::Child => "child",
        }
    }
}

/// Which events a ring keeps when there are more of them than it has room for.
///
/// ```
/// use brigade_trace::Mode;
///
/// assert_eq!(Mode::default(), Mode::KeepFirst);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Mode {
    /// The first ones: the events that led to a state explain it better than those that came long after.
    #[default]
    KeepFirst = 0,
    /// The last ones, as a flight recorder does: the oldest are overwritten.
    KeepLast = 1,
}

impl Mode {
    /// All modes, in the order of the numbers that stand for them in a file.
    pub const ALL: &'static [Self] = &[Self::KeepFirst, Self::KeepLast];

    /// Returns the words for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeepFirst => "keep first",
            Self::KeepLast => "keep last",
        }
    }
}

/// The events of one thread, oldest first.
///
/// ```
/// use brigade_trace::{Id, Kind, Session, record};
///
/// let session = Session::start(2).unwrap();
/// // Before its first event, a thread records its CPU time.
/// (0..3).for_each(|_| record(Kind::Park, Id::NONE, 0));
/// let thread = &session.snapshot().threads[0];
/// assert_eq!((thread.events.len(), thread.dropped), (2, 2));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ThreadTrace {
    /// The thread's name, or its number if it has none.
    pub name: String,
    /// The number that the operating system gave it, or 0.
    pub tid: u64,
    /// The number of the process that it belongs to, or 0.
    pub process: u32,
    /// Its role.
    pub lane: Lane,
    /// The thread's own id, which is the subject of its waits while it runs nothing: a worker or a thread.
    pub id: Id,
    /// Which events its ring keeps.
    pub mode: Mode,
    /// The events that it recorded.
    pub events: Vec<Event>,
    /// The number of events that are missing because the ring was full: at the end, or at the begin if the
    /// ring keeps the last ones.
    pub dropped: u64,
}

/// The moment that [`Event::at`] counts from.
///
/// ```
/// let epoch = brigade_trace::Session::start(16).unwrap().stop().epoch;
/// assert!(epoch.unix_nanos > 1_600_000_000_000_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// On the monotonic clock of the machine (`CLOCK_MONOTONIC`), in nanoseconds.
    pub monotonic_nanos: u64,
    /// On the wall clock, in nanoseconds since 1970.
    pub unix_nanos: u64,
}

/// The events of a [`Session`](crate::Session). Its `Display` is a dump in plain text: one line an event,
/// oldest first.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, label, record};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// label(task, || "say_hello".into());
/// record(Kind::Spawn, task, 0);
/// let trace = session.stop();
/// assert_eq!(trace.dropped(), 0);
/// assert!(trace.to_string().contains("say_hello"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// One entry for each thread that recorded an event.
    pub threads: Vec<ThreadTrace>,
    /// The names that [`label`](crate::label) gave. A task without a name goes by the [site](Self::site) of
    /// its [`Kind::Spawn`].
    pub labels: HashMap<Id, String>,
    /// The places in the program that the numbers of [sites](crate::Site) stand for: `file:line:column`.
    pub sites: BTreeMap<u64, String>,
    /// The moment that [`Event::at`] counts from.
    pub epoch: Epoch,
}

impl Trace {
    /// Iterates over all events, thread by thread.
    ///
    /// ```
    /// use brigade_trace::{Id, Kind, Session, record};
    ///
    /// let session = Session::start(16).unwrap();
    /// record(Kind::Park, Id::NONE, 0);
    /// assert!(session.stop().events().any(|event| event.kind == Kind::Park));
    /// ```
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.threads.iter().flat_map(|thread| &thread.events)
    }

    /// Returns the place in the program that the event names, if its detail is a site that is known.
    ///
    /// ```
    /// use brigade_trace::{Domain, Kind, Session, Site, fresh_id, record};
    ///
    /// let session = Session::start(16).unwrap();
    /// record(Kind::Spawn, fresh_id(Domain::Task), Site::here().number());
    /// let trace = session.stop();
    /// let spawn = trace.events().find(|event| event.kind == Kind::Spawn).unwrap();
    /// assert!(trace.site(spawn).is_some());
    /// ```
    pub fn site(&self, event: &Event) -> Option<&str> {
        let has_site = matches!(event.kind, Kind::Spawn | Kind::WaitBegin | Kind::Mark);
        self.sites.get(&event.detail).filter(|_| has_site).map(String::as_str)
    }

    /// The places that spawned tasks, without the column: the names of those that were given none.
    fn spawn_lines(&self) -> HashMap<Id, &str> {
        let is_spawn = |event: &&Event| event.kind == Kind::Spawn && event.subject.domain() == Domain::Task;
        let line = |event: &Event| {
            let site = self.site(event)?;
            Some((event.subject, site.rsplit_once(':').map_or(site, |(line, _column)| line)))
        };
        self.events().filter(is_spawn).filter_map(line).collect()
    }

    /// The number of events that are missing because a ring was full.
    pub fn dropped(&self) -> u64 {
        self.threads.iter().fold(0, |sum, thread| sum.saturating_add(thread.dropped))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_thread = |thread: &'_ ThreadTrace| {
            let name = thread.name.replace(char::is_control, "\u{FFFD}");
            thread.events.iter().map(move |event| (*event, name.clone())).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.threads.iter().flat_map(with_thread).collect();
        all.sort_by_key(|(event, _)| event.at);
        let start = all.first().map_or(0, |(event, _)| event.at);
        let spawned_at = self.spawn_lines();
        for (event, thread) in all {
            let micros = (event.at - start) as f64 / 1e3;
            write!(f, "{micros:>12.3} µs  {thread:<20} {:<10} {:<12}", event.kind.name(), event.subject)?;
            let label = self.labels.get(&event.subject).map(String::as_str);
            if let Some(label) = label.or_else(|| spawned_at.get(&event.subject).copied()) {
                write!(f, " {label:?}")?;
            }
            if event.by != Id::NONE && event.by != event.subject {
                write!(f, " by {}", event.by)?;
            }
            if !event.cause.name().is_empty() {
                write!(f, " because of {}", event.cause.name())?;
            }
            match self.site(&event) {
                Some(site) => write!(f, " at {site}")?,
                None if event.detail != 0 => write!(f, " ({})", event.detail)?,
                None => {}
            }
            writeln!(f)?;
        }
        for (mode, which) in [(Mode::KeepFirst, "later"), (Mode::KeepLast, "earlier")] {
            let threads = self.threads.iter().filter(|thread| thread.mode == mode);
            match threads.fold(0_u64, |sum, thread| sum.saturating_add(thread.dropped)) {
                0 => {}
                dropped => writeln!(f, "{dropped} {which} events are missing: a ring was full")?,
            }
        }
        Ok(())
    }
}
