//! Batches in the ring: how far the worker is in one, and how it is asked to stop.
//!
//! A batch (`call/batch.rs`) has a wide place, and its worker writes each record there as soon as it has
//! it. Two words, which the worker alone writes, say how many items of call *n* it has begun and how many
//! records there are. Each is *n* << 24 | count, so it cannot be mistaken for an earlier batch's. So if the
//! worker of a batch is killed, the records stand, the one item is lost that was begun and has no record,
//! and the others may be given to another worker. By the word `stop` the pool asks the worker of call *n*
//! to answer early, after the item that it runs.

use super::{BEGUN, Half, RECORDS, Ring, STOP, WIDE_BYTES, read_bytes, write_bytes};
use crate::sync::Ordering;

/// A count of items is below 2 to this power: each item has four bytes of a wide place at least.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const NUMBER_MASK: u64 = u64::MAX >> COUNT_BITS;
const _: () = assert!(WIDE_BYTES / 4 < 1 << COUNT_BITS);

fn counted(number: u64, count: usize) -> u64 {
    number << COUNT_BITS | count as u64 & COUNT_MASK
}

impl Ring<'_> {
    // ------------------------------------------------------------------------------------ the pool's side
    /// How many items of batch `number` were begun, and how many records there are.
    pub fn batch_progress(self, number: u64) -> (usize, usize) {
        // Acquire pairs with `begin_item` and `publish_records`: the records come before the count.
        let read = |word: usize| match self.words[word].load(Ordering::Acquire) {
            count if count >> COUNT_BITS == number & NUMBER_MASK => (count & COUNT_MASK) as usize,
            _ => 0,
        };
        // The records are read first: between the two reads the worker may go on, and a record whose item
        // has not begun would be odd.
        let records = read(RECORDS);
        (read(BEGUN).max(records), records)
    }

    /// Appends the bytes that the worker has written into the answer's half of a wide place, up to `length`
    /// bytes.
    pub fn written(self, place: u8, length: usize, out: &mut Vec<u8>) {
        read_bytes(self.wide(place, Half::Answer), length.min(WIDE_BYTES), out);
    }

    /// Asks the worker to answer batch `number` early.
    pub fn stop(self, number: u64) {
        // Relaxed: this is a request without an answer.
        self.words[STOP].store(number, Ordering::Relaxed);
    }

    // ---------------------------------------------------------------------------------- the worker's side
    /// Says that item `index` of the claimed batch begins.
    pub fn begin_item(self, number: u64, index: usize) {
        // Release: the work on earlier items comes before.
        self.words[BEGUN].store(counted(number, index + 1), Ordering::Release);
    }

    /// Writes the bytes of `records` from `from` on into the answer's half of the claimed batch's wide
    /// place, and says that there are now `count` records.
    pub fn publish_records(self, number: u64, place: u8, records: &[u8], from: usize, count: usize) {
        // The last word may have been written in part; its earlier bytes are the same.
        let first = from / 8;
        write_bytes(&self.wide(place, Half::Answer)[first..], &records[first * 8..]);
        // Release pairs with the Acquire in `batch_progress`.
        self.words[RECORDS].store(counted(number, count), Ordering::Release);
    }

    /// Whether the pool wants the claimed batch answered early.
    pub fn must_stop(self, number: u64) -> bool {
        self.words[STOP].load(Ordering::Relaxed) == number
    }
}
