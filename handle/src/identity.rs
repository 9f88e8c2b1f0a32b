//! Names for spawned work: the ids that a trace and an error show.
//!
//! An id is drawn only while a trace records, because drawing one takes an atomic operation for each spawn.
//! The type lies in the ground floor, so that a handle and an error can name their work. The trace, which
//! draws the ids, passes it on.

use std::{borrow::Cow, fmt};

/// The kind of thing that an [`Id`] names.
///
/// ```
/// use brigade_handle::{Domain, Id};
///
/// assert_eq!(Id::new(Domain::Task, 3).to_string(), "task#3");
/// assert_eq!(Id::NONE.domain(), Domain::None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Domain {
    /// Nothing: the originator of an event that nobody caused, or a thing that was made while no session ran.
    None = 0,
    /// A spawned future.
    Task = 1,
    /// A closure on the pool.
    Job = 2,
    /// A function sent to a child process.
    Call = 3,
    /// A thread that runs tasks or jobs.
    Worker = 4,
    /// A child process, by its process id.
    Child = 5,
    /// A registration with the reactor.
    Source = 6,
    /// A timer.
    Timer = 7,
    /// A future that a task polls as a part of its own poll. A program names those that it wants to see.
    Future = 8,
    /// A thread that is no worker of ours, by the number that the operating system gave it.
    Thread = 9,
    /// A mutex or a read-write lock.
    Lock = 10,
    /// A semaphore.
    Semaphore = 11,
    /// A channel of any kind.
    Channel = 12,
    /// A notification, an event or a condition.
    Notify = 13,
    /// A barrier.
    Barrier = 14,
    /// A scope or a group, which ends after its children.
    Scope = 15,
    /// A queue that the program made.
    Queue = 16,
    /// The threads of a pool, or its free worker processes.
    Pool = 17,
    /// A moment that the program marked.
    Mark = 18,
}

const DOMAINS: [(Domain, &str); 19] = [
    (Domain::None, "-"),
    (Domain::Task, "task"),
    (Domain::Job, "job"),
    (Domain::Call, "call"),
    (Domain::Worker, "worker"),
    (Domain::Child, "child"),
    (Domain::Source, "source"),
    (Domain::Timer, "timer"),
    (Domain::Future, "future"),
    (Domain::Thread, "thread"),
    (Domain::Lock, "lock"),
    (Domain::Semaphore, "semaphore"),
    (Domain::Channel, "channel"),
    (Domain::Notify, "notify"),
    (Domain::Barrier, "barrier"),
    (Domain::Scope, "scope"),
    (Domain::Queue, "queue"),
    (Domain::Pool, "pool"),
    (Domain::Mark, "mark"),
];

/// Names one thing of a [`Domain`]: a task, a worker, a lock …
///
/// The highest byte holds the [`Domain`], the other seven a number.
///
/// ```
/// use brigade_handle::{Domain, Id};
///
/// let child = Id::new(Domain::Child, 4711);
/// assert_eq!((child.domain(), child.number()), (Domain::Child, 4711));
/// assert_eq!(child.to_string(), "child#4711");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(u64);

const NUMBER_BITS: u32 = 56;

impl Domain {
    /// All domains, in the order of their numbers.
    ///
    /// ```
    /// use brigade_handle::Domain;
    ///
    /// assert!(Domain::all().enumerate().all(|(number, domain)| domain as usize == number));
    /// ```
    pub fn all() -> impl Iterator<Item = Self> {
        DOMAINS.iter().map(|&(domain, _)| domain)
    }

    /// Returns the word that an id of this domain begins with.
    ///
    /// ```
    /// assert_eq!(brigade_handle::Domain::Lock.name(), "lock");
    /// ```
    pub const fn name(self) -> &'static str {
        DOMAINS[self as usize].1
    }
}

impl Id {
    /// The id of nothing, and of everything that was made while no session ran.
    pub const NONE: Self = Self(0);

    /// Names the thing with this number, such as a child by its process id. The number has 56 bits.
    ///
    /// ```
    /// use brigade_handle::{Domain, Id};
    ///
    /// let worker = Id::new(Domain::Worker, 0);
    /// assert_eq!((worker.domain(), worker.number()), (Domain::Worker, 0));
    /// ```
    pub const fn new(domain: Domain, number: u64) -> Self {
        Self((domain as u64) << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1))
    }

    /// The kind of thing.
    pub fn domain(self) -> Domain {
        DOMAINS.get((self.0 >> NUMBER_BITS) as usize).map_or(Domain::None, |&(domain, _)| domain)
    }

    /// The number among things of its kind.
    pub const fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    /// Returns the id as a word, for [`from_bits`](Self::from_bits).
    ///
    /// ```
    /// use brigade_handle::{Domain, Id};
    ///
    /// let id = Id::new(Domain::Call, 7);
    /// assert_eq!(Id::from_bits(id.to_bits()), id);
    /// ```
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Makes the id that the word names.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.domain();
        let name = domain.name();
        if domain == Domain::None { f.pad(name) } else { f.pad(&format!("{name}#{}", self.number())) }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// The task, job or call that a [`JoinError`](crate::JoinError) is about, as far as it is known.
///
/// The id is known if a trace recorded when the work was spawned. The name is the one that the program gave
/// to a task, or the line that spawned it, which is known while a trace records.
///
/// ```
/// use brigade_handle::{Domain, Id, Subject};
///
/// let subject = Subject::new(Id::new(Domain::Task, 17), Some("fetch".into()));
/// assert_eq!(subject.to_string(), "task#17 (`fetch`)");
/// assert!(Subject::new(Id::NONE, None).is_none());
/// ```
// In a box, so that an error stays as small as it is without.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Subject(Option<Box<Identity>>);

#[derive(Clone, PartialEq, Eq)]
struct Identity {
    id: Id,
    name: Option<Cow<'static, str>>,
}

impl Subject {
    /// The subject of which nothing is known.
    pub const NONE: Self = Self(None);

    /// Names a subject. It allocates only if there is something to name.
    #[cold]
    pub fn new(id: Id, name: Option<Cow<'static, str>>) -> Self {
        Self((id != Id::NONE || name.is_some()).then(|| Box::new(Identity { id, name })))
    }

    /// Returns whether nothing is known.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the id that a trace shows, or [`Id::NONE`] if no trace recorded when the work was spawned.
    pub fn id(&self) -> Id {
        self.0.as_ref().map_or(Id::NONE, |identity| identity.id)
    }

    /// Returns the name, if it is known.
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref()?.name.as_deref()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id(), self.name()) {
            (Id::NONE, None) => f.write_str("-"),
            (Id::NONE, Some(name)) => write!(f, "`{name}`"),
            (id, None) => write!(f, "{id}"),
            (id, Some(name)) => write!(f, "{id} (`{name}`)"),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_id_shows_its_domain_and_number() {
        assert_eq!(Id::new(Domain::Call, 12).to_string(), "call#12");
        assert_eq!(Id::NONE.to_string(), "-");
    }
}
