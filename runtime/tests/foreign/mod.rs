//! Wakers of other executors, which may do anything when they are cloned: panic, or come back to what they
//! are left with. No lock of the runtime is held then: so nothing waits for itself, and nothing is left
//! half done.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// Unsafe: makes a waker by hand.
#[allow(unsafe_code)]
mod waker;

use crate::common::runtimes;
use brigade_runtime::{
    Generator, Yielder, generator,
    net::{TcpListener, UdpSocket},
    sleep, spawn,
    sync::{Mutex, Notify, Queue, Semaphore, broadcast, mpsc, oneshot, watch},
    timeout, yield_now,
};
use std::{
    future::{Future, pending, poll_fn},
    net,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use waker::Foreign;

type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// Something to wait for.
struct Case {
    name: &'static str,
    wait: Wait,
    /// Makes another one who waits for the same. If that cannot be, the one may be polled again after it
    /// has panicked.
    another: Option<Box<dyn Fn() -> Wait + Send + Sync>>,
    /// Ends the waiting.
    end: Box<dyn FnOnce()>,
}

fn of_many<F: Future<Output = ()> + 'static>(
    name: &'static str,
    make: impl Fn() -> F + Send + Sync + 'static,
    end: impl FnOnce() + 'static,
) -> Case {
    Case {
        name,
        wait: Box::pin(make()),
        another: Some(Box::new(move || Box::pin(make()))),
        end: Box::new(end),
    }
}

fn of_one(name: &'static str, mut wait: impl Future + Unpin + 'static, end: impl FnOnce() + 'static) -> Case {
    // Not by `async`, which does not go on after a panic.
    let wait = Box::pin(poll_fn(move |cx| Pin::new(&mut wait).poll(cx).map(drop)));
    Case { name, wait, another: None, end: Box::new(end) }
}

/// Polls once, with a waker that does nothing, and drops the future.
fn once<F: Future>(future: F) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// A timer that does not fire meanwhile, beside something that happens.
fn timer() -> Case {
    let (sender, mut receiver) = oneshot::channel();
    let mut hour = sleep(Duration::from_secs(3600));
    let wait = poll_fn(move |cx| {
        assert!(Pin::new(&mut hour).poll(cx).is_pending());
        Pin::new(&mut receiver).poll(cx)
    });
    of_one("timer", wait, || sender.send(()).unwrap())
}

/// A future of what is shared, made as often as one likes.
fn with<T: Send + Sync + 'static, F: Future<Output = ()>>(
    shared: &Arc<T>,
    make: impl Fn(Arc<T>) -> F + Send + Sync + 'static,
) -> impl Fn() -> F + Send + Sync + 'static {
    let shared = shared.clone();
    move || make(shared.clone())
}

async fn sockets() -> [Case; 2] {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (at, udp_at) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
    [
        of_many(
            "accept",
            with(&listener, |listener| async move { drop(listener.accept().await.unwrap()) }),
            move || drop(net::TcpStream::connect(at).unwrap()),
        ),
        of_many(
            "receive",
            with(
                &socket,
                |socket| async move { assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap().0, 3) },
            ),
            move || {
                let sent = net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"ham", udp_at);
                assert_eq!(sent.unwrap(), 3);
            },
        ),
    ]
}

fn channels() -> [Case; 4] {
    let (one, one_end) = oneshot::channel();
    let (many, mut many_end) = mpsc::unbounded();
    let (all, all_end) = broadcast::channel(1);
    let (last, last_end) = watch::channel(0);
    [
        of_one("oneshot", one_end, || one.send(()).unwrap()),
        of_one("mpsc", poll_fn(move |cx| many_end.poll_recv(cx)), move || many.send(()).unwrap()),
        of_many(
            "broadcast",
            with(&Arc::new(all_end), |end| {
                let mut end = end.resubscribe();
                async move { end.recv().await.unwrap() }
            }),
            move || assert!(all.send(()).is_ok()),
        ),
        of_many(
            "watch",
            with(&Arc::new(last_end), |end| async move { Clone::clone(&*end).changed().await.unwrap() }),
            move || last.send(1).unwrap(),
        ),
    ]
}

async fn locks() -> [Case; 4] {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.clone().lock_owned().await;
    let semaphore = Arc::new(Semaphore::new(0));
    let (notify, queue) = (Arc::new(Notify::new()), Arc::new(Queue::unbounded()));
    [
        of_many("mutex", with(&mutex, |mutex| async move { drop(mutex.lock().await) }), move || drop(guard)),
        of_many(
            "semaphore",
            with(&semaphore, |semaphore| async move { semaphore.acquire().await.unwrap().forget() }),
            {
                let semaphore = semaphore.clone();
                move || semaphore.add_permits(1)
            },
        ),
        of_many("notify", with(&notify, |notify| async move { notify.notified().await }), {
            let notify = notify.clone();
            move || notify.notify_one()
        }),
        of_many("queue", with(&queue, |queue| async move { queue.get().await }), {
            let queue = queue.clone();
            move || queue.try_put(()).unwrap()
        }),
    ]
}

/// A generator whose function has given its yielder away.
fn given_away() -> (Generator<(), impl Future<Output = ()>>, Yielder<()>) {
    let mut given = None;
    let numbers = generator(|yielder| {
        given = Some(yielder);
        pending()
    });
    (numbers, given.unwrap())
}

fn tasks() -> [Case; 2] {
    let ((mut numbers, mut yielder), notify) = (given_away(), Arc::new(Notify::new()));
    let waits = notify.clone();
    let task = spawn(async move { waits.notified().await });
    [
        of_one("generator", poll_fn(move |cx| Pin::new(&mut numbers.next()).poll(cx)), move || {
            drop(spawn(async move { yielder.yield_(()).await }));
        }),
        of_one("task", task, move || notify.notify_one()),
    ]
}

async fn all() -> Vec<Case> {
    let mut all = vec![timer()];
    all.extend(sockets().await);
    all.extend(channels());
    all.extend(locks().await);
    all.extend(tasks());
    all
}

#[test]
fn a_waker_whose_clone_panics_harms_nobody_else() {
    for runtime in runtimes() {
        runtime.block_on(async {
            for mut case in all().await {
                let panics = Foreign::new(|| panic!("I am not to be cloned"));
                // Before anybody waits, and when somebody does.
                for _ in 0..2 {
                    let mut another = case.another.as_ref().map(|another| another());
                    let future = another.as_mut().unwrap_or(&mut case.wait);
                    let poll = || future.as_mut().poll(&mut Context::from_waker(&panics.waker()));
                    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err(), "{} does not wait", case.name);
                    let first = poll_fn(|cx| Poll::Ready(case.wait.as_mut().poll(cx))).await;
                    assert!(first.is_pending(), "{} does not wait", case.name);
                }
                (case.end)();
                timeout(Duration::from_secs(60), case.wait).await.expect(case.name);
            }
        });
    }
}

#[test]
fn a_waker_that_comes_back_when_it_is_cloned_waits_for_no_lock() {
    for runtime in runtimes() {
        runtime.block_on(async {
            for mut case in all().await {
                let another = case.another.take();
                let back = Foreign::new(move || {
                    another.iter().for_each(|another| once(another()));
                    once(sleep(Duration::from_millis(50)));
                    drop(spawn(yield_now()));
                });
                let first = poll_fn(|cx| Poll::Ready(case.wait.as_mut().poll(cx))).await;
                assert!(first.is_pending(), "{} does not wait", case.name);
                // It has a waker already: this one takes its place.
                assert!(case.wait.as_mut().poll(&mut Context::from_waker(&back.waker())).is_pending());
                (case.end)();
                while back.wakes() == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
                timeout(Duration::from_secs(60), case.wait).await.expect(case.name);
            }
        });
    }
}
