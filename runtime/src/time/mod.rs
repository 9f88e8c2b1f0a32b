//! Time: sleeps, intervals and timeouts, and the clock and the timing wheels below them.

pub(crate) mod clock;
pub(crate) mod timers;
mod wheel;

pub(crate) mod elapsed;
mod interval;
mod retry;
mod rings;
pub(crate) mod sleep;
mod timeout;

pub use elapsed::Elapsed;
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use retry::{ExponentialBackoff, retry, retry_if};
pub use sleep::{Sleep, now, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
