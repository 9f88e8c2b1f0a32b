//! Lab 5 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, hand::Hand, lab::test};
use brigade_explore::runtime::sync::{mpsc, oneshot};

const LOST: Stuck =
    Stuck { rule: "lost-wake", expected: "a future that waits is woken when its wait is over" };
const CANCEL: Stuck =
    Stuck { rule: "cancel", expected: "a sender that is dropped passes its wake-up on to the next one" };
const LOCKED: Stuck =
    Stuck { rule: "locked-wake", expected: "a waker is called when the lock of the channel is free again" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 5,
    slug: "channels",
    title: "oneshot and mpsc",
    tests: &[
        test("oneshot-item", 5, 1, LOST, "delivers the item, and wakes the receiver by its last waker"),
        test("oneshot-close", 10, 1, LOST, "ends when either half is gone, and gives the item back"),
        test(
            "oneshot-interleavings",
            10,
            300,
            LOST,
            "wakes the receiver, whenever the item or the end comes",
        ),
        test(
            "oneshot-race",
            5,
            200,
            LOST,
            "receives an item or gives it back, if the receiver closes meanwhile",
        ),
        test("in-order", 10, 1, LOST, "delivers items in their order"),
        test("capacity", 10, 100, LOST, "waits exactly while the channel is full"),
        test("close", 10, 1, LOST, "ends when the senders are gone, and when the receiver closes"),
        test("receiver-gone", 5, 1, LOST, "drops its items with the receiver, and refuses others"),
        test("recv-cancelled", 5, 1, LOST, "loses no item if a receive is dropped"),
        test("send-cancelled", 10, 1, LOST, "loses no room if a send is dropped"),
        test("cancel-race", 5, 300, CANCEL, "passes a wake-up on, whenever a send is dropped"),
        test("every-interleaving", 10, 300, LOST, "delivers each item of two threads once"),
        test("wake-runs", 5, 1, LOCKED, "may be used within the call of a waker"),
    ],
    hints: HINTS,
    questions: &[
        Question {
            ask: |case| {
                let (sends, room) = (case.number(4, 9), case.number(1, 3));
                format!(
                    "A channel has room for {room}. Each of {sends} sends is polled once, and nobody receives. \
                     How many of them return `Pending`?"
                )
            },
            run: |case| {
                let (sends, room) = (case.number(4, 9), case.number(1, 3));
                let (sender, _receiver) = mpsc::channel(room as usize);
                let mut all: Vec<_> = (0..sends).map(|n| Hand::new("send", sender.send(n))).collect();
                all.iter_mut().map(|send| u64::from(send.poll().is_pending())).sum()
            },
            why: "A channel with a capacity makes fast senders wait for a slow receiver. That is backpressure.",
        },
        Question {
            ask: |case| {
                let (waiting, dropped) = (case.number(4, 9), case.number(2, 3));
                format!(
                    "{waiting} sends wait for room in a full channel. One item is received. Then the first \
                     {dropped} of these sends are dropped, one after the other, without a further poll. How many \
                     of the {waiting} were woken?"
                )
            },
            run: |case| {
                let (waiting, dropped) = (case.number(4, 9), case.number(2, 3));
                let (sender, mut receiver) = mpsc::channel(1);
                sender.try_send(0).expect("there is room");
                let mut all: Vec<_> = (0..waiting).map(|n| Hand::new("send", sender.send(n))).collect();
                all.iter_mut().for_each(|send| assert!(send.poll().is_pending()));
                receiver.try_recv().expect("there is an item");
                // A send that is dropped cannot be asked any more.
                let gone: u64 = all.drain(..dropped as usize).map(|send| u64::from(send.wakes() > 0)).sum();
                gone + all.iter().map(|send| u64::from(send.wakes() > 0)).sum::<u64>()
            },
            why: "Room for one wakes one sender. A sender that is dropped with its wake-up unused passes it on, so \
                  each drop wakes one more.",
        },
        Question {
            ask: |case| {
                let polls = case.number(2, 9);
                format!(
                    "The receiver of a oneshot channel is polled {polls} times, each time with another waker. Then \
                     the item is sent. How many of the wakers are called?"
                )
            },
            run: |case| {
                let polls = case.number(2, 9);
                let (sender, receiver) = oneshot::channel();
                let (mut receiver, mut stale) = (Hand::new("receiver", receiver), Vec::new());
                for _ in 0..polls {
                    assert!(receiver.poll_elsewhere().is_pending());
                    stale.push(receiver.bell());
                }
                sender.send("soup").expect("the receiver is there");
                stale.iter().map(|wakes| u64::from(wakes() > 0)).sum()
            },
            why: "A channel keeps the waker of the last poll only. A future that moves to another task is polled \
                  there, and the old task is no longer concerned.",
        },
    ],
    incident: Incident {
        story: "A waiter fetched a plate from the hatch, and queued at the book in which each plate is entered. The \
                wait took long. Every minute he gave up, put everything aside and began anew at the hatch, as he was \
                told. So he did with the plate in his hand, and nobody has seen it since.",
        bug: "select-loses-item",
    },
};

const HINTS: &[Hint] = &[
    Hint {
        rule: "lost-wake",
        levels: [
            "Which waker should be called here, and where was it when the wait was over?",
            "Look for the item and store the waker under one lock, so that no change comes between the two.",
            "Each call that ends a wait takes the waker out under the lock: `send`, `recv`, `close`, and each `drop`.",
        ],
    },
    Hint {
        rule: "cancel",
        levels: [
            "Which sender was woken for the room, and what has become of it?",
            "A sender can be woken and dropped before its next poll. Then its wake-up belongs to the next in line.",
            "In the `Drop` of the send future: leave the line, then wake the first that is left, if there is room.",
        ],
    },
    Hint {
        rule: "stale-waker",
        levels: [
            "Which of the wakers, of all the polls so far, does the channel keep?",
            "A future may be polled by another task than before. Only the waker of its last poll counts.",
            "Store a clone of `context.waker()` at each poll that returns `Pending`, in the place of the old one.",
        ],
    },
    Hint {
        rule: "locked-wake",
        levels: [
            "Which lock does the thread hold while it calls the waker?",
            "A waker is foreign code. It may poll the future on the spot, which takes the lock of the channel.",
            "Take the waker out of the state, drop the guard, and only then call `wake`.",
        ],
    },
    Hint {
        rule: "lost-item",
        levels: [
            "Where was the item between its `send` and the moment at which it was dropped?",
            "An item is in the channel, or with its sender, or with the receiver. A close moves none of them.",
            "Look at the items first and at the end second, under one lock. A close only sets a flag.",
        ],
    },
    Hint {
        rule: "close",
        levels: [
            "Who waits for the half that is gone, and how do they learn of it?",
            "Dropping the last sender is an event, and so is the close. Both end waits.",
            "Implement `Drop` for both halves: note the end under the lock, take the wakers out, call them.",
        ],
    },
    Hint {
        rule: "capacity",
        levels: [
            "How many items are in the channel here, and how many fit in?",
            "A send compares the number of items with the capacity, and adds its item, in one step.",
            "Compare and push under one guard. Count the items in the queue only; then no counter can go wrong.",
        ],
    },
    Hint {
        rule: "order",
        levels: [
            "From which end of the queue does an item leave?",
            "The first item that was sent is the first that is received.",
            "Use `push_back` and `pop_front` of `VecDeque`.",
        ],
    },
    Hint {
        rule: "kept-item",
        levels: [
            "Where is the item now, and until when does it stay there?",
            "The senders keep the channel alive. The receiver must empty it when it goes.",
            "In the `Drop` of the receiver: take the items out under the lock, and drop them after it.",
        ],
    },
    Hint {
        rule: "output",
        levels: [
            "What did the future return, and what was in the channel at that time?",
            "A future is ready when it has got something, and pending otherwise.",
            "Go through the cases of `poll` one by one: there is an item; there will be none; else wait.",
        ],
    },
];
