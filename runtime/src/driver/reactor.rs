//! The reactor: asks the operating system which descriptors are ready, and tells their sources.
//!
//! It has two halves. All threads share the [`Reactor`]: it registers sources and wakes the thread that
//! sleeps. The [`Poller`] belongs to the thread that sleeps in it, one thread at a time. The crate reaches
//! the operating system's event queue through mio only (epoll, kqueue). Each descriptor is registered once,
//! edge-triggered and for both directions. A TCP connection is registered for urgent bytes as well.
//!
//! A forked child has its own copy of this memory, but shares the operating system's part with its parent:
//! if the child registers or removes a descriptor, it does so for the parent too. So a reactor knows the
//! process that made it, and refuses to work in another.
//!
//! An event carries the key of its source. If the source was removed while the event was under way, the
//! event finds nothing, because keys have generations.

use crate::{
    driver::{
        explored::SleepLimits,
        fork,
        slab::{Key, Slab},
        source::{Initially, Source},
        wake::wake_all,
    },
    shim::{Mutex, RwLock, lock},
};
use brigade_handle::fork::Generation;
use brigade_trace::Cause;
use mio::{
    Events, Interest, Poll as Os, Registry, Token, Waker as OsWaker, event::Source as OsSource,
    unix::SourceFd,
};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// The largest number of events that one poll takes.
const MAX_EVENTS_PER_POLL: usize = 1024;
/// The token of `Reactor::wake`. It is no source's key, because a slab never holds 2³² entries.
const WAKE_TOKEN: Token = Token(usize::MAX);
/// The token of the self-pipe of signals. It is no source's key either.
const SIGNAL_TOKEN: Token = Token(usize::MAX - 1);
/// The token of the driver's alarm. It is no source's key either.
const ALARM_TOKEN: Token = Token(usize::MAX - 2);

/// A function that is called when the self-pipe of signals is readable. It moves the wakers of the tasks
/// that wait for a signal that came to its argument.
pub(crate) type OnSignal = fn(&mut Vec<Waker>);

/// The half that all threads share.
pub(crate) struct Reactor {
    /// `None` once the executor is gone.
    os: RwLock<Option<(Registry, OsWaker)>>,
    sources: Mutex<Slab<Arc<Source>>>,
    /// True once the sources have been told that the reactor is gone. Relaxed: it is stored before the lock
    /// of the sources is taken to tell them, and loaded after that lock was taken to insert one. So a source
    /// that comes too late to be told is refused.
    is_gone: AtomicBool,
    /// The function to call when the self-pipe of signals is readable. `None` until the pipe is registered.
    on_signal: Mutex<Option<OnSignal>>,
    /// The process that the reactor belongs to.
    generation: Generation,
}

/// The half that belongs to the thread that sleeps.
pub(crate) struct Poller {
    os: Os,
    events: Events,
    woken: Vec<Waker>,
}

/// Makes both halves of a reactor.
pub(crate) fn new() -> io::Result<(Arc<Reactor>, Poller)> {
    let os = Os::new()?;
    let registry = os.registry().try_clone()?;
    let waker = OsWaker::new(&registry, WAKE_TOKEN)?;
    let reactor = Reactor {
        os: RwLock::new(Some((registry, waker))),
        sources: Mutex::new(Slab::new()),
        is_gone: AtomicBool::new(false),
        on_signal: Mutex::new(None),
        generation: Generation::current(),
    };
    let poller = Poller { os, events: Events::with_capacity(MAX_EVENTS_PER_POLL), woken: Vec::new() };
    Ok((Arc::new(reactor), poller))
}

impl Poller {
    /// Sleeps until a descriptor is ready, the reactor is woken, or the time is over.
    ///
    /// # Errors
    ///
    /// Fails if the program has closed the poller's descriptor.
    pub(crate) fn wait(&mut self, limits: SleepLimits) -> io::Result<()> {
        match limits.poll(&mut self.os, &mut self.events) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Passes the events of the last [`wait`](Self::wait) to their sources and wakes the tasks that waited
    /// for them.
    pub(crate) fn dispatch(&mut self, reactor: &Reactor) {
        if self.events.is_empty() {
            return;
        }
        let mut signals = false;
        let sources = lock(&reactor.sources);
        for event in self.events.iter().filter(|event| ![WAKE_TOKEN, ALARM_TOKEN].contains(&event.token())) {
            if let Some(source) = sources.get(Key::from_bits(event.token().0 as u64)) {
                source.set(event, &mut self.woken);
            }
            signals |= event.token() == SIGNAL_TOKEN;
        }
        drop(sources);
        let on_signal = if signals { *lock(&reactor.on_signal) } else { None };
        if let Some(on_signal) = on_signal {
            on_signal(&mut self.woken);
        }
        wake_all(Cause::Readiness, &mut self.woken);
    }
}

impl Reactor {
    /// Returns true if this process is a forked copy of the one that the reactor belongs to.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.generation.is_current()
    }

    /// Checks that this process is the one that the reactor belongs to.
    ///
    /// # Panics
    ///
    /// Panics in a forked copy of that process.
    #[inline]
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        if self.is_forked() {
            fork::refuse_forked();
        }
    }

    /// Ends the sleep of the thread in the poller. If no thread sleeps, ends the next sleep at once.
    pub(crate) fn wake(&self) {
        if self.is_forked() {
            return;
        }
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, waker)) = &*os {
            waker.wake().expect("an eventfd of our own can be written");
        }
    }

    /// Registers a descriptor. Returns its source and the key for [`deregister`](Self::deregister).
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses the descriptor, and an error if the runtime is
    /// gone.
    pub(crate) fn register(
        &self,
        io: &mut impl OsSource,
        initially: Initially,
        interest: Interest,
    ) -> io::Result<(Arc<Source>, Key)> {
        self.assert_not_forked();
        let source = Arc::new(Source::new(initially));
        let key = lock(&self.sources).insert(source.clone());
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        let result = match &*os {
            Some((registry, _)) if !self.is_gone.load(Ordering::Relaxed) => {
                let token = Token(usize::try_from(key.to_bits()).expect("a 64-bit platform"));
                registry.register(io, token, interest)
            }
            _ => Err(io::Error::other("the runtime is gone")),
        };
        drop(os);
        match result {
            Ok(()) => Ok((source, key)),
            Err(error) => {
                lock(&self.sources).remove(key);
                Err(error)
            }
        }
    }

    /// Registers the self-pipe of signals `bell`. From now on the thread in the poller calls `answer` when
    /// the pipe is readable. Does nothing if the pipe is registered already or the runtime is gone.
    pub(crate) fn hear_signals(&self, bell: BorrowedFd<'static>, answer: OnSignal) -> io::Result<()> {
        self.assert_not_forked();
        let mut on_signal = lock(&self.on_signal);
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        if let (Some((registry, _)), false) = (&*os, on_signal.is_some()) {
            registry.register(&mut SourceFd(&bell.as_raw_fd()), SIGNAL_TOKEN, Interest::READABLE)?;
            *on_signal = Some(answer);
        }
        Ok(())
    }

    /// Watches the descriptor of the driver's alarm: when it becomes readable, the thread in the poller wakes
    /// up. It is never read, since each time that it goes off is an edge of its own.
    pub(crate) fn watch_alarm(&self, alarm: BorrowedFd<'_>) -> io::Result<()> {
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        let Some((registry, _)) = &*os else { return Err(io::Error::other("the runtime is gone")) };
        registry.register(&mut SourceFd(&alarm.as_raw_fd()), ALARM_TOKEN, Interest::READABLE)
    }

    /// Removes a descriptor that was registered. Does nothing in a forked child.
    pub(crate) fn deregister<S: OsSource>(&self, io: &mut S, key: Key) {
        if self.is_forked() {
            return;
        }
        lock(&self.sources).remove(key);
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((registry, _)) = &*os {
            // An error means that the descriptor is closed, and then it is no longer registered.
            let _ = registry.deregister(io);
        }
    }

    /// Closes the reactor's own descriptors and tells every source that the reactor is gone.
    pub(crate) fn close(&self) {
        self.os.write().unwrap_or_else(PoisonError::into_inner).take();
        self.tell_gone();
    }

    /// Tells every source that the reactor is gone, and refuses new ones. A thread that sleeps in the poller
    /// can still be woken.
    pub(crate) fn tell_gone(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
        let mut woken = Vec::new();
        lock(&self.sources).iter().for_each(|source| source.set_gone(&mut woken));
        wake_all(Cause::Readiness, &mut woken);
    }
}
