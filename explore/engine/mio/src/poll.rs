//! Selectors: those of the operating system, or simulated ones within a run.

use crate::{
    Interest, Token,
    event::{Event, Source},
    network,
};
use brigade_handle::explore;
use std::{fmt, io, time::Duration};

/// As [`os::Poll`].
#[derive(Debug)]
pub struct Poll {
    registry: Registry,
    os: Option<os::Poll>,
}

/// As [`os::Registry`].
#[derive(Debug)]
pub struct Registry(pub(crate) Selector);

/// The selector of a registry.
#[derive(Debug)]
pub(crate) enum Selector {
    Os(os::Registry),
    Simulated(network::SelectorId),
}

/// As [`os::Events`].
pub struct Events {
    os: os::Events,
    taken: Vec<Event>,
    capacity: usize,
}

/// As [`os::Waker`].
#[derive(Debug)]
pub struct Waker(Wakes);

#[derive(Debug)]
enum Wakes {
    Os(os::Waker),
    Simulated(network::SelectorId),
}

impl Poll {
    /// As [`os::Poll::new`].
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn new() -> io::Result<Self> {
        if explore::is_managed() {
            let selector = network::with(network::Network::add_selector);
            return Ok(Self { registry: Registry(Selector::Simulated(selector)), os: None });
        }
        let os = os::Poll::new()?;
        Ok(Self { registry: Registry(Selector::Os(os.registry().try_clone()?)), os: Some(os) })
    }

    /// As [`os::Poll::registry`].
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// As [`os::Poll::poll`].
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.poll_within(events, timeout, None)
    }

    /// Polls like [`poll`](Self::poll). Within a run, `upkeep` is a limit that no user has asked for, so that
    /// the run may end without it.
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn poll_within(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
        upkeep: Option<Duration>,
    ) -> io::Result<()> {
        events.taken.clear();
        match (&mut self.os, &self.registry.0) {
            (Some(os), _) => {
                os.poll(&mut events.os, timeout.into_iter().chain(upkeep).min())?;
                events.taken.extend(events.os.iter().map(Event::from_os));
            }
            (None, &Selector::Simulated(selector)) => {
                explore::point();
                let limits = network::Limits { timeout, upkeep };
                network::poll(selector, limits, events.capacity, &mut events.taken);
            }
            (None, Selector::Os(_)) => unreachable!("its selector is there as well"),
        }
        Ok(())
    }
}

impl Registry {
    /// As [`os::Registry::register`].
    ///
    /// # Errors
    ///
    /// As in mio. `Unsupported` within a run, if it is a source of the operating system.
    pub fn register(
        &self,
        source: &mut (impl Source + ?Sized),
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        source.register(self, token, interests)
    }

    /// As [`os::Registry::reregister`].
    ///
    /// # Errors
    ///
    /// As in mio.
    pub fn reregister(
        &self,
        source: &mut (impl Source + ?Sized),
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        source.reregister(self, token, interests)
    }

    /// As [`os::Registry::deregister`].
    ///
    /// # Errors
    ///
    /// As in mio.
    pub fn deregister(&self, source: &mut (impl Source + ?Sized)) -> io::Result<()> {
        source.deregister(self)
    }

    /// As [`os::Registry::try_clone`].
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(match &self.0 {
            Selector::Os(os) => Selector::Os(os.try_clone()?),
            &Selector::Simulated(selector) => Selector::Simulated(selector),
        }))
    }
}

impl Waker {
    /// As [`os::Waker::new`].
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self(match &registry.0 {
            Selector::Os(os) => Wakes::Os(os::Waker::new(os, token)?),
            &Selector::Simulated(selector) => {
                network::with(|network| network.set_waker(selector, token));
                Wakes::Simulated(selector)
            }
        }))
    }

    /// As [`os::Waker::wake`].
    ///
    /// # Errors
    ///
    /// The operating system's error, outside of a run.
    pub fn wake(&self) -> io::Result<()> {
        match &self.0 {
            Wakes::Os(os) => os.wake(),
            &Wakes::Simulated(selector) => {
                network::with(|network| network.wake_selector(selector));
                Ok(())
            }
        }
    }
}

impl Events {
    /// As [`os::Events::with_capacity`].
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { os: os::Events::with_capacity(capacity), taken: Vec::new(), capacity }
    }

    /// As [`os::Events::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// As [`os::Events::iter`].
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.taken.iter()
    }

    /// As [`os::Events::clear`].
    pub fn clear(&mut self) {
        self.taken.clear();
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.taken).finish()
    }
}
