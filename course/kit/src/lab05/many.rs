//! The tests of the channel for many items.

use super::{Channels, Dish, Event, Kitchen, OneshotSender, Receiver, Sender, one::refuse, part_with};
use crate::{
    Case,
    hand::{Hand, Inline, block_on, cancel, expect_ready, expect_wait, expect_wake, join},
    log::demand,
    thread,
};
use std::{future::Future, task::Poll};

const EMPTY: &str = "a receiver waits while the channel is empty and a sender is left";
const FULL: &str = "a sender waits while the channel is full";
const ROOM: &str = "a sender is woken when there is room for its item";
const ITEM: &str = "the receiver is woken when there is an item";
const ORDER: &str = "items are received in the order in which they were sent";

/// Sends by hand into a channel that has room.
fn send_now<T: Sender<Dish>>(kitchen: &Kitchen, sender: &T, number: u32) {
    let mut send = Hand::new("send", sender.send(kitchen.dish(number)));
    let sent = expect_ready(&mut send, "capacity", "a send into a channel with room does not wait");
    kitchen.note_send(number, sent);
}

/// Receives by hand what must be there.
fn receive_now<T: Receiver<Dish>>(
    kitchen: &Kitchen,
    receiver: &mut T,
    expected: Option<u32>,
    rule: &'static str,
) {
    let mut recv = Hand::new("recv", receiver.recv());
    let why = if expected.is_some() { "there is an item" } else { "no item will come" };
    let dish = expect_ready(&mut recv, rule, why);
    drop(recv);
    kitchen.expect_receipt(dish, expected, rule, if expected.is_some() { ORDER } else { why });
}

/// Demands that a send by hand is ready, and was taken.
fn finish_send<F>(kitchen: &Kitchen, send: &mut Hand<F>, number: u32, rule: &'static str)
where
    F: Future<Output = Result<(), Dish>>,
{
    let sent = expect_ready(send, rule, "there is room");
    let is_sent = kitchen.note_send(number, sent);
    demand(is_sent, "output", "an open channel refuses nothing", || format!("it refuses dish {number}"));
}

pub(super) fn in_order<S: Channels>(case: &mut Case) {
    let kitchen = Kitchen::new();
    let count = case.number(2, 4) as u32;
    let (sender, mut receiver) = S::mpsc(count as usize);
    for round in 0..3 {
        (0..count).for_each(|n| send_now(&kitchen, &sender, 10 * round + n));
        (0..count).for_each(|n| receive_now(&kitchen, &mut receiver, Some(10 * round + n), "order"));
    }
    let other = sender.clone();
    let mut recv = Hand::new("recv", receiver.recv());
    expect_wait(&mut recv, "output", EMPTY);
    send_now(&kitchen, &other, 50);
    expect_wake(&recv, "lost-wake", ITEM);
    let dish = expect_ready(&mut recv, "lost-wake", "there is an item");
    kitchen.expect_receipt(dish, Some(50), "order", ORDER);
}

/// Sends wait exactly while the channel is full, also if two threads send at once.
pub(super) fn capacity<S: Channels>(case: &mut Case) {
    let kitchen = Kitchen::new();
    let room = case.number(1, 3) as u32;
    let (sender, mut receiver) = S::mpsc(room as usize);
    for round in 0..2 {
        let first = 20 * round;
        (first..first + room).for_each(|n| send_now(&kitchen, &sender, n));
        let mut send = Hand::new("send", sender.send(kitchen.dish(first + room)));
        expect_wait(&mut send, "capacity", FULL);
        receive_now(&kitchen, &mut receiver, Some(first), "order");
        expect_wake(&send, "lost-wake", ROOM);
        finish_send(&kitchen, &mut send, first + room, "lost-wake");
        (first + 1..=first + room).for_each(|n| receive_now(&kitchen, &mut receiver, Some(n), "order"));
    }
    // There is room for one.
    (1..room).for_each(|n| send_now(&kitchen, &sender, 60 + n));
    let (other, theirs) = (sender.clone(), kitchen.clone());
    let cook = thread::spawn_named("cook", move || try_send(&theirs, &other, 70));
    let own = try_send(&kitchen, &sender, 71);
    let sent = usize::from(own) + usize::from(join(cook));
    demand(sent == 1, "capacity", "one of two senders gets the last room", || {
        format!("{sent} of them get it")
    });
    // An item that stays in the channel is dropped with it, and would count as lost.
    (1..room).for_each(|n| receive_now(&kitchen, &mut receiver, Some(60 + n), "order"));
}

/// Polls a send once, and gives it up if it must wait. Returns whether the item was sent.
fn try_send<T: Sender<Dish>>(kitchen: &Kitchen, sender: &T, number: u32) -> bool {
    // The dish of a send that is given up is dropped with it, which is no loss.
    let spare = Kitchen::careless();
    let mut send = Hand::new("send", sender.send(spare.dish(number)));
    match send.poll() {
        Poll::Ready(sent) => kitchen.note_send(number, sent),
        Poll::Pending => false,
    }
}

/// The end comes from the senders, and from the receiver.
pub(super) fn close<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::new();
    let (sender, mut receiver) = S::mpsc(2);
    let other = sender.clone();
    send_now(&kitchen, &sender, 1);
    part_with(sender, "the sender");
    receive_now(&kitchen, &mut receiver, Some(1), "close");
    let mut recv = Hand::new("recv", receiver.recv());
    expect_wait(&mut recv, "output", EMPTY);
    part_with(other, "the last sender");
    expect_wake(&recv, "close", "the receiver is woken when the last sender is dropped");
    let dish = expect_ready(&mut recv, "close", "no item will come");
    kitchen.expect_receipt(dish, None, "close", "no item will come");

    let (sender, mut receiver) = S::mpsc(1);
    send_now(&kitchen, &sender, 2);
    let mut waits = Hand::new("send", sender.send(kitchen.dish(3)));
    expect_wait(&mut waits, "capacity", FULL);
    receiver.close();
    expect_wake(&waits, "close", "a sender that waits is woken by the close");
    let sent = expect_ready(&mut waits, "close", "a closed channel takes no item");
    refuse(&kitchen, 3, sent, "the channel is closed");
    let mut late = Hand::new("send", sender.send(kitchen.dish(4)));
    let sent = expect_ready(&mut late, "close", "a closed channel takes no item");
    refuse(&kitchen, 4, sent, "the channel is closed");
    receive_now(&kitchen, &mut receiver, Some(2), "lost-item");
    receive_now(&kitchen, &mut receiver, None, "close");
}

/// The receiver is dropped while an item is there and a sender waits.
pub(super) fn receiver_gone<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::careless();
    let (sender, receiver) = S::mpsc(1);
    send_now(&kitchen, &sender, 1);
    let mut waits = Hand::new("send", sender.send(kitchen.dish(2)));
    expect_wait(&mut waits, "capacity", FULL);
    part_with(receiver, "the receiver");
    expect_wake(&waits, "close", "a sender that waits is woken when the receiver is dropped");
    let sent = expect_ready(&mut waits, "close", "nobody can receive the item");
    refuse(&kitchen, 2, sent, "the receiver is dropped");
    let is_dropped = kitchen.log.count(|event| *event == Event::Dropped(1)) == 1;
    demand(is_dropped, "kept-item", "the receiver takes the items of the channel with it", || {
        "dish 1 still exists, although nobody can receive it".to_owned()
    });
}

/// A receive is given up before there is an item, and after it was woken for one.
pub(super) fn recv_cancelled<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::new();
    let (sender, mut receiver) = S::mpsc(2);
    let mut recv = Hand::new("recv", receiver.recv());
    expect_wait(&mut recv, "output", EMPTY);
    // The future has moved to another task: the waker of its first poll wakes nobody any more.
    demand(recv.poll_elsewhere().is_pending(), "output", EMPTY, || {
        "it is ready at its second poll".to_owned()
    });
    send_now(&kitchen, &sender, 1);
    expect_wake(&recv, "stale-waker", "the waker of the last poll is called, and no older one");
    cancel(recv);
    receive_now(&kitchen, &mut receiver, Some(1), "lost-item");
    let mut recv = Hand::new("recv", receiver.recv());
    expect_wait(&mut recv, "output", EMPTY);
    cancel(recv);
    send_now(&kitchen, &sender, 2);
    receive_now(&kitchen, &mut receiver, Some(2), "lost-item");
}

/// A send is given up after it was woken, and before.
pub(super) fn send_cancelled<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::careless();
    let (sender, mut receiver) = S::mpsc(1);
    let waiting = |name, number| {
        let mut send = Hand::new(name, sender.send(kitchen.dish(number)));
        expect_wait(&mut send, "capacity", FULL);
        send
    };
    send_now(&kitchen, &sender, 1);
    let (first, mut second) = (waiting("first send", 2), waiting("second send", 3));
    receive_now(&kitchen, &mut receiver, Some(1), "order");
    expect_wake(&first, "lost-wake", ROOM);
    cancel(first);
    expect_wake(&second, "cancel", "a sender that was woken and is dropped wakes the next one");
    finish_send(&kitchen, &mut second, 3, "cancel");

    let (first, mut second) = (waiting("third send", 4), waiting("fourth send", 5));
    cancel(first);
    receive_now(&kitchen, &mut receiver, Some(3), "order");
    expect_wake(&second, "cancel", "a sender that is dropped leaves nothing in the queue");
    finish_send(&kitchen, &mut second, 5, "cancel");
    receive_now(&kitchen, &mut receiver, Some(5), "order");
    // All room is there again, and not more.
    send_now(&kitchen, &sender, 6);
    drop(waiting("last send", 7));
}

/// A send is given up at any moment while another one waits.
pub(super) fn cancel_race<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::careless();
    let (sender, mut receiver) = S::mpsc(1);
    send_now(&kitchen, &sender, 1);
    let mut first = Hand::new("first send", sender.send(kitchen.dish(2)));
    expect_wait(&mut first, "capacity", FULL);
    let theirs = kitchen.clone();
    let other = sender.clone();
    let cook = thread::spawn_named("cook", move || {
        let sent = block_on("second send", other.send(theirs.dish(3)));
        theirs.note_send(3, sent);
    });
    let theirs = kitchen.clone();
    let guest = thread::spawn_named("guest", move || {
        [(); 2].map(|()| theirs.note_receipt(block_on("recv", receiver.recv())).unwrap_or_default())
    });
    cancel(first);
    join(cook);
    let got = join(guest);
    demand(got == [1, 3], "lost-item", "each item that was sent is received", || {
        format!("{got:?} are received")
    });
}

/// Two threads send, and one receives.
pub(super) fn every_interleaving<S: Channels>(case: &mut Case) {
    let kitchen = Kitchen::new();
    let (sender, mut receiver) = S::mpsc(case.number(1, 2) as usize);
    let cook = |name, first, sender: S::Sender<Dish>| {
        let theirs = kitchen.clone();
        thread::spawn_named(name, move || {
            for number in [first, first + 1] {
                let sent = block_on("send", sender.send(theirs.dish(number)));
                theirs.note_send(number, sent);
            }
        })
    };
    let cooks = [cook("cook 1", 10, sender.clone()), cook("cook 2", 20, sender)];
    let mut got = Vec::new();
    while let Some(number) = kitchen.note_receipt(block_on("recv", receiver.recv())) {
        got.push(number);
    }
    cooks.into_iter().for_each(join);
    for first in [10, 20] {
        let of_cook: Vec<_> = got.iter().copied().filter(|&number| number / 10 == first / 10).collect();
        let rule = if of_cook.len() < 2 { "lost-item" } else { "order" };
        demand(of_cook == [first, first + 1], rule, ORDER, || format!("of one sender come {of_cook:?}"));
    }
}

/// A task runs within the call of its waker, and uses the channel there.
pub(super) fn wake_runs<S: Channels>(_: &mut Case) {
    // Other tests look at the results.
    let kitchen = Kitchen::careless();
    let (sender, receiver) = S::oneshot();
    Inline::start("receiver", async { drop(receiver.await) });
    kitchen.note_send(1, sender.send(kitchen.dish(1)));
    let (sender, receiver) = S::oneshot::<Dish>();
    Inline::start("receiver", async { drop(receiver.await) });
    part_with(sender, "the sender");

    let (sender, mut receiver) = S::mpsc(1);
    Inline::start("recv", async move { while receiver.recv().await.is_some() {} });
    send_now(&kitchen, &sender, 2);
    part_with(sender, "the sender");

    let (sender, mut receiver) = S::mpsc(1);
    send_now(&kitchen, &sender, 3);
    for number in [4, 5] {
        let (sender, dish) = (sender.clone(), kitchen.dish(number));
        Inline::start("send", async move { drop(sender.send(dish).await) });
    }
    receive_now(&kitchen, &mut receiver, Some(3), "order");
    receiver.close();
}
