//! Resources: the locks, channels and other things that are waited for, and their names.

use crate::{record, registry, shared::Named};
use brigade_handle::{Domain, Id, fork::PerProcess};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The names of the resources that have one.
static NAMES: PerProcess<Mutex<HashMap<Id, String>>> = PerProcess::new();

fn lock_names() -> MutexGuard<'static, HashMap<Id, String>> {
    NAMES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns all names.
pub(crate) fn names() -> HashMap<Id, String> {
    NAMES.get().map(|_| lock_names().clone()).unwrap_or_default()
}

/// A bit of the stored id that says that the resource has a name.
const NAMED: u64 = 1 << 55;

/// The part of a lock, a channel or the like that a trace needs: its id, which is drawn when it is first
/// needed, and the holder that was seen last.
///
/// ```
/// use brigade_trace::{Domain, Id, Resource, Session};
///
/// let lock = Resource::new(Domain::Lock);
/// assert_eq!(lock.id(), Id::NONE, "nobody records");
/// let _session = Session::start(16).unwrap();
/// assert_eq!(lock.id().domain(), Domain::Lock);
/// assert_eq!(lock.id(), lock.id());
/// ```
pub struct Resource {
    /// The bits of the id, and [`NAMED`]. The number is 0 until it is drawn.
    id: AtomicU64,
    holder: AtomicU64,
}

impl Resource {
    /// Makes a resource of this kind, without an id yet.
    #[must_use]
    pub const fn new(domain: Domain) -> Self {
        Self { id: AtomicU64::new(Id::new(domain, 0).to_bits()), holder: AtomicU64::new(0) }
    }

    /// Returns the id, which is drawn if there is none yet. While no session runs, a resource that has no id
    /// gets none.
    #[inline]
    pub fn id(&self) -> Id {
        if record::on() { self.draw() } else { self.known() }
    }

    /// The kind of resource.
    ///
    /// ```
    /// use brigade_trace::{Domain, Resource};
    ///
    /// assert_eq!(Resource::new(Domain::Lock).domain(), Domain::Lock);
    /// ```
    #[inline]
    pub fn domain(&self) -> Domain {
        Id::from_bits(self.id.load(Relaxed)).domain()
    }

    fn known(&self) -> Id {
        // Relaxed: the id publishes nothing.
        let id = Id::from_bits(self.id.load(Relaxed) & !NAMED);
        if id.number() == 0 { Id::NONE } else { id }
    }

    #[cold]
    fn draw(&self) -> Id {
        let before = self.id.load(Relaxed);
        let id = Id::from_bits(before);
        if id.number() == 0 {
            let fresh = record::draw_id(id.domain()).to_bits();
            // Relaxed: the first thread wins, and no thread follows the number to anything.
            let _ = self.id.compare_exchange(before, fresh, Relaxed, Relaxed);
        }
        self.known()
    }

    /// Gives the resource a name that traces show. It takes memory until the resource is dropped.
    ///
    /// ```
    /// use brigade_trace::{Domain, Resource, Session};
    ///
    /// let lock = Resource::new(Domain::Lock);
    /// lock.set_name("menu");
    /// let session = Session::start(16).unwrap();
    /// assert_eq!(session.stop().labels[&lock.id()], "menu");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        // The caller's code must not run under the lock: it may name another resource.
        let name = name.into();
        let id = self.draw();
        self.id.fetch_or(NAMED, Relaxed);
        if record::on() {
            registry::tell(Named::Label, id.to_bits(), &name);
        }
        lock_names().insert(id, name);
    }

    /// The task, job, call or thread that was last seen to hold it, or [`Id::NONE`].
    pub fn holder(&self) -> Id {
        Id::from_bits(self.holder.load(Relaxed))
    }

    /// Notes who holds it now.
    pub(crate) fn set_holder(&self, holder: Id) {
        self.holder.store(holder.to_bits(), Relaxed);
    }
}

impl Drop for Resource {
    #[inline]
    fn drop(&mut self) {
        if *self.id.get_mut() & NAMED != 0 {
            let name = lock_names().remove(&self.known());
            // A recording that goes on shows what happened to it.
            name.into_iter().for_each(|name| registry::label(self.known(), name));
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({})", self.known())
    }
}
