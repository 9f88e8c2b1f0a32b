//! The wakers of a task: each is a pointer to the header of the task, and a reference to it.

use super::{
    super::state::{AfterWake, Release},
    Header, TASK, Task, free, release, request_cancel,
};
use crate::executor::context;
use brigade_trace::Kind;
use std::{
    ptr::NonNull,
    task::{RawWaker, RawWakerVTable, Waker},
};

/// Cancels the task this waker belongs to. Does nothing if it is not the waker of a task of this crate.
pub(crate) fn cancel_by(waker: &Waker) {
    if std::ptr::eq(waker.vtable(), &WAKER) {
        // SAFETY: a waker with these functions has a header for its data, and a reference to it, which the
        // borrow keeps.
        request_cancel(unsafe { &*waker.data().cast::<Header>() }, pointer(waker.data()));
    }
}

pub(super) static WAKER: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

/// Makes a waker from a waker.
///
/// # Safety
///
/// The data is a header to which the caller has a reference.
unsafe fn clone_waker(data: *const ()) -> RawWaker {
    // SAFETY: the data of a waker is a header, and the waker has a reference.
    unsafe { &*data.cast::<Header>() }.state.retain();
    RawWaker::new(data, &WAKER)
}

/// Wakes the task, and gives the reference of the waker back.
///
/// # Safety
///
/// The data is a header, and the caller hands over a reference to it.
unsafe fn wake(data: *const ()) {
    let header = pointer(data);
    context::with(|here| {
        // SAFETY: the data of a waker is a header, and the waker's reference keeps it alive until it is
        // given back, below.
        let this = unsafe { header.as_ref() };
        this.origin.record(TASK, Kind::Wake, 0);
        if this.executor.view().is_at(here) {
            // This thread (`here`) runs tasks of the same executor. The executor lives as long as this
            // thread runs its tasks, so it does not depend on the reference of this task.
            let (wake, release) = this.state.wake_and_release();
            if wake == AfterWake::Schedule {
                here.schedule(Task { header });
            } else if release == Release::Last {
                // SAFETY: that was the last reference.
                unsafe { free(header) };
            }
        } else {
            if this.state.wake() == AfterWake::Schedule {
                this.executor.view().schedule(Task { header });
            }
            // SAFETY: waking by value gives the waker's reference back.
            unsafe { drop_waker(data) };
        }
    });
}

/// Wakes the task.
///
/// # Safety
///
/// The data is a header to which the caller has a reference.
#[inline]
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the data of a waker is a header, and the waker's reference lives until this returns.
    let header = unsafe { &*data.cast::<Header>() };
    header.origin.record(TASK, Kind::Wake, 0);
    if header.state.wake() == AfterWake::Schedule {
        header.executor.view().schedule(Task { header: pointer(data) });
    }
}

/// Gives the waker's reference back.
///
/// # Safety
///
/// The data is a header, and the caller hands over a reference to it.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker gives its own reference back.
    unsafe { release(pointer(data)) };
}

#[inline]
fn pointer(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut()).expect("a waker's data is a header").cast()
}
