//! A waker that runs code of the test when it is cloned.

use std::{
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{RawWaker, RawWakerVTable, Waker},
};

/// The behaviour of such a waker, and how often it was woken.
pub(crate) struct Foreign {
    on_clone: Box<dyn Fn() + Send + Sync>,
    wakes: AtomicUsize,
}

impl Foreign {
    pub(crate) fn new(on_clone: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { on_clone: Box::new(on_clone), wakes: AtomicUsize::new(0) })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the functions of VTABLE keep the contract of `RawWaker`, and the data is from
        // `Arc::into_raw`.
        unsafe { Waker::from_raw(raw(self.clone())) }
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

fn raw(foreign: Arc<Foreign>) -> RawWaker {
    RawWaker::new(Arc::into_raw(foreign).cast(), &VTABLE)
}

/// The reference that a waker is.
///
/// # Safety
///
/// The data is from `raw`, and its waker exists for as long as the result is used.
unsafe fn borrow(data: *const ()) -> ManuallyDrop<Arc<Foreign>> {
    // SAFETY: the data is from `Arc::into_raw`, and the reference is not given back here.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
}

/// # Safety
///
/// As for `borrow`.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: as the caller promises.
    let foreign = unsafe { borrow(data) };
    (foreign.on_clone)();
    raw(Arc::clone(&foreign))
}

/// # Safety
///
/// As for `borrow`; the waker is used up.
unsafe fn wake(data: *const ()) {
    // SAFETY: as the caller promises.
    unsafe { wake_by_ref(data) };
    // SAFETY: as the caller promises.
    unsafe { drop_waker(data) };
}

/// # Safety
///
/// As for `borrow`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as the caller promises.
    unsafe { borrow(data) }.wakes.fetch_add(1, Ordering::SeqCst);
}

/// # Safety
///
/// As for `borrow`; the waker is used up.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data is from `Arc::into_raw`, and the waker gives its reference back.
    drop(unsafe { Arc::<Foreign>::from_raw(data.cast()) });
}
