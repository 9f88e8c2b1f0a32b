//! Models of a source: reports, attempts and clearings in every order, across threads.

use super::*;
use crate::model::Queue;
use loom::thread;
use std::{
    future::{Future, poll_fn},
    panic::Location,
    sync::Arc,
};

/// Runs the futures as tasks while `other` runs on another thread. Then runs the tasks that are ready again.
fn beside<F: Future>(futures: impl IntoIterator<Item = F>, other: impl FnOnce() + Send + 'static) {
    let executor = Queue::new();
    let spawn = |future| executor.spawn(future, Location::caller());
    let handles: Vec<_> = futures.into_iter().map(spawn).collect();
    let other = thread::spawn(other);
    executor.run();
    other.join().unwrap();
    executor.run();
    assert!(handles.iter().all(|handle| handle.is_finished()), "a wake-up was lost");
}

/// Does what the reactor does after an event of the operating system.
fn report(source: &Source, bits: usize) {
    let mut woken = Vec::new();
    source.add(bits, &mut woken);
    woken.into_iter().for_each(Waker::wake);
}

/// Reads as `Registered` does: tries when the source says so, and clears the readiness if the attempt was
/// in vain.
fn poll_read(source: &Source, bytes: &Mutex<bool>, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        let Poll::Ready(seen) = source.poll_ready(cx, Direction::Read) else { return Poll::Pending };
        let seen = seen.expect("the reactor lives");
        if std::mem::take(&mut *lock(bytes)) {
            return Poll::Ready(());
        }
        source.clear(seen, Direction::Read);
    }
}

/// The attempt would have blocked although the end is marked: another call has taken the error, or another
/// peer has come after the end.
#[test]
fn an_end_that_is_none_any_more_is_not_tried_over_and_over() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        report(&source, READ_ENDED);
        let bytes = Arc::new(Mutex::new(false));
        let (from, there) = (source.clone(), bytes.clone());
        beside([poll_fn(move |cx| poll_read(&source, &bytes, cx))], move || {
            *lock(&there) = true;
            report(&from, READABLE | READ_ENDED);
        });
    });
}

/// The end comes before, while or after the bytes are read, and before or after the short transfer is
/// cleared.
#[test]
fn an_end_behind_the_last_bytes_is_found() {
    /// The result of the next read.
    #[derive(Clone, Copy, PartialEq)]
    enum Next {
        Nothing,
        Bytes,
        BytesAndEnd,
        End,
    }
    fn poll_end(source: &Source, next: &Mutex<Next>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Poll::Ready(seen) = source.poll_ready(cx, Direction::Read) else { return Poll::Pending };
            let seen = seen.expect("the reactor lives");
            let mut next = lock(next);
            let (found, left) = match *next {
                Next::Bytes => (Next::Bytes, Next::Nothing),
                Next::BytesAndEnd => (Next::Bytes, Next::End),
                other => (other, other),
            };
            *next = left;
            drop(next);
            match found {
                Next::End => return Poll::Ready(()),
                Next::Nothing => _ = source.clear(seen, Direction::Read),
                _ => source.clear_used_up(seen, Direction::Read),
            }
        }
    }
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Ready));
        let next = Arc::new(Mutex::new(Next::Nothing));
        let (from, there) = (source.clone(), next.clone());
        beside([poll_fn(move |cx| poll_end(&source, &next, cx))], move || {
            *lock(&there) = Next::Bytes;
            {
                let mut next = lock(&there);
                *next = if *next == Next::Bytes { Next::BytesAndEnd } else { Next::End };
            }
            report(&from, READABLE | READ_ENDED);
        });
    });
}

/// The operating system has the bytes before the reactor says so.
#[test]
fn bytes_that_arrive_while_readiness_is_cleared_are_read() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Ready));
        let bytes = Arc::new(Mutex::new(false));
        let (from, there) = (source.clone(), bytes.clone());
        beside([poll_fn(move |cx| poll_read(&source, &bytes, cx))], move || {
            *lock(&there) = true;
            report(&from, READABLE);
        });
    });
}

#[test]
fn each_direction_wakes_its_own_task() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let from = source.clone();
        let wait = |direction| {
            let source = source.clone();
            poll_fn(move |cx| source.poll_ready(cx, direction).map(|seen| drop(seen)))
        };
        beside([wait(Direction::Read), wait(Direction::Write)], move || {
            report(&from, READABLE | WRITABLE);
        });
    });
}

/// A task that finds the source ready, even without the lock, also sees what the reactor saw before.
#[test]
fn writes_of_the_reactor_are_seen_by_a_task_that_finds_the_source_ready() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let count = Arc::new(AtomicUsize::new(0));
        let (from, counted) = (source.clone(), count.clone());
        let other = thread::spawn(move || {
            counted.store(1, Ordering::Relaxed);
            report(&from, READABLE);
        });
        let mut cx = Context::from_waker(Waker::noop());
        if source.poll_ready(&mut cx, Direction::Read).is_ready() {
            assert_eq!(count.load(Ordering::Relaxed), 1);
        }
        other.join().unwrap();
    });
}

/// Two tasks wait for one listener. One leaves, and the other does not miss its wake-up.
#[test]
fn one_of_several_that_wait_may_leave() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let from = source.clone();
        let (mut leaver, mut key) = (None, None);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(source.poll_ready_among(&mut cx, Direction::Read, &mut leaver).is_pending());
        let stay = poll_fn(move |cx| {
            if let Some(leaver) = leaver.take() {
                source.leave(leaver);
            }
            source.poll_ready_among(cx, Direction::Read, &mut key).map(|seen| drop(seen))
        });
        beside([stay], move || report(&from, READABLE));
    });
}

/// Two tasks read from one connection by reference.
#[test]
fn two_tasks_that_poll_one_direction_are_both_woken() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let from = source.clone();
        let wait = || {
            let source = source.clone();
            poll_fn(move |cx| source.poll_ready(cx, Direction::Read).map(|seen| drop(seen)))
        };
        beside([wait(), wait()], move || report(&from, READABLE));
    });
}

/// One task takes a byte and is done. The bits stay for the other task, which finds the other byte.
#[test]
fn two_tasks_share_what_there_is_to_read() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let bytes = Arc::new(Mutex::new(0));
        let (from, there) = (source.clone(), bytes.clone());
        let read = || {
            let (source, bytes) = (source.clone(), bytes.clone());
            poll_fn(move |cx| {
                loop {
                    let Poll::Ready(seen) = source.poll_ready(cx, Direction::Read) else {
                        return Poll::Pending;
                    };
                    let mut left = lock(&bytes);
                    if *left > 0 {
                        *left -= 1;
                        return Poll::Ready(());
                    }
                    drop(left);
                    source.clear(seen.expect("the reactor lives"), Direction::Read);
                }
            })
        };
        beside([read(), read()], move || {
            *lock(&there) += 2;
            report(&from, READABLE);
        });
    });
}

/// The waker of a task that has lost interest.
struct Gone;

impl std::task::Wake for Gone {
    fn wake(self: Arc<Self>) {}
}

/// Pollers that have lost interest without a word make room, and the task that waits is woken.
#[test]
fn a_task_that_comes_when_there_are_too_many_pollers_is_woken() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        for _ in 0..=MAX_POLLERS_PER_DIRECTION {
            let gone = Waker::from(Arc::new(Gone));
            assert!(source.poll_ready(&mut Context::from_waker(&gone), Direction::Read).is_pending());
        }
        let from = source.clone();
        let wait = poll_fn(move |cx| source.poll_ready(cx, Direction::Read).map(|seen| drop(seen)));
        beside([wait], move || report(&from, READABLE));
    });
}

#[test]
fn the_end_of_the_reactor_reaches_who_waits_and_who_comes_to_wait() {
    loom::model(|| {
        let source = Arc::new(Source::new(Initially::Pending));
        let from = source.clone();
        let wait =
            poll_fn(move |cx| source.poll_ready(cx, Direction::Read).map(|seen| assert!(seen.is_err())));
        beside([wait], move || report(&from, GONE));
    });
}
