//! More waiters than are woken in one batch, and wakers that poll again, give up or panic when they are
//! woken.

use super::poll;
use crate::common::WakeCount;
use brigade_runtime::sync::{Barrier, Condition, Event, Mutex, Notify, Semaphore, broadcast, mpsc};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// More than twice as many as are woken with the lock taken once.
const CROWD: usize = 600;

/// Does this when it is woken.
struct Woken<F>(F);

impl<F: Fn() + Send + Sync> Wake for Woken<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Some waiters, and how many of them were woken and are gone.
struct Crowd<F> {
    waits: Vec<Pin<Box<F>>>,
    woken: Arc<WakeCount>,
    gone: usize,
}

impl<F: Future> Crowd<F> {
    fn new(wait: impl FnMut(usize) -> F) -> Self {
        let waits = (0..CROWD).map(wait).map(Box::pin).collect();
        Self { waits, woken: Arc::default(), gone: 0 }.go_on(0)
    }

    /// The first so many were woken, and are ready; the others are neither.
    fn go_on(mut self, so_many: usize) -> Self {
        self.gone += so_many;
        assert_eq!(self.woken.times(), self.gone);
        let waker = Waker::from(self.woken.clone());
        let is_ready =
            |wait: &mut Pin<Box<F>>| wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        assert!(self.waits.drain(..so_many).all(|mut wait| is_ready(&mut wait)));
        assert!(!self.waits.iter_mut().any(is_ready));
        self
    }
}

#[test]
fn a_crowd_gets_as_many_permits_as_there_are() {
    let semaphore = Semaphore::new(0);
    let crowd = Crowd::new(|_| async { semaphore.acquire().await.unwrap().forget() });
    semaphore.add_permits(CROWD - 3);
    let crowd = crowd.go_on(CROWD - 3);
    semaphore.add_permits(5);
    crowd.go_on(3);
    assert_eq!(semaphore.available_permits(), 2);
    semaphore.try_acquire_many(2).unwrap().forget();
    let crowd = Crowd::new(|_| semaphore.acquire());
    semaphore.close();
    crowd.go_on(CROWD);
}

#[test]
fn a_crowd_hears_of_a_call_of_an_event_and_of_the_last_one() {
    let notify = Notify::new();
    let crowd = Crowd::new(|_| notify.notified());
    notify.notify_waiters();
    crowd.go_on(CROWD);
    let event = Event::new();
    let crowd = Crowd::new(|_| event.wait());
    event.set();
    crowd.go_on(CROWD);
    let barrier = Barrier::new(CROWD + 1);
    let crowd = Crowd::new(|_| barrier.wait());
    assert!(poll(pin!(barrier.wait())).is_ready());
    crowd.go_on(CROWD);
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let crowd = Crowd::new(|_| async { drop(condition.wait(mutex.try_lock().unwrap()).await) });
    condition.notify(CROWD - 3);
    let crowd = crowd.go_on(CROWD - 3);
    condition.notify_all();
    crowd.go_on(3);
}

#[test]
fn a_crowd_gets_the_room_and_the_values_of_a_channel() {
    let (sender, mut receiver) = mpsc::channel(CROWD);
    (0..CROWD).for_each(|number| sender.try_send(number).unwrap());
    let crowd = Crowd::new(|number| sender.send(CROWD + number));
    let mut values = Vec::new();
    assert_eq!(poll(pin!(receiver.recv_many(&mut values, CROWD - 3))), Poll::Ready(CROWD - 3));
    let crowd = crowd.go_on(CROWD - 3);
    assert_eq!(poll(pin!(receiver.recv_many(&mut values, CROWD))), Poll::Ready(3));
    crowd.go_on(3);
    assert_eq!(poll(pin!(receiver.recv_many(&mut values, 2 * CROWD))), Poll::Ready(CROWD));
    assert!(values.into_iter().eq(0..2 * CROWD));
    let (sender, receiver) = broadcast::channel(1);
    let crowd = Crowd::new(|_| {
        let mut receiver = receiver.resubscribe();
        async move { receiver.recv().await }
    });
    sender.send(1).unwrap();
    crowd.go_on(CROWD);
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A crowd whose wakers come again at once: who comes while others are woken waits for the next time.
fn a_waiter_that_joins_again_is_not_woken_twice(wait: fn() -> Wait, tell: fn()) {
    let again = Arc::new(std::sync::Mutex::new(Vec::new()));
    let theirs = again.clone();
    let waker = Waker::from(Arc::new(Woken(move || {
        let mut wait = wait();
        assert!(poll(wait.as_mut()).is_pending());
        theirs.lock().unwrap().push(wait);
    })));
    let mut waits: Vec<_> = (1..CROWD).map(|_| wait()).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    tell();
    assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_ready()));
    let mut again = again.lock().unwrap();
    assert_eq!(again.len(), CROWD - 1);
    assert!(again.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()), "that was not meant for them");
}

#[test]
fn a_waiter_that_joins_while_others_are_woken_waits_for_the_next_time() {
    static NOTIFY: Notify = Notify::new();
    static BARRIER: Barrier = Barrier::new(CROWD);
    static MUTEX: Mutex<()> = Mutex::new(());
    static CONDITION: Condition = Condition::new();
    a_waiter_that_joins_again_is_not_woken_twice(|| Box::pin(NOTIFY.notified()), || NOTIFY.notify_waiters());
    a_waiter_that_joins_again_is_not_woken_twice(
        || Box::pin(async { assert!(BARRIER.wait().await.is_ok()) }),
        || assert!(poll(pin!(BARRIER.wait())).is_ready()),
    );
    for tell in [|| CONDITION.notify(2 * CROWD), || CONDITION.notify_all()] {
        let wait = || -> Wait { Box::pin(async { drop(CONDITION.wait(MUTEX.try_lock().unwrap()).await) }) };
        a_waiter_that_joins_again_is_not_woken_twice(wait, tell);
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let semaphore = Semaphore::new(0);
    let (mut first, mut second) = (Box::pin(semaphore.acquire()), Box::pin(semaphore.acquire()));
    let woken = Arc::new(WakeCount::default());
    let panics = Woken(|| panic!("a waker panics, as it should in this test"));
    let wakers = [Waker::from(Arc::new(panics)), Waker::from(woken.clone())];
    assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
    semaphore.add_permits(2);
    assert_eq!(woken.times(), 1);
    assert!(poll(first.as_mut()).is_ready() && poll(second.as_mut()).is_ready());
}
