//! The ring: shared memory between the pool and one worker, through which small calls and answers go
//! without a system call.
//!
//! A slot is the whole life of one call, from the argument to the answer. Call number *n* uses slot *n* mod
//! [`SLOTS`]. The slot's first word says how far the call is. It holds the number too, so that a slot's
//! next call cannot be mistaken for this one.
//!
//! ```text
//!   free --pool--> READY(n) --worker--> CLAIMED(n) --worker--> DONE(n) --pool--> free
//!                     \------pool-----> WITHDRAWN(n) ....................--> free, once the worker's cursor
//!                                                                            is past n
//!
//!   word 0   n << 3 | state
//!   word 1   length << 16 | place << 8 | kind        place: where the payload is (below)
//!   word 2   the function's name; in an answer: how many nanoseconds the call ran
//!   word 3   a hash of words 1 and 2 and of n
//!   words 4… the payload, if it is inline
//! ```
//!
//! A payload that does not fit in a slot lies in one of the *wide* places behind the slots, if one is free.
//! Otherwise it travels as a frame over the socket, with the call's number.
//!
//! # The right to write
//!
//! 1. While a slot is free or DONE it is the pool's. The pool writes the words, then publishes them by
//!    READY (Release).
//! 2. READY => CLAIMED and READY => WITHDRAWN are compare-and-swaps, so exactly one happens. The state of a
//!    READY slot is the only word of a slot that both sides may write at the same time, and there is no
//!    lock: a process that is killed between two instructions leaves a slot in one of the states above, and
//!    the other side can understand each of them.
//! 3. While a slot is CLAIMED it is the worker's, which publishes the answer by DONE (Release).
//! 4. A slot that was withdrawn is reused only when the worker's `cursor` is past it: the worker looks for
//!    number *n*, and would wait for ever for a number that was overwritten.
//!
//! So a call was begun exactly if its slot is CLAIMED or DONE, whatever happened to the worker.
//!
//! # Why no wake-up is lost
//!
//! Either side publishes, then looks whether the other sleeps. A sleeper says so, then looks once more.
//! Between the two steps each has a sequentially consistent fence, so one of them sees what the other wrote
//! (Dekker's argument).
//!
//! ```text
//!   pool                                   worker
//!   slot = READY                           asleep = 1
//!   fence                                  fence
//!   asleep? { asleep = 0; futex_wake }     slot still not READY? futex_wait(asleep, 1)
//!
//!   worker                                 pool
//!   slot = DONE, or skipped                bell = ARMED
//!   cursor = past it                       fence
//!   fence                                  no slot DONE, none skipped? poll(the bell's descriptor)
//!   bell is armed? { bell = 0; ring }
//! ```
//!
//! A skipped slot rings, too: the pool may wait for just that, to find the worker idle and end it.
//!
//! # A faulty worker
//!
//! The words are atomics, read and written one by one with relaxed order. A worker whose memory is corrupt
//! may write anything at any time, and the pool's side still only sees numbers, which it checks.

mod batches;
mod head;

use self::head::seal;
pub use self::head::{Head, Place};
use crate::sync::{AtomicU64, Ordering, fence, spin_loop};

/// How many calls may be under way in one ring.
pub(crate) const SLOTS: u64 = if cfg!(loom) { 2 } else { 256 };
const SLOT_WORDS: usize = if cfg!(loom) { 5 } else { 32 };
const HEAD_WORDS: usize = 4;
/// The longest payload that fits into a slot, in bytes.
pub(crate) const INLINE_BYTES: usize = (SLOT_WORDS - HEAD_WORDS) * 8;
/// The number of wide places.
pub(crate) const WIDE_PLACES: u8 = if cfg!(loom) { 0 } else { 6 };
/// The size of one half of a wide place, in bytes: one half is for the argument, one for the answer.
pub(crate) const WIDE_BYTES: usize = 128 << 10;
// Positions, in words.
const BELL: usize = 0;
const ASLEEP: usize = 8;
const STOP: usize = 1;
const CURSOR: usize = 16;
const BEGUN: usize = 17;
const RECORDS: usize = 18;
/// How many blocks may be lent in each direction at a time (`call/block/mod.rs`), and the positions of the
/// leases' words.
pub(crate) const LEASES: usize = if cfg!(loom) { 0 } else { 32 };
pub(crate) const LENT_TO_WORKER: usize = 24;
pub(crate) const LENT_TO_POOL: usize = LENT_TO_WORKER + LEASES;
const FIRST_SLOT: usize = LENT_TO_POOL + LEASES;
const FIRST_WIDE: usize = FIRST_SLOT + SLOTS as usize * SLOT_WORDS;
/// The whole ring's size in words.
pub const WORDS: usize = FIRST_WIDE + WIDE_PLACES as usize * 2 * (WIDE_BYTES / 8);

const STATE_BITS: u32 = 3;
const READY: u64 = 1;
const CLAIMED: u64 = 2;
const DONE: u64 = 3;
const WITHDRAWN: u64 = 4;

/// When the worker rings the bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum BellMode {
    /// Never: somebody is looking.
    Silent = 0,
    /// After each answer.
    EachAnswer = 1,
    /// When few calls are left to do.
    LowWater = 2,
}

/// The number of remaining calls at which the worker rings for more.
const LOW_WATER: u64 = if cfg!(loom) { 1 } else { SLOTS / 8 };

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits in its slot, or was withdrawn.
    Unbegun,
    /// The worker has claimed it.
    Begun,
    /// Its answer is in the slot.
    Done,
    /// The slot holds a state that neither side writes.
    Invalid,
}

/// A view of the shared words, which both sides have.
#[derive(Clone, Copy)]
pub struct Ring<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Ring<'a> {
    /// Makes a view of these words.
    ///
    /// # Panics
    ///
    /// If there are fewer than [`WORDS`] words.
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { words: &words[..WORDS] }
    }

    fn slot(self, number: u64) -> &'a [AtomicU64] {
        let start = FIRST_SLOT + (number % SLOTS) as usize * SLOT_WORDS;
        &self.words[start..start + SLOT_WORDS]
    }

    fn wide(self, place: u8, half: Half) -> &'a [AtomicU64] {
        let start = FIRST_WIDE + (usize::from(place) * 2 + half as usize) * (WIDE_BYTES / 8);
        &self.words[start..start + WIDE_BYTES / 8]
    }

    fn payload(self, number: u64, place: Place, half: Half) -> &'a [AtomicU64] {
        match place {
            Place::Inline => &self.slot(number)[HEAD_WORDS..],
            Place::Wide(place) => self.wide(place, half),
            Place::Stream => &[],
        }
    }

    fn write(self, number: u64, half: Half, head: Head, payload: &[u8], state: u64) {
        let slot = self.slot(number);
        write_bytes(self.payload(number, head.place, half), payload);
        let words = head.words();
        // Relaxed: published by the state below.
        slot[1].store(words[0], Ordering::Relaxed);
        slot[2].store(words[1], Ordering::Relaxed);
        slot[3].store(seal(words, number), Ordering::Relaxed);
        // Release pairs with the other side's Acquire of the state (rules 1 and 3).
        slot[0].store(number << STATE_BITS | state, Ordering::Release);
    }

    fn head(self, number: u64) -> Option<Head> {
        let slot = self.slot(number);
        let words = [slot[1].load(Ordering::Relaxed), slot[2].load(Ordering::Relaxed)];
        (slot[3].load(Ordering::Relaxed) == seal(words, number)).then(|| Head::from_words(words))?
    }

    // ------------------------------------------------------------------------------------ the pool's side
    /// Publishes call `number`, whose slot is free. The payload is not written if its place is the stream.
    pub fn publish(self, number: u64, head: Head, payload: &[u8]) {
        self.write(number, Half::Argument, head, payload, READY);
    }

    /// To be asked after publishing: whether the worker sleeps and must be woken. It counts as awake from
    /// then on.
    pub fn must_wake(self) -> bool {
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders it after READY (see the head of this file).
        self.words[ASLEEP].load(Ordering::Relaxed) == 1 && self.words[ASLEEP].swap(0, Ordering::Relaxed) == 1
    }

    /// Takes call `number` back. False if the worker has begun it.
    pub fn withdraw(self, number: u64) -> bool {
        let ready = number << STATE_BITS | READY;
        let withdrawn = number << STATE_BITS | WITHDRAWN;
        // READY => WITHDRAWN (rule 2). Relaxed: nothing is handed over.
        self.slot(number)[0].compare_exchange(ready, withdrawn, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// How far call `number` is.
    pub fn progress(self, number: u64) -> Progress {
        // Acquire pairs with DONE (rule 3).
        let state = self.slot(number)[0].load(Ordering::Acquire);
        match (state >> STATE_BITS == number, state & ((1 << STATE_BITS) - 1)) {
            (true, READY | WITHDRAWN) => Progress::Unbegun,
            (true, CLAIMED) => Progress::Begun,
            (true, DONE) => Progress::Done,
            _ => Progress::Invalid,
        }
    }

    /// Whether the worker is past call `number`, so that a withdrawn slot is free.
    pub fn is_past(self, number: u64) -> bool {
        // Acquire pairs with `advance`: the worker's work on the slot comes before ours.
        self.words[CURSOR].load(Ordering::Acquire) > number
    }

    /// The answer to a call that is done. Appends its payload to `payload` unless it comes by the stream.
    pub fn answer(self, number: u64, payload: &mut Vec<u8>) -> Option<Head> {
        let head = self.head(number)?;
        read_bytes(self.payload(number, head.place, Half::Answer), head.length, payload);
        Some(head)
    }

    /// Whether the answer to a call that is done comes over the socket.
    pub fn is_streamed(self, number: u64) -> bool {
        self.head(number).is_some_and(|head| head.place == Place::Stream)
    }

    /// Tells the worker when to ring.
    pub fn set_bell(self, bell: BellMode) {
        // Relaxed: the fence in `settle` orders it; a store that silences needs no order.
        self.words[BELL].store(bell as u64, Ordering::Relaxed);
    }

    /// The fence between arming bells and looking once more.
    pub fn settle() {
        fence(Ordering::SeqCst);
    }

    // ---------------------------------------------------------------------------------- the worker's side
    /// Claims call `number` if it is there; skips a withdrawn one.
    pub fn claim(self, number: u64) -> Claim {
        let slot = &self.slot(number)[0];
        let ready = number << STATE_BITS | READY;
        // Relaxed: the compare-and-swap below decides.
        let state = slot.load(Ordering::Relaxed);
        if state == ready {
            let claimed = number << STATE_BITS | CLAIMED;
            // READY => CLAIMED (rule 2). Acquire pairs with `publish`.
            return match slot.compare_exchange(ready, claimed, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => Claim::Mine,
                Err(_) => Claim::Withdrawn,
            };
        }
        if state == number << STATE_BITS | WITHDRAWN { Claim::Withdrawn } else { Claim::NotYet }
    }

    /// The claimed call. Appends its payload to `payload` unless it comes by the stream.
    pub fn call(self, number: u64, payload: &mut Vec<u8>) -> Option<Head> {
        let head = self.head(number)?;
        read_bytes(self.payload(number, head.place, Half::Argument), head.length, payload);
        Some(head)
    }

    /// Says that the worker is done with all numbers below `cursor`.
    pub fn advance(self, cursor: u64) {
        // Release pairs with `is_past`.
        self.words[CURSOR].store(cursor, Ordering::Release);
    }

    /// Publishes the answer to the claimed call. `payload` is empty if it is written already, or comes over
    /// the socket.
    pub fn finish(self, number: u64, head: Head, payload: &[u8]) {
        self.write(number, Half::Answer, head, payload, DONE);
    }

    /// To be asked after answering or skipping call `number`, and `advance`: whether the pool wants the
    /// bell to be rung.
    pub fn must_ring(self, number: u64) -> bool {
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders it after DONE and the cursor (see the head of this file).
        let due = match self.words[BELL].load(Ordering::Relaxed) {
            0 => false,
            1 => true,
            _ => !self.is_ready(number + LOW_WATER),
        };
        due && self.words[BELL].swap(0, Ordering::Relaxed) != 0
    }

    fn is_ready(self, number: u64) -> bool {
        self.slot(number)[0].load(Ordering::Relaxed) == number << STATE_BITS | READY
    }

    /// Looks for call `number`, `times` times.
    pub fn spin(self, number: u64, times: u32) -> bool {
        for _ in 0..times {
            if self.slot(number)[0].load(Ordering::Relaxed) >> STATE_BITS == number {
                return true;
            }
            spin_loop();
        }
        false
    }

    /// Says that the worker sleeps. False if call `number` came meanwhile, and then it does not sleep.
    pub fn fall_asleep(self, number: u64) -> bool {
        self.words[ASLEEP].store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders it after the word (see the head of this file).
        if self.slot(number)[0].load(Ordering::Relaxed) >> STATE_BITS == number {
            self.words[ASLEEP].store(0, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// The word on which the worker sleeps while it is 1.
    pub fn asleep(self) -> &'a AtomicU64 {
        &self.words[ASLEEP]
    }
}

/// The outcome of looking for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The call is the worker's to run.
    Mine,
    /// The pool has taken it back.
    Withdrawn,
    /// It is not published yet.
    NotYet,
}

#[derive(Clone, Copy, Debug)]
enum Half {
    Argument = 0,
    Answer = 1,
}

fn write_bytes(words: &[AtomicU64], bytes: &[u8]) {
    if words.is_empty() {
        return;
    }
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        // The last eight bytes in one load, where there are as many: a copy of one to seven bytes is a call.
        let last = match bytes.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - rest.len())),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        words[whole.len()].store(last, Ordering::Relaxed);
    }
}

fn read_bytes(words: &[AtomicU64], length: usize, out: &mut Vec<u8>) {
    if words.is_empty() {
        return;
    }
    out.reserve(length.next_multiple_of(8));
    let start = out.len();
    for word in &words[..length.div_ceil(8)] {
        out.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
    }
    out.truncate(start + length);
}
