//! The network of a run: its sockets, the selectors that watch them, and what is under way.
//!
//! One lock guards all of it. Each call of a socket comes to a choice point first, then takes the lock for a
//! moment. Under the lock the oracle is asked, but no thread goes on. The selectors that have something to
//! report are rung after the lock is released, because a ring is a choice point too.
//!
//! An [`Arrival`] of the timeline is something that arrives later than at once. The timeline is looked at
//! when anybody calls the network: all that is due by then arrives, in order. A thread that sleeps in a
//! selector wakes up at the next arrival, so virtual time passes until then if no thread can go on.

mod datagram;
mod flow;
mod listener;
mod names;
mod selector;
mod stream;
mod ways;

pub(crate) use datagram::Received;
pub(crate) use names::{Family, Name};
pub(crate) use selector::{Limits, Mask, SelectorId, poll};
pub(crate) use stream::Protocol;

use self::{
    datagram::DatagramSocket,
    listener::Listener,
    selector::{SelectorState, Watch},
    stream::Stream,
};
use crate::simulated::Faults;
use brigade_handle::explore;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::RawFd,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The name of an object of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    run: u64,
    number: u32,
}

/// The state of the network of a run.
pub(crate) struct Network {
    run: u64,
    objects: BTreeMap<Id, Object>,
    watches: BTreeMap<Id, Watch>,
    last_number: u32,
    selectors: Vec<SelectorState>,
    /// The arrivals that are under way, by their moments and the order in which they were sent.
    timeline: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
    bound: BTreeMap<(Family, Name), Id>,
    next_port: u16,
    descriptors: BTreeMap<RawFd, Id>,
    pub(crate) faults: Faults,
    /// The selectors to ring once the lock is released.
    rung: BTreeSet<usize>,
}

/// An object that has a descriptor.
enum Object {
    Stream(Stream),
    Listener(Listener),
    Datagrams(DatagramSocket),
}

/// Something that arrives.
enum Arrival {
    /// All bytes before this one of the flow to `to`.
    Bytes { to: Id, before: u64 },
    /// The end of the flow to `to`.
    End { to: Id },
    /// A reset of a connection.
    Reset { to: Id },
    /// A request to connect, at the name that the socket `from` connects to.
    Request { from: Id },
    /// Room in a buffer that was nearly full.
    Room { of: Id },
    /// A datagram.
    Datagram { from: Id, sender: Name, to: Name, bytes: Vec<u8> },
}

static NETWORK: Mutex<Option<Network>> = Mutex::new(None);

/// Calls `f` with the network of this run, to which all has arrived that is due. Rings the selectors that
/// have something to report.
pub(crate) fn with<R>(f: impl FnOnce(&mut Network) -> R) -> R {
    let (result, bells) = {
        let mut network = NETWORK.lock().unwrap_or_else(PoisonError::into_inner);
        let run = explore::run_number();
        let network = match &mut *network {
            Some(network) if network.run == run => network,
            other => other.insert(Network::new(run)),
        };
        network.receive_due();
        let result = f(network);
        (result, network.take_rung())
    };
    bells.iter().for_each(|bell| bell.ring());
    result
}

/// The error of an object that is gone with its run.
fn gone() -> io::Error {
    io::Error::other("this socket belongs to an explored run that has ended")
}

/// Makes an error of the operating system.
fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// The virtual time.
fn now() -> Instant {
    explore::now().unwrap_or_else(Instant::now)
}

impl Network {
    fn new(run: u64) -> Self {
        Self {
            run,
            objects: BTreeMap::new(),
            watches: BTreeMap::new(),
            last_number: 0,
            selectors: Vec::new(),
            timeline: BTreeMap::new(),
            sent: 0,
            bound: BTreeMap::new(),
            next_port: names::FIRST_PORT,
            descriptors: BTreeMap::new(),
            faults: Faults::none(),
            rung: BTreeSet::new(),
        }
    }

    fn add(&mut self, object: Object) -> Id {
        self.last_number += 1;
        let id = Id { run: self.run, number: self.last_number };
        self.objects.insert(id, object);
        id
    }

    /// Removes an object whose last descriptor is closed.
    pub(crate) fn close(&mut self, id: Id) {
        self.watches.remove(&id);
        self.selectors.iter_mut().for_each(|selector| selector.forget(id));
        self.descriptors.retain(|_, object| *object != id);
        self.bound.retain(|_, object| *object != id);
        match self.objects.remove(&id) {
            Some(Object::Stream(stream)) => self.close_stream(stream),
            Some(Object::Listener(listener)) => self.close_listener(listener),
            Some(Object::Datagrams(socket)) => self.close_datagrams(&socket),
            None => {}
        }
    }

    /// Notes that a descriptor stands for an object.
    pub(crate) fn set_descriptor(&mut self, descriptor: RawFd, id: Id) {
        self.descriptors.insert(descriptor, id);
    }

    /// Returns the object that a descriptor stands for.
    pub(crate) fn object_of(&self, descriptor: RawFd) -> Option<Id> {
        self.descriptors.get(&descriptor).copied()
    }

    /// Lets something arrive so much later.
    fn send(&mut self, after: Duration, arrival: Arrival) {
        if after.is_zero() {
            return self.receive(arrival);
        }
        self.send_at(now() + after, arrival);
    }

    fn send_at(&mut self, at: Instant, arrival: Arrival) {
        if at <= now() {
            return self.receive(arrival);
        }
        self.sent += 1;
        self.timeline.insert((at, self.sent), arrival);
        // A thread that sleeps in a selector must not sleep for longer than until then.
        self.rung.extend(0..self.selectors.len());
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.timeline.first_key_value().map(|(&(at, _), _)| at)
    }

    fn receive_due(&mut self) {
        while let Some(entry) = self.timeline.first_entry() {
            if entry.key().0 > now() {
                return;
            }
            let arrival = entry.remove();
            self.receive(arrival);
        }
    }

    fn receive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Bytes { to, before } => self.receive_bytes(to, before),
            Arrival::End { to } => self.receive_end(to),
            Arrival::Reset { to } => self.receive_reset(to),
            Arrival::Request { from } => self.receive_request(from),
            Arrival::Room { of } => self.receive_room(of),
            Arrival::Datagram { from, sender, to, bytes } => self.receive_datagram(from, sender, &to, bytes),
        }
    }
}
