//! The tests of the semaphore.

use super::{Event, Locks, Semaphore, expect_sleep, give_back, log_of_threads};
use crate::{
    Case,
    hand::{Hand, Inline, block_on, cancel, expect_ready, expect_wait, expect_wake, join},
    log::demand,
    thread,
};
use std::sync::Arc;

const FREE: &str = "a request for free permits does not wait";
const NONE: &str = "a request waits while there are too few permits";
const SERVED: &str = "a request is woken when its permits are free";
const TURN: &str = "a request is not overtaken by one that came later";
const PASSED: &str = "permits that were granted to a request that is dropped go to the next one";

/// Permits are taken, run out, and come back.
pub(super) fn permits<S: Locks>(case: &mut Case) {
    let count = case.number(2, 4) as usize;
    let semaphore = S::Semaphore::new(count);
    for _ in 0..2 {
        let held: Vec<_> = (0..count)
            .map(|_| expect_ready(&mut Hand::new("request", semaphore.acquire(1)), "output", FREE))
            .collect();
        demand(semaphore.try_acquire(1).is_none(), "output", "there are no more permits", || {
            "`try_acquire` returns one".to_owned()
        });
        let mut waits = Hand::new("request", semaphore.acquire(1));
        expect_wait(&mut waits, "output", NONE);
        // The future has moved to another task: the waker of its first poll wakes nobody any more.
        let is_waiting = waits.poll_elsewhere().is_pending();
        demand(is_waiting, "output", NONE, || "it is served at its second poll".to_owned());
        held.into_iter().for_each(|permit| give_back(permit, "a holder"));
        expect_wake(&waits, "lost-wake", SERVED);
        drop(expect_ready(&mut waits, "lost-wake", SERVED));
    }
    let all = semaphore.try_acquire(count);
    demand(all.is_some(), "output", "all permits are back", || "some are missing".to_owned());
}

/// Three requests wait, and a fourth one tries to overtake.
pub(super) fn in_line<S: Locks>(_: &mut Case) {
    let semaphore = S::Semaphore::new(1);
    let mut held = expect_ready(&mut Hand::new("holder", semaphore.acquire(1)), "output", FREE);
    let names = ["first", "second", "third"];
    let mut line = names.map(|name| Hand::new(name, semaphore.acquire(1)));
    line.iter_mut().for_each(|request| expect_wait(request, "output", NONE));
    for index in 0..line.len() {
        give_back(held, "the holder");
        expect_wake(&line[index], "lost-wake", SERVED);
        line[index + 1..].iter().for_each(|request| expect_sleep(request, "order", TURN));
        // The permit is not the newcomer's, although its holder has given it back.
        demand(semaphore.try_acquire(1).is_none(), "order", TURN, || "`try_acquire` overtakes".to_owned());
        let mut newcomer = Hand::new("newcomer", semaphore.acquire(1));
        expect_wait(&mut newcomer, "order", TURN);
        cancel(newcomer);
        line[index + 1..].iter_mut().for_each(|request| expect_wait(request, "order", TURN));
        held = expect_ready(&mut line[index], "lost-wake", SERVED);
    }
}

/// A request for many permits waits, and small ones come behind it.
pub(super) fn many_permits<S: Locks>(case: &mut Case) {
    let count = case.number(3, 5) as usize;
    let semaphore = S::Semaphore::new(count);
    let [one, two] =
        [(); 2].map(|()| expect_ready(&mut Hand::new("small", semaphore.acquire(1)), "output", FREE));
    let mut large = Hand::new("large", semaphore.acquire(count));
    expect_wait(&mut large, "output", NONE);
    let mut small = [(); 2].map(|()| Hand::new("small", semaphore.acquire(1)));
    // There is a permit, but it is not their turn.
    small.iter_mut().for_each(|request| expect_wait(request, "order", TURN));
    // There are more now, and the large request still wants one more.
    give_back(two, "a holder");
    expect_sleep(&large, "exclusion", NONE);
    small.iter().for_each(|request| expect_sleep(request, "order", TURN));
    give_back(one, "a holder");
    expect_wake(&large, "lost-wake", SERVED);
    let all = expect_ready(&mut large, "lost-wake", SERVED);
    small.iter().for_each(|request| expect_sleep(request, "exclusion", NONE));
    give_back(all, "the holder of all");
    // They are enough for both.
    small.iter().for_each(|request| expect_wake(request, "lost-wake", SERVED));
    let held = small.each_mut().map(|request| expect_ready(request, "lost-wake", SERVED));
    let rest = semaphore.try_acquire(count - 2);
    demand(rest.is_some(), "output", "no more permits are taken than were requested", || {
        format!("of {count} permits, 2 are held, and the others are not free")
    });
    drop((held, rest));
}

/// Requests are dropped before their permits are free.
pub(super) fn cancelled_waiting<S: Locks>(_: &mut Case) {
    const LEFT: &str = "a request that is dropped leaves nothing in the line";
    let semaphore = S::Semaphore::new(2);
    let held = expect_ready(&mut Hand::new("holder", semaphore.acquire(2)), "output", FREE);
    let mut first = Hand::new("first", semaphore.acquire(2));
    let mut second = Hand::new("second", semaphore.acquire(1));
    expect_wait(&mut first, "output", NONE);
    expect_wait(&mut second, "output", NONE);
    cancel(first);
    give_back(held, "the holder");
    expect_wake(&second, "cancel", LEFT);
    let one = expect_ready(&mut second, "cancel", LEFT);

    // One permit is free. The large request in front is what the small one waits for.
    let mut large = Hand::new("large", semaphore.acquire(2));
    let mut small = Hand::new("small", semaphore.acquire(1));
    expect_wait(&mut large, "output", NONE);
    expect_wait(&mut small, "order", TURN);
    cancel(large);
    expect_wake(&small, "cancel", "the requests behind a dropped one are served if they can be");
    let other = expect_ready(&mut small, "cancel", "the requests behind a dropped one are served");
    drop((one, other));
    let all = semaphore.try_acquire(2);
    demand(all.is_some(), "cancel", "all permits are back", || "some are missing".to_owned());
}

/// Requests are dropped after they were woken, and before they were polled.
pub(super) fn cancelled_granted<S: Locks>(_: &mut Case) {
    let semaphore = S::Semaphore::new(1);
    let held = expect_ready(&mut Hand::new("holder", semaphore.acquire(1)), "output", FREE);
    let mut line = ["first", "second", "third"].map(|name| Hand::new(name, semaphore.acquire(1)));
    line.iter_mut().for_each(|request| expect_wait(request, "output", NONE));
    give_back(held, "the holder");
    let [first, second, mut third] = line;
    expect_wake(&first, "lost-wake", SERVED);
    cancel(first);
    expect_wake(&second, "cancel", PASSED);
    cancel(second);
    expect_wake(&third, "cancel", PASSED);
    give_back(expect_ready(&mut third, "cancel", PASSED), "the third");
    // A request that nobody has polled is not in line.
    drop(semaphore.acquire(1));
    let one = semaphore.try_acquire(1);
    demand(one.is_some(), "cancel", "the permit is back", || "it is missing".to_owned());
    demand(semaphore.try_acquire(1).is_none(), "exclusion", "no permit is made of nothing", || {
        "there are two, of one".to_owned()
    });
}

/// A request is dropped at any moment, while its permit comes back.
pub(super) fn cancel_race<S: Locks>(_: &mut Case) {
    let log = log_of_threads(1);
    // It outlives the threads, which hold its permits.
    let semaphore: &'static S::Semaphore = Box::leak(Box::new(Semaphore::new(1)));
    let held = expect_ready(&mut Hand::new("holder", semaphore.acquire(1)), "output", FREE);
    let mut first = Hand::new("first", semaphore.acquire(1));
    expect_wait(&mut first, "output", NONE);
    let cook = thread::spawn_named("cook", move || give_back(held, "cook"));
    let guest = thread::spawn_named("guest", move || {
        let permit = block_on("second", semaphore.acquire(1));
        log.note(Event::Enter("guest"));
        log.note(Event::Leave("guest"));
        drop(permit);
    });
    cancel(first);
    join(cook);
    join(guest);
    let one = semaphore.try_acquire(1);
    demand(one.is_some(), "cancel", "the permit is back", || "it is missing".to_owned());
}

/// A task runs within the call of its waker, and uses the semaphore there.
pub(super) fn wake_runs<S: Locks>(_: &mut Case) {
    let semaphore = Arc::new(S::Semaphore::new(1));
    let held = expect_ready(&mut Hand::new("holder", semaphore.acquire(1)), "output", FREE);
    for _ in 0..2 {
        let theirs = semaphore.clone();
        Inline::start("request", async move { drop(theirs.acquire(1).await) });
    }
    give_back(held, "the holder");
    let one = semaphore.try_acquire(1);
    demand(one.is_some(), "lost-wake", "requests are served one by one", || "the permit is gone".to_owned());
}
