//! The tests of the channel for one item.

use super::{Channels, Kitchen, OneshotReceiver, OneshotSender, part_with};
use crate::{
    Case,
    hand::{Hand, block_on, expect_ready, expect_wait, expect_wake, join},
    log::demand,
    thread,
};

const WAITS: &str = "a receiver waits until there is an item";
const WOKEN: &str = "the receiver is woken when its wait is over";

/// The item is sent before the receiver looks, and after that.
pub(super) fn item<S: Channels>(case: &mut Case) {
    let (kitchen, number) = (Kitchen::new(), case.number(1, 99) as u32);
    let (sender, receiver) = S::oneshot();
    kitchen.note_send(number, sender.send(kitchen.dish(number)));
    let dish = expect_ready(&mut Hand::new("receiver", receiver), "output", "the item has been sent");
    kitchen.expect_receipt(dish, Some(number), "output", "the receiver gets the item");

    let (sender, receiver) = S::oneshot();
    let mut receiver = Hand::new("receiver", receiver);
    expect_wait(&mut receiver, "output", WAITS);
    // The future has moved to another task: the waker of its first poll wakes nobody any more.
    let is_waiting = receiver.poll_elsewhere().is_pending();
    demand(is_waiting, "output", WAITS, || "the future is ready at its second poll".to_owned());
    kitchen.note_send(number, sender.send(kitchen.dish(number)));
    expect_wake(&receiver, "stale-waker", "the waker of the last poll is called, and no older one");
    let dish = expect_ready(&mut receiver, "output", "the item has been sent");
    kitchen.expect_receipt(dish, Some(number), "output", "the receiver gets the item");
}

/// Either half goes before there is an item.
pub(super) fn close<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::new();
    let (sender, receiver) = S::oneshot::<super::Dish>();
    let mut receiver = Hand::new("receiver", receiver);
    expect_wait(&mut receiver, "output", WAITS);
    part_with(sender, "the sender");
    expect_wake(&receiver, "close", "the receiver is woken when the sender is dropped");
    let dish = expect_ready(&mut receiver, "close", "no item will come: the sender is dropped");
    kitchen.expect_receipt(dish, None, "close", "no item will come");

    let (sender, receiver) = S::oneshot();
    part_with(receiver, "the receiver");
    refuse(&kitchen, 1, sender.send(kitchen.dish(1)), "the receiver is dropped");

    let (sender, mut receiver) = S::oneshot();
    receiver.close();
    refuse(&kitchen, 2, sender.send(kitchen.dish(2)), "the receiver is closed");
    let dish = expect_ready(&mut Hand::new("receiver", receiver), "close", "the receiver is closed");
    kitchen.expect_receipt(dish, None, "close", "the receiver was closed before the item came");

    let (sender, mut receiver) = S::oneshot();
    kitchen.note_send(3, sender.send(kitchen.dish(3)));
    receiver.close();
    let dish = expect_ready(&mut Hand::new("receiver", receiver), "close", "the receiver is closed");
    kitchen.expect_receipt(dish, Some(3), "lost-item", "an item that was sent before the close is received");
}

/// Demands that an item is given back.
pub(super) fn refuse(kitchen: &Kitchen, number: u32, sent: Result<(), super::Dish>, why: &str) {
    demand(
        !kitchen.note_send(number, sent),
        "close",
        "an item that nobody can receive is given back",
        || format!("`send` returns Ok, although {why}"),
    );
}

/// A thread sends the item, or drops the sender, while the receiver begins to wait.
pub(super) fn interleavings<S: Channels>(case: &mut Case) {
    let kitchen = Kitchen::new();
    // The picture of the chapter is of the case 0, which sends.
    let has_item = case.number(0, 3) < 3;
    let (sender, receiver) = S::oneshot();
    let theirs = kitchen.clone();
    let cook = thread::spawn_named("cook", move || {
        if has_item {
            theirs.note_send(1, sender.send(theirs.dish(1)));
        } else {
            part_with(sender, "the sender");
        }
    });
    let dish = block_on("receiver", receiver);
    join(cook);
    kitchen.expect_receipt(dish, has_item.then_some(1), "output", WOKEN);
}

/// The receiver closes while a thread sends: the item is received or given back.
pub(super) fn race<S: Channels>(_: &mut Case) {
    let kitchen = Kitchen::new();
    let (sender, mut receiver) = S::oneshot();
    let theirs = kitchen.clone();
    let cook = thread::spawn_named("cook", move || theirs.note_send(1, sender.send(theirs.dish(1))));
    receiver.close();
    // The receiver may ask at once, so that an item that comes now is refused.
    let dish = block_on("receiver", receiver);
    let is_sent = join(cook);
    kitchen.expect_receipt(dish, is_sent.then_some(1), "lost-item", "an item that was taken is received");
}
