//! Threads whose order the exploring scheduler decides. Each item is that of [`std::thread`].
//!
//! A sleep takes no time: when no thread can go on, the clock of the run jumps to the end of the first sleep.

use brigade_explore::{remark, thread as explored};
use std::{panic::Location, time::Duration};

/// A time in which all that can go on has gone on, for a harness to sleep.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A handle to a thread, as [`std::thread::Thread`].
#[derive(Clone, Debug)]
pub struct Thread(explored::Thread);

impl Thread {
    /// Ends the park of the thread. If it is not parked, its next park ends at once.
    #[track_caller]
    pub fn unpark(&self) {
        let at = place();
        remark(|| format!("unpark {}{at}", self.name().unwrap_or("a thread")));
        self.0.unpark();
    }

    /// Returns the identity of the thread.
    #[must_use]
    pub fn id(&self) -> std::thread::ThreadId {
        self.0.id()
    }

    /// Returns the name of the thread, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }
}

/// The right to join a thread, as [`std::thread::JoinHandle`].
#[derive(Debug)]
pub struct JoinHandle<T>(explored::ThreadHandle<T>);

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended, and returns its result.
    ///
    /// # Errors
    ///
    /// Returns the payload of the thread's panic.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        self.0.join()
    }

    /// Returns the thread.
    #[must_use]
    pub fn thread(&self) -> Thread {
        Thread(self.0.thread().clone())
    }

    /// Returns whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Starts a thread.
///
/// # Panics
///
/// Panics if the operating system gives no thread.
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    JoinHandle(explored::spawn(f))
}

/// Starts a thread with a name, which its lane shows.
///
/// # Panics
///
/// Panics if the operating system gives no thread.
pub fn spawn_named<F, T>(name: &str, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let builder = explored::Builder::new().name(name.to_owned());
    JoinHandle(builder.spawn(f).expect("the system gives a thread"))
}

/// Returns the calling thread.
#[must_use]
pub fn current() -> Thread {
    Thread(explored::current())
}

/// Parks the calling thread until it is unparked. A park may also end for no reason.
#[track_caller]
pub fn park() {
    let at = place();
    remark(|| format!("park{at}"));
    explored::park();
    remark(|| "the park ends".to_owned());
}

/// Parks the calling thread until it is unparked, or for `at_most`.
#[track_caller]
pub fn park_timeout(at_most: Duration) {
    let at = place();
    remark(|| format!("park for {at_most:?}{at}"));
    explored::park_timeout(at_most);
    remark(|| "the park ends".to_owned());
}

/// Lets another thread go on.
pub fn yield_now() {
    explored::yield_now();
}

/// Sleeps, in virtual time.
#[track_caller]
pub fn sleep(time: Duration) {
    remark(|| format!("sleep for {time:?}"));
    explored::sleep(time);
}

/// The place of the student's call, for a remark. The harness has no place.
#[track_caller]
pub(crate) fn place() -> String {
    let at = Location::caller();
    if is_harness(at.file()) {
        return String::new();
    }
    let file = at.file().rsplit('/').next().unwrap_or_default();
    format!("  {file}:{}", at.line())
}

/// Whether a source file belongs to the harness.
pub(crate) fn is_harness(file: &str) -> bool {
    file.contains("course/kit/")
}
