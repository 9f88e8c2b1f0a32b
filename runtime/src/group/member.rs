//! A member: a task of a group. It enters the group's list at its first poll, reports its failure to the
//! group, and is counted off when it ends.

use super::shared::{Failure, GroupShared};
use crate::{driver::slab::Key, task};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The future of a member's task.
pub(super) struct Member<F, E> {
    /// None once it has been dropped.
    future: Option<Pin<Box<F>>>,
    /// The member's key in the group's list, once it has been polled.
    key: Option<Key>,
    shared: Arc<GroupShared<E>>,
}

impl<F, E> Member<F, E> {
    /// Wraps the future of a member that has been counted.
    pub(super) fn new(future: F, shared: &Arc<GroupShared<E>>) -> Self {
        Self { future: Some(Box::pin(future)), key: None, shared: shared.clone() }
    }
}

impl<F, T, E> Future for Member<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if this.key.is_none() {
            this.key = this.shared.enlist(cx.waker());
        }
        let Some(future) = this.future.as_mut().filter(|_| this.key.is_some()) else {
            task::cancel(cx.waker());
            return Poll::Pending;
        };
        let failure = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => return Poll::Ready(value),
            Ok(Poll::Ready(Err(error))) => Failure::Error(error),
            Err(payload) => Failure::Panic(payload),
        };
        this.shared.fail(failure);
        // This task ends in the same way as the others, by being cancelled: it is dropped as soon as this
        // returns.
        task::cancel(cx.waker());
        Poll::Pending
    }
}

impl<F, E> Drop for Member<F, E> {
    fn drop(&mut self) {
        let future = self.future.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            self.shared.fail(Failure::Panic(payload));
        }
        self.shared.count_out(self.key);
    }
}
