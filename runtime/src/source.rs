//! A source: what the reactor knows of one descriptor, and who waits for it.
//!
//! ```text
//!   readiness   63                    8     4             3             2           1          0
//!              [  turn                | GONE | WRITE_CLOSED | READ_CLOSED | WRITABLE | READABLE ]
//! ```
//!
//! A bit says that the operation is worth trying. The reactor sets bits, and raises the turn each time. A task whose attempt
//! would have blocked clears the bit, but only if the turn is still the one that it saw before the attempt:
//!
//! ```text
//!   task                                    reactor
//!   seen = readiness
//!   read() = WouldBlock
//!                                           bytes arrive: readiness |= READABLE, turn + 1
//!   clear(seen): another turn, so not
//!   tries again, and reads the bytes
//! ```
//!
//! So a readiness that comes between the attempt and the clearing is not lost, though descriptors are registered for edges
//! and the operating system will not repeat it. The idea is tokio's (`runtime/io/scheduled_io.rs`).
//!
//! # Why no wake-up is lost
//!
//! The task stores its waker under the lock, then looks at the bits again. The reactor sets the bits, then takes the wakers
//! under the lock. If the task's lock came first, the reactor finds the waker; else the task sees the bits. The models at the
//! end of this file try every order of that, and of the clearing above, across threads.
//!
//! A descriptor has two directions, and each has its own waker, since the halves of a split may wait in different tasks.
//! Several tasks may wait for one listener: those are in the table `others`, which they leave when they are dropped.

use crate::{
    shim::{AtomicUsize, Mutex, Ordering, lock},
    slab::{Key, Slab},
};
use brigade_trace::{Domain, Id, Kind, record};
use std::{
    io,
    task::{Context, Poll, Waker},
};

const READABLE: usize = 1 << 0;
const WRITABLE: usize = 1 << 1;
const READ_CLOSED: usize = 1 << 2;
const WRITE_CLOSED: usize = 1 << 3;
const GONE: usize = 1 << 4;
const TURN: usize = 1 << 8;

/// Which half of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    /// The bits that make an attempt worthwhile.
    fn mask(self) -> usize {
        match self {
            Self::Read => READABLE | READ_CLOSED | GONE,
            Self::Write => WRITABLE | WRITE_CLOSED | GONE,
        }
    }

    /// The bit that an attempt which would have blocked clears.
    fn bit(self) -> usize {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }

    /// As a trace shows it.
    fn detail(self) -> u64 {
        self.bit() as u64
    }
}

/// Whether a new descriptor's first operation is worth trying before the reactor has said anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initially {
    Ready,
    Pending,
}

/// What was seen before an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(usize);

/// What the reactor knows of a descriptor.
pub(crate) struct Source {
    pub(crate) id: Id,
    readiness: AtomicUsize,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Each with its waker, as long as it was not woken.
    others: Slab<(Direction, Option<Waker>)>,
}

impl Source {
    pub(crate) fn new(initially: Initially) -> Self {
        let bits = match initially {
            Initially::Ready => READABLE | WRITABLE,
            Initially::Pending => 0,
        };
        let waiting = Waiting { reader: None, writer: None, others: Slab::new() };
        Self {
            id: Id::fresh(Domain::Source),
            readiness: AtomicUsize::new(bits),
            waiting: Mutex::new(waiting),
        }
    }

    /// Says what the operating system said, and takes the wakers of those who waited for it.
    pub(crate) fn set(&self, event: &mio::event::Event, woken: &mut Vec<Waker>) {
        let bit = |is: bool, bit: usize| if is { bit } else { 0 };
        let bits = bit(event.is_readable(), READABLE)
            | bit(event.is_writable(), WRITABLE)
            | bit(event.is_read_closed(), READ_CLOSED)
            | bit(event.is_write_closed() || event.is_error(), WRITE_CLOSED)
            | bit(event.is_error(), READ_CLOSED);
        record(Kind::Readiness, self.id, (bits & (READABLE | WRITABLE)) as u64);
        self.add(bits, woken);
    }

    /// Says that there is something to read, of a source that is no descriptor.
    pub(crate) fn set_readable(&self, woken: &mut Vec<Waker>) {
        record(Kind::Readiness, self.id, READABLE as u64);
        self.add(READABLE, woken);
    }

    /// Says that the reactor is gone.
    pub(crate) fn set_gone(&self, woken: &mut Vec<Waker>) {
        self.add(GONE, woken);
    }

    fn add(&self, bits: usize, woken: &mut Vec<Waker>) {
        // Release: who sees the bits without the lock sees what the reactor saw, such as the count of a signal.
        let add = |old: usize| Some(old.wrapping_add(TURN) | bits);
        let _ = self.readiness.fetch_update(Ordering::Release, Ordering::Relaxed, add);
        let mut waiting = lock(&self.waiting);
        if bits & Direction::Read.mask() != 0 {
            woken.extend(waiting.reader.take());
        }
        if bits & Direction::Write.mask() != 0 {
            woken.extend(waiting.writer.take());
        }
        // They leave by themselves, when they have seen the bits, or come with a waker anew.
        for (direction, waker) in waiting.others.iter_mut() {
            if bits & direction.mask() != 0 {
                woken.extend(waker.take());
            }
        }
    }

    /// The bits if one of them makes an attempt in this direction worthwhile, else registers the task.
    ///
    /// One task a direction: a later one takes the place of the one before.
    #[inline]
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.seen(direction) {
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        // Foreign code, so before the lock.
        let waker = cx.waker().clone();
        let mut waiting = lock(&self.waiting);
        let place = match direction {
            Direction::Read => &mut waiting.reader,
            Direction::Write => &mut waiting.writer,
        };
        let old = place.replace(waker);
        let seen = self.seen(direction);
        drop(waiting);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// [`poll_ready`](Self::poll_ready) for one of several tasks; `key` is where it is registered.
    pub(crate) fn poll_ready_among(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut Option<Key>,
    ) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.seen(direction) {
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        // Foreign code, so before the lock.
        let waker = Some(cx.waker().clone());
        let mut waiting = lock(&self.waiting);
        let old = match key.and_then(|key| waiting.others.get_mut(key)) {
            Some((_, place)) => std::mem::replace(place, waker),
            None => {
                *key = Some(waiting.others.insert((direction, waker)));
                None
            }
        };
        let seen = self.seen(direction);
        drop(waiting);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes back what `poll_ready_among` registered.
    pub(crate) fn leave(&self, key: Key) {
        let old = lock(&self.waiting).others.remove(key);
        drop(old);
    }

    #[inline]
    fn seen(&self, direction: Direction) -> Option<io::Result<Seen>> {
        // Acquire pairs with `add`.
        let bits = self.readiness.load(Ordering::Acquire);
        if bits & direction.mask() == 0 {
            None
        } else if bits & GONE != 0 {
            Some(Err(io::Error::other("the runtime of this socket is gone")))
        } else {
            Some(Ok(Seen(bits)))
        }
    }

    /// Says that an attempt would have blocked, or has emptied or filled the buffer of the operating system.
    #[inline]
    pub(crate) fn clear(&self, seen: Seen, direction: Direction) {
        let clear = |now: usize| (now / TURN == seen.0 / TURN).then_some(now & !direction.bit());
        // Relaxed: it publishes nothing. If it fails another turn has come, and its bits stay.
        let _ = self.readiness.fetch_update(Ordering::Relaxed, Ordering::Relaxed, clear);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::model::Queue;
    use loom::thread;
    use std::{
        future::{Future, poll_fn},
        panic::Location,
        sync::Arc,
    };

    /// Runs the futures as tasks, while `other` happens on another thread; then runs what is ready.
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

    /// What the reactor does when the operating system has told it something.
    fn report(source: &Source, bits: usize) {
        let mut woken = Vec::new();
        source.add(bits, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Reads as `Registered` does: an attempt when the source says so, and the clearing if it was in vain.
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

    /// Whoever finds the source ready does so after the reactor has: also without the lock.
    #[test]
    fn what_the_reactor_has_seen_is_seen_by_who_finds_the_source_ready() {
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

    /// Of several tasks that wait for one listener one leaves, and the other does not miss its wake-up.
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
}
