//! The inputs of a lazy map: read by the thread that wants the results, or by a feeder thread.

use super::feeder::Feeder;
use brigade_trace::clock;
use std::{any::Any, io, task::Waker, time::Duration};

/// An input that takes longer than this to come is late.
const PROMPT_LIMIT: Duration = Duration::from_millis(1);
/// After this many inputs in a row without a late one, the next ones are expected to come promptly, too.
const PROMPT_STREAK: u32 = 8;

/// The source of the inputs.
pub(super) enum Inputs<I: Iterator> {
    Here {
        inputs: I,
        /// How many inputs have come since one was late.
        streak: u32,
    },
    Fed(Feeder<I::Item>),
    Over,
}

/// The outcome of reading.
pub(super) enum Reading<A> {
    /// At least one input.
    Chunk(Vec<A>),
    /// The feeder has none now.
    NotYet,
    /// There are no more, or they have panicked with this.
    Over(Option<Box<dyn Any + Send>>),
}

impl<I: Iterator> Inputs<I> {
    pub(super) fn new(inputs: I) -> Self {
        Self::Here { inputs, streak: 0 }
    }

    /// The same inputs, read by a feeder thread.
    pub(super) fn fed(self) -> io::Result<Self>
    where
        I: Send + 'static,
        I::Item: Send + 'static,
    {
        Ok(match self {
            Self::Here { inputs, .. } => Self::Fed(Feeder::start(inputs)?),
            other => other,
        })
    }

    pub(super) fn are_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// Whether inputs are expected to come without a wait.
    pub(super) fn are_prompt(&self) -> bool {
        !matches!(self, Self::Here { streak: ..PROMPT_STREAK, .. })
    }

    /// Reads up to `size` inputs.
    pub(super) fn read(&mut self, size: usize) -> Reading<I::Item> {
        let reading = match self {
            Self::Here { inputs, streak } => read_here(inputs, streak, size),
            Self::Fed(feeder) => feeder.read(size),
            Self::Over => Reading::Over(None),
        };
        if matches!(reading, Reading::Over(_)) {
            *self = Self::Over;
        }
        reading
    }

    /// Whether reading would bring something new from the feeder. If not, has `waker` woken when it would.
    pub(super) fn poll_arrival(&self, waker: &Waker) -> bool {
        matches!(self, Self::Fed(feeder) if feeder.poll_arrival(waker))
    }
}

fn read_here<A>(inputs: &mut impl Iterator<Item = A>, streak: &mut u32, size: usize) -> Reading<A> {
    let mut chunk = Vec::new();
    let mut before = clock::now();
    while chunk.len() < size
        && let Some(input) = inputs.next()
    {
        let now = clock::now();
        let is_late = now.saturating_duration_since(before) > PROMPT_LIMIT;
        *streak = if is_late { 0 } else { streak.saturating_add(1) };
        before = now;
        chunk.push(input);
    }
    if chunk.is_empty() { Reading::Over(None) } else { Reading::Chunk(chunk) }
}
