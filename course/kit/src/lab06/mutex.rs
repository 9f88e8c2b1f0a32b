//! The tests of the lock.

use super::{Event, Locks, Mutex, give_back, log_of_threads};
use crate::{
    Case,
    hand::{Hand, block_on, expect_ready, expect_wait, expect_wake, join},
    log::demand,
    thread,
};
use brigade_explore::handle::explore;
use std::{
    future::{pending, poll_fn, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
};

const FREE: &str = "a free lock is granted at once";
const HELD: &str = "a lock that is held makes others wait";
const SERVED: &str = "a request is woken when the lock is free";
const FUTURELOCK: &str = "a request that gives up leaves the line, although its future still exists";

/// The guard reaches the value.
pub(super) fn guards<S: Locks>(case: &mut Case) {
    let start = case.number(1, 99);
    let mutex = S::Mutex::new(start);
    let mut guard = expect_ready(&mut Hand::new("holder", mutex.lock()), "output", FREE);
    *guard += 1;
    let mut waits = Hand::new("request", mutex.lock());
    expect_wait(&mut waits, "exclusion", HELD);
    give_back(guard, "the holder");
    expect_wake(&waits, "lost-wake", SERVED);
    let guard = expect_ready(&mut waits, "lost-wake", SERVED);
    demand(*guard == start + 1, "output", "the next holder sees what the last one has written", || {
        format!("it was {start}, one was added, and it is {}", *guard)
    });
}

/// Three threads add to a number, and each may be preempted while it has the lock.
pub(super) fn every_interleaving<S: Locks>(_: &mut Case) {
    let log = log_of_threads(1);
    let mutex = Arc::new(S::Mutex::new(0));
    let add = |name: &'static str| {
        let (log, mutex) = (log.clone(), mutex.clone());
        move || {
            let mut guard = block_on(name, mutex.lock());
            log.note(Event::Enter(name));
            explore::point();
            *guard += 1;
            log.note(Event::Leave(name));
            drop(guard);
        }
    };
    let cooks = ["cook", "guest"].map(|name| thread::spawn_named(name, add(name)));
    add("root")();
    cooks.into_iter().for_each(join);
    let sum = *block_on("root", mutex.lock());
    demand(sum == 3, "output", "no addition is lost", || format!("the sum of three ones is {sum}"));
}

/// A request ends without the lock, and its future is still there.
pub(super) fn gives_up<S: Locks>(_: &mut Case) {
    let mutex = S::Mutex::new(0);
    let guard = expect_ready(&mut Hand::new("request", mutex.lock_unless(pending())), "output", FREE);
    demand(guard.is_some(), "output", FREE, || "it gives up".to_owned());
    let mut stays = Hand::new("patient", mutex.lock_unless(pending()));
    expect_wait(&mut stays, "exclusion", HELD);
    let mut leaves = Hand::new("impatient", mutex.lock_unless(ready(())));
    let none = expect_ready(&mut leaves, "output", "the request gives up").is_none();
    demand(none, "exclusion", HELD, || "there are two guards".to_owned());
    give_back(guard, "the holder");
    expect_wake(&stays, "lost-wake", SERVED);
    let guard = expect_ready(&mut stays, "lost-wake", SERVED);
    demand(guard.is_some(), "output", SERVED, || "the request returns `None`".to_owned());

    // It waits in front of all others before it gives up.
    let is_late = AtomicBool::new(false);
    let late = poll_fn(|_| if is_late.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending });
    let mut first = Hand::new("impatient", mutex.lock_unless(late));
    expect_wait(&mut first, "exclusion", HELD);
    is_late.store(true, SeqCst);
    let none = expect_ready(&mut first, "output", "the request gives up").is_none();
    demand(none, "exclusion", HELD, || "there are two guards".to_owned());
    let mut again = Hand::new("again", mutex.lock());
    expect_wait(&mut again, "exclusion", HELD);
    give_back(guard, "the holder");
    expect_wake(&again, "futurelock", FUTURELOCK);
    drop(expect_ready(&mut again, "futurelock", FUTURELOCK));
    drop(first);
}

/// A thread unlocks while another one gives up, and then locks once more.
pub(super) fn gives_up_race<S: Locks>(_: &mut Case) {
    let log = log_of_threads(1);
    let mutex = Arc::new(S::Mutex::new(0));
    let guard = expect_ready(&mut Hand::new("holder", mutex.lock()), "output", FREE);
    let other = mutex.clone();
    let cook = thread::spawn_named("cook", move || {
        let is_late = AtomicBool::new(false);
        let late = poll_fn(|_| if is_late.swap(true, SeqCst) { Poll::Ready(()) } else { Poll::Pending });
        let mut impatient = Hand::new("impatient", other.lock_unless(late));
        let got = match impatient.poll() {
            Poll::Ready(got) => got,
            // The second poll is the last one: it gives up, unless it has the lock.
            Poll::Pending => expect_ready(&mut impatient, "output", "the request gives up"),
        };
        // The future is still there.
        let guard = got.unwrap_or_else(|| block_on("again", other.lock()));
        log.note(Event::Enter("cook"));
        log.note(Event::Leave("cook"));
        drop((guard, impatient));
    });
    give_back(guard, "root");
    join(cook);
}
