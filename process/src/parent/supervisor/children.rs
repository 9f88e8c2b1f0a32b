//! The children of a supervisor, and what it must know of all of them without looking at each.
//!
//! A supervisor with a thousand children that looked at each of them at every wake-up would need
//! milliseconds for one call. So it looks at a child only for a reason: a descriptor of the child is ready,
//! its deadline is due, or the supervisor has something for it. Questions about all children (which is free,
//! what is the earliest deadline, does one part) are answered from sets that are kept here.
//!
//! # Why the sets are right
//!
//! They repeat what a child's own fields say. A child is changed only within [`change`](Children::change),
//! which *settles* it afterwards: it compares what the child needs now with what is noted, and corrects the
//! sets and the descriptors that are watched.
//!
//! A child's place in the list stays the same until it is removed.

use crate::{
    parent::{WorkerKey, child::Child},
    system::poller::{Interest, Poller},
};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

/// The number by which the poller reports the pool's bell.
const BELL: u64 = u64::MAX;

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Bell,
    /// The channel of the child at this place.
    Channel(usize),
    /// The end of the child at this place.
    Exit(usize),
}

impl Ready {
    fn from_number(number: u64) -> Self {
        let at = usize::try_from(number >> 1).unwrap_or(usize::MAX);
        match number {
            BELL => Self::Bell,
            number if number & 1 == 0 => Self::Channel(at),
            _ => Self::Exit(at),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Bell => BELL,
            Self::Channel(at) => (at as u64) << 1,
            Self::Exit(at) => (at as u64) << 1 | 1,
        }
    }
}

/// The children.
pub(super) struct Children {
    list: Vec<Option<Supervised>>,
    /// Places in the list that nobody has.
    vacant: Vec<usize>,
    places: HashMap<WorkerKey, usize>,
    poller: Poller,
    /// Numbers that the poller has reported.
    reported: Vec<u64>,
    // --- what is known of all of them ---
    /// Places of children that a call may be given to over their channel.
    free: BTreeSet<usize>,
    /// Places of children that must be asked: their process has ended, or no descriptor tells its end.
    restless: BTreeSet<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    parting: BTreeSet<usize>,
    /// Places of children that run a call which has options.
    limited: BTreeSet<usize>,
    /// Places of children that run a batch and were not asked to stop.
    splittable: BTreeSet<usize>,
    idle: usize,
    busy: usize,
}

/// A child, and what is noted of it.
struct Supervised {
    child: Child,
    channel: Option<Watched>,
    exit: Option<Watched>,
    needs: Needs,
}

/// The needs of a child, as its own fields say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    deadline: Option<Instant>,
    is_idle: bool,
    is_free: bool,
    is_busy: bool,
    is_parting: bool,
    is_limited: bool,
    is_splittable: bool,
    is_restless: bool,
}

impl Needs {
    fn of(supervised: &Supervised) -> Self {
        let child = &supervised.child;
        Self {
            deadline: child.deadline(),
            is_idle: child.is_idle(),
            is_free: child.is_idle() && !child.has_ring(),
            is_busy: child.has_call(),
            is_parting: child.is_parting(),
            is_limited: child.has_limited_call(),
            is_splittable: child.has_batch_to_split(),
            is_restless: child.has_ended() || supervised.exit.is_none(),
        }
    }
}

/// A descriptor that the poller watches.
struct Watched {
    fd: RawFd,
    /// A copy that is watched in the place of the launcher's descriptor.
    _copy: Option<OwnedFd>,
    interest: Interest,
    /// It is the channel itself, and not what reports that there will be one.
    is_connected: bool,
}

impl Watched {
    /// Has the poller watch this descriptor. It must stay open until it is watched no more. A descriptor of
    /// which that is not certain, or which is watched already for somebody else, is copied.
    fn new(poller: &mut Poller, fd: BorrowedFd<'_>, ready: Ready, wish: Wish) -> io::Result<Self> {
        let Wish { interest, is_connected } = wish;
        if is_connected {
            match poller.add(fd, ready.number(), interest) {
                Ok(()) => return Ok(Self { fd: fd.as_raw_fd(), _copy: None, interest, is_connected }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let copy = fd.try_clone_to_owned()?;
        poller.add(copy.as_fd(), ready.number(), interest)?;
        Ok(Self { fd: copy.as_raw_fd(), _copy: Some(copy), interest, is_connected })
    }
}

/// How a child's channel is to be watched.
#[derive(Clone, Copy)]
struct Wish {
    interest: Interest,
    is_connected: bool,
}

impl Supervised {
    /// Watches the channel as the child wants it now.
    fn watch_channel(&mut self, poller: &mut Poller, at: usize) -> io::Result<()> {
        let ready = Ready::Channel(at);
        let is_connected = self.child.is_connected();
        let wish = self.child.interest().map(|interest| Wish { interest, is_connected });
        match (&mut self.channel, wish) {
            (None, None) => {}
            (Some(watched), Some(wish)) if watched.is_connected == wish.is_connected => {
                if watched.interest != wish.interest {
                    poller.change(watched.fd, ready.number(), wish.interest)?;
                    watched.interest = wish.interest;
                }
            }
            (watched, wish) => {
                watched.take().into_iter().for_each(|watched| poller.remove(watched.fd));
                if let Some(wish) = wish {
                    self.channel = Some(Watched::new(poller, self.child.channel()?, ready, wish)?);
                }
            }
        }
        Ok(())
    }

    /// Watches for the end of the process, if a descriptor tells that. If it cannot be watched, the child is
    /// asked.
    fn watch_exit(&mut self, poller: &mut Poller, at: usize) -> io::Result<()> {
        let wish = Wish { interest: Interest::Readable, is_connected: true };
        self.exit = self.child.exit()?.and_then(|fd| Watched::new(poller, fd, Ready::Exit(at), wish).ok());
        Ok(())
    }

    /// Brings what is watched up to date.
    fn watch(&mut self, poller: &mut Poller, at: usize) {
        if self.child.has_ended() {
            self.exit.take().into_iter().for_each(|watched| poller.remove(watched.fd));
        }
        if let Err(error) = self.watch_channel(poller, at) {
            self.child.break_off(&error);
            self.channel.take().into_iter().for_each(|watched| poller.remove(watched.fd));
        }
    }
}

impl Children {
    /// No children. The poller also hears the bell.
    pub(super) fn new(mut poller: Poller, bell: BorrowedFd<'_>) -> io::Result<Self> {
        poller.add(bell, BELL, Interest::Readable)?;
        Ok(Self {
            list: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            poller,
            reported: Vec::new(),
            free: BTreeSet::new(),
            restless: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            parting: BTreeSet::new(),
            limited: BTreeSet::new(),
            splittable: BTreeSet::new(),
            idle: 0,
            busy: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() - self.vacant.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All children. This is for what is rare.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Child> {
        self.list.iter().flatten().map(|supervised| &supervised.child)
    }

    /// The places of all children.
    pub(super) fn places(&self) -> Vec<usize> {
        (0..self.list.len()).filter(|&at| self.list[at].is_some()).collect()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Child> {
        Some(&self.list.get(at)?.as_ref()?.child)
    }

    /// The place of the child with this key.
    pub(super) fn place_of(&self, key: WorkerKey) -> Option<usize> {
        self.places.get(&key).copied()
    }

    pub(super) fn add(&mut self, child: Child) {
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.list.len() - 1
        });
        self.places.insert(child.key, at);
        let mut new = Supervised { child, channel: None, exit: None, needs: Needs::default() };
        if let Err(error) = new.watch_exit(&mut self.poller, at) {
            new.child.break_off(&error);
        }
        self.list[at] = Some(new);
        self.settle(at);
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<Child> {
        let Supervised { child, channel, exit, needs } = self.list.get_mut(at)?.take()?;
        channel.into_iter().chain(exit).for_each(|watched| self.poller.remove(watched.fd));
        self.vacant.push(at);
        self.places.remove(&child.key);
        self.note(at, &needs, &Needs::default());
        Some(child)
    }

    /// Changes a child, if there is one at this place.
    pub(super) fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Child) -> R) -> Option<R> {
        let result = change(&mut self.list.get_mut(at)?.as_mut()?.child);
        self.settle(at);
        Some(result)
    }

    /// Changes all children. This is for what is rare.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(&mut Child)) {
        for at in 0..self.list.len() {
            self.change(at, &mut change);
        }
    }

    fn settle(&mut self, at: usize) {
        let Some(Some(supervised)) = self.list.get_mut(at) else { return };
        supervised.watch(&mut self.poller, at);
        let needs = Needs::of(supervised);
        let before = std::mem::replace(&mut supervised.needs, needs);
        if needs != before {
            self.note(at, &before, &needs);
        }
    }

    fn note(&mut self, at: usize, before: &Needs, now: &Needs) {
        let sets = [
            (&mut self.free, before.is_free, now.is_free),
            (&mut self.parting, before.is_parting, now.is_parting),
            (&mut self.limited, before.is_limited, now.is_limited),
            (&mut self.splittable, before.is_splittable, now.is_splittable),
            (&mut self.restless, before.is_restless, now.is_restless),
        ];
        for (set, was, is) in sets {
            match (was, is) {
                (false, true) => _ = set.insert(at),
                (true, false) => _ = set.remove(&at),
                _ => {}
            }
        }
        if before.deadline != now.deadline {
            before.deadline.into_iter().for_each(|time| _ = self.deadlines.remove(&(time, at)));
            now.deadline.into_iter().for_each(|time| _ = self.deadlines.insert((time, at)));
        }
        self.idle = self.idle + usize::from(now.is_idle) - usize::from(before.is_idle);
        self.busy = self.busy + usize::from(now.is_busy) - usize::from(before.is_busy);
    }

    // ---------------------------------------------------------------------- questions about all of them
    pub(super) fn has_idle(&self) -> bool {
        self.idle > 0
    }

    /// Whether a call was given to one over its channel.
    pub(super) fn has_busy(&self) -> bool {
        self.busy > 0
    }

    /// The first that a call may be given to over its channel.
    pub(super) fn first_free(&self) -> Option<usize> {
        self.free.first().copied()
    }

    pub(super) fn has_parting(&self) -> bool {
        !self.parting.is_empty()
    }

    pub(super) fn parting(&self) -> Vec<usize> {
        self.parting.iter().copied().collect()
    }

    /// The children that run a call which has options.
    pub(super) fn limited(&self) -> Vec<usize> {
        self.limited.iter().copied().collect()
    }

    /// The children that run a batch and were not asked to stop.
    pub(super) fn splittable(&self) -> Vec<usize> {
        self.splittable.iter().copied().collect()
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        Some(self.deadlines.first()?.0)
    }

    /// The children whose deadline is due.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        self.deadlines.range(..=(now, usize::MAX)).map(|&(_, at)| at).collect()
    }

    /// The children that must be asked whether they have ended, or are gone.
    pub(super) fn restless(&self) -> Vec<usize> {
        self.restless.iter().copied().collect()
    }

    pub(super) fn must_be_asked(&self) -> bool {
        self.restless.iter().filter_map(|&at| self.get(at)).any(|child| !child.has_ended())
    }

    pub(super) fn waits_for_last_words(&self) -> bool {
        self.restless.iter().filter_map(|&at| self.get(at)).any(Child::waits_for_last_words)
    }

    /// Waits until a descriptor is ready, the bell is rung, or the time is over.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) {
        self.reported.clear();
        ready.clear();
        match self.poller.wait(timeout, &mut self.reported) {
            Ok(()) => ready.extend(self.reported.iter().map(|&number| Ready::from_number(number))),
            // There are too many for the system, or there is a bug in the list. So each child is asked.
            Err(_) => {
                let places = self.places();
                ready.push(Ready::Bell);
                ready.extend(places.iter().flat_map(|&at| [Ready::Channel(at), Ready::Exit(at)]));
            }
        }
    }
}
