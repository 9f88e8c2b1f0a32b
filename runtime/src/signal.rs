//! Waiting for signals of the operating system: ctrl-c, SIGTERM, SIGCHLD and the others.
//!
//! The first wait for a signal installs a handler for it, for as long as the process lives: from then on
//! ctrl-c does not end the process by itself. A handler that was installed before is called as well.
//! Dropping the last listener does not restore the old handler, since a program that has asked for a signal
//! once must not die of the next one.
//!
//! # Why no signal is lost
//!
//! The handler adds to a count, then writes a byte to a *self-pipe*: a pair of sockets, one for each
//! process. Every reactor that has listeners watches it.
//!
//! ```text
//!   handler            thread that polls a reactor           listener
//!   count + 1          empties the self-pipe                 count changed? then ready
//!   writes a byte      marks the sources whose count         else waits for the source, clears the
//!                      has changed, and wakes their tasks    mark, looks at the count again
//! ```
//!
//! The thread that finds the byte, of whichever runtime, notifies all listeners of the process. A listener
//! remembers the count from before the handler was installed, so it misses no signal from its creation on,
//! whether it is polled or not. The mark is a bit of a source, like the readiness of a descriptor, and the
//! argument there covers the clearing. Several signals of one kind that come before the listener looks
//! count as one, as they do for the operating system.
//!
//! # In a forked child
//!
//! A forked child has its parent's handlers. It has its own self-pipe and its own listeners, from the first
//! listener on that a runtime of its own makes. If the two processes shared a self-pipe, each could empty
//! it for the other, which would then hear nothing. The child does not touch the parent's self-pipe and
//! listeners, since a lock may have been held when the process forked.
//!
//! # Example
//!
//! ```
//! use brigade_runtime::{run, signal::{SignalKind, signal}};
//!
//! run(async {
//!     let mut hangups = signal(SignalKind::HANGUP)?;
//!     # std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status()?;
//!     hangups.recv().await?;
//!     println!("reading the configuration again");
//!     std::io::Result::Ok(())
//! })
//! # .unwrap();
//! ```

use crate::{
    driver::{
        explored::refuse,
        registration::Registered,
        slab::{Key, Slab},
        source::{Direction, Initially, Source},
    },
    sys,
    task::budget,
};
use brigade_handle::fork::PerProcess;
use futures_core::Stream;
use mio::{Interest, Registry, Token, event::Source as OsSource};
use std::{
    cell::Cell,
    collections::BTreeSet,
    fmt, io,
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

/// A kind of signal.
///
/// ```
/// use brigade_runtime::signal::SignalKind;
///
/// assert_eq!(SignalKind::from_raw(15), SignalKind::TERMINATE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalKind(i32);

impl SignalKind {
    /// SIGALRM: a timer of the operating system has expired.
    pub const ALARM: Self = Self(sys::ALARM);
    /// SIGCHLD: a child has ended or was stopped.
    pub const CHILD: Self = Self(sys::CHILD);
    /// SIGHUP: the terminal is gone. By convention also a request to read the configuration again.
    pub const HANGUP: Self = Self(sys::HANGUP);
    /// SIGINT: ctrl-c.
    pub const INTERRUPT: Self = Self(sys::INTERRUPT);
    /// SIGPIPE: a pipe or socket was written to that nobody reads. Rust programs ignore it, and `write`
    /// returns `BrokenPipe` instead.
    pub const PIPE: Self = Self(sys::PIPE);
    /// SIGQUIT: ctrl-\.
    pub const QUIT: Self = Self(sys::QUIT);
    /// SIGTERM: the polite request to end.
    pub const TERMINATE: Self = Self(sys::TERMINATE);
    /// SIGUSR1: the program defines its meaning.
    pub const USER_1: Self = Self(sys::USER_1);
    /// SIGUSR2: the program defines its meaning.
    pub const USER_2: Self = Self(sys::USER_2);
    /// SIGWINCH: the size of the terminal has changed.
    pub const WINDOW_CHANGE: Self = Self(sys::WINDOW_CHANGE);

    /// Makes a kind from a signal's number.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Returns the signal's number.
    ///
    /// ```
    /// assert_eq!(brigade_runtime::signal::SignalKind::INTERRUPT.as_raw(), 2);
    /// ```
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

/// The self-pipe and the listeners. Each process has one.
struct SignalHub {
    /// The end of the self-pipe that the reactors watch.
    pipe_reader: UnixStream,
    /// The end that the handler writes to.
    pipe_writer: UnixStream,
    state: Mutex<HubState>,
}

/// The listeners, and the signals whose handler is installed.
struct HubState {
    listeners: Slab<Listener>,
    handled: BTreeSet<SignalKind>,
}

/// One listener, as the hub sees it.
struct Listener {
    kind: SignalKind,
    /// The count that was last reported to the source.
    reported: Cell<usize>,
    source: Arc<Source>,
}

static HUB: PerProcess<SignalHub> = PerProcess::new();

impl SignalHub {
    fn new() -> io::Result<Self> {
        let (pipe_reader, pipe_writer) = UnixStream::pair()?;
        pipe_reader.set_nonblocking(true)?;
        pipe_writer.set_nonblocking(true)?;
        let state = HubState { listeners: Slab::new(), handled: BTreeSet::new() };
        Ok(Self { pipe_reader, pipe_writer, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties the self-pipe, marks the sources of all listeners whose signal came, and moves the wakers of the
/// waiting tasks to `woken`.
fn deliver(woken: &mut Vec<Waker>) {
    let Some(hub) = HUB.get() else { return };
    // The self-pipe is emptied before the counts are read, so a signal after that writes to it again.
    let mut bytes = [0; 64];
    loop {
        match (&hub.pipe_reader).read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    for listener in hub.state().listeners.iter() {
        let count = sys::caught(listener.kind.0);
        if listener.reported.replace(count) != count {
            listener.source.set_readable(woken);
        }
    }
}

/// The descriptor of a listener's registration, which has none. The registration serves to report the end
/// of the runtime to the source.
struct NoDescriptor;

impl OsSource for NoDescriptor {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

/// A listener for one kind of signal, from [`signal`]. Each listener hears each signal.
///
/// [`recv`](Self::recv) waits for the next signal. It is also a stream of `()`, which ends when the runtime
/// does.
///
/// ```no_run
/// use brigade_runtime::{run, select, signal::{SignalKind, signal}};
///
/// run(async {
///     let (mut interrupt, mut terminate) = (signal(SignalKind::INTERRUPT)?, signal(SignalKind::TERMINATE)?);
///     select(interrupt.recv(), terminate.recv()).await;
///     println!("shutting down");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub struct Signal {
    kind: SignalKind,
    /// The count that was last received.
    received: usize,
    registered: Registered<NoDescriptor>,
    /// The hub that lists it.
    hub: &'static SignalHub,
    listener: Key,
}

/// Makes a listener that hears a signal from now on.
///
/// # Errors
///
/// * `InvalidInput` if the signal cannot be caught: SIGKILL, SIGSTOP, the signals that report a broken
///   program (SIGSEGV, SIGBUS, SIGFPE, SIGILL), and numbers without a signal.
/// * The operating system's error, if it refuses a descriptor.
/// * `Other` if the runtime has ended.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// ```
/// # use brigade_runtime::{run, signal::{SignalKind, signal}};
/// # run(async {
/// let refused = signal(SignalKind::from_raw(9)).unwrap_err();
/// assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "SIGKILL cannot be caught");
/// # });
/// ```
#[doc(alias = "add_signal_handler")]
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    refuse("signals (signal::signal)")?;
    let registered = Registered::here("signal", NoDescriptor, Initially::Pending)?;
    let hub = HUB.get_or_try_init(SignalHub::new)?;
    let received = sys::caught(kind.0);
    registered.reactor().hear_signals(hub.pipe_reader.as_fd(), deliver)?;
    let mut state = hub.state();
    if !state.handled.contains(&kind) {
        sys::catch(kind.0, hub.pipe_writer.as_fd())?;
        state.handled.insert(kind);
    }
    let source = registered.source().clone();
    let listener = state.listeners.insert(Listener { kind, reported: Cell::new(received), source });
    Ok(Signal { kind, received, registered, hub, listener })
}

/// Waits for ctrl-c once. From the first call on, ctrl-c does not end the process by itself.
///
/// It hears a ctrl-c that comes after the first poll. A program that must not miss an earlier one calls
/// [`signal`]`(`[`SignalKind::INTERRUPT`]`)` at its start.
///
/// # Errors
///
/// The operating system's error, if it refuses a descriptor, and `Other` if the runtime has ended.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// ```no_run
/// # brigade_runtime::run(async {
/// brigade_runtime::signal::ctrl_c().await.unwrap();
/// # });
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    signal(SignalKind::INTERRUPT)?.recv().await
}

impl Signal {
    /// Waits for the next signal of this kind. Ready at once if there was one since the last call or the
    /// creation.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no signal.
    ///
    /// ```
    /// # use brigade_runtime::{command::Command, run, signal::{SignalKind, signal}};
    /// # run(async {
    /// let mut children = signal(SignalKind::CHILD)?;
    /// Command::new("true").status().await?;
    /// children.recv().await
    /// # }).unwrap();
    /// ```
    pub async fn recv(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for what [`recv`](Self::recv) waits for.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(budget::poll(cx));
        let result = ready!(self.poll_unbudgeted(cx));
        budget::spend();
        Poll::Ready(result)
    }

    /// Does the same as [`poll_recv`](Self::poll_recv), without the budget: it never wakes the caller itself.
    pub(crate) fn poll_unbudgeted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let count = sys::caught(self.kind.0);
            if count != self.received {
                self.received = count;
                return Poll::Ready(Ok(()));
            }
            let seen = ready!(self.registered.source().poll_ready(cx, Direction::Read))?;
            self.registered.source().clear(seen, Direction::Read);
        }
    }
}

/// The stream ends when the runtime does.
impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx).map(Result::ok)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if self.registered.reactor().is_forked() {
            return;
        }
        let listener = self.hub.state().listeners.remove(self.listener);
        // Outside the lock, since it may be the last owner of the wakers of other tasks.
        drop(listener);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.kind).finish()
    }
}
