//! One direction of a connection: the bytes that were sent and not yet read.

use std::{collections::VecDeque, time::Instant};

/// The most bytes of a flow: of what is under way and what has arrived.
pub(super) const CAPACITY: usize = 64 * 1024;

/// The bytes to one end of a connection.
///
/// ```text
///   0 ........ taken ............. arrived ............. sent
///              |  can be read      |  under way          |
/// ```
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The bytes from `taken` to `sent`.
    bytes: VecDeque<u8>,
    taken: u64,
    arrived: u64,
    /// Bytes before this one were shown without being taken, so they cannot be under way any more.
    peeked: u64,
    pub(super) end: FlowEnd,
    /// The latest moment at which a part of the flow arrives. The later parts arrive after it.
    pub(super) latest: Option<Instant>,
    /// The writer has met a full buffer, and is told when there is room.
    pub(super) is_awaited: bool,
}

/// Where the end of a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FlowEnd {
    #[default]
    Open,
    UnderWay,
    Arrived,
    /// It has arrived, and the reader knows.
    Seen,
}

impl FlowEnd {
    pub(super) fn has_arrived(self) -> bool {
        matches!(self, Self::Arrived | Self::Seen)
    }
}

impl Flow {
    /// Returns the number of bytes that can be read.
    pub(super) fn available(&self) -> usize {
        (self.arrived - self.taken) as usize
    }

    /// Returns the number of bytes that the reader has seen and not taken.
    pub(super) fn seen(&self) -> usize {
        self.peeked.saturating_sub(self.taken) as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how many bytes more fit in.
    pub(super) fn room(&self) -> usize {
        CAPACITY - self.bytes.len()
    }

    /// Returns whether there is so much room that a writer is told.
    pub(super) fn has_much_room(&self) -> bool {
        self.room() >= CAPACITY / 3
    }

    /// Adds bytes, which are under way. Returns the number of all bytes that were sent.
    pub(super) fn push(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.extend(bytes);
        self.sent()
    }

    pub(super) fn sent(&self) -> u64 {
        self.taken + self.bytes.len() as u64
    }

    /// Notes that all bytes before this one have arrived. Returns false if they had before.
    pub(super) fn arrive(&mut self, before: u64) -> bool {
        let is_news = before > self.arrived;
        self.arrived = self.arrived.max(before).min(self.sent());
        is_news
    }

    /// Leaves only so many bytes that can be read, and the rest under way. Returns how far they had arrived.
    pub(super) fn put_back(&mut self, left: usize) -> u64 {
        std::mem::replace(&mut self.arrived, self.taken + left as u64)
    }

    /// Drops the bytes that have not arrived.
    pub(super) fn cut(&mut self) {
        self.bytes.truncate((self.arrived - self.taken) as usize);
    }

    /// Shows the first bytes.
    pub(super) fn peek(&mut self, count: usize) -> Vec<u8> {
        self.peeked = self.peeked.max(self.taken + count as u64);
        self.bytes.iter().take(count).copied().collect()
    }

    /// Takes the first bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        self.taken += count as u64;
        self.bytes.drain(..count).collect()
    }
}
