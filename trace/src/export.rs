//! The events of a session, for reading.

use crate::event::Event;
use brigade_handle::Id;
use std::{collections::HashMap, fmt};

/// The events of one thread, oldest first.
///
/// ```
/// use brigade_trace::{Id, Kind, Session, record};
///
/// let session = Session::start(2).unwrap();
/// (0..3).for_each(|_| record(Kind::Park, Id::NONE, 0));
/// let thread = &session.stop().threads[0];
/// assert_eq!((thread.events.len(), thread.dropped), (2, 1));
/// ```
#[derive(Debug, Clone)]
pub struct ThreadTrace {
    /// The thread's name, or its number if it has none.
    pub name: String,
    /// The events that it recorded.
    pub events: Vec<Event>,
    /// The number of events that found the ring full and are missing at the end.
    pub dropped: u64,
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
    /// The names that [`label`](crate::label) gave.
    pub labels: HashMap<Id, String>,
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

    /// The number of events that are missing because a ring was full.
    pub fn dropped(&self) -> u64 {
        self.threads.iter().map(|thread| thread.dropped).sum()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_thread = |thread: &'_ ThreadTrace| {
            let name = thread.name.clone();
            thread.events.iter().map(move |event| (*event, name.clone())).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.threads.iter().flat_map(with_thread).collect();
        all.sort_by_key(|(event, _)| event.at);
        let start = all.first().map_or(0, |(event, _)| event.at);
        for (event, thread) in all {
            let micros = (event.at - start) as f64 / 1e3;
            write!(f, "{micros:>12.3} µs  {thread:<20} {:<10} {:<12}", event.kind.name(), event.subject)?;
            if let Some(label) = self.labels.get(&event.subject) {
                write!(f, " \"{label}\"")?;
            }
            if event.by != Id::NONE && event.by != event.subject {
                write!(f, " by {}", event.by)?;
            }
            if !event.cause.name().is_empty() {
                write!(f, " because of {}", event.cause.name())?;
            }
            if event.detail != 0 {
                write!(f, " ({})", event.detail)?;
            }
            writeln!(f)?;
        }
        match self.dropped() {
            0 => Ok(()),
            dropped => writeln!(f, "{dropped} later events are missing: a ring was full"),
        }
    }
}
