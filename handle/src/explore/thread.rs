//! The threads of a run: std's interface to threads, for those that are managed and those that are not.

use super::{baton, virtual_time::TimeLimits};
use crate::clock;
use std::{io, num::NonZero, thread as os, time::Duration};

pub use os::{Result, ThreadId, panicking};

/// A handle to a thread, as [`std::thread::Thread`].
#[derive(Clone, Debug)]
pub struct Thread {
    os: os::Thread,
    /// The number of a managed thread.
    index: Option<u32>,
}

impl Thread {
    /// Ends the thread's park, or its next one.
    pub fn unpark(&self) {
        match self.index {
            Some(index) => baton::unpark(index),
            None => self.os.unpark(),
        }
    }

    /// The thread's identity.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.os.id()
    }

    /// The thread's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.os.name()
    }
}

/// Returns the calling thread.
#[must_use]
pub fn current() -> Thread {
    Thread { os: os::current(), index: baton::managed() }
}

/// The right to join a thread, as [`std::thread::JoinHandle`], by which name it goes too.
#[derive(Debug)]
pub struct ThreadHandle<T> {
    os: os::JoinHandle<T>,
    thread: Thread,
}

/// The name that std gives it. A [`JoinHandle`](crate::JoinHandle) of the ground floor joins work.
pub use ThreadHandle as JoinHandle;

impl<T> ThreadHandle<T> {
    /// Waits until the thread has ended, and returns its result.
    ///
    /// # Errors
    ///
    /// Returns the payload of the thread's panic.
    #[track_caller]
    pub fn join(self) -> Result<T> {
        if let (Some(index), true) = (self.thread.index, baton::is_managed()) {
            baton::join(index);
        }
        // A managed thread that has given the baton away for the last time ends without a further wait.
        self.os.join()
    }

    /// Returns the thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Returns whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self.thread.index {
            Some(index) if baton::is_managed() => baton::has_ended(index),
            _ => self.os.is_finished(),
        }
    }
}

/// A thread to be, as [`std::thread::Builder`].
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Makes a thread without a name, with the usual stack.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the thread.
    #[must_use]
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the bytes of the thread's stack.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    fn to_os(&self) -> os::Builder {
        let mut builder = os::Builder::new();
        if let Some(name) = &self.name {
            builder = builder.name(name.clone());
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder
    }

    /// Starts the thread. A thread that a managed thread starts is managed.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if it gives no thread.
    pub fn spawn<F, T>(self, f: F) -> io::Result<ThreadHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let builder = self.to_os();
        if !baton::is_managed() {
            let os = builder.spawn(f)?;
            let thread = Thread { os: os.thread().clone(), index: None };
            return Ok(ThreadHandle { os, thread });
        }
        let index = baton::register(self.name.unwrap_or_else(|| "thread".to_owned()));
        let os = match builder.spawn(move || baton::enter(index, f)) {
            Ok(os) => os,
            Err(error) => {
                baton::unregister(index);
                return Err(error);
            }
        };
        baton::set_thread(index, os.thread().clone());
        let thread = Thread { os: os.thread().clone(), index: Some(index) };
        baton::preempt();
        Ok(ThreadHandle { os, thread })
    }
}

/// Starts a thread.
///
/// # Panics
///
/// Panics if the operating system gives no thread.
pub fn spawn<F, T>(f: F) -> ThreadHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).expect("failed to spawn thread")
}

/// Parks the calling thread until it is unparked.
#[track_caller]
pub fn park() {
    if baton::is_managed() { baton::park(TimeLimits::default()) } else { os::park() }
}

/// Parks the calling thread until it is unparked, or for `at_most`.
#[track_caller]
pub fn park_timeout(at_most: Duration) {
    if baton::is_managed() {
        baton::park(TimeLimits::after(Some(at_most), None));
    } else {
        os::park_timeout(at_most);
    }
}

/// Parks like [`park_timeout`], for upkeep: an executor looks after something that no user has asked for.
#[track_caller]
pub fn park_for_upkeep(at_most: Duration) {
    if baton::is_managed() {
        baton::park(TimeLimits::after(None, Some(at_most)));
    } else {
        os::park_timeout(at_most);
    }
}

/// The processors that a run seems to have.
const PROCESSORS: NonZero<usize> = NonZero::new(2).expect("two are not zero");

/// Returns the number of threads that can run at a time.
///
/// # Errors
///
/// Returns the operating system's error if it does not tell.
pub fn available_parallelism() -> io::Result<NonZero<usize>> {
    if baton::is_managed() { Ok(PROCESSORS) } else { os::available_parallelism() }
}

/// Lets another thread go on.
pub fn yield_now() {
    if baton::is_managed() { baton::spin() } else { os::yield_now() }
}

/// Sleeps.
#[track_caller]
pub fn sleep(time: Duration) {
    if !baton::is_managed() {
        return os::sleep(time);
    }
    let until = clock::after(clock::now(), time);
    loop {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            return;
        }
        park_timeout(left);
    }
}
