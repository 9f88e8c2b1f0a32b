//! A value that is made once, by an async function.
//!
//! A `std::sync::OnceLock` holds the value, and a [`Semaphore`] with one permit lets one task at a time try
//! to make it.

use super::semaphore::Semaphore;
use crate::{shim::const_fn, task::budget};
use brigade_trace::Domain;
use std::{error, fmt, future::Future, panic::Location, sync::OnceLock};

/// A cell that is filled once. Tasks that need the value while it is being made wait.
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
    /// Held by the task that makes the value.
    permit: Semaphore,
}

impl<T> OnceCell<T> {
    const_fn! {
        /// Creates an empty cell.
        #[must_use]
        pub const fn new() -> Self {
            Self { value: OnceLock::new(), permit: Semaphore::of(1, Domain::Lock) }
        }
    }

    /// Returns the value, if the cell is filled.
    ///
    /// ```
    /// let cell = brigade_runtime::sync::OnceCell::new();
    /// assert_eq!(cell.get(), None);
    /// cell.set("soup").unwrap();
    /// assert_eq!(cell.get(), Some(&"soup"));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Returns the value, if the cell is filled.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Takes the value out, so that the cell is empty again.
    ///
    /// ```
    /// let mut cell = brigade_runtime::sync::OnceCell::from("soup");
    /// assert_eq!((cell.take(), cell.take()), (Some("soup"), None));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Consumes the cell and returns its value, if it is filled.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Fills the cell.
    ///
    /// # Errors
    ///
    /// Returns the value in [`SetError::Filled`] if the cell is filled, and in [`SetError::Filling`] if a
    /// task is about to fill it.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.permit.try_acquire() {
            Ok(_permit) => self.value.set(value).map_err(SetError::Filled),
            Err(_) if self.value.get().is_some() => Err(SetError::Filled(value)),
            Err(_) => Err(SetError::Filling(value)),
        }
    }

    /// Returns the value. If the cell is empty, makes the value, or waits for the task that makes it.
    ///
    /// # Cancellation
    ///
    /// If the future that makes the value is dropped, or panics, the next waiter makes it.
    #[track_caller]
    pub fn get_or_init<F: Future<Output = T>>(&self, make: impl FnOnce() -> F) -> impl Future<Output = &T> {
        enum Never {}
        let at = Location::caller();
        async move {
            match self.init_at(async || Ok::<T, Never>(make().await), at).await {
                Ok(value) => value,
                Err(never) => match never {},
            }
        }
    }

    /// Returns the value. If the cell is empty, makes the value, or waits for the task that makes it. If
    /// `make` fails, the cell stays empty: the next waiter tries with its own function.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`, unchanged.
    ///
    /// # Cancellation
    ///
    /// As with [`get_or_init`](Self::get_or_init).
    ///
    /// ```
    /// use brigade_runtime::{run, sync::OnceCell};
    ///
    /// let cell = OnceCell::new();
    /// run(async {
    ///     assert_eq!(cell.get_or_try_init(async || Err("no cook")).await, Err("no cook"));
    ///     assert_eq!(cell.get_or_try_init(async || Ok::<_, &str>("soup")).await, Ok(&"soup"));
    /// });
    /// ```
    #[track_caller]
    pub fn get_or_try_init<E>(
        &self,
        make: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<&T, E>> {
        self.init_at(make, Location::caller())
    }

    async fn init_at<E>(
        &self,
        make: impl AsyncFnOnce() -> Result<T, E>,
        at: &'static Location<'static>,
    ) -> Result<&T, E> {
        if let Some(value) = self.value.get() {
            budget::turn().await;
            return Ok(value);
        }
        let _permit = self.permit.acquire_at(1, at).await.expect("nobody closes the semaphore of a cell");
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

/// The error of filling a cell. It contains the value.
///
/// ```
/// use brigade_runtime::sync::{OnceCell, SetError};
///
/// let cell = OnceCell::from("soup");
/// assert_eq!(cell.set("pie"), Err(SetError::Filled("pie")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell is filled.
    Filled(T),
    /// A task is making the value of the cell.
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
