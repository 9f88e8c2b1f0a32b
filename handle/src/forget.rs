//! Panics of foreign code that no caller can be told of: in destructors of unwanted results, and in
//! wakers of other executors.

use crate::JoinError;
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// Drops the payload of a panic of foreign code. If that panics as well, the second payload is leaked.
///
/// Drop a payload with this function, and never with `let _ = catch_unwind(…)`: its destructor is foreign
/// code too, and its panic would end the code that caught the first one.
///
/// ```
/// let result = std::panic::catch_unwind(|| panic!("ignored"));
/// brigade_handle::forget_panic(result);
/// ```
pub fn forget_panic<T>(result: thread::Result<T>) {
    if let Err(payload) = result {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        mem::forget(dropped);
    }
}

/// Calls foreign code and ignores its panic. Everything that `call` has touched must be in order after
/// that.
///
/// ```
/// brigade_handle::contain(|| panic!("ignored"));
/// ```
#[inline]
pub fn contain(call: impl FnOnce()) {
    forget_panic(catch_unwind(AssertUnwindSafe(call)));
}

/// Notes that nobody takes this result of work, which the caller is about to drop. An explored run fails if
/// it is a panic; elsewhere this does nothing.
///
/// ```
/// brigade_handle::note_unseen(&Ok(42));
/// ```
#[inline(always)]
pub fn note_unseen<T>(result: &Result<T, JoinError>) {
    #[cfg(feature = "explore")]
    if let Err(error @ JoinError::Panicked(..)) = result {
        crate::explore::note_unseen_panic(error);
    }
    #[cfg(not(feature = "explore"))]
    let _ = result;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics with another bomb when it is dropped, as many times as it says.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn no_payload_gets_out() {
        for depth in 0..4 {
            contain(|| panic_any(Bomb(depth)));
            contain(|| drop(Bomb(depth)));
        }
    }
}
