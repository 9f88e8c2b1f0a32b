//! HubState of the operating system, awaited: ctrl-c, SIGTERM, SIGCHLD and the others.
//!
//! The first wait for a signal installs a handler for it, for as long as the process lives: from then on ctrl-c does not
//! end the process by itself. A handler that was there before is called as well. NoDescriptor is put back when the last
//! listener is dropped, since a program that has asked for a signal once is not to die of the next one.
//!
//! # Why no signal is lost
//!
//! The handler adds to a count, then writes a byte to a bell (a pair of sockets, one for each process), which every reactor that
//! has listeners watches.
//!
//! ```text
//!   handler            whoever turns a reactor               listener
//!   count + 1          empties the bell                      count changed? then ready
//!   a byte             marks the sources whose count         else wait for the source, clear the
//!                      has changed, and wakes their tasks    mark, look at the count again
//! ```
//!
//! Whoever finds the byte, of whatever runtime, tells all listeners of the process. A listener remembers the count from
//! before the handler was installed, so it misses nothing from its creation on, whether it is polled or not. The mark
//! lies in a source like the readiness of a descriptor, and the argument there covers the clearing. HubState of one
//! kind that come before the listener looks are one, as they are for the operating system.
//!
//! # In a forked child
//!
//! A child has its parent's handlers, and a bell and listeners of its own, from the first listener on that a runtime of its own makes. If
//! they shared a bell, each could empty it for the other, which would then hear nothing. What the parent has of these is not touched in the
//! child: a lock may have been held when it forked.
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

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalKind(i32);

impl SignalKind {
    /// SIGALRM: a timer of the operating system.
    pub const ALARM: Self = Self(sys::ALARM);
    /// SIGCHLD: a child has ended or was stopped.
    pub const CHILD: Self = Self(sys::CHILD);
    /// SIGHUP: the terminal is gone; by custom also: read the configuration again.
    pub const HANGUP: Self = Self(sys::HANGUP);
    /// SIGINT: ctrl-c.
    pub const INTERRUPT: Self = Self(sys::INTERRUPT);
    /// SIGPIPE: nobody reads what was written. Rust's programs ignore it, and `write` says so instead.
    pub const PIPE: Self = Self(sys::PIPE);
    /// SIGQUIT: ctrl-\.
    pub const QUIT: Self = Self(sys::QUIT);
    /// SIGTERM: the polite request to end.
    pub const TERMINATE: Self = Self(sys::TERMINATE);
    /// SIGUSR1: whatever the program means by it.
    pub const USER_1: Self = Self(sys::USER_1);
    /// SIGUSR2: whatever the program means by it.
    pub const USER_2: Self = Self(sys::USER_2);
    /// SIGWINCH: the terminal has another size.
    pub const WINDOW_CHANGE: Self = Self(sys::WINDOW_CHANGE);

    /// The signal with that number.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

/// What each process has one of.
struct SignalHub {
    /// The end of the bell to listen at.
    pipe_reader: UnixStream,
    /// The end that rings.
    pipe_writer: UnixStream,
    state: Mutex<HubState>,
}

/// The listeners, and which signals have their handler and ring the bell.
struct HubState {
    listeners: Slab<Listener>,
    handled: BTreeSet<SignalKind>,
}

struct Listener {
    kind: SignalKind,
    /// The count of which the source was told.
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

/// Answers the bell: marks the sources of all listeners whose signal came, and takes the wakers of those who wait.
fn deliver(woken: &mut Vec<Waker>) {
    let Some(hub) = HUB.get() else { return };
    // The bell is emptied before the counts are read: a signal after that rings again.
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

/// What is registered for a listener: no descriptor, only the end of the runtime is told to its source.
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

/// A listener for one kind of signal: [`recv`](Self::recv), or a stream of `()`. Each listener hears each signal.
pub struct Signal {
    kind: SignalKind,
    /// The count that was last received.
    received: usize,
    registered: Registered<NoDescriptor>,
    /// Where it is listed.
    hub: &'static SignalHub,
    listener: Key,
}

/// Listens for a signal, from now on.
///
/// # Errors
///
/// If it cannot be caught: SIGKILL, SIGSTOP, those that say that the program is broken, and numbers that are none. If the
/// operating system refuses a descriptor.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
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
/// It hears what comes after the first poll; a program that must not miss one before that makes a
/// [`signal`]`(`[`SignalKind::INTERRUPT`]`)` at its start.
///
/// # Errors
///
/// If the operating system refuses a descriptor.
///
/// # Panics
///
/// Outside of a runtime.
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
    /// Waits for the next signal of this kind, or says at once that there was one since the last call or the creation.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    ///
    /// # Cancellation
    ///
    /// No signal is lost.
    pub async fn recv(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) as a poll.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(budget::poll(cx));
        let result = ready!(self.poll_unbudgeted(cx));
        budget::spend();
        Poll::Ready(result)
    }

    /// [`poll_recv`](Self::poll_recv), which never wakes the caller itself.
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

/// Ends when the runtime does.
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
        // Outside of the lock, since it may be the last to hold the wakers of others.
        drop(listener);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.kind).finish()
    }
}
