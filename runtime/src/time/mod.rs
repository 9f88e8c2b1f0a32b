//! Time: sleeping, and giving up after a while.

pub(crate) mod timers;
mod wheel;

mod sleep;
mod timeout;

pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout};
