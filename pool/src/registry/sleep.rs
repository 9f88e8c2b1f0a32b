//! How workers sleep and are woken, and why no wake-up is lost.
//!
//! Long: the protocol, its fences and the argument for them stand in one place.
//!
//! # Vocabulary
//!
//! A **producer** puts work into a queue: a spawned job, a stack job, or an injected job. A worker that
//! finds nothing becomes **searching**, and later **asleep**. Each worker has a **parking slot**, in
//! which it sleeps. A worker is **available** if one sleeps, or if a spare thread could be started in
//! place of a blocked one (a **vacancy**).
//!
//! # Protocol
//!
//! ```text
//!   producer                              worker that finds nothing
//!   1 put the work into a queue           1 sleeping += 1, searching -= 1 (if it was)
//!   2 light fence                         2 slot = ASLEEP, notify the owners of all deques
//!   3 read the counters; if no worker     3 heavy fence
//!     searches and one is available:      4 look into all queues once more;
//!     read the slots, and wake one          if there is work: reclaim the slot, search again
//!                                         5 park until the slot is AWAKE
//! ```
//!
//! A waker claims a slot by ASLEEP => WAKING, counts its owner as searching, then sets AWAKE and unparks.
//! The sleeper waits between the two steps, so the counters never lag behind what it does next.
//!
//! The producer of a stack job does not read the counters each time. It takes step 3 only if its deque
//! was *notified* since it last did (`join/deque.rs`). A thread that makes the counters say "wake a
//! worker" notifies the owners of all deques afterwards, before its heavy fence.
//!
//! # Why no wake-up is lost
//!
//! By the pair of fences (`sys.rs`) either the sleeper sees the work in step 4, or the producer sees
//! `sleeping` and ASLEEP, or its notification, in step 3. In the latter case it wakes a worker, unless
//! one is searching. So a searching worker carries a **duty** for work that was produced while it
//! searched. It discharges the duty in one of two ways, and there is no third:
//!
//! * It goes to sleep, by the protocol above: step 4 comes after `searching -= 1`.
//! * It finds work and stops searching ([`Sleep::end_search`]). If it was the last one that searched, and
//!   a worker is available, it notifies the owners, fences and looks into all queues. If there is work,
//!   it wakes the next worker. If no worker is available then, each worker that becomes available later
//!   does the same: a sleeper in its steps 2 to 4, a worker that blocks in `Registry::blocked`.
//!
//! A thread that takes work out of a queue and puts it into another one, or back, is a producer of that
//! work: a sleeper that looked in between saw it nowhere.
//!
//! A woken worker is counted as searching by its waker. So the duty is also carried between the wake-up
//! and the worker's first look, and producers do not wake a second worker for the same work.
//!
//! # Pools for blocking calls
//!
//! The heavy fence interrupts every thread that runs. That pays where jobs are many and short. In a pool
//! whose jobs are blocking calls, a worker sleeps or blocks at each of them, and would interrupt the
//! program three times for each call. So in such a pool the producer's fence is a full one, and so is the
//! sleeper's. Only `join` has a light fence in any case, since a branch there would cost all pools. A
//! worker's first stack job takes the slow path, which sets `has_stack_jobs`, fences, and reads the
//! counters. Either that owner sees a sleeper, or the sleeper sees `has_stack_jobs` after its own fence,
//! and executes the heavy fence as well.
//!
//! # A lone worker
//!
//! The heavy fence is a system call, for producers with a light fence: workers that are awake. So a worker
//! whose fellows all sleep executes an ordinary full fence instead. The counters tell: nobody searches, and
//! as many sleep as there ever were, but for itself. A thread that may be no worker of this pool cannot infer
//! that: the one that is not asleep may be a producer with a light fence. So a thread that could not start a
//! spare thread always executes the heavy fence ([`Sleep::end_search_for_another`]).
//!
//! * A thread outside the pool executes a full fence itself. So it sees the counters, or the worker its work.
//! * Work that a fellow queued before it fell asleep happens before the reading of the counters.
//! * A fellow that is woken later stops searching by a later change of the counters, and then fences in full
//!   if a worker is available and no other searches. So it queues with the knowledge of these counters; and
//!   [`Sleep::wake_one`], which begins with a full fence, sees the slot of a worker that fell asleep. If
//!   another one searches, that one has the duty, and sees a fellow awake.
//!
//! # Starting asleep
//!
//! The threads of a new pool start asleep ([`Sleep::announce_asleep`]). They need no second look (step 4),
//! because a pool takes no work before it has started. Searching at the start would make each thread look
//! at all the others.
//!
//! # Dozing
//!
//! Stealing costs the thief and the victim a part of a microsecond. A worker whose steals did not pay for
//! that **dozes**: it sleeps for a moment, then looks again by itself. It carries the duty like a
//! searching worker, so producers wake no worker meanwhile, and a program of tiny pieces runs as if it
//! were alone. After some dozes without work it goes to sleep like any other worker.
//!
//! # Two workers on one processor
//!
//! Linux puts a woken thread on the processor of its waker if it considers no other processor idle. In a
//! virtual machine it considers a processor that sleeps as taken (`vcpu_is_preempted`). The woken worker
//! would then keep its waker from the very work that it was woken for, find nothing, fall asleep, and be
//! woken again. So a worker that wakes up on the processor of the worker that woke it lets that worker go
//! first.
//!
//! The packed word, and the rule that waking is the searchers' duty, come from Go's scheduler and tokio's
//! `idle.rs`; the vocabulary is from rayon's `sleep/README.md`. That producers pay for no fence comes
//! from neither: the sleeper pays for them. `tests/loom/sleep.rs` models a producer of jobs against a
//! sleeper, against a searcher that finds other work, and against a worker that dozes; a job that changes
//! its queue while a sleeper looks; a producer of stack jobs, which is notified, against a sleeper; and a
//! message for a worker that falls asleep.

use crate::{
    registry::{
        counters::{Counters, CountersSnapshot, DOZING, SEARCHING, SLEEPING, VACANT},
        parking_slot::{ASLEEP, AWAKE, ParkingSlot, RESERVE, WAKING},
    },
    sync::{AtomicBool, AtomicUsize, Ordering, Padded, fence, park_timeout, thread},
    sys::{self, Fence, Full, Light},
};

/// All parking slots of a pool, and the counters. `registry/sleep.rs` describes the protocol.
#[derive(Debug)]
pub struct Sleep {
    counters: Padded<Counters>,
    slots: Box<[ParkingSlot]>,
    /// How many slots were ever used. They are the first ones.
    used: AtomicUsize,
    /// How many workers may search at a time: half of them, but not more than can run at a time.
    search_limit: u64,
    /// How many workers are normally active at a time.
    threads: u64,
    /// Whether producers of jobs have a light fence.
    asymmetric: bool,
    /// Whether there ever was a stack job, whose producer has a light fence.
    has_stack_jobs: AtomicBool,
    /// Returns whether the calling thread is a worker, of any pool.
    is_worker: fn() -> bool,
}

/// The questions that the protocol asks about the queues.
pub trait Queues {
    /// Returns whether any queue holds work. The caller can rely on "no" only after a fence.
    fn have_work(&self) -> bool;

    /// Notifies the owner of each deque of stack jobs.
    fn notify_owners(&self);

    /// Returns whether a worker must not go to sleep, because of work or because the pool ends.
    fn forbid_sleep(&self) -> bool {
        self.have_work()
    }
}

/// Evidence that the worker is counted as searching.
#[derive(Debug)]
#[must_use = "a searching worker has a duty"]
pub struct Searching(());

impl Sleep {
    /// Makes the protocol of a pool that runs `threads` workers at a time and never has more than
    /// `slots`.
    pub fn new(threads: usize, slots: usize, is_worker: fn() -> bool) -> Self {
        Self {
            counters: Padded(Counters::new()),
            slots: (0..slots).map(|_| ParkingSlot::new()).collect(),
            used: AtomicUsize::new(0),
            search_limit: threads.div_ceil(2).min(sys::processors()) as u64,
            threads: threads as u64,
            asymmetric: sys::is_asymmetric(),
            has_stack_jobs: AtomicBool::new(false),
            is_worker,
        }
    }

    /// Like [`new`](Self::new), for a pool for blocking calls: producers of jobs have a full fence.
    pub(crate) fn with_full_fences(threads: usize, slots: usize, is_worker: fn() -> bool) -> Self {
        Self { asymmetric: false, ..Self::new(threads, slots, is_worker) }
    }

    /// Notes that there is a stack job. The caller reads the counters next, by
    /// [`wants_wake`](Self::wants_wake), which has a full fence in the pools where this matters.
    pub(crate) fn note_stack_job(&self) {
        // Relaxed, both: the fences order it.
        if !self.asymmetric && !self.has_stack_jobs.load(Ordering::Relaxed) {
            self.has_stack_jobs.store(true, Ordering::Relaxed);
        }
    }

    /// Executes the fence of the side that sleeps, blocks or ends its search.
    fn heavy(&self) {
        fence(Ordering::SeqCst);
        // Relaxed: the fence orders it.
        if self.asymmetric || self.has_stack_jobs.load(Ordering::Relaxed) {
            sys::heavy();
        }
    }

    /// Announces that the slot will be used by a worker that starts awake. This comes before any thread
    /// can look for it.
    pub fn announce(&self, index: usize) {
        // The last owner may have ended in reserve. Relaxed: the start of the thread publishes it.
        self.slots[index].state.store(AWAKE, Ordering::Relaxed);
        // Release publishes everything that was made for the new worker, such as its queues.
        self.used.fetch_max(index + 1, Ordering::Release);
    }

    /// Announces a worker that starts asleep, before its thread exists. Work that is queued later wakes
    /// it, and its thread waits for that in [`begin`](Self::begin). The caller knows that no work was
    /// queued before, because nothing here looks for it.
    pub fn announce_asleep(&self, index: usize) {
        self.announce(index);
        self.counters.0.change(SLEEPING, 0);
        // Release: a waker that claims the slot sees the changed counters.
        self.slots[index].state.store(ASLEEP, Ordering::Release);
    }

    /// Makes the calling thread the owner of the slot. A worker that was announced asleep first waits
    /// until it is woken. Returns the evidence that its waker, or its starter, has counted it as
    /// searching.
    pub fn begin(&self, index: usize) -> Searching {
        self.slots[index].bind_thread();
        // A waker that found no thread to unpark had set AWAKE before.
        self.slots[index].park_while_not_awake();
        Searching(())
    }

    /// Returns how many workers there ever were at a time.
    #[inline]
    pub fn used(&self) -> usize {
        // Acquire pairs with the Release in `announce`.
        self.used.load(Ordering::Acquire)
    }

    /// Returns how often sleepers were woken.
    pub(crate) fn wakes(&self) -> u64 {
        self.slots[..self.used()].iter().map(ParkingSlot::wakes).sum()
    }

    /// Returns whether all of `active` workers sleep. If so, the calling thread sees everything that they
    /// queued before.
    pub fn all_sleep(&self, active: usize) -> bool {
        let counts = self.counters.0.load();
        fence(Ordering::Acquire);
        counts.searching() == 0 && counts.sleeping() == active as u64
    }

    /// Returns whether work that was just queued needs a wake-up (producer, steps 2 and 3).
    #[inline(always)]
    pub fn wants_wake(&self) -> bool {
        if self.asymmetric {
            Light::light()
        } else {
            Full::light()
        }
        self.counters.0.load().want_wake()
    }

    /// Like [`wants_wake`](Self::wants_wake), for a thread that may be no worker of this pool.
    #[inline]
    pub fn wants_wake_from_outside(&self) -> bool {
        Full::light();
        self.counters.0.load().want_wake()
    }

    /// Wakes one sleeper. Returns false if there is none.
    pub fn wake_one(&self) -> bool {
        // See "A lone worker".
        Full::light();
        self.slots[..self.used()].iter().any(|slot| self.wake(slot))
    }

    /// Wakes all sleepers.
    pub fn wake_all(&self) {
        sys::heavy();
        for slot in &self.slots[..self.used()] {
            self.wake(slot);
        }
    }

    /// Wakes those of these workers that sleep, after a message was queued for each of them. Each worker
    /// looks for its messages between its own fence and its sleep, as for any work.
    pub fn wake_these(&self, slots: &[usize]) {
        sys::heavy();
        for &slot in slots {
            self.wake(&self.slots[slot]);
        }
    }

    fn wake(&self, slot: &ParkingSlot) -> bool {
        // Relaxed: the producer's fence orders it; the compare-and-swap decides.
        let claimed = slot.state.load(Ordering::Relaxed) == ASLEEP
            // AcqRel pairs with the other claims of this slot.
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

    /// Counts this worker as searching, unless enough others search.
    pub fn begin_search(&self) -> Option<Searching> {
        self.counters.0.search_within(self.search_limit).then_some(Searching(()))
    }

    /// Counts a worker as searching that is about to start, on its behalf.
    pub fn add_searching(&self) -> Searching {
        self.counters.0.change(SEARCHING, 0);
        Searching(())
    }

    /// Stops searching. Returns whether the caller must wake another worker: the duty in the header of
    /// `registry/sleep.rs` says why.
    #[must_use = "if true, the caller must wake another worker"]
    pub fn end_search(&self, _: Searching, queues: &impl Queues) -> bool {
        let counts = self.counters.0.change(0, SEARCHING);
        counts.want_wake() && {
            queues.notify_owners();
            // See "A lone worker".
            if self.do_others_sleep(counts, 1) {
                Full::light()
            } else {
                self.heavy()
            }
            self.counters.0.load().want_wake() && queues.have_work()
        }
    }

    /// Like [`end_search`](Self::end_search), on behalf of a thread that could not be started. The caller may
    /// be no worker of this pool, so a worker that the counters leave awake may be a producer.
    #[must_use = "if true, the caller must wake another worker"]
    pub(crate) fn end_search_for_another(&self, _: Searching, queues: &impl Queues) -> bool {
        self.counters.0.change(0, SEARCHING).want_wake() && self.recheck(queues)
    }

    /// Returns whether the counters said that all workers sleep but `awake` ones, and that none searches.
    fn do_others_sleep(&self, counts: CountersSnapshot, awake: usize) -> bool {
        // After the counters: a worker that they count was announced before.
        counts.searching() == 0 && counts.sleeping() + awake as u64 == self.used() as u64
    }

    /// Checks the queues again, because the counters may have come to say "wake a worker". Returns
    /// whether the caller must wake one at once, for work that was queued before.
    #[must_use = "if true, the caller must wake another worker"]
    pub fn recheck(&self, queues: &impl Queues) -> bool {
        queues.notify_owners();
        self.heavy();
        self.counters.0.load().want_wake() && queues.have_work()
    }

    /// Sleeps until woken, or returns at once if the queues forbid sleep (sleeper, steps 1 to 5).
    pub fn fall_asleep(&self, index: usize, searching: Option<Searching>, queues: &impl Queues) -> Searching {
        let slot = &self.slots[index];
        self.counters.0.change(SLEEPING, if searching.is_some() { SEARCHING } else { 0 });
        // Release: a waker that claims the slot sees the changed counters.
        slot.state.store(ASLEEP, Ordering::Release);
        queues.notify_owners();
        Full::light();
        let counts = self.counters.0.load();
        // Acquires what the others queued before they fell asleep.
        fence(Ordering::Acquire);
        if !self.do_others_sleep(counts, 0) {
            self.heavy();
        }
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

    /// Dozes: sleeps for a moment and keeps the duty. Returns an error and does nothing if another worker
    /// dozes already, or if no worker is left that could produce anything.
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
        // Release: a waker that claims the slot sees the changed counters.
        slot.state.store(ASLEEP, Ordering::Release);
        park_timeout(time);
        if slot.reclaim() {
            self.counters.0.change(SEARCHING, SLEEPING + DOZING);
        } else {
            slot.park_while_not_awake();
            // The waker has counted us as searching, and no longer as sleeping.
            self.counters.0.change(0, DOZING);
        }
        Ok(Searching(()))
    }

    // --- reserve, vacancies and waiters: the registry calls these, under its roster's lock unless said
    // otherwise ---

    /// Marks the slot as out of service.
    pub(crate) fn begin_reserve(&self, index: usize) {
        // Release, as for any state that other threads wait for.
        self.slots[index].state.store(RESERVE, Ordering::Release);
    }

    /// Returns whether the slot is still out of service. Needs no lock.
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

    /// Unparks the owner of the slot, which may wait for something of its own. Needs no lock.
    pub fn unpark(&self, index: usize) {
        self.slots[index].unpark();
    }

    pub(crate) fn add_vacancy(&self) {
        self.counters.0.change(VACANT, 0);
    }

    pub(crate) fn drop_vacancy(&self) {
        self.counters.0.change(0, VACANT);
    }

    /// Turns a vacancy into a searching worker.
    pub(crate) fn fill_vacancy(&self) -> Searching {
        self.counters.0.change(SEARCHING, VACANT);
        Searching(())
    }

    /// Returns evidence for a worker that another one has counted as searching, when it started or
    /// recalled it.
    pub(crate) fn counted_by_another(&self) -> Searching {
        Searching(())
    }
}
