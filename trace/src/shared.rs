//! The memory in which a worker process records, and which it shares with its parent.
//!
//! ```text
//!   parent writes    session that it wants · mode and clock · for each of 256 calls: number, id
//!   worker writes    session that it records · lanes taken · threads without a lane · words of text
//!                    for each lane: counters of its ring, its name and the like
//!                    the events of lane 0, which is the thread that runs calls; the events of the others
//!                    texts: what sites and labels stand for
//! ```
//!
//! Nothing is sent and nobody is asked: the parent reads what is there, at any time, also when the worker was
//! killed. A word is written by one side only. Each ring publishes its events one by one (`ring.rs`), and a
//! text counts when the number of words that are in use has been stored after it (Release). A worker whose
//! memory is corrupt may write anything; the parent sees only numbers, which it checks.

use crate::{
    clock::Stamping,
    event::EVENT_WORDS,
    export::{Lane, Mode, ThreadTrace},
    ring::{self, COUNTERS, Ring, Slot},
    sync::{AtomicU64, Ordering::*},
};
use brigade_handle::Id;
use std::collections::{BTreeMap, HashMap};

/// How many calls may be under way in one worker, whose numbers follow one another.
pub const WORKER_TRACE_CALLS: usize = 256;
const CALLS: usize = WORKER_TRACE_CALLS;
/// How many threads of a worker have a ring: the one that runs calls, and others that calls start.
const LANES: usize = 8;
/// The events of the thread that runs calls: 1 MiB.
const FIRST_LANE_EVENTS: usize = 1 << 15;
/// The events of each other thread: 128 KiB.
const LANE_EVENTS: usize = 1 << 12;
/// The words of texts: 128 KiB.
const TEXT_WORDS: usize = 1 << 14;
/// The words of a thread's name, eight bytes each.
const NAME_WORDS: usize = 4;

// Positions, in words. Words that different sides write lie in different cache lines.
const WANTED: usize = 0;
const SETTINGS: usize = 1;
const RECORDED: usize = 8;
const LANES_TAKEN: usize = 9;
const THREADS_LEFT_OUT: usize = 10;
const TEXTS_USED: usize = 11;
const FIRST_CALL: usize = 16;
const FIRST_LANE: usize = FIRST_CALL + 2 * CALLS;
const LANE_WORDS: usize = COUNTERS + 3 + NAME_WORDS;
const FIRST_SLOT: usize = FIRST_LANE + LANES * LANE_WORDS;
const FIRST_TEXT: usize = FIRST_SLOT + (FIRST_LANE_EVENTS + (LANES - 1) * LANE_EVENTS) * EVENT_WORDS;
/// The size of the whole in words: 2.1 MiB, of which the system gives the pages that are written.
const WORDS: usize = FIRST_TEXT + TEXT_WORDS;

/// The number of words that a worker needs to [record](crate::WorkerTrace) into.
pub const WORKER_TRACE_WORDS: usize = WORDS;

/// The settings of the session, as a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) stamping: Stamping,
}

/// A place in the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Named {
    Site = 1,
    Label = 2,
}

/// A view of the words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Shared<'a> {
    /// Makes a view. None if there are too few words.
    pub(crate) fn new(words: &'a [AtomicU64]) -> Option<Self> {
        words.get(..WORDS).map(|words| Self { words })
    }

    // ------------------------------------------------------------------------------------ the parent's side

    /// Wants the worker to record for this session, or for none.
    pub(crate) fn want(self, session: u64, settings: Settings) {
        let Settings { mode, stamping: Stamping { has_ticks, cpu_interval } } = settings;
        let word = mode as u64 | u64::from(has_ticks) << 1 | cpu_interval << 8;
        self.words[SETTINGS].store(word, Relaxed);
        // Release pairs with `wanted`.
        self.words[WANTED].store(session, Release);
    }

    /// Says which call has this number. The caller publishes the call afterwards.
    pub(crate) fn name_call(self, number: u64, id: Id) {
        let place = FIRST_CALL + number as usize % CALLS * 2;
        self.words[place].store(number, Relaxed);
        self.words[place + 1].store(id.to_bits(), Relaxed);
    }

    /// The session that the worker records.
    pub(crate) fn recorded(self) -> u64 {
        // Acquire pairs with `begin`.
        self.words[RECORDED].load(Acquire)
    }

    /// Copies what the worker has recorded. The times are stamps.
    pub(crate) fn threads(self, mode: Mode) -> Vec<ThreadTrace> {
        let taken = self.words[LANES_TAKEN].load(Acquire).min(LANES as u64) as usize;
        let mut threads: Vec<_> = (0..taken).map(|lane| self.thread(lane, mode)).collect();
        let left_out = self.words[THREADS_LEFT_OUT].load(Relaxed);
        if left_out > 0 {
            let name = format!("{left_out} threads without room, or more events");
            threads.push(ThreadTrace { name, mode, dropped: left_out, ..ThreadTrace::default() });
        }
        threads
    }

    fn thread(self, lane: usize, mode: Mode) -> ThreadTrace {
        let (counters, slots) = self.ring(lane);
        let (events, dropped) = ring::copy(counters, slots.len(), mode, |position| &slots[position]);
        let head = &self.lane(lane)[COUNTERS..];
        let word = |place: usize| head[place].load(Relaxed);
        let name: Vec<u8> = (3..3 + NAME_WORDS).flat_map(|place| word(place).to_le_bytes()).collect();
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let role = usize::try_from(word(1)).ok().and_then(|lane| Lane::ALL.get(lane)).copied();
        ThreadTrace {
            name: String::from_utf8_lossy(&name[..end]).into_owned(),
            tid: word(0),
            lane: role.unwrap_or_default(),
            id: Id::from_bits(word(2)),
            mode,
            events,
            dropped,
            ..ThreadTrace::default()
        }
    }

    /// Reads the texts.
    pub(crate) fn texts(self) -> (BTreeMap<u64, String>, HashMap<Id, String>) {
        let (mut sites, mut labels) = (BTreeMap::new(), HashMap::new());
        // Acquire pairs with `tell`.
        let used = self.words[TEXTS_USED].load(Acquire).min(TEXT_WORDS as u64) as usize;
        let mut rest = &self.words[FIRST_TEXT..FIRST_TEXT + used];
        while let [head, key, texts @ ..] = rest {
            let (head, key) = (head.load(Relaxed), key.load(Relaxed));
            let length = usize::try_from(head >> 8).unwrap_or(usize::MAX);
            let Some((text, next)) = texts.split_at_checked(length.div_ceil(8)) else { break };
            let mut bytes: Vec<u8> = text.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
            bytes.truncate(length);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if head & 0xFF == Named::Site as u64 {
                sites.insert(key, text);
            } else {
                labels.insert(Id::from_bits(key), text);
            }
            rest = next;
        }
        (sites, labels)
    }

    // ------------------------------------------------------------------------------------ the worker's side

    /// The session that the parent wants to be recorded.
    #[inline]
    pub(crate) fn wanted(self) -> u64 {
        // Acquire pairs with `want`.
        self.words[WANTED].load(Acquire)
    }

    /// The settings of the wanted session.
    pub(crate) fn settings(self) -> Settings {
        let word = self.words[SETTINGS].load(Relaxed);
        let mode = if word & 1 == 0 { Mode::KeepFirst } else { Mode::KeepLast };
        Settings { mode, stamping: Stamping { has_ticks: word & 2 != 0, cpu_interval: word >> 8 } }
    }

    /// The call with this number, if the parent has named it.
    pub(crate) fn call(self, number: u64) -> Id {
        let place = FIRST_CALL + number as usize % CALLS * 2;
        let is_named = self.words[place].load(Relaxed) == number;
        if is_named { Id::from_bits(self.words[place + 1].load(Relaxed)) } else { Id::NONE }
    }

    /// Forgets the earlier session, and begins with this one.
    pub(crate) fn begin(self, session: u64) {
        self.words[RECORDED].store(0, Relaxed);
        for place in [LANES_TAKEN, THREADS_LEFT_OUT, TEXTS_USED] {
            self.words[place].store(0, Relaxed);
        }
        for lane in 0..LANES {
            self.lane(lane)[..COUNTERS].iter().for_each(|counter| counter.store(0, Relaxed));
        }
        // Release: a parent that sees the session sees no event of an earlier one.
        self.words[RECORDED].store(session, Release);
    }

    /// Adds a text, if there is room. One thread at a time does.
    pub(crate) fn tell(self, named: Named, key: u64, text: &str) {
        let used = self.words[TEXTS_USED].load(Relaxed) as usize;
        let words = 2 + text.len().div_ceil(8);
        let Some(place) = self.words[FIRST_TEXT..].get(used..used + words) else { return };
        place[0].store(named as u64 | (text.len() as u64) << 8, Relaxed);
        place[1].store(key, Relaxed);
        store_bytes(&place[2..], text.as_bytes());
        // Release pairs with `texts`.
        self.words[TEXTS_USED].store((used + words) as u64, Release);
    }

    fn lane(self, lane: usize) -> &'a [AtomicU64] {
        &self.words[FIRST_LANE + lane * LANE_WORDS..][..LANE_WORDS]
    }

    fn ring(self, lane: usize) -> (&'a [AtomicU64; COUNTERS], &'a [Slot]) {
        let counters = self.lane(lane).first_chunk().expect("a lane begins with its counters");
        let (slots, _) = self.words[FIRST_SLOT..FIRST_TEXT].as_chunks();
        let first = FIRST_LANE_EVENTS + lane.saturating_sub(1) * LANE_EVENTS;
        let slots = if lane == 0 { &slots[..FIRST_LANE_EVENTS] } else { &slots[first..first + LANE_EVENTS] };
        (counters, slots)
    }
}

impl Shared<'static> {
    /// Takes a lane for the calling thread, and makes its ring there. None if all are taken. One thread at a
    /// time does.
    pub(crate) fn take_lane(self, name: &str, tid: u64, role: Lane, id: Id, mode: Mode) -> Option<Ring> {
        let lane = self.words[LANES_TAKEN].load(Relaxed) as usize;
        if lane >= LANES {
            let left_out = self.words[THREADS_LEFT_OUT].load(Relaxed);
            self.words[THREADS_LEFT_OUT].store(left_out + 1, Relaxed);
            return None;
        }
        let head = &self.lane(lane)[COUNTERS..];
        for (place, word) in head.iter().zip([tid, role as u64, id.to_bits()]) {
            place.store(word, Relaxed);
        }
        head[3..].iter().for_each(|word| word.store(0, Relaxed));
        let fits = (0..=name.len().min(NAME_WORDS * 8)).rev().find(|&end| name.is_char_boundary(end));
        store_bytes(&head[3..], &name.as_bytes()[..fits.unwrap_or(0)]);
        // Release pairs with `threads`.
        self.words[LANES_TAKEN].store(lane as u64 + 1, Release);
        let (counters, slots) = self.ring(lane);
        Some(Ring::lent(counters, slots, mode))
    }
}

fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(whole), Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Cause, Domain, Event, Kind, ring::RingWriter};
    use std::sync::Arc;

    fn memory() -> &'static [AtomicU64] {
        (0..WORDS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak()
    }

    fn event(at: u64) -> Event {
        let (subject, by) = (Id::new(Domain::Task, at), Id::NONE);
        Event { at, kind: Kind::Wake, subject, by, cause: Cause::Timer, detail: at }
    }

    fn take(shared: Shared<'static>, name: &str) -> Option<RingWriter> {
        let ring = shared.take_lane(name, 7, Lane::Child, Id::new(Domain::Thread, 7), Mode::KeepLast);
        ring.map(|ring| RingWriter::new(Arc::new(ring)))
    }

    #[test]
    fn the_parent_reads_what_the_worker_has_written() {
        let shared = Shared::new(memory()).unwrap();
        let settings =
            Settings { mode: Mode::KeepLast, stamping: Stamping { has_ticks: true, cpu_interval: 123_456 } };
        let call = Id::new(Domain::Call, 3);
        shared.name_call(257, call);
        shared.want(5, settings);
        assert_eq!((shared.wanted(), shared.settings()), (5, settings));
        assert_eq!((shared.call(257), shared.call(1)), (call, Id::NONE));
        shared.begin(5);
        let mut ring = take(shared, "a cook with a name that is far too long: ä").unwrap();
        (0..FIRST_LANE_EVENTS as u64 + 10).for_each(|at| ring.push(event(at)));
        shared.tell(Named::Site, 9, "soup.rs:1:2");
        shared.tell(Named::Label, call.to_bits(), "soup");
        let threads = shared.threads(Mode::KeepLast);
        assert_eq!(threads.len(), 1);
        assert_eq!((threads[0].tid, threads[0].lane, threads[0].dropped), (7, Lane::Child, 10));
        assert_eq!(threads[0].name, "a cook with a name that is far t");
        assert!(threads[0].events.iter().copied().eq((10..FIRST_LANE_EVENTS as u64 + 10).map(event)));
        let (sites, labels) = shared.texts();
        assert_eq!((sites[&9].as_str(), labels[&call].as_str()), ("soup.rs:1:2", "soup"));
        shared.begin(6);
        assert!(shared.threads(Mode::KeepLast).is_empty() && shared.texts().0.is_empty());
    }

    #[test]
    fn lanes_and_texts_are_bounded() {
        let shared = Shared::new(memory()).unwrap();
        let mut rings: Vec<_> = (0..LANES + 3).filter_map(|_| take(shared, "")).collect();
        assert_eq!(rings.len(), LANES);
        for ring in &mut rings {
            (0..FIRST_LANE_EVENTS as u64 * 2).for_each(|at| ring.push(event(at)));
        }
        let threads = shared.threads(Mode::KeepLast);
        assert!(threads[..LANES].iter().all(|thread| thread.events.is_sorted_by_key(|event| event.at)));
        assert_eq!(threads[LANES].dropped, 3);
        (0..TEXT_WORDS as u64).for_each(|site| shared.tell(Named::Site, site, "soup.rs:1:2"));
        assert_eq!(shared.texts().0.len(), TEXT_WORDS / 4);
    }

    #[test]
    fn a_worker_whose_memory_is_corrupt_shows_numbers_and_no_more() {
        let words = memory();
        let shared = Shared::new(words).unwrap();
        let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
        let mut roll = || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        for _ in 0..50 {
            for word in &words[..FIRST_SLOT] {
                let number = roll();
                word.store(number >> (number % 64), Relaxed);
            }
            for word in &words[FIRST_TEXT..] {
                let number = roll();
                word.store(number >> (number % 64), Relaxed);
            }
            for mode in [Mode::KeepFirst, Mode::KeepLast] {
                assert!(shared.threads(mode).len() <= LANES + 1);
            }
            let _ = (shared.texts(), shared.call(1), shared.settings());
        }
        assert!(Shared::new(&words[1..]).is_none());
    }
}
