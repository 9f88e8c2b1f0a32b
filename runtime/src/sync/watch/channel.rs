//! What the senders and receivers share, and how a receiver waits for another version.

use super::RecvError;
use crate::{
    context::budget,
    shim::{self, AtomicUsize, Ordering, RwLock, RwLockReadGuard, lock},
    sync::{
        line::{Line, Stand},
        role::{Come, Role},
        wakers::grant_all,
    },
};
use brigade_trace::Cause;
use std::{fmt, mem, ops::Deref};

pub(super) const CLOSED: usize = 1 << 0;
pub(super) const CHANGE: usize = 1 << 1;

pub(super) struct Channel<T> {
    pub(super) value: RwLock<T>,
    /// Raised while the value is locked for writing.
    pub(super) version: AtomicUsize,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    pub(super) lines: shim::Mutex<Lines>,
}

pub(super) struct Lines {
    /// Receivers that wait for a change.
    pub(super) changed: Line<()>,
    /// Senders that wait until no receiver is left.
    pub(super) closed: Line<()>,
}

impl<T> Channel<T> {
    pub(super) fn version(&self) -> usize {
        // Acquire pairs with the Release of who raised it.
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// For a receiver that has seen the version `seen`: the value, which counts as seen from now on.
    pub(super) fn borrow_and_update(&self, seen: &mut usize) -> Ref<'_, T> {
        let value = self.read();
        // The version of this very value: it is raised while the value is locked for writing.
        let version = self.version() & !CLOSED;
        Ref { changed: mem::replace(seen, version) != version, value }
    }

    /// Whether there is another version; an error if there is none and will be none.
    pub(super) fn has_changed(&self, seen: usize) -> Result<bool, RecvError> {
        let version = self.version();
        match (version & !CLOSED != seen, version & CLOSED != 0) {
            (true, _) => Ok(true),
            (false, false) => Ok(false),
            (false, true) => Err(RecvError(())),
        }
    }

    /// Waits for another version, which counts as seen from now on.
    pub(super) async fn changed(&self, seen: &mut usize) -> Result<(), RecvError> {
        budget::turn().await;
        while !self.has_changed(*seen)? {
            Stand::new(Change { channel: self, seen: *seen }, ()).await;
        }
        *seen = self.version() & !CLOSED;
        Ok(())
    }

    /// Wakes the receivers that wait, after the version was raised.
    pub(super) fn notify(&self) {
        grant_all(&Change { channel: self, seen: 0 }, lock(&self.lines), Cause::Notify, |()| ());
    }
}

/// The value of a channel, borrowed.
pub struct Ref<'a, T> {
    pub(super) changed: bool,
    pub(super) value: RwLockReadGuard<'a, T>,
}

impl<T> Ref<'_, T> {
    /// Whether the receiver had not seen it before.
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A receiver that waits for another version than this.
pub(super) struct Change<'a, T> {
    channel: &'a Channel<T>,
    seen: usize,
}

impl<T> Role for Change<'_, T> {
    type State = Lines;
    type Wish = ();

    fn lock(&self) -> &shim::Mutex<Lines> {
        &self.channel.lines
    }

    fn line(state: &mut Lines) -> &mut Line<()> {
        &mut state.changed
    }

    fn quick(&self, (): &mut ()) -> Come {
        // Another version, or the end.
        Come::if_true(self.channel.version() != self.seen)
    }

    fn come(&self, _: &mut Lines, (): &mut ()) -> Come {
        self.quick(&mut ())
    }
}

/// A sender that waits until no receiver is left.
pub(super) struct Close<'a, T>(pub(super) &'a Channel<T>);

impl<T> Role for Close<'_, T> {
    type State = Lines;
    type Wish = ();

    fn lock(&self) -> &shim::Mutex<Lines> {
        &self.0.lines
    }

    fn line(state: &mut Lines) -> &mut Line<()> {
        &mut state.closed
    }

    fn quick(&self, (): &mut ()) -> Come {
        // Relaxed: who need not wait looks again, by an Acquire. The lock of the line orders it with the last receiver's grants.
        Come::if_true(self.0.receivers.load(Ordering::Relaxed) == 0)
    }

    fn come(&self, _: &mut Lines, (): &mut ()) -> Come {
        self.quick(&mut ())
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
