//! Tasks that can never go on are found, and tasks that are close to it are not. Each case looks at the
//! wait-for graph from the future of a `block_on`, when its tasks have nothing left to do.

use brigade_runtime::{
    CancelHandle, JoinHandle, gather, run, sleep, spawn,
    sync::{Mutex, Notify, Semaphore, mpsc},
    timeout, yield_now,
};
use brigade_trace::{
    Id,
    live::{self, Class},
};
use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(3600);

/// Runs `case`, which returns the ids of its tasks and what it wants to keep, and returns the classes of
/// what is stuck among them.
fn classes<K, F: Future<Output = (Vec<Id>, K)>>(case: impl FnOnce() -> F) -> Vec<Class> {
    let _keeping = live::keep();
    run(async {
        let (ids, kept) = case().await;
        for _ in 0..100 {
            yield_now().await;
        }
        let found = live::graph().classify();
        drop(kept);
        let of_case = found.iter().filter(|stuck| stuck.agents.iter().any(|id| ids.contains(id)));
        of_case.map(|stuck| stuck.class).collect()
    })
}

/// Detaches a task, so that nobody has its handle.
fn detach<T>(handle: JoinHandle<T>) -> Id {
    handle.id()
}

fn two_locks() -> [Arc<Mutex<()>>; 2] {
    [Arc::default(), Arc::default()]
}

/// Takes one lock, lets the other task take the other one, and wants that as well.
async fn take_both(first: Arc<Mutex<()>>, second: Arc<Mutex<()>>) {
    let _first = first.lock().await;
    yield_now().await;
    let _second = second.lock().await;
}

#[test]
fn a_circle_of_two_locks_is_a_deadlock() {
    let found = classes(|| async {
        let [salt, pepper] = two_locks();
        let one = detach(spawn(take_both(salt.clone(), pepper.clone())));
        let other = detach(spawn(take_both(pepper, salt)));
        (vec![one, other], ())
    });
    assert_eq!(found, [Class::Cycle]);
}

#[test]
fn locks_in_one_order_are_none() {
    let found = classes(|| async {
        let [salt, pepper] = two_locks();
        let one = detach(spawn(take_both(salt.clone(), pepper.clone())));
        let other = detach(spawn(take_both(salt, pepper)));
        (vec![one, other], ())
    });
    assert_eq!(found, []);
}

#[test]
fn a_circle_that_somebody_can_cancel_is_none() {
    async fn circle() -> (Vec<Id>, (Option<JoinHandle<()>>, Option<CancelHandle>)) {
        let [salt, pepper] = two_locks();
        let one = spawn(take_both(salt.clone(), pepper.clone()));
        let other = detach(spawn(take_both(pepper, salt)));
        (vec![one.id(), other], (Some(one), None))
    }
    assert_eq!(classes(circle), [], "its handle exists");
    let found = classes(|| async {
        let (ids, (handle, _)) = circle().await;
        (ids, (None::<JoinHandle<()>>, handle.map(|handle| handle.cancel_handle())))
    });
    assert_eq!(found, [], "a cancel handle exists");
}

#[test]
fn a_circle_with_a_timeout_in_it_is_none() {
    let found = classes(|| async {
        let [salt, pepper] = two_locks();
        let one = detach(spawn(take_both(salt.clone(), pepper.clone())));
        let other = detach(spawn(async move {
            let _pepper = pepper.lock().await;
            yield_now().await;
            let _late = timeout(LONG, salt.lock()).await;
        }));
        (vec![one, other], ())
    });
    assert_eq!(found, []);
}

#[test]
fn a_holder_that_sleeps_is_none() {
    let found = classes(|| async {
        let lock = Arc::new(Mutex::new(()));
        let theirs = lock.clone();
        let holder = detach(spawn(async move {
            let _guard = theirs.lock().await;
            sleep(LONG).await;
        }));
        yield_now().await;
        let waiter = detach(spawn(async move { drop(lock.lock().await) }));
        (vec![holder, waiter], ())
    });
    assert_eq!(found, []);
}

#[test]
fn a_lock_that_the_task_holds_itself_is_a_futurelock() {
    let found = classes(|| async {
        let task = spawn(async {
            let lock = Mutex::new(());
            let _held = lock.lock().await;
            let _again = lock.lock().await;
        });
        (vec![detach(task)], ())
    });
    assert_eq!(found, [Class::Futurelock]);
}

#[test]
fn a_lock_that_was_given_to_a_future_which_is_not_polled_is_a_futurelock() {
    let found = classes(|| async {
        let (lock, gate) = (Arc::new(Mutex::new(())), Arc::new(Notify::new()));
        let (theirs, opened) = (lock.clone(), gate.clone());
        let holder = detach(spawn(async move {
            let _guard = theirs.lock().await;
            opened.notified().await;
        }));
        yield_now().await;
        let waiter = detach(spawn(async move {
            let mut first = pin!(lock.lock());
            let polled = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
            gate.notify_one();
            let _second = lock.lock().await;
            drop(first.await);
        }));
        (vec![holder, waiter], ())
    });
    assert_eq!(found, [Class::Futurelock]);
}

#[test]
fn a_lock_that_is_given_to_a_future_which_is_polled_is_none() {
    let found = classes(|| async {
        let (lock, gate) = (Arc::new(Mutex::new(())), Arc::new(Notify::new()));
        let (theirs, opened) = (lock.clone(), gate.clone());
        let holder = detach(spawn(async move {
            let _guard = theirs.lock().await;
            opened.notified().await;
        }));
        yield_now().await;
        let waiter = detach(spawn(async move {
            let both = gather([lock.lock(), lock.lock()].map(|guard| async { drop(guard.await) }));
            gate.notify_one();
            both.await;
            pending::<()>().await;
        }));
        (vec![holder, waiter], ())
    });
    assert_eq!(found, []);
}

#[test]
fn an_owned_guard_may_be_with_a_child_that_sleeps() {
    let found = classes(|| async {
        let lock = Arc::new(Mutex::new(()));
        let parent = detach(spawn(async move {
            let guard = lock.clone().lock_owned().await;
            drop(spawn(async move {
                sleep(LONG).await;
                drop(guard);
            }));
            drop(lock.lock().await);
        }));
        (vec![parent], ())
    });
    assert_eq!(found, []);
}

#[test]
fn a_guard_of_a_static_may_be_with_a_child_that_sleeps() {
    static LOCK: Mutex<()> = Mutex::new(());
    let found = classes(|| async {
        let parent = detach(spawn(async move {
            let guard = LOCK.lock().await;
            drop(spawn(async move {
                sleep(LONG).await;
                drop(guard);
            }));
            drop(LOCK.lock().await);
        }));
        (vec![parent], ())
    });
    assert_eq!(found, []);
}

#[test]
fn a_task_that_awaits_its_own_handle_joins_itself() {
    let found = classes(|| async {
        let (send, receive) = std::sync::mpsc::channel::<JoinHandle<()>>();
        let task = spawn(async move {
            let own = { receive }.recv().unwrap();
            drop(own.await);
        });
        let id = task.id();
        send.send(task).unwrap();
        (vec![id], ())
    });
    assert_eq!(found, [Class::JoinsItself]);
}

#[test]
fn a_pending_task_without_wakers_is_found_if_it_is_awaited() {
    let found = classes(|| async {
        let forgotten = spawn(pending::<()>());
        let id = forgotten.id();
        let joiner = detach(spawn(async move { drop(forgotten.await) }));
        (vec![id, joiner], ())
    });
    assert_eq!(found, [Class::NoWaker]);
    let found = classes(|| async { (vec![detach(spawn(pending::<()>()))], ()) });
    assert_eq!(found, [], "it may be meant to wait for ever");
}

#[test]
fn a_waker_that_somebody_keeps_may_be_woken() {
    let found = classes(|| async {
        let place: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
        let theirs = place.clone();
        let waits = spawn(poll_fn(move |cx| {
            *theirs.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        let id = waits.id();
        let joiner = detach(spawn(async move { drop(waits.await) }));
        (vec![id, joiner], place)
    });
    assert_eq!(found, []);
}

#[test]
fn channels_and_permits_may_come_from_anybody_who_runs() {
    let found = classes(|| async {
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let receives = detach(spawn(async move { receiver.recv().await }));
        let semaphore = Arc::new(Semaphore::new(0));
        let theirs = semaphore.clone();
        let acquires = detach(spawn(async move { drop(theirs.acquire().await) }));
        (vec![receives, acquires], (sender, semaphore))
    });
    assert_eq!(found, []);
}

#[test]
fn a_wait_that_another_task_goes_on_with_is_no_longer_the_first_ones() {
    let found = classes(|| async {
        let [salt, pepper] = two_locks();
        // The wait begins in the first task, and goes to a second one while the first is pending.
        let (hand, given) = std::sync::mpsc::channel();
        let first = detach(spawn(async move {
            let _pepper = pepper.clone().lock_owned().await;
            let mut wait = Box::pin(async move { drop(salt.lock().await) });
            let polled = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
            hand.send(wait).unwrap();
            pending::<()>().await;
        }));
        yield_now().await;
        let second = detach(spawn(async move { given.recv().unwrap().await }));
        (vec![first, second], ())
    });
    assert_eq!(found, []);
}

#[test]
fn the_root_that_looks_runs() {
    let _keeping = live::keep();
    let states = run(async {
        // The table is kept, so the root has a waker of its own from its first poll on.
        let graph = live::graph();
        let own = graph.nodes.iter().filter(|node| node.id == brigade_trace::own_id());
        own.map(|node| node.state).collect::<Vec<_>>()
    });
    assert_eq!(states, [live::State::Runs]);
}
