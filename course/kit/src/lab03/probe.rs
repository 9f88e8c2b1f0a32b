//! The future of a task, its output and its panic, each of which the harness looks out of.

use crate::log::Log;
use std::{
    fmt,
    future::Future,
    mem,
    panic::panic_any,
    pin::Pin,
    task::{Context, Poll},
};

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The future is polled.
    Poll,
    /// The poll ends, and the future is pending.
    Pending,
    /// The poll ends, and the future is ready.
    Ready,
    /// The poll ends in a panic.
    Panic,
    /// The future is dropped.
    Drop,
    /// The output is dropped, and nobody has taken it.
    Discard,
    /// The handle has given its result.
    Result,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poll => "poll soup",
            Self::Pending => "soup is pending",
            Self::Ready => "soup is ready",
            Self::Panic => "soup panics",
            Self::Drop => "drop soup",
            Self::Discard => "the output is dropped",
            Self::Result => "the handle gives the result",
        })
    }
}

/// The way a future ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Output(u64),
    /// A panic with this number, and one more in the destructor if `again` says so.
    Panic {
        number: u64,
        again: bool,
    },
}

/// A future that is pending some times, and then ends.
pub(super) struct Probe {
    pub(super) log: Log<Event>,
    pub(super) pending: u64,
    pub(super) ending: Ending,
}

impl Future for Probe {
    type Output = Meal;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Meal> {
        self.log.note(Event::Poll);
        if self.pending > 0 {
            self.pending -= 1;
            context.waker().wake_by_ref();
            self.log.note(Event::Pending);
            return Poll::Pending;
        }
        match self.ending {
            Ending::Output(number) => {
                self.log.note(Event::Ready);
                Poll::Ready(Meal { log: Some(self.log.clone()), number })
            }
            Ending::Panic { number, .. } => {
                self.log.note(Event::Panic);
                panic_any(Spill { number })
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.log.note(Event::Drop);
        if matches!(self.ending, Ending::Panic { again: true, .. }) {
            panic_any(Spill { number: 0 });
        }
    }
}

/// The payload of a panic.
pub(super) struct Spill {
    pub(super) number: u64,
}

/// The output of a task. Its drop is noted unless it was eaten.
pub(super) struct Meal {
    log: Option<Log<Event>>,
    number: u64,
}

impl Meal {
    /// Takes the output.
    pub(super) fn eat(mut self) -> u64 {
        drop(mem::take(&mut self.log));
        self.number
    }
}

impl Drop for Meal {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            log.note(Event::Discard);
        }
    }
}
