//! A value that each process has one of: made when it is first needed, and made anew in a forked child.

use super::Generation;
use std::{
    convert::Infallible,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A value that each process has one of, from its first use to the end. A forked child does not see its
/// parent's value, whose locks may be held for ever there, but makes its own.
///
/// A fork never finds the value half made, because it is a pointer to a complete value. The value of a
/// process is never dropped.
///
/// ```
/// use brigade_handle::fork::PerProcess;
/// use std::process;
///
/// static PID: PerProcess<u32> = PerProcess::new();
/// assert!(PID.get().is_none());
/// assert_eq!(*PID.get_or_init(process::id), process::id());
/// ```
pub struct PerProcess<T: 'static>(AtomicPtr<Made<T>>);

struct Made<T> {
    generation: Generation,
    value: T,
}

impl<T> PerProcess<T> {
    /// Makes an empty one.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T: Send + Sync> PerProcess<T> {
    /// Returns this process's value, if it has been made. A signal handler may call this.
    ///
    /// ```
    /// use brigade_handle::fork::PerProcess;
    ///
    /// static NUMBER: PerProcess<u32> = PerProcess::new();
    /// assert_eq!(NUMBER.get(), None);
    /// NUMBER.get_or_init(|| 7);
    /// assert_eq!(NUMBER.get(), Some(&7));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&'static T> {
        // Acquire pairs with the exchange in `get_or_try_init`.
        Self::of_this_process(self.0.load(Ordering::Acquire))
    }

    /// Returns whether there is a value of a process that this one was forked from.
    ///
    /// ```
    /// use brigade_handle::fork::PerProcess;
    ///
    /// static NUMBER: PerProcess<u32> = PerProcess::new();
    /// NUMBER.get_or_init(|| 7);
    /// assert!(!NUMBER.is_inherited());
    /// ```
    pub fn is_inherited(&self) -> bool {
        // Acquire: as in `get`.
        let made = self.0.load(Ordering::Acquire);
        !made.is_null() && Self::of_this_process(made).is_none()
    }

    #[inline]
    fn of_this_process(made: *mut Made<T>) -> Option<&'static T> {
        // SAFETY: the pointer is null, or was published by `get_or_try_init`, and its target is never
        // freed nor written to.
        let made = unsafe { made.as_ref() };
        made.filter(|made| made.generation.is_current()).map(|made| &made.value)
    }

    /// Returns this process's value, which is made if it does not exist. If several threads make one at
    /// once, the first complete one counts, and the others are dropped.
    ///
    /// ```
    /// use brigade_handle::fork::PerProcess;
    ///
    /// static NUMBER: PerProcess<u32> = PerProcess::new();
    /// assert_eq!(NUMBER.get_or_init(|| 7), &7);
    /// assert_eq!(NUMBER.get_or_init(|| 8), &7);
    /// ```
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &'static T {
        if let Some(value) = self.get() {
            return value;
        }
        match self.get_or_try_init(|| Ok::<_, Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// Returns this process's value like [`get_or_init`](Self::get_or_init), but making it can fail.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`. The next call tries again.
    ///
    /// ```
    /// use brigade_handle::fork::PerProcess;
    ///
    /// static NUMBER: PerProcess<u32> = PerProcess::new();
    /// assert!(NUMBER.get_or_try_init(|| "x".parse()).is_err());
    /// assert_eq!(NUMBER.get_or_try_init(|| "7".parse()), Ok(&7));
    /// ```
    #[cold]
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&'static T, E> {
        // Acquire, both: as in `get`.
        let before = self.0.load(Ordering::Acquire);
        if let Some(value) = Self::of_this_process(before) {
            return Ok(value);
        }
        let value = make()?;
        let made = Box::into_raw(Box::new(Made { generation: Generation::current(), value }));
        // Release publishes it.
        match self.0.compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(Self::of_this_process(made).expect("it was made just now")),
            Err(first) => {
                // SAFETY: it comes from a box, and no other thread has seen it.
                drop(unsafe { Box::from_raw(made) });
                Ok(Self::of_this_process(first).expect("another thread has made it just now"))
            }
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
