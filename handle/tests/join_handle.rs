//! A handle that is awaited, joined, dropped or cancelled, and a handle on a thread that must not block.

use brigade_handle::{Completer, JoinError, JoinHandle, Lost, pair, pair_with, wait};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

#[test]
fn a_result_that_is_there_is_taken_without_waiting() {
    let (completer, handle) = pair();
    assert!(completer.complete(Ok(5)));
    assert!(handle.is_finished());
    assert_eq!(handle.join().unwrap(), 5);
}

#[test]
fn a_thread_that_joins_is_woken() {
    for round in 0..1_000 {
        let (completer, handle) = pair();
        let other = thread::spawn(move || completer.complete(Ok(round)));
        assert_eq!(handle.join().unwrap(), round);
        assert!(other.join().unwrap());
    }
}

#[test]
fn a_dropped_completer_fails_the_handle() {
    let (completer, handle) = pair::<()>();
    drop(completer);
    assert!(matches!(handle.join(), Err(JoinError::Lost(Lost::Abandoned, _))));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the result's destructor, as told");
    }
}

#[test]
fn dropping_a_handle_contains_a_panic_of_the_results_destructor() {
    let (completer, handle) = pair();
    completer.complete(Ok(Bomb));
    drop(handle);
}

/// Panics whenever it is used.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        panic!("in the waker, as told");
    }
}

impl Drop for BadWaker {
    fn drop(&mut self) {
        panic!("in the waker's destructor, as told");
    }
}

/// Makes a handle that holds the only reference to a bad waker.
fn badly_awaited() -> (Completer<u32>, JoinHandle<u32>) {
    let (completer, mut handle) = pair();
    let waker = Waker::from(Arc::new(BadWaker));
    assert!(handle.poll_join(&waker).is_pending());
    drop(waker);
    (completer, handle)
}

#[test]
fn completing_contains_a_panic_of_the_waker() {
    let (completer, handle) = badly_awaited();
    assert!(completer.complete(Ok(7)));
    assert_eq!(handle.join().unwrap(), 7);
    let (completer, handle) = badly_awaited();
    drop(completer);
    drop(handle);
}

#[test]
fn dropping_or_cancelling_contains_a_panic_of_the_waker() {
    let (completer, handle) = badly_awaited();
    drop(handle);
    drop(completer);
    let (completer, handle) = badly_awaited();
    handle.cancel();
    drop((handle, completer));
    let (completer, handle) = badly_awaited();
    let cancel = handle.cancel_handle();
    drop((handle, completer));
    drop(cancel);
}

#[test]
fn a_dropped_await_loses_nothing() {
    let (completer, mut handle) = pair();
    {
        let mut waiting = pin!(&mut handle);
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    completer.complete(Ok(1));
    assert!(matches!(handle.poll_join(Waker::noop()), Poll::Ready(Ok(1))));
}

#[test]
fn a_cancel_hook_is_called_and_decides_nothing_by_itself() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let (completer, handle) = pair_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    handle.cancel();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    completer.complete(Ok(3));
    assert_eq!(handle.join().unwrap(), 3);
}

#[test]
fn a_cancel_handle_cancels_and_keeps_no_result() {
    fn may_go_anywhere<T: Send + Sync + 'static>(_: &T) {}
    let (completer, handle) = pair();
    let cancel = handle.cancel_handle();
    may_go_anywhere(&cancel);
    let value = Arc::new(());
    assert!(!cancel.is_finished());
    completer.complete(Ok(value.clone()));
    assert!(cancel.is_finished());
    drop(handle);
    assert_eq!(Arc::strong_count(&value), 1);

    let (completer, handle) = pair::<()>();
    let cancel = handle.cancel_handle();
    let clone = cancel.clone();
    drop(cancel);
    clone.cancel();
    assert!(completer.is_finished() && clone.is_finished());
    assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
}

#[test]
fn a_cancel_handle_may_be_the_last_that_is_left() {
    let hook = Arc::new(AtomicUsize::new(0));
    let calls = hook.clone();
    let (completer, handle) = pair_with::<(), _>(move || {
        calls.fetch_add(1, Ordering::Relaxed);
    });
    let cancel = handle.cancel_handle();
    drop((completer, handle));
    cancel.cancel();
    assert_eq!((Arc::strong_count(&hook), hook.load(Ordering::Relaxed)), (2, 1));
    drop(cancel);
    assert_eq!(Arc::strong_count(&hook), 1);
}

#[test]
fn a_thread_that_must_not_block_says_so_and_names_the_fix() {
    let (completer, handle) = pair();
    completer.complete(Ok(()));
    let guard = wait::set(wait::Policy::Forbid("it is an async worker; use `.await` instead"));
    let panic = catch_unwind(AssertUnwindSafe(|| handle.join())).unwrap_err();
    drop(guard);
    let text = panic.downcast::<String>().unwrap();
    assert!(text.contains("JoinHandle::join") && text.contains("`.await`"), "{text}");
    assert!(matches!(wait::policy(), wait::Policy::Park));
}

#[test]
fn a_wait_inside_a_wait_keeps_both_wake_ups() {
    let (inner_completer, inner) = pair::<u8>();
    let (outer_completer, mut outer) = pair::<u8>();
    let mut inner = Some(inner);
    thread::spawn(move || {
        outer_completer.complete(Ok(1));
        inner_completer.complete(Ok(2));
    });
    let value = wait::block("test", |waker| {
        let poll = outer.poll_join(waker);
        if let Some(inner) = inner.take() {
            assert_eq!(inner.join().unwrap(), 2);
        }
        poll
    });
    assert_eq!(value.unwrap(), 1);
}

#[test]
#[should_panic(expected = "gives its result once")]
fn a_second_result_is_refused() {
    let (completer, mut handle) = pair();
    completer.complete(Ok(()));
    assert!(handle.poll_join(Waker::noop()).is_ready());
    let _ = handle.poll_join(Waker::noop());
}

#[test]
fn a_join_with_a_time_limit_gives_the_handle_back() {
    let (completer, handle) = pair();
    let handle = handle.join_timeout(Duration::ZERO).expect_err("the work runs");
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("the work runs");
    assert!(!handle.is_finished());
    completer.complete(Ok(7));
    assert_eq!(handle.join_timeout(Duration::ZERO).expect("it has ended").unwrap(), 7);
}

#[test]
fn a_join_with_a_time_limit_ends_with_the_work() {
    for at_most in [Duration::from_secs(600), Duration::MAX] {
        for round in 0..200 {
            let (completer, handle) = pair();
            let other = thread::spawn(move || completer.complete(Ok(round)));
            assert_eq!(handle.join_timeout(at_most).expect("the time is not over").unwrap(), round);
            assert!(other.join().unwrap());
        }
    }
}

#[test]
fn a_handle_whose_time_was_over_can_be_joined_cancelled_and_moved() {
    let (completer, handle) = pair::<u32>();
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("the work runs");
    let joiner = thread::spawn(move || handle.join());
    completer.complete(Ok(7));
    assert_eq!(joiner.join().unwrap().unwrap(), 7);

    let (_completer, handle) = pair::<u32>();
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("the work runs");
    handle.cancel();
    assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
}

#[test]
fn a_wake_up_that_comes_after_the_time_ends_no_later_wait() {
    let (late, handle) = pair();
    let handle = handle.join_timeout(Duration::from_millis(1)).expect_err("the work runs");
    late.complete(Ok(1));
    // The thread's parker has a wake-up now that is not for this wait.
    let (completer, next) = pair();
    let other = thread::spawn(move || completer.complete(Ok(2)));
    assert_eq!(next.join_timeout(Duration::from_secs(600)).expect("the time is not over").unwrap(), 2);
    other.join().unwrap();
    assert_eq!(handle.join().unwrap(), 1);
}

#[test]
fn a_join_with_a_time_limit_is_refused_where_blocking_is_forbidden() {
    let (completer, handle) = pair();
    completer.complete(Ok(7));
    let forbidden = wait::set(wait::Policy::Forbid("this is a test"));
    let refused = catch_unwind(AssertUnwindSafe(|| handle.join_timeout(Duration::ZERO).is_ok()));
    drop(forbidden);
    let refused = refused.unwrap_err();
    let message = refused.downcast_ref::<String>().map(String::as_str);
    assert_eq!(message, Some("JoinHandle::join_timeout would block this thread: this is a test"));
}
