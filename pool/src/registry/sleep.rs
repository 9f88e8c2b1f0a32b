//! How workers sleep and are woken, and why no wake-up is lost.
//!
//! # Vocabulary
//!
//! A **producer** puts work into a queue (a spawned job, a half, or an injected one). A worker that finds nothing becomes
//! **searching**, later **asleep**. A **bed** is one worker's place to sleep.
//!
//! # Protocol
//!
//! ```text
//!   producer                              worker that finds nothing
//!   1 put the work into a queue           1 sleeping += 1, searching -= 1 (if it was)
//!   2 light fence                         2 bed = ASLEEP, ring for halves
//!   3 read the counters; if nobody        3 heavy fence
//!     searches and somebody is to be      4 look into all queues once more;
//!     had: read the beds, and wake one      if there is work: take the bed back, search again
//!                                         5 park until the bed is AWAKE
//! ```
//!
//! A waker claims a bed by ASLEEP => WAKING, counts its owner as searching, then sets AWAKE and unparks. Between the two the
//! sleeper waits, so that the counters never lag behind what it does next.
//!
//! The producer of a half does not read the counters each time: it takes step 3 only if the bell of its deque was *rung* since it
//! last did (`deque.rs`). Whoever makes the counters say "wake somebody" rings all bells afterwards, before its heavy fence.
//!
//! # Why no wake-up is lost
//!
//! By the pair of fences (`sys.rs`) either the sleeper sees the work in step 4, or the producer sees `sleeping` and ASLEEP, or
//! hears the bell, in step 3. Then it wakes somebody, unless somebody searches. So a searching worker carries a **duty** for work
//! that was produced while it searched. It discharges the duty in one of two ways, and there is no third:
//!
//! * it goes to sleep, by the protocol above: step 4 comes after `searching -= 1`;
//! * it finds work and stops searching ([`Sleep::end_search`]). If it was the last one that searched, and somebody is to be had, it
//!   rings, fences and looks into all queues; if there is work, it wakes the next. If nobody is to be had then, whoever becomes
//!   available later does the same: a sleeper in its steps 2 to 4, a worker that blocks in `Registry::blocked`.
//!
//! Who takes work out of a queue and puts it into another one, or back, is a producer of it: a sleeper that looked in between saw
//! it nowhere.
//!
//! A woken worker is counted as searching by its waker, so between the wake-up and its first look the duty is carried, too,
//! and producers do not wake a second one for the same work.
//!
//! # Dozing
//!
//! Stealing costs the thief and the victim a part of a microsecond. A worker whose thefts did not pay for that **dozes**: it sleeps for
//! a moment, then looks again by itself. It carries the duty like one that searches, so producers wake nobody meanwhile, and a
//! program of tiny pieces runs as if it were alone. Some dozes without work later it goes to sleep like any other.
//!
//! # Two on one processor
//!
//! Linux puts a thread that is woken on the processor of its waker if it takes no other for idle, and a virtual machine takes one that sleeps for
//! taken (`vcpu_is_preempted`). There the worker would keep the very one from going on that woke it for its work, find nothing, fall asleep,
//! and be woken again. So a worker that wakes up on the processor of the worker that woke it lets that one go first.
//!
//! The idea of a packed word, and that waking is the searchers' duty, is from Go's scheduler and tokio's `idle.rs`; the vocabulary
//! is from rayon's `sleep/README.md`. That producers pay no fence is from neither: the sleeper pays for them.
//! `tests/loom/sleep.rs` models a producer of jobs against a sleeper, against a searcher that finds other work, and against one that dozes;
//! a job that changes its queue while a sleeper looks; a producer of halves, who is rung for, against a sleeper; and mail for a worker
//! that falls asleep.

use crate::{
    registry::counters::{Counters, CountersSnapshot, DOZING, SEARCHING, SLEEPING, VACANT},
    sync::{AtomicU8, AtomicU64, AtomicUsize, Mutex, Ordering, Padded, Thread, park_timeout, thread},
    sys::{self, Fence, Full, Light},
};

/// The owner runs, or is about to.
const AWAKE: u8 = 0;
/// The owner is parked or about to, and may be claimed by a waker.
const ASLEEP: u8 = 1;
/// A waker has claimed the owner and will unpark it.
const WAKING: u8 = 2;
/// The owner is out of service until it is recalled: it is not counted anywhere.
const RESERVE: u8 = 3;

/// No processor.
const NO_PROCESSOR: usize = usize::MAX;

/// The processor that this thread runs on, where one can know.
fn current_processor() -> usize {
    sys::processor().unwrap_or(NO_PROCESSOR)
}

/// One worker's place to sleep.
#[derive(Debug)]
struct ParkingSlot {
    state: AtomicU8,
    /// How often the owner was woken. Written by who has claimed the bed.
    wakes: AtomicU64,
    /// On which processor the worker was that woke the owner. Written by who has claimed the bed.
    waker_processor: AtomicUsize,
    thread: Mutex<Option<Thread>>,
}

impl ParkingSlot {
    fn new() -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
            wakes: AtomicU64::new(0),
            waker_processor: AtomicUsize::new(NO_PROCESSOR),
            thread: Mutex::new(None),
        }
    }

    /// For who has claimed the bed.
    fn record_waker(&self, is_worker: fn() -> bool) {
        // Relaxed, both: the claim lets only one waker write at a time.
        self.wakes.store(self.wakes.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.waker_processor
            .store(if is_worker() { current_processor() } else { NO_PROCESSOR }, Ordering::Relaxed);
    }

    /// Whether the owner, which was woken, would keep the worker that woke it from its work.
    fn is_on_processor_of_waker(&self) -> bool {
        // Relaxed: written before AWAKE, which the owner has acquired.
        let waker_processor = self.waker_processor.load(Ordering::Relaxed);
        waker_processor != NO_PROCESSOR && waker_processor == current_processor()
    }

    fn unpark(&self) {
        if let Some(thread) =
            &*self.thread.lock().expect("nothing panics while it holds a parking slot's lock")
        {
            thread.unpark();
        }
    }

    /// Takes the bed back from sleep. False if a waker has claimed it.
    fn reclaim(&self) -> bool {
        // ASLEEP => AWAKE. AcqRel pairs with the claims of the wakers.
        self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn park_while_not_awake(&self) {
        // Acquire pairs with the waker's Release.
        while self.state.load(Ordering::Acquire) != AWAKE {
            thread::park();
        }
    }
}

/// All beds of a pool, and the counters. See the head of `sleep.rs`.
#[derive(Debug)]
pub struct Sleep {
    counters: Padded<Counters>,
    slots: Box<[ParkingSlot]>,
    /// How many beds were ever occupied: the first so many.
    used: AtomicUsize,
    /// How many workers may search at a time.
    search_limit: u64,
    /// How many workers are active at a time, as a rule.
    threads: u64,
    asymmetric: bool,
    /// Whether the calling thread is a worker, of whatever pool.
    is_worker: fn() -> bool,
}

/// What the protocol has to know of the queues.
pub trait Queues {
    /// Whether anything is queued anywhere. Only after a fence is a "no" to be trusted.
    fn have_work(&self) -> bool;

    /// Rings the bell of each deque of halves.
    fn notify_owners(&self);

    /// Whether a worker must not go to sleep: because of work, or because the pool ends.
    fn forbid_sleep(&self) -> bool {
        self.have_work()
    }
}

/// Evidence that the worker is counted as searching.
#[derive(Debug)]
#[must_use = "a searching worker has a duty"]
pub struct Searching(());

impl Sleep {
    /// A pool that runs `threads` workers at a time and never has more than `beds`.
    pub fn new(threads: usize, slots: usize, is_worker: fn() -> bool) -> Self {
        Self {
            counters: Padded(Counters::new()),
            slots: (0..slots).map(|_| ParkingSlot::new()).collect(),
            used: AtomicUsize::new(0),
            search_limit: threads.div_ceil(2) as u64,
            threads: threads as u64,
            asymmetric: sys::is_asymmetric(),
            is_worker,
        }
    }

    /// Announces that the bed will be used. Before anybody can look for it.
    pub fn announce(&self, index: usize) {
        // Release publishes what was made for the new worker, such as its queues.
        self.used.fetch_max(index + 1, Ordering::Release);
    }

    /// Makes the calling thread the owner of the bed.
    pub fn bind_thread(&self, index: usize) {
        *self.slots[index].thread.lock().expect("nothing panics while it holds a parking slot's lock") =
            Some(thread::current());
    }

    /// How many workers there ever were at a time.
    #[inline]
    pub fn used(&self) -> usize {
        // Acquire pairs with `prepare`.
        self.used.load(Ordering::Acquire)
    }

    /// How often sleepers were woken.
    pub(crate) fn wakes(&self) -> u64 {
        // Relaxed: the number orders nothing.
        self.slots[..self.used()].iter().map(|slot| slot.wakes.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn counts(&self) -> CountersSnapshot {
        self.counters.0.load()
    }

    /// Whether what was just queued needs a wake-up (producer, steps 2 and 3).
    #[inline(always)]
    pub fn wants_wake(&self) -> bool {
        if self.asymmetric {
            Light::light()
        } else {
            Full::light()
        }
        self.counters.0.load().want_wake()
    }

    /// Wakes one sleeper; false if there is none.
    pub fn wake_one(&self) -> bool {
        self.slots[..self.used()].iter().any(|slot| self.wake(slot))
    }

    /// Wakes all sleepers.
    pub fn wake_all(&self) {
        sys::heavy();
        for slot in &self.slots[..self.used()] {
            self.wake(slot);
        }
    }

    /// Wakes those of these sleepers that sleep: after something was queued for each of them alone. Each looks for that
    /// between its own fence and its sleep, as for any work.
    pub fn wake_these(&self, slots: &[usize]) {
        sys::heavy();
        for &slot in slots {
            self.wake(&self.slots[slot]);
        }
    }

    fn wake(&self, slot: &ParkingSlot) -> bool {
        // Relaxed: ordered by the producer's fence; the swap decides.
        let claimed = slot.state.load(Ordering::Relaxed) == ASLEEP
            // AcqRel: pairs with the other claims of this bed.
            && slot.state.compare_exchange(ASLEEP, WAKING, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if claimed {
            self.counters.0.change(SEARCHING, SLEEPING);
            slot.record_waker(self.is_worker);
            // Release pairs with the sleeper's Acquire.
            slot.state.store(AWAKE, Ordering::Release);
            slot.unpark();
        }
        claimed
    }

    /// Becomes searching, unless enough others are.
    pub fn begin_search(&self) -> Option<Searching> {
        self.counters.0.search_within(self.search_limit).then_some(Searching(()))
    }

    /// Counts a worker as searching that is about to start, on its behalf.
    pub fn add_searching(&self) -> Searching {
        self.counters.0.change(SEARCHING, 0);
        Searching(())
    }

    /// Stops searching. True if somebody else has to be woken: see the duty at the head of `sleep.rs`.
    #[must_use = "if it says so, the next has to be woken"]
    pub fn end_search(&self, _: Searching, queues: &impl Queues) -> bool {
        self.counters.0.change(0, SEARCHING).want_wake() && self.recheck(queues)
    }

    /// The counters may have come to say "wake somebody". True if that has to be done at once, for work that was queued
    /// before.
    #[must_use = "if it says so, the next has to be woken"]
    pub fn recheck(&self, queues: &impl Queues) -> bool {
        queues.notify_owners();
        sys::heavy();
        self.counters.0.load().want_wake() && queues.have_work()
    }

    /// Sleeps until woken, or not at all if the queues forbid it (sleeper, steps 1 to 5).
    pub fn fall_asleep(&self, index: usize, searching: Option<Searching>, queues: &impl Queues) -> Searching {
        let slot = &self.slots[index];
        self.counters.0.change(SLEEPING, if searching.is_some() { SEARCHING } else { 0 });
        // Release: whoever claims the bed sees the counters changed.
        slot.state.store(ASLEEP, Ordering::Release);
        queues.notify_owners();
        sys::heavy();
        if queues.forbid_sleep() && slot.reclaim() {
            self.counters.0.change(SEARCHING, SLEEPING);
            return Searching(());
        }
        slot.park_while_not_awake();
        if slot.is_on_processor_of_waker() {
            thread::yield_now();
        }
        // The waker has counted us as searching.
        Searching(())
    }

    /// Dozes: sleeps for a moment, keeping the duty. An error, and nothing happens, if somebody else dozes
    /// already, or if no worker is left that could produce anything.
    pub fn doze(
        &self,
        index: usize,
        searching: Searching,
        time: std::time::Duration,
    ) -> Result<Searching, Searching> {
        let now = self.counters.0.load();
        if now.dozing() > 0 || now.idle() + 1 >= self.threads {
            return Err(searching);
        }
        let slot = &self.slots[index];
        self.counters.0.change(SLEEPING + DOZING, SEARCHING);
        // Release: whoever claims the bed sees the counters changed.
        slot.state.store(ASLEEP, Ordering::Release);
        park_timeout(time);
        if slot.reclaim() {
            self.counters.0.change(SEARCHING, SLEEPING + DOZING);
        } else {
            slot.park_while_not_awake();
            // The waker has counted us as searching, and not as sleeping.
            self.counters.0.change(0, DOZING);
        }
        Ok(Searching(()))
    }

    // --- reserve, vacancies and waiters: the crew's, under its lock unless said otherwise ---

    /// Marks the bed as out of service.
    pub(crate) fn begin_reserve(&self, index: usize) {
        // Release: as for any state that others wait for.
        self.slots[index].state.store(RESERVE, Ordering::Release);
    }

    /// Whether the bed is still out of service. Needs no lock.
    pub(crate) fn in_reserve(&self, index: usize) -> bool {
        // Acquire pairs with `recall`.
        self.slots[index].state.load(Ordering::Acquire) == RESERVE
    }

    /// Brings a worker back into service, counted as searching.
    pub(crate) fn recall(&self, index: usize, _: Searching) {
        // Release pairs with the Acquire in `in_reserve`.
        self.slots[index].state.store(AWAKE, Ordering::Release);
        self.slots[index].unpark();
    }

    /// Unparks the owner of the bed, which may wait for something of its own. Needs no lock.
    pub fn unpark(&self, index: usize) {
        self.slots[index].unpark();
    }

    pub(crate) fn add_vacancy(&self) {
        self.counters.0.change(VACANT, 0);
    }

    pub(crate) fn drop_vacancy(&self) {
        self.counters.0.change(0, VACANT);
    }

    /// Makes a vacancy into a worker that searches.
    pub(crate) fn fill_vacancy(&self) -> Searching {
        self.counters.0.change(SEARCHING, VACANT);
        Searching(())
    }

    /// Evidence for a worker that another has counted as searching: a started or a recalled one.
    pub(crate) fn counted_by_another(&self) -> Searching {
        Searching(())
    }
}
