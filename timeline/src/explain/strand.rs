//! Strands: the lives of tasks, jobs, calls, futures and threads, each cut into pieces.

use brigade_trace::{Cause, Domain, Id, Lane};
use std::collections::HashMap;

/// The number of a strand.
pub(super) type Index = usize;

/// An id within the process that drew it. Calls and child processes belong to all processes of a recording.
pub(super) type Key = (u32, Id);

/// A wait for something.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitFor {
    pub(super) since: u64,
    pub(super) cause: Cause,
    pub(super) resource: Key,
    /// The strand that held the resource, or that ran the awaited work.
    pub(super) holder: Option<Index>,
    /// The place in the program that waits, in [`Strands::texts`].
    pub(super) site: Option<u32>,
    /// When the awaited came about, if the recording says so: the timer was due, the lock was free.
    pub(super) done_at: Option<u64>,
    /// How many waits for the same kind of thing the strand had at that time.
    pub(super) together: u32,
}

impl WaitFor {
    /// A wait of which only the cause of the wake-up is known.
    pub(super) fn unknown(since: u64, cause: Cause) -> Self {
        let resource = (0, Id::NONE);
        Self { since, cause, resource, holder: None, site: None, done_at: None, together: 1 }
    }
}

/// The doing of a strand during a piece of its life.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    /// A thread runs it.
    Run { thread: usize },
    /// A child process computes it.
    InChild,
    /// Its thread runs another strand on top of it, which it will return to.
    Covered { by: Index },
    /// It could run.
    Ready,
    /// It waits.
    Wait(WaitFor),
    /// Its thread sleeps, and no wait says why.
    Parked,
}

/// A piece of a strand's life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) doing: Doing,
}

/// A task, job, call, future, child process or thread. Its pieces follow one another without a gap.
#[derive(Debug, Clone)]
pub(super) struct Strand {
    pub(super) id: Id,
    pub(super) name: String,
    /// The place in the program that spawned it, in [`Strands::texts`].
    pub(super) site: Option<u32>,
    pub(super) parent: Option<Index>,
    /// For a future: the task or thread that polls it.
    pub(super) owner: Option<Index>,
    pub(super) begin: u64,
    /// When it ended, or the end of the recording.
    pub(super) end: u64,
    pub(super) has_ended: bool,
    pub(super) process: u32,
    pub(super) pieces: Vec<Piece>,
}

impl Strand {
    pub(super) fn is_thread(&self) -> bool {
        matches!(self.id.domain(), Domain::Thread | Domain::Worker | Domain::None)
    }

    /// The pieces that overlap a time.
    pub(super) fn pieces_in(&self, begin: u64, end: u64) -> &[Piece] {
        let first = self.pieces.partition_point(|piece| piece.end <= begin);
        let last = self.pieces.partition_point(|piece| piece.begin < end);
        &self.pieces[first..last.max(first)]
    }
}

/// A thread that recorded.
#[derive(Debug, Clone)]
pub(super) struct ThreadFacts {
    pub(super) process: u32,
    pub(super) lane: Lane,
    pub(super) strand: Index,
    /// Times, and the CPU time that the thread had used by then.
    pub(super) cpu: Vec<CpuSample>,
    /// The time from which on its events are missing, because its ring was full.
    pub(super) blind_from: Option<u64>,
}

/// The CPU time of a thread at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuSample {
    pub(super) at: u64,
    pub(super) used: u64,
    /// The thread gave up its processor of its own accord since the sample before.
    pub(super) has_slept: bool,
}

/// A lock or permit was taken, or given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) at: u64,
    pub(super) resource: Key,
    pub(super) is_taken: bool,
}

/// All strands of a recording.
#[derive(Debug, Default)]
pub(super) struct Strands {
    pub(super) all: Vec<Strand>,
    pub(super) threads: Vec<ThreadFacts>,
    /// The strand of each id, for joins.
    pub(super) numbers: HashMap<Key, Index>,
    /// For each strand, those that it spawned.
    pub(super) children: Vec<Vec<Index>>,
    /// Sites.
    pub(super) texts: Vec<String>,
    /// Names of resources that have one.
    pub(super) labels: HashMap<Key, String>,
    /// Locks and permits taken and given back, in order of time, and those of each strand.
    pub(super) holds: Vec<Hold>,
    pub(super) holds_of: HashMap<Index, Vec<usize>>,
    pub(super) length: u64,
    /// How many events are missing.
    pub(super) dropped: u64,
}

impl Strands {
    pub(super) fn text(&self, site: Option<u32>) -> Option<&str> {
        Some(&self.texts[site? as usize])
    }

    /// The name of a resource that has one, or nothing.
    pub(super) fn resource_name(&self, key: Key) -> String {
        let label = self.labels.get(&key);
        label.map_or(String::new(), |label| format!("{} {label}", key.1.domain().name()))
    }
}
