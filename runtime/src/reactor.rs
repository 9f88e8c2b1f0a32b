//! The reactor: asks the operating system which descriptors are ready, and tells their sources.
//!
//! Two halves. The [`Reactor`] is shared by all threads: it registers sources, and wakes the thread that sleeps. The
//! [`Poller`] belongs to whoever sleeps in it, one thread at a time. The operating system is reached through mio only
//! (epoll, kqueue). Each descriptor is registered once, for both directions, for edges.
//!
//! An event carries the key of its source. An event that was under way while its source was removed finds nothing,
//! since keys have generations.

use crate::{
    context::budget,
    shim::{Mutex, lock},
    slab::{Key, Slab},
    source::{Direction, Initially, Seen, Source},
    wake_all,
};
use brigade_trace::Cause;
use mio::{Events, Interest, Poll as Os, Registry, Token, Waker as OsWaker, event::Source as OsSource};
use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

/// How many events one look takes.
const EVENTS: usize = 1024;
/// The token of `Reactor::wake`: no key, since a slab never holds 2³² entries.
const WAKE: Token = Token(usize::MAX);

/// What all threads share.
pub(crate) struct Reactor {
    /// None once the executor is gone.
    os: RwLock<Option<(Registry, OsWaker)>>,
    sources: Mutex<Slab<Arc<Source>>>,
}

/// What the thread that sleeps needs.
pub(crate) struct Poller {
    os: Os,
    events: Events,
    woken: Vec<Waker>,
}

/// Makes both halves.
pub(crate) fn new() -> io::Result<(Arc<Reactor>, Poller)> {
    let os = Os::new()?;
    let registry = os.registry().try_clone()?;
    let waker = OsWaker::new(&registry, WAKE)?;
    let reactor = Reactor { os: RwLock::new(Some((registry, waker))), sources: Mutex::new(Slab::new()) };
    let poller = Poller { os, events: Events::with_capacity(EVENTS), woken: Vec::new() };
    Ok((Arc::new(reactor), poller))
}

impl Poller {
    /// Sleeps until a descriptor is ready, the reactor is woken, or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        match self.os.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            // The descriptor is ours and valid: only a bug could come here, and going on would spin.
            Err(error) => panic!("the reactor could not wait for events: {error}"),
        }
    }

    /// Wakes those who waited for what is ready.
    pub(crate) fn dispatch(&mut self, reactor: &Reactor) {
        if self.events.is_empty() {
            return;
        }
        let sources = lock(&reactor.sources);
        for event in self.events.iter().filter(|event| event.token() != WAKE) {
            if let Some(source) = sources.get(Key::from_bits(event.token().0 as u64)) {
                source.set(event, &mut self.woken);
            }
        }
        drop(sources);
        wake_all(Cause::Readiness, &mut self.woken);
    }
}

impl Reactor {
    /// Ends the sleep of the thread in the poller, or its next one.
    pub(crate) fn wake(&self) {
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, waker)) = &*os {
            waker.wake().expect("an eventfd of our own can be written");
        }
    }

    /// Registers a descriptor.
    pub(crate) fn register<S: OsSource>(
        self: &Arc<Self>,
        mut io: S,
        initially: Initially,
    ) -> io::Result<Registered<S>> {
        let source = Arc::new(Source::new(initially));
        let key = lock(&self.sources).insert(source.clone());
        let os = self.os.read().unwrap_or_else(PoisonError::into_inner);
        let result = match &*os {
            Some((registry, _)) => {
                let token = Token(usize::try_from(key.to_bits()).expect("a 64-bit platform"));
                registry.register(&mut io, token, Interest::READABLE | Interest::WRITABLE)
            }
            None => Err(io::Error::other("the runtime is gone")),
        };
        drop(os);
        match result {
            Ok(()) => Ok(Registered { io, source, key, reactor: self.clone() }),
            Err(error) => {
                lock(&self.sources).remove(key);
                Err(error)
            }
        }
    }

    /// Closes the descriptors of the reactor itself, and tells every source that nobody watches it any more.
    pub(crate) fn close(&self) {
        self.os.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut woken = Vec::new();
        lock(&self.sources).iter().for_each(|source| source.set_gone(&mut woken));
        wake_all(Cause::Readiness, &mut woken);
    }
}

/// A descriptor that is registered as long as this lives.
pub(crate) struct Registered<S: OsSource> {
    io: S,
    source: Arc<Source>,
    key: Key,
    reactor: Arc<Reactor>,
}

impl<S: OsSource> Registered<S> {
    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    /// Tries `operation`, which fills or empties a buffer of `len` bytes, when the descriptor is ready, until it does not
    /// say `WouldBlock`. One that did less than that has emptied or
    /// filled the operating system's, so the next attempt waits for an edge instead of trying in vain.
    #[inline]
    pub(crate) fn poll_bytes(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll(cx));
        loop {
            let seen = ready!(self.source.poll_ready(cx, direction))?;
            match self.attempt(seen, direction, &mut operation) {
                Some(Ok(done)) => {
                    if 0 < done && done < len && cfg!(target_os = "linux") {
                        self.source.clear(seen, direction);
                    }
                    return Poll::Ready(Ok(done));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {}
            }
        }
    }

    /// One attempt. None if it would have blocked.
    #[inline]
    fn attempt<R>(
        &self,
        seen: Seen,
        direction: Direction,
        operation: &mut impl FnMut(&S) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        loop {
            match operation(&self.io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.source.clear(seen, direction);
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    budget::spend();
                    return Some(result);
                }
            }
        }
    }

    /// `poll_io` as a future, for methods that several tasks may call at once.
    pub(crate) async fn io_among<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        /// Leaves the table of those who wait, also when the future is dropped.
        struct Place<'a>(&'a Source, Option<Key>);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(key) = self.1 {
                    self.0.leave(key);
                }
            }
        }
        let mut place = Place(&self.source, None);
        std::future::poll_fn(|cx| {
            ready!(budget::poll(cx));
            loop {
                let seen = ready!(self.source.poll_ready_among(cx, direction, &mut place.1))?;
                if let Some(result) = self.attempt(seen, direction, &mut operation) {
                    return Poll::Ready(result);
                }
            }
        })
        .await
    }
}

impl<S: OsSource> Drop for Registered<S> {
    fn drop(&mut self) {
        lock(&self.reactor.sources).remove(self.key);
        let os = self.reactor.os.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((registry, _)) = &*os {
            // An error means that the descriptor is closed, and then it is not registered any more.
            let _ = registry.deregister(&mut self.io);
        }
    }
}
