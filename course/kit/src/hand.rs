//! Futures that the harness polls by hand, with wakers that it counts.

use crate::{
    log::{broken, demand},
    thread::JoinHandle,
};
use brigade_explore::{remark, thread};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A waker that counts its calls, and ends the park of the thread that made it.
struct Count {
    name: &'static str,
    // No choice point lies between two operations on it, so it can be std's.
    wakes: AtomicU32,
    thread: thread::Thread,
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        remark(|| format!("wake {}", self.name));
        self.wakes.fetch_add(1, SeqCst);
        self.thread.unpark();
    }
}

/// A future in the harness's hand: it is polled when the harness says so.
pub(crate) struct Hand<F> {
    name: &'static str,
    future: Pin<Box<F>>,
    count: Arc<Count>,
}

impl<F: Future> Hand<F> {
    pub(crate) fn new(name: &'static str, future: F) -> Self {
        Self { name, future: Box::pin(future), count: Self::count(name) }
    }

    fn count(name: &'static str) -> Arc<Count> {
        Arc::new(Count { name, wakes: AtomicU32::new(0), thread: thread::current() })
    }

    /// Polls once, with the waker of the last poll.
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        remark(|| format!("poll {}", self.name));
        let waker = Waker::from(self.count.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls once, with a waker that is new, as if the future had moved to another task.
    pub(crate) fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        self.count = Self::count(self.name);
        self.poll()
    }

    /// Returns how often the waker was called.
    pub(crate) fn wakes(&self) -> u32 {
        self.count.wakes.load(SeqCst)
    }

    /// Returns how often the waker of the last poll will have been called, whichever polls follow.
    pub(crate) fn bell(&self) -> impl Fn() -> u32 + use<F> {
        let count = self.count.clone();
        move || count.wakes.load(SeqCst)
    }

    /// Polls until the future is ready. The thread sleeps while it waits.
    pub(crate) fn finish(&mut self) -> F::Output {
        loop {
            let seen = self.wakes();
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
            if self.wakes() == seen {
                remark(|| format!("{} sleeps", self.name));
            }
            while self.wakes() == seen {
                thread::park();
            }
        }
    }
}

/// Polls a future that must wait.
pub(crate) fn expect_wait<F: Future>(hand: &mut Hand<F>, rule: &str, why: &str) {
    let before = hand.wakes();
    demand(hand.poll().is_pending(), rule, why, || "the future is ready at once".to_owned());
    demand(hand.wakes() == before, "busy-loop", "a future that waits does not wake itself", || {
        "it calls the waker of the poll that returns `Pending`".to_owned()
    });
}

/// Polls a future that must be ready.
pub(crate) fn expect_ready<F: Future>(hand: &mut Hand<F>, rule: &str, why: &str) -> F::Output {
    match hand.poll() {
        Poll::Ready(output) => output,
        Poll::Pending => broken(rule, why, "the future returns `Pending`"),
    }
}

/// Demands that the waker of the last poll was called.
pub(crate) fn expect_wake<F: Future>(hand: &Hand<F>, rule: &str, why: &str) {
    demand(hand.wakes() > 0, rule, why, || "nobody calls the waker of its last poll".to_owned());
}

/// Drops the future where its lane shows it.
pub(crate) fn cancel<F>(hand: Hand<F>) {
    remark(|| format!("drop {}", hand.name));
    drop(hand);
}

/// Waits until a thread of the test has ended, and returns its result.
pub(crate) fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|payload| {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it has no words");
        broken("panic", "no panic", &format!("a thread of the test panics: {words}"))
    })
}

/// Runs a future on the calling thread, which sleeps while the future waits.
pub(crate) fn block_on<F: Future>(name: &'static str, future: F) -> F::Output {
    Hand::new(name, future).finish()
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that is polled within the call of its waker, as some executors do.
pub(crate) struct Inline {
    name: &'static str,
    future: Mutex<Option<Boxed>>,
}

impl Inline {
    /// Polls the future for the first time.
    pub(crate) fn start(name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        Arc::new(Self { name, future: Mutex::new(Some(Box::pin(future))) }).wake();
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let slot = || self.future.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is free during the poll, in which there are choice points.
        let Some(mut future) = slot().take() else { return };
        remark(|| format!("poll {} within its wake-up", self.name));
        let waker = Waker::from(self.clone());
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *slot() = Some(future);
        }
    }
}
