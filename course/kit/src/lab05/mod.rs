//! Lab 5: channels, for one item and for many.
//!
//! The harness sees items, because they are its own and note their end, and wake-ups, because its wakers
//! count them. It polls most futures by hand.

use crate::{log::Log, log::demand, runner, runner::Code};
use brigade_explore::remark;
use std::{fmt, future::Future, process::ExitCode};

mod many;
mod one;
mod sheet;

pub use sheet::LAB;

/// The student's two channels.
pub trait Channels: 'static {
    /// The sending half of a channel for one item.
    type OneshotSender<T: Send + 'static>: OneshotSender<T>;
    /// The receiving half of a channel for one item.
    type OneshotReceiver<T: Send + 'static>: OneshotReceiver<T>;
    /// A sending half of a channel for many items.
    type Sender<T: Send + 'static>: Sender<T>;
    /// The receiving half of a channel for many items.
    type Receiver<T: Send + 'static>: Receiver<T>;

    /// Makes a channel for one item.
    fn oneshot<T: Send + 'static>() -> (Self::OneshotSender<T>, Self::OneshotReceiver<T>);

    /// Makes a channel that holds at most `capacity` items, which is at least 1.
    fn mpsc<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);
}

/// The sending half of a channel for one item. If it is dropped without an item, the receiver gets none.
pub trait OneshotSender<T>: Send + 'static {
    /// Sends the item.
    ///
    /// # Errors
    ///
    /// Returns the item if the receiver is dropped or closed.
    fn send(self, item: T) -> Result<(), T>;
}

/// The receiving half of a channel for one item: a future of the item, or of `None` if none will come.
pub trait OneshotReceiver<T>: Future<Output = Option<T>> + Send + Unpin + 'static {
    /// Refuses an item from now on. An item that was sent before can still be received.
    fn close(&mut self);
}

/// A sending half of a channel for many items. Its clones send into the same channel.
pub trait Sender<T>: Clone + Send + Sync + 'static {
    /// Sends an item, and waits while the channel is full. If the future is dropped before it is ready,
    /// nothing is sent.
    ///
    /// # Errors
    ///
    /// Returns the item if the receiver is dropped or closed.
    fn send(&self, item: T) -> impl Future<Output = Result<(), T>> + Send;
}

/// The receiving half of a channel for many items. Dropping it closes the channel and drops its items.
pub trait Receiver<T>: Send + 'static {
    /// Waits for the next item. Returns `None` if there is none and none will come: all senders are dropped,
    /// or the channel is closed. If the future is dropped before it is ready, nothing is received.
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send;

    /// Refuses items from now on. Items that were sent before can still be received.
    fn close(&mut self);
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// The channel has taken this item.
    Sent(u32),
    /// The channel has refused this item, and given it back.
    Refused(u32),
    /// The receiver has got this item.
    Received(u32),
    /// The receiver has got no item.
    Ended,
    /// This item was dropped by the channel.
    Dropped(u32),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(item) => write!(f, "dish {item} is sent"),
            Self::Refused(item) => write!(f, "dish {item} is refused"),
            Self::Received(item) => write!(f, "dish {item} is received"),
            Self::Ended => write!(f, "no dish is received"),
            Self::Dropped(item) => write!(f, "dish {item} is dropped"),
        }
    }
}

/// The item of the tests. It notes if it is dropped by anyone but the harness.
struct Dish {
    number: u32,
    log: Log<Event>,
    is_ours: bool,
}

impl Dish {
    /// Takes the dish out of the channel's hands.
    fn take(mut self) -> u32 {
        self.is_ours = true;
        self.number
    }
}

impl Drop for Dish {
    fn drop(&mut self) {
        if !self.is_ours {
            self.log.note(Event::Dropped(self.number));
        }
    }
}

/// The log of a run, and what is done with it.
#[derive(Clone)]
struct Kitchen {
    log: Log<Event>,
}

impl Kitchen {
    /// Makes a log that demands that no dish is lost.
    fn new() -> Self {
        let kitchen = Self::careless();
        kitchen.log.demand("lost-item", "each item is received, or given back to its sender", |events| {
            match events.last() {
                Some(Event::Dropped(item)) => Err(format!("the channel has dropped dish {item}")),
                _ => Ok(()),
            }
        });
        kitchen
    }

    /// Makes a log in which the channel may drop dishes.
    fn careless() -> Self {
        Self { log: Log::new() }
    }

    fn dish(&self, number: u32) -> Dish {
        Dish { number, log: self.log.clone(), is_ours: false }
    }

    /// Notes what `send` has returned, and returns whether the dish was taken.
    fn note_send(&self, number: u32, sent: Result<(), Dish>) -> bool {
        match sent {
            Ok(()) => self.log.note(Event::Sent(number)),
            Err(dish) => {
                let other = dish.take();
                self.log.note(Event::Refused(number));
                demand(number == other, "output", "`send` gives its own item back", || {
                    format!("it was called with dish {number}, and gives dish {other} back")
                });
                return false;
            }
        }
        true
    }

    /// Notes what a receiver has got, and returns its number.
    fn note_receipt(&self, dish: Option<Dish>) -> Option<u32> {
        let number = dish.map(Dish::take);
        self.log.note(number.map_or(Event::Ended, Event::Received));
        number
    }

    /// Demands that the receiver gets what it must.
    fn expect_receipt(&self, dish: Option<Dish>, expected: Option<u32>, rule: &'static str, why: &str) {
        let got = self.note_receipt(dish);
        demand(got == expected, rule, why, || {
            let told = |number: Option<u32>| number.map_or("none".to_owned(), |n| format!("dish {n}"));
            format!("the receiver gets {}, and not {}", told(got), told(expected))
        });
    }
}

/// Drops a half of a channel where its lane shows it.
fn part_with<T>(half: T, name: &str) {
    remark(|| format!("drop {name}"));
    drop(half);
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Channels>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Channels>() -> Vec<(&'static str, Code)> {
    vec![
        ("oneshot-item", one::item::<S>),
        ("oneshot-close", one::close::<S>),
        ("oneshot-interleavings", one::interleavings::<S>),
        ("oneshot-race", one::race::<S>),
        ("in-order", many::in_order::<S>),
        ("capacity", many::capacity::<S>),
        ("close", many::close::<S>),
        ("receiver-gone", many::receiver_gone::<S>),
        ("recv-cancelled", many::recv_cancelled::<S>),
        ("send-cancelled", many::send_cancelled::<S>),
        ("cancel-race", many::cancel_race::<S>),
        ("every-interleaving", many::every_interleaving::<S>),
        ("wake-runs", many::wake_runs::<S>),
    ]
}
