//! Running a future outside of the cooperative budget.

use crate::task::budget;
use std::{
    future::{Future, poll_fn},
    pin::pin,
};

/// Awaits a future that spends nothing of the task's cooperative budget.
///
/// A task normally lets others run after 128 operations that were ready at once (`brigade_handle::budget`
/// says why). This future does not: as long as its operations are ready, one poll goes on, and all other
/// tasks of the thread wait. Use it for a short piece of work that must not be cut in two, such as emptying a
/// bounded channel. A [`yield_now`](crate::yield_now) inside still lets others run.
///
/// It corresponds to tokio's `task::unconstrained`.
///
/// # Panics
///
/// Panics if the future panics, with the same payload.
///
/// # Cancellation
///
/// Dropping it drops the future at the point where it waits.
///
/// ```
/// use brigade_runtime::{run, spawn_local, sync::mpsc, unconstrained};
/// use std::{cell::Cell, rc::Rc};
///
/// run(async {
///     let (orders, mut kitchen) = mpsc::unbounded();
///     (0..1000).for_each(|order| orders.send(order).unwrap());
///     drop(orders);
///     let others = Rc::new(Cell::new(0));
///     let counted = others.clone();
///     let other = spawn_local(async move { counted.set(counted.get() + 1) });
///     unconstrained(async { while kitchen.recv().await.is_some() {} }).await;
///     // All orders were taken in one poll, so no other task has run.
///     assert_eq!(others.get(), 0);
///     other.await.unwrap();
/// });
/// ```
pub async fn unconstrained<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _lifted = budget::lift();
        future.as_mut().poll(cx)
    })
    .await
}
