//! A value that is made once, by an async function.
//!
//! A `std::sync::OnceLock` has the value, and a [`Semaphore`] of one permit lets one at a time try to make it.

use super::semaphore::Semaphore;
use crate::{shim::const_fn, task::budget};
use std::{error, fmt, future::Future, sync::OnceLock};

/// A cell that is filled once; those who come while it is being filled wait.
///
/// ```
/// use brigade_runtime::{gather, run, sync::OnceCell, yield_now};
/// use std::cell::Cell;
///
/// let (cell, made) = (OnceCell::new(), Cell::new(0));
/// let menu = async || {
///     let make = || async {
///         yield_now().await;
///         made.set(made.get() + 1);
///         "soup"
///     };
///     *cell.get_or_init(make).await
/// };
/// assert_eq!(run(async { gather([menu(), menu()]).await }), ["soup", "soup"]);
/// assert_eq!(made.get(), 1);
/// ```
pub struct OnceCell<T> {
    value: OnceLock<T>,
    /// Has whoever makes the value.
    permit: Semaphore,
}

impl<T> OnceCell<T> {
    const_fn! {
        /// An empty cell.
        #[must_use]
        pub const fn new() -> Self {
            Self { value: OnceLock::new(), permit: Semaphore::new(1) }
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Takes the value out; the cell is empty again.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Fills the cell.
    ///
    /// # Errors
    ///
    /// [`SetError`], with the value, if the cell is filled, or somebody is about to.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.permit.try_acquire() {
            Ok(_permit) => self.value.set(value).map_err(SetError::Filled),
            Err(_) if self.value.get().is_some() => Err(SetError::Filled(value)),
            Err(_) => Err(SetError::Filling(value)),
        }
    }

    /// The value; if there is none, makes it, or waits for who makes it.
    ///
    /// # Cancellation
    ///
    /// If the future that makes it is dropped, or panics, the next who waits makes it.
    pub async fn get_or_init<F: Future<Output = T>>(&self, make: impl FnOnce() -> F) -> &T {
        enum Never {}
        match self.get_or_try_init(async || Ok::<T, Never>(make().await)).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; if there is none, makes it, or waits for who makes it. A failure leaves the cell empty: the next who waits
    /// tries with its own function.
    ///
    /// # Errors
    ///
    /// What `make` returns.
    ///
    /// # Cancellation
    ///
    /// As with [`get_or_init`](Self::get_or_init).
    pub async fn get_or_try_init<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.value.get() {
            budget::turn().await;
            return Ok(value);
        }
        let _permit = self.permit.acquire().await.expect("nobody closes the semaphore of a cell");
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = make().await?;
        Ok(self.value.get_or_init(|| value))
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self { value: OnceLock::from(value), permit: Semaphore::new(1) }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.value.get()).finish()
    }
}

/// Why a cell was not filled, and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// It has a value.
    Filled(T),
    /// Somebody makes its value.
    Filling(T),
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filled(_) => "the cell has a value",
            Self::Filling(_) => "the value of the cell is being made",
        })
    }
}

impl<T: fmt::Debug> error::Error for SetError<T> {}
