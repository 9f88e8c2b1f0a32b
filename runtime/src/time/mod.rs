//! Time: sleeping, doing something again and again, and giving up after a while.

pub(crate) mod timers;
mod wheel;

mod interval;
mod rings;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, now, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
