//! Many calls of one function in one message: how the inputs of a `map` are packed, cut and answered.
//!
//! ```text
//!   items     | length u32 | argument …  | length u32 | argument …  | …
//!   records   | kind u8 | length u32 | payload …  | kind u8 | length u32 | payload …  | …
//! ```
//!
//! A record answers an item, in order, as a frame of that kind would answer a call. A worker may stop
//! early: then there are fewer records than items, and the pool gives the rest to a free worker.
//!
//! # How large a batch is
//!
//! The workers report how long a batch took. The next batches are sized to take [`BATCH_TIME`], so that the
//! cost of a message is small beside the work, but they never hold more than a fair part of the remaining
//! items ([`Batch::size`]: guided self-scheduling, Polychronopoulos and Kuck 1987). When a worker has
//! nothing to do while another one is in the middle of a batch, the pool asks the busy one to stop after
//! the item that it runs (`parent/lane/mod.rs`). So a bad guess costs one item's time and not a batch's.

use crate::wire::{frame::Kind, ring::WIDE_BYTES};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a batch should take.
const BATCH_TIME: Duration = Duration::from_millis(1);
/// How many items the first batches have, before anything was measured.
const FIRST_BATCH_ITEMS: usize = 8;
/// A remainder that takes less than this, in nanoseconds, is not worth splitting.
const MIN_SPLIT_NANOS: u64 = 200_000;

/// Neighbouring items of one `map`.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    items: Arc<Vec<u8>>,
    /// Where the next item begins in `items`, and where the last one ends.
    from: usize,
    to: usize,
    /// The first item's number in the `map`, and the number of items.
    pub(crate) first: usize,
    pub(crate) count: usize,
    pace: Arc<Pace>,
}

/// The measured cost of a `map`'s items.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How many items a batch has, if the caller has said so.
    fixed: Option<usize>,
    /// How long an item takes, in nanoseconds, and how many bytes its record has; 0 if not known.
    nanos: AtomicU64,
    bytes: AtomicU64,
}

impl Pace {
    pub(crate) fn new(fixed: Option<usize>) -> Self {
        Self { fixed, ..Self::default() }
    }
}

impl Batch {
    pub(crate) fn new(items: Arc<Vec<u8>>, from: usize, first: usize, count: usize, pace: Arc<Pace>) -> Self {
        let mut batch = Self { items, from, to: from, first, count, pace };
        batch.to = batch.end_of(count).1;
        batch
    }

    /// The bytes to send: the items, or for a single item the argument alone, as for any other call.
    pub(crate) fn message(&self) -> &[u8] {
        let packed = usize::from(self.count == 1) * 4;
        &self.items[self.from + packed..self.to]
    }

    #[cfg(test)]
    fn bytes(&self) -> &[u8] {
        &self.items[self.from..self.to]
    }

    /// Takes the first `count` items, or as many of them as fit into a wide place, but one at least.
    /// Returns how many these are, and where they end.
    fn end_of(&self, count: usize) -> (usize, usize) {
        let mut at = self.from;
        for taken in 0..count.min(self.count) {
            let length = read_length(&self.items[at..]).expect("the items were packed by this process");
            let next = at + 4 + length;
            if taken > 0 && next - self.from > WIDE_BYTES && self.to != self.from {
                return (taken, at);
            }
            at = next;
        }
        (count.min(self.count), at)
    }

    /// How many items the next batch should have.
    pub(crate) fn size(&self, workers: usize) -> usize {
        if let Some(size) = self.pace.fixed {
            return size;
        }
        let fair = (self.count / (2 * workers.max(1))).max(1);
        // Relaxed: these are guesses.
        let by_cost = match self.pace.nanos.load(Ordering::Relaxed) {
            0 => FIRST_BATCH_ITEMS,
            nanos => usize::try_from(BATCH_TIME.as_nanos() as u64 / nanos).unwrap_or(usize::MAX),
        };
        let by_space = match self.pace.bytes.load(Ordering::Relaxed) {
            0 => FIRST_BATCH_ITEMS,
            bytes => usize::try_from(WIDE_BYTES as u64 / bytes).unwrap_or(usize::MAX),
        };
        by_cost.min(by_space).clamp(1, fair)
    }

    /// Cuts off the part for one worker. None if that is all of it.
    pub(crate) fn cut(&mut self, workers: usize) -> Option<Self> {
        let (count, end) = self.end_of(self.size(workers));
        if count == self.count { None } else { Some(self.cut_at(count, end)) }
    }

    /// Cuts off the first `count` items, which must be fewer than all.
    pub(crate) fn cut_off(&mut self, count: usize) -> Self {
        let mut at = self.from;
        for _ in 0..count {
            at += 4 + read_length(&self.items[at..]).expect("the items were packed by this process");
        }
        self.cut_at(count, at)
    }

    fn cut_at(&mut self, count: usize, end: usize) -> Self {
        let piece = Self { to: end, count, ..self.clone() };
        self.from = end;
        self.first += count;
        self.count -= count;
        piece
    }

    /// Takes in the cost of a batch that had `items` items.
    pub(crate) fn learn(&self, items: usize, nanos: u64, bytes: usize) {
        if items == 0 {
            return;
        }
        let mix = |place: &AtomicU64, sum: u64| {
            let new = (sum / items as u64).max(1);
            let old = place.load(Ordering::Relaxed);
            place.store(if old == 0 { new } else { old.div_ceil(2) + new / 2 }, Ordering::Relaxed);
        };
        mix(&self.pace.nanos, nanos);
        mix(&self.pace.bytes, bytes as u64);
    }

    /// Whether `left` items are worth taking from the worker that has them.
    pub(crate) fn is_worth_splitting(&self, left: usize) -> bool {
        let nanos = self.pace.nanos.load(Ordering::Relaxed);
        self.pace.fixed.is_none() && left > 1 && (nanos == 0 || left as u64 * nanos > MIN_SPLIT_NANOS)
    }
}

fn read_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()
}

/// Begins an item at the end of `out`; the bytes that are appended next are its argument.
pub(crate) fn begin_item(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len()
}

/// Ends the item that begins at `start`. None if it is too long.
pub(crate) fn end_item(out: &mut [u8], start: usize) -> Option<()> {
    let length = u32::try_from(out.len() - start).ok()?;
    out[start - 4..start].copy_from_slice(&length.to_le_bytes());
    Some(())
}

/// Iterates over the items; ends early where they are damaged.
pub(crate) fn items(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (item, rest) = bytes.get(4..)?.split_at_checked(read_length(bytes)?)?;
        bytes = rest;
        Some(item)
    })
}

/// The bytes before the payload of a record: its kind and its length.
const RECORD_HEAD_BYTES: usize = 5;

/// Appends a record. A payload that is too long for one becomes a failure that says so.
pub(crate) fn push_record(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let Ok(length) = u32::try_from(payload.len()) else {
        return push_record(out, Kind::Failed, b"the result is longer than 4 GiB");
    };
    out.reserve(RECORD_HEAD_BYTES + payload.len());
    let [a, b, c, d] = length.to_le_bytes();
    out.extend_from_slice(&[kind as u8, a, b, c, d]);
    out.extend_from_slice(payload);
}

/// Iterates over the records; ends early where they are damaged.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = (Kind, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, after) = bytes.split_first()?;
        let (payload, rest) = after.get(4..)?.split_at_checked(read_length(after)?)?;
        bytes = rest;
        Some((Kind::from_byte(*kind)?, payload))
    })
}

/// How many bytes the first `count` records have. None if there are fewer records.
pub(crate) fn length_of_records(bytes: &[u8], count: usize) -> Option<usize> {
    let mut lengths = records(bytes).map(|(_, payload)| RECORD_HEAD_BYTES + payload.len());
    (0..count).try_fold(0, |sum, _| Some(sum + lengths.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: usize, fixed: Option<usize>) -> Batch {
        let mut items = Vec::new();
        for n in 0..count {
            let start = begin_item(&mut items);
            items.extend_from_slice(&vec![n as u8; n % 5]);
            end_item(&mut items, start).unwrap();
        }
        Batch::new(Arc::new(items), 0, 0, count, Arc::new(Pace::new(fixed)))
    }

    #[test]
    fn pieces_hold_all_items_in_order() {
        for fixed in [None, Some(1), Some(7), Some(1000)] {
            let mut rest = batch(100, fixed);
            let mut seen = 0;
            loop {
                let (piece, last) = match rest.cut(2) {
                    Some(piece) => (piece, false),
                    None => (rest.clone(), true),
                };
                assert_eq!(piece.first, seen);
                for item in items(piece.bytes()) {
                    assert_eq!(item, vec![seen as u8; seen % 5]);
                    seen += 1;
                }
                if last {
                    break;
                }
            }
            assert_eq!(seen, 100);
        }
    }

    #[test]
    fn a_batch_takes_about_a_millisecond_and_leaves_a_fair_part() {
        let rest = batch(10_000, None);
        assert_eq!(rest.size(2), FIRST_BATCH_ITEMS);
        rest.learn(10, 10 * 10_000, 100);
        assert_eq!(rest.size(2), 100);
        rest.learn(10, 10, 100);
        rest.learn(10, 10, 100);
        assert!(rest.size(2) > 100 && rest.size(2) <= 2_500);
        assert_eq!(rest.size(10_000), 1);
    }

    #[test]
    fn records_that_are_damaged_end_early() {
        let mut bytes = Vec::new();
        push_record(&mut bytes, Kind::Value, b"flour");
        push_record(&mut bytes, Kind::Failed, b"");
        assert_eq!(records(&bytes).count(), 2);
        for length in 0..bytes.len() {
            assert!(records(&bytes[..length]).count() < 2);
        }
        assert_eq!(length_of_records(&bytes, 1), Some(10));
        assert_eq!(length_of_records(&bytes, 3), None);
        bytes[0] = 99;
        assert_eq!(records(&bytes).count(), 0);
    }
}
