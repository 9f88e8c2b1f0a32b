//! Models that foreign code runs under no lock. A waker that is woken or dropped, and a value that is
//! cloned or dropped, may use the very type that holds it. If the type's lock were held, that would be a
//! deadlock, which loom detects.

use super::visibility::is_ready;
use crate::sync::{Barrier, Condition, Event, Mutex, Notify, Queue, Semaphore, broadcast, mpsc, watch};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Foreign code, and how often it ran.
struct Callback {
    run: Box<dyn Fn() + Send + Sync>,
    times: AtomicUsize,
}

impl Callback {
    fn new(run: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { run: Box::new(run), times: AtomicUsize::new(0) })
    }

    fn times(&self) -> usize {
        self.times.load(Ordering::Relaxed)
    }
}

/// Runs the callback when it is woken, cloned or dropped. It serves as a waker and as a value.
struct RunsCallback(Arc<Callback>);

impl RunsCallback {
    fn run(&self) {
        self.0.times.fetch_add(1, Ordering::Relaxed);
        (self.0.run)();
    }

    fn waker(code: &Arc<Callback>) -> Waker {
        Waker::from(Arc::new(Self(code.clone())))
    }
}

impl Wake for RunsCallback {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}

impl Clone for RunsCallback {
    fn clone(&self) -> Self {
        self.run();
        Self(self.0.clone())
    }
}

impl Drop for RunsCallback {
    fn drop(&mut self) {
        self.run();
    }
}

/// Runs the callback in the wakers of two waiters: one polls again with another waker, one leaves, and the
/// first is woken.
fn assert_waker_may_call<F: Future>(
    code: impl Fn() + Send + Sync + 'static,
    wait: impl Fn() -> F,
    tell: impl FnOnce(),
) {
    let code = Callback::new(code);
    let poll = |future: &mut Pin<Box<F>>| {
        let waker = RunsCallback::waker(&code);
        future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    };
    let (mut stays, mut leaves) = (Box::pin(wait()), Box::pin(wait()));
    assert!(!poll(&mut stays) && !poll(&mut leaves));
    assert!(!poll(&mut stays));
    assert_eq!(code.times(), 1, "the first waker is dropped");
    drop(leaves);
    assert_eq!(code.times(), 2, "so is that of a waiter that leaves");
    tell();
    assert_eq!(code.times(), 4, "the last is woken and dropped");
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Joins the queue and leaves it.
fn poll_and_drop<F: Future>(future: F) {
    assert!(!is_ready(&mut Box::pin(future)));
}

#[test]
fn wakers_may_use_what_wakes_them() {
    for tell in [|semaphore: &Semaphore| semaphore.add_permits(1), Semaphore::close] {
        loom::model(move || {
            let semaphore = leak(Semaphore::new(0));
            let code = || assert_eq!(semaphore.forget_permits(0), 0);
            assert_waker_may_call(code, || semaphore.acquire(), || tell(semaphore));
        });
    }
    for tell in [Notify::notify_one, Notify::notify_waiters] {
        loom::model(move || {
            let notify = leak(Notify::new());
            assert_waker_may_call(|| poll_and_drop(notify.notified()), || notify.notified(), || tell(notify));
        });
    }
    loom::model(|| {
        let event = leak(Event::new());
        assert_waker_may_call(|| event.clear(), || event.wait(), || event.set());
        let barrier = leak(Barrier::new(3));
        assert_waker_may_call(|| assert!(barrier.waiting() < 3), || barrier.wait(), || barrier.abort());
    });
    loom::model(|| {
        let (mutex, condition) = (leak(Mutex::new(())), leak(Condition::new()));
        let wait = || async { drop(condition.wait(mutex.try_lock().unwrap()).await) };
        assert_waker_may_call(|| condition.notify(0), wait, || condition.notify(1));
    });
}

#[test]
fn wakers_may_use_the_queue_that_wakes_them() {
    let look = |queue: &'static Queue<u32>| move || assert!(queue.len() < 2);
    let full = || {
        let queue = leak(Queue::bounded(1));
        queue.try_put(1).unwrap();
        queue
    };
    loom::model(move || {
        let queue = leak(Queue::bounded(1));
        assert_waker_may_call(look(queue), || queue.get(), || queue.try_put(1).unwrap());
        assert_waker_may_call(look(queue), || queue.put(2), || assert_eq!(queue.try_get(), Some(1)));
        assert_waker_may_call(look(queue), || queue.join(), || queue.task_done());
    });
    // The waiter is woken by a task that had to wait itself, or by one that is dropped with its grant.
    loom::model(move || {
        let (queue, mut cx) = (full(), Context::from_waker(Waker::noop()));
        let mut put = Box::pin(queue.put(2));
        assert!(put.as_mut().poll(&mut cx).is_pending());
        assert_eq!(queue.try_get(), Some(1));
        assert_waker_may_call(look(queue), || queue.get(), || assert!(put.as_mut().poll(&mut cx).is_ready()));
    });
    loom::model(move || {
        let (queue, mut cx) = (leak(Queue::bounded(1)), Context::from_waker(Waker::noop()));
        let mut get = Box::pin(queue.get());
        assert!(get.as_mut().poll(&mut cx).is_pending());
        queue.try_put(1).unwrap();
        assert_waker_may_call(
            look(queue),
            || queue.put(2),
            || assert_eq!(get.as_mut().poll(&mut cx), Poll::Ready(1)),
        );
    });
    loom::model(move || {
        let (queue, mut cx) = (leak(Queue::bounded(1)), Context::from_waker(Waker::noop()));
        let mut get = Box::pin(queue.get());
        assert!(get.as_mut().poll(&mut cx).is_pending());
        let give_up = || {
            queue.try_put(1).unwrap();
            drop(get);
        };
        assert_waker_may_call(look(queue), || queue.get(), give_up);
    });
}

#[test]
fn wakers_may_use_the_channel_that_wakes_them() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        let sender = leak(sender);
        sender.try_send(1).unwrap();
        let look = || assert!(sender.capacity() < 2);
        assert_waker_may_call(look, || sender.send(2), || assert_eq!(receiver.try_recv(), Ok(1)));
        assert_waker_may_call(|| assert!(sender.capacity() < 2), || sender.closed(), || receiver.close());
    });
    loom::model(|| {
        let (sender, mut receiver) = mpsc::unbounded();
        let sender = leak(sender);
        let code = Callback::new(|| assert!(!sender.is_closed()));
        for _ in 0..2 {
            let waker = RunsCallback::waker(&code);
            assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(code.times(), 1, "the first waker is dropped");
        sender.send(1).unwrap();
        assert_eq!(code.times(), 3, "the second is woken and dropped");
    });
    loom::model(|| {
        let (sender, _receiver) = broadcast::channel(1);
        let sender = leak(sender);
        let receive = || {
            let mut receiver = sender.subscribe();
            async move { receiver.recv().await }
        };
        assert_waker_may_call(|| assert!(sender.len() < 2), receive, || assert!(sender.send(1).is_ok()));
    });
    loom::model(|| {
        let (sender, receiver) = watch::channel(0);
        let sender = leak(sender);
        let change = || {
            let mut receiver = sender.subscribe();
            async move { receiver.changed().await }
        };
        assert_waker_may_call(|| poll_and_drop(sender.closed()), change, || sender.send(1).unwrap());
        assert_waker_may_call(|| sender.send_modify(|_| ()), || sender.closed(), || drop(receiver));
    });
}

#[test]
fn values_may_use_the_channel_in_which_they_lie() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let sender = leak(sender);
        let code = Callback::new(|| assert!(sender.len() < 2));
        let late = sender.subscribe();
        let send = || assert!(sender.send(RunsCallback(code.clone())).is_ok());
        send();
        assert_eq!(receiver.try_recv().ok().map(drop), Some(()));
        assert_eq!(code.times(), 2, "it is cloned, and the clone is dropped");
        send();
        assert_eq!(code.times(), 3, "the oldest is dropped");
        drop((receiver, late));
        assert_eq!(code.times(), 4, "so is a value that nobody has seen");
    });
    loom::model(|| {
        let (sender, receiver) = mpsc::unbounded();
        let sender = leak(sender);
        let code = Callback::new(|| assert!(sender.is_closed()));
        assert!(sender.send(RunsCallback(code.clone())).is_ok());
        drop(receiver);
        assert_eq!(code.times(), 1, "it is dropped with the receiver");
    });
}
