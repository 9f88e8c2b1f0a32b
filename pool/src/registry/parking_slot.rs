//! The parking slot of a worker. `registry/sleep.rs` describes the protocol in which its states change.

use crate::{
    sync::{AtomicU8, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, Thread, thread},
    sys,
};

/// The owner runs, or is about to.
pub(crate) const AWAKE: u8 = 0;
/// The owner is parked or about to park, and a waker may claim it.
pub(crate) const ASLEEP: u8 = 1;
/// A waker has claimed the owner and will unpark it.
pub(crate) const WAKING: u8 = 2;
/// The owner is out of service until it is recalled. It is not counted anywhere.
pub(crate) const RESERVE: u8 = 3;

/// The value of `waker_processor` if the waker's processor does not matter or is unknown.
const NO_PROCESSOR: usize = usize::MAX;

/// Returns the processor that this thread runs on, where the system tells.
fn current_processor() -> usize {
    sys::processor().unwrap_or(NO_PROCESSOR)
}

/// A parking slot: the place in which one worker sleeps.
#[derive(Debug)]
pub(crate) struct ParkingSlot {
    pub(crate) state: AtomicU8,
    /// How often the owner was woken. Written by the waker that has claimed the slot.
    wakes: AtomicU64,
    /// The processor of the worker that woke the owner. Written by the waker that has claimed the slot.
    waker_processor: AtomicUsize,
    thread: Mutex<Option<Thread>>,
}

impl ParkingSlot {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
            wakes: AtomicU64::new(0),
            waker_processor: AtomicUsize::new(NO_PROCESSOR),
            thread: Mutex::new(None),
        }
    }

    /// Makes the calling thread the owner.
    pub(crate) fn bind_thread(&self) {
        *self.thread() = Some(thread::current());
    }

    fn thread(&self) -> MutexGuard<'_, Option<Thread>> {
        self.thread.lock().expect("nothing panics while it holds a parking slot's lock")
    }

    /// Returns how often the owner was woken.
    pub(crate) fn wakes(&self) -> u64 {
        // Relaxed: the number orders nothing.
        self.wakes.load(Ordering::Relaxed)
    }

    /// Records the wake-up. Only the waker that has claimed the slot calls this.
    pub(crate) fn record_waker(&self, is_worker: fn() -> bool) {
        // Relaxed, both: the claim lets only one waker write at a time.
        self.wakes.store(self.wakes.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.waker_processor
            .store(if is_worker() { current_processor() } else { NO_PROCESSOR }, Ordering::Relaxed);
    }

    /// Returns whether the woken owner would keep the worker that woke it from its work.
    pub(crate) fn is_on_processor_of_waker(&self) -> bool {
        // Relaxed: it was written before AWAKE, which the owner has acquired.
        let waker_processor = self.waker_processor.load(Ordering::Relaxed);
        waker_processor != NO_PROCESSOR && waker_processor == current_processor()
    }

    pub(crate) fn unpark(&self) {
        if let Some(thread) = &*self.thread() {
            thread.unpark();
        }
    }

    /// Takes the slot back from sleep. Returns false if a waker has claimed it.
    pub(crate) fn reclaim(&self) -> bool {
        // ASLEEP => AWAKE. AcqRel pairs with the claims of the wakers.
        self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn park_while_not_awake(&self) {
        // Acquire pairs with the waker's Release.
        while self.state.load(Ordering::Acquire) != AWAKE {
            thread::park();
        }
    }
}
