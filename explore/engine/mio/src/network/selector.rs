//! Selectors: which sources are ready, and the thread that sleeps until one is.

use super::{Id, Network, Object, errno, gone, now, ways, with};
use crate::{Interest, Token, event::Event, sys};
use brigade_handle::explore::{self, Bell};
use std::{collections::VecDeque, io, sync::Arc, time::Duration};

/// The name of a selector of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelectorId {
    run: u64,
    index: usize,
}

/// The state of a selector.
#[derive(Default)]
pub(super) struct SelectorState {
    /// The objects to which something has happened since they were last reported.
    ready: VecDeque<Id>,
    waker: Option<Token>,
    is_woken: bool,
    bell: Arc<Bell>,
}

/// A registration.
pub(super) struct Watch {
    selector: usize,
    token: Token,
    interest: Interest,
}

/// The bits of epoll.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mask {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) read_ended: bool,
    pub(crate) hung_up: bool,
    pub(crate) error: bool,
}

impl Mask {
    /// Returns the bits that somebody with this interest is told of.
    fn told_to(self, interest: Interest) -> Self {
        Self {
            readable: self.readable && interest.is_readable(),
            writable: self.writable && interest.is_writable(),
            read_ended: self.read_ended && interest.is_readable(),
            ..self
        }
    }

    fn is_empty(self) -> bool {
        !(self.readable || self.writable || self.read_ended || self.hung_up || self.error)
    }
}

/// How long a thread sleeps at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) upkeep: Option<Duration>,
}

impl SelectorState {
    pub(super) fn forget(&mut self, id: Id) {
        self.ready.retain(|&ready| ready != id);
    }
}

/// Takes the events of a selector. If there are none, sleeps until there are, until the selector is woken, or
/// until a limit is over. It may end early for no reason.
pub(crate) fn poll(selector: SelectorId, limits: Limits, capacity: usize, events: &mut Vec<Event>) {
    let (bell, next) = with(|network| {
        network.take_events(selector, capacity, events);
        (network.state(selector).map(|state| state.bell.clone()), network.next_arrival())
    });
    let Some(bell) = bell.filter(|_| events.is_empty()) else { return };
    let until_next = next.map(|at| at.saturating_duration_since(now()));
    bell.wait(limits.timeout.into_iter().chain(until_next).min(), limits.upkeep);
    with(|network| network.take_events(selector, capacity, events));
}

impl Network {
    pub(crate) fn add_selector(&mut self) -> SelectorId {
        self.selectors.push(SelectorState::default());
        SelectorId { run: self.run, index: self.selectors.len() - 1 }
    }

    fn state(&mut self, selector: SelectorId) -> Option<&mut SelectorState> {
        if selector.run == self.run { self.selectors.get_mut(selector.index) } else { None }
    }

    pub(crate) fn set_waker(&mut self, selector: SelectorId, token: Token) {
        if let Some(state) = self.state(selector) {
            state.waker = Some(token);
        }
    }

    /// Ends the sleep of the thread in a selector, or its next one.
    pub(crate) fn wake_selector(&mut self, selector: SelectorId) {
        if let Some(state) = self.state(selector) {
            explore::changed();
            state.is_woken = true;
            self.rung.insert(selector.index);
        }
    }

    /// Registers an object.
    pub(crate) fn register(
        &mut self,
        id: Id,
        selector: SelectorId,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if selector.run != self.run || !self.objects.contains_key(&id) {
            return Err(gone());
        }
        if self.watches.contains_key(&id) {
            return Err(errno(sys::EEXIST));
        }
        self.watches.insert(id, Watch { selector: selector.index, token, interest });
        self.happen(id);
        Ok(())
    }

    /// Ends the registration of an object.
    pub(crate) fn deregister(&mut self, id: Id) -> io::Result<()> {
        let watch = self.watches.remove(&id).ok_or_else(|| errno(sys::ENOENT))?;
        self.selectors[watch.selector].forget(id);
        Ok(())
    }

    /// Notes that something has happened to an object: its selector looks at it.
    pub(super) fn happen(&mut self, id: Id) {
        explore::changed();
        let Some(watch) = self.watches.get(&id) else { return };
        if self.mask(id).told_to(watch.interest).is_empty() {
            return;
        }
        let ready = &mut self.selectors[watch.selector].ready;
        if !ready.contains(&id) {
            ready.push_back(id);
        }
        self.rung.insert(watch.selector);
    }

    fn mask(&self, id: Id) -> Mask {
        match self.objects.get(&id) {
            Some(Object::Stream(stream)) => self.stream_mask(stream),
            Some(Object::Listener(listener)) => listener.mask(),
            Some(Object::Datagrams(socket)) => self.datagrams_mask(socket),
            None => Mask::default(),
        }
    }

    /// Takes the events that are there, or some of them.
    fn take_events(&mut self, selector: SelectorId, capacity: usize, events: &mut Vec<Event>) {
        let Some(state) = self.state(selector) else { return };
        if std::mem::take(&mut state.is_woken) {
            // A waker's event is the first one: it was there before the others were looked at.
            events.extend(
                state.waker.map(|token| Event::from_mask(token, Mask { readable: true, ..Mask::default() })),
            );
        }
        let ready: Vec<_> = state.ready.drain(..).collect();
        let mut told: Vec<(Id, Event)> = Vec::new();
        for id in ready {
            let Some(watch) = self.watches.get(&id) else { continue };
            let mask = self.mask(id).told_to(watch.interest);
            if !mask.is_empty() {
                told.push((id, Event::from_mask(watch.token, mask)));
            }
        }
        let single = ways::readiness(told.len());
        let is_told = |index: usize, count: usize| single.map_or(count < capacity, |single| index == single);
        let mut later = VecDeque::new();
        for (index, (id, event)) in told.into_iter().enumerate() {
            if is_told(index, events.len()) { events.push(event) } else { later.push_back(id) }
        }
        self.selectors[selector.index].ready = later;
    }

    /// Takes the bells of the selectors that have something to report.
    pub(super) fn take_rung(&mut self) -> Vec<Arc<Bell>> {
        let rung = std::mem::take(&mut self.rung);
        rung.into_iter().map(|index| self.selectors[index].bell.clone()).collect()
    }
}
