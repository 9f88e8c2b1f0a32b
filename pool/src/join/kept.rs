//! A result that is kept while other closures run.

use brigade_handle::contain;
use std::mem;

/// A result that is kept while other closures run. If one of them panics, the result is dropped while the
/// thread unwinds, and there a panic of its destructor would end the program. So such a panic is ignored.
///
/// This costs nothing if the result has no destructor.
pub(crate) struct Kept<R>(Option<R>);

impl<R> Kept<R> {
    #[inline(always)]
    pub(crate) fn new(result: R) -> Self {
        Self(Some(result))
    }

    #[inline(always)]
    pub(crate) fn into_inner(mut self) -> R {
        self.0.take().expect("it was put there, and is taken once")
    }
}

impl<R> Drop for Kept<R> {
    #[inline(always)]
    fn drop(&mut self) {
        if mem::needs_drop::<R>() && self.0.is_some() {
            discard(self.0.take());
        }
    }
}

/// Drops something whose destructor may panic.
#[cold]
#[inline(never)]
fn discard<R>(result: Option<R>) {
    contain(|| drop(result));
}
