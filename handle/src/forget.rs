//! Foreign code that panics where there is nobody to be told: destructors of results that nobody wants, wakers of other executors.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// Drops what foreign code panicked with. If that panics as well, what it panics with is leaked.
///
/// A payload is dropped by this, and never by `let _ = catch_unwind(…)`: its destructor is foreign code too, and its panic would end
/// whoever caught the first.
pub fn forget_panic<T>(result: thread::Result<T>) {
    if let Err(payload) = result {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        mem::forget(dropped);
    }
}

/// Calls foreign code whose panic, if it panics, is nobody's. Nothing that `call` has touched may be out of order after that.
#[inline]
pub fn contain(call: impl FnOnce()) {
    forget_panic(catch_unwind(AssertUnwindSafe(call)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics with another one when it is dropped, so many times.
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
