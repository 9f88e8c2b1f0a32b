//! `Elapsed`: the error of an operation whose time limit has passed.

use std::{error, fmt};

/// The error of [`timeout`](crate::timeout): the time was over before the future was ready.
///
/// ```
/// # use std::time::Duration;
/// # use brigade_runtime::{Elapsed, timeout};
/// # brigade_runtime::run(async {
/// let never = std::future::pending::<()>();
/// assert_eq!(timeout(Duration::from_millis(1), never).await, Err(Elapsed));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over first")
    }
}

impl error::Error for Elapsed {}
