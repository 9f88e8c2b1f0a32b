//! Lab 6 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, hand::Hand, lab::test};
use brigade_explore::runtime::sync::{Mutex, Semaphore};

const LOST: Stuck = Stuck { rule: "lost-wake", expected: "a request is woken when it is served" };
const CANCEL: Stuck = Stuck {
    rule: "cancel",
    expected: "a request that ends without its permit leaves the line, and passes the permit on",
};
const LOCKED: Stuck =
    Stuck { rule: "locked-wake", expected: "a waker is called when the lock of the semaphore is free again" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 6,
    slug: "locks",
    title: "async mutex and semaphore",
    tests: &[
        test("permits", 10, 1, LOST, "hands out its permits, and takes them back"),
        test("in-line", 15, 1, LOST, "serves requests in their order, and lets no newcomer overtake"),
        test("many-permits", 10, 1, LOST, "lets nobody overtake a large request, and serves all that it can"),
        test("cancelled-waiting", 10, 1, LOST, "goes on if a request in line is dropped"),
        test("cancelled-granted", 10, 1, LOST, "passes a permit on if its request is dropped"),
        test("cancel-race", 10, 300, CANCEL, "loses no permit, whenever a request is dropped"),
        test("wake-runs", 5, 1, LOCKED, "may be used within the call of a waker"),
        test("guards", 5, 1, LOST, "reaches the value through its guard"),
        test(
            "every-interleaving",
            10,
            300,
            LOST,
            "lets in one of three threads at a time, and then the next",
        ),
        test("gives-up", 10, 1, LOST, "leaves the line when it gives up"),
        test("gives-up-race", 5, 200, CANCEL, "has the lock or has left the line, whenever it gives up"),
    ],
    hints: HINTS,
    questions: &[
        Question {
            ask: |case| {
                let (permits, each) = (case.number(5, 20), case.number(2, 4));
                format!(
                    "A semaphore has {permits} permits. Ten tasks request {each} each, and keep what they get. \
                     How many of them get their permits?"
                )
            },
            run: |case| {
                let (permits, each) = (case.number(5, 20), case.number(2, 4));
                let semaphore = Semaphore::new(permits as usize);
                let mut all: Vec<_> =
                    (0..10).map(|_| Hand::new("request", semaphore.acquire_many(each as usize))).collect();
                let held: Vec<_> = all.iter_mut().map(Hand::poll).collect();
                held.iter().map(|poll| u64::from(poll.is_ready())).sum()
            },
            why: "A request gets all its permits or none. The rest of the division stays free, and nobody is served \
                  with it.",
        },
        Question {
            ask: |case| {
                let (free, small) = (case.number(2, 5), case.number(2, 9));
                format!(
                    "A semaphore has {free} free permits, and one more that is held. A request for {} comes, and \
                     then {small} requests for one permit each. How many requests wait?",
                    free + 1
                )
            },
            run: |case| {
                let (free, small) = (case.number(2, 5), case.number(2, 9));
                let semaphore = Semaphore::new(free as usize + 1);
                let _held = semaphore.try_acquire().expect("it is free");
                let large = Hand::new("large", semaphore.acquire_many(free as usize + 1));
                let small = (0..small).map(|_| Hand::new("small", semaphore.acquire_many(1)));
                let mut all: Vec<_> = [large].into_iter().chain(small).collect();
                let polls: Vec<_> = all.iter_mut().map(Hand::poll).collect();
                polls.iter().map(|poll| u64::from(poll.is_pending())).sum()
            },
            why: "The small requests could be served, and are not: they would overtake the large one. If small \
                  requests kept coming, it would wait for ever.",
        },
        Question {
            ask: |case| {
                let (waiting, dropped) = (case.number(5, 9), case.number(2, 3));
                format!(
                    "{waiting} requests wait for a lock, in the order of their numbers from 1. Those with the \
                     numbers up to {dropped} are dropped. Then the lock is unlocked. Which number is woken?"
                )
            },
            run: |case| {
                let (waiting, dropped) = (case.number(5, 9), case.number(2, 3));
                let mutex = Mutex::new(());
                let guard = mutex.try_lock().expect("it is free");
                let mut all: Vec<_> = (0..waiting).map(|_| Hand::new("request", mutex.lock())).collect();
                all.iter_mut().for_each(|request| assert!(request.poll().is_pending()));
                all.drain(..dropped as usize);
                drop(guard);
                let first = all.iter().position(|request| request.wakes() > 0);
                dropped + 1 + first.expect("somebody is woken") as u64
            },
            why: "A request that is dropped leaves the line. The lock goes to the first one that is left.",
        },
    ],
    incident: Incident {
        story: "A cook queued for the only sharp knife, and said that he would wait a minute at most. After the \
                minute he turned to the stew, but left his number on the counter. The knife was brought to that \
                number, and lay there. The stew needed it, and so the cook took another number.",
        bug: "futurelock",
    },
};

const HINTS: &[Hint] = &[
    Hint {
        rule: "lost-wake",
        levels: [
            "Who should be served now, and which line of the code decides that?",
            "Look for free permits and join the line under one lock. Grant under the same lock.",
            "Each step that frees permits, or takes somebody out of the line, calls the one function that grants.",
        ],
    },
    Hint {
        rule: "order",
        levels: [
            "Who waits already, and whose are the permits that have just come back?",
            "Permits that come back belong to the line. A newcomer takes free ones only if nobody waits.",
            "In the first poll, and in `try_acquire`, ask whether a request in line is not served yet.",
        ],
    },
    Hint {
        rule: "cancel",
        levels: [
            "Which request was dropped, and what did it hold or hold up at that time?",
            "A dropped request may have permits that it has not fetched. Or others wait only because it is in front.",
            "In the `Drop` of the request: leave the line, add its permits to the free ones if they were granted, grant.",
        ],
    },
    Hint {
        rule: "futurelock",
        levels: [
            "Which future is first in line, and who polls it?",
            "A future that has given up is ready. It still exists, and nobody polls it again.",
            "Keep the request in an `Option`, and set it to `None` before you return `Poll::Ready(None)`.",
        ],
    },
    Hint {
        rule: "exclusion",
        levels: [
            "How many permits are held here, and how many were there at the start?",
            "Each permit is free, or granted, or held. Moving one changes two places under one lock.",
            "A grant subtracts from the free permits. Taking what was granted subtracts nothing.",
        ],
    },
    Hint {
        rule: "locked-wake",
        levels: [
            "Which lock does the thread hold while it calls the waker?",
            "A waker is foreign code. It may poll the future on the spot, which takes the lock of the semaphore.",
            "Let the function that grants return the wakers, drop the guard, and only then call them.",
        ],
    },
    Hint {
        rule: "output",
        levels: [
            "What did the future return, and which permits were free at that time?",
            "A request is served if its permits are free and nobody waits before it.",
            "Go through the cases of `poll` one by one: it was granted; it is new and can be served; else it waits.",
        ],
    },
];
