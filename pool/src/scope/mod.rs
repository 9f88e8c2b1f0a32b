//! Scopes: jobs that may borrow from the stack, because they end before it does.
//!
//! # Rules of access
//!
//! 1. `local` and `shared` together count the scope's body and its children (`scope/count.rs`). A child
//!    is counted before it is queued. Counting itself off is the last thing that a child does with the
//!    scope. The frame that holds the scope ends only after the owner saw a count of zero. So every child
//!    may use the scope, and what it borrows, until it has counted itself off.
//! 2. The owner is the worker that called `scope`. It merges the count each time before it parks. The
//!    thread that counts down to zero after that unparks it, by an index that it read before. So no
//!    wake-up is lost: the owner parks only while the count is not zero, and an unpark that comes before
//!    the park ends it.
//!
//! # Work that a waiting owner may run
//!
//! It runs only jobs that the scope waits for: its children, and the children of scopes that were opened
//! while those children ran.
//!
//! ```text
//!   owner of S                     thief
//!     scope S, waits                 a child of S
//!     runs a child of T                scope T, opened while that child ran: T is a descendant of S
//!                                        runs a child of T
//! ```
//!
//! A scope's [`ScopeBase`] knows during which child the scope was opened. That child is further down the
//! stack of the same thread, and cannot go on before the scope has ended. So running such a job cannot
//! wait for a lock that the owner holds, unless the program was deadlocked anyway. And the owner need not
//! idle while the thief of its last child has children of its own to give.
//!
//! The owner takes these jobs from its own queue, from the list of its remote children (`job/remote.rs`),
//! and from the queues of others. At every `FAIRNESS_INTERVAL`th turn the list comes first, so that
//! children which spawn the next one do not starve a remote child. If an unrelated job is above them in
//! its own queue, it moves that job to the injector, for others. It does the same with an unrelated job
//! that it stole, and then it steals no more. The jobs that it cannot find then are children of inner
//! scopes, whose owners find them. A remote child that comes while the owner is parked wakes it. The
//! interface follows rayon's.
//!
//! # First in, first out
//!
//! A worker normally runs its newest job first. A closure that is spawned by `spawn_fifo` goes to a queue
//! of the scope, and an ordinary child is spawned for it. When that child runs, it runs the oldest
//! closure of the queue. So there are always as many such children as closures, and the order in which
//! the children run does not matter. Rayon does the same.

// Unsafe: a count that may be gone after a change is reached through a pointer.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod count;

use crate::{
    job::{JobHeader, JobRef, JobVtable, install::install, memory, remote::ScopeBase},
    pool::Pool,
    registry::Registry,
    scope::count::{LocalCount, SharedCount},
    sync::Padded,
    worker::{Worker, current},
};
use brigade_handle::{contain, forget_panic};
use brigade_trace::{Domain::Job as JOB, Origin, live};
use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    panic::{self, AssertUnwindSafe, Location},
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A scope: it spawns jobs that borrow data which outlives `'scope`. See [`scope`](fn@crate::scope).
///
/// ```
/// let text = String::from("salt, pepper");
/// let (mut first, mut second) = ("", "");
/// brigade_pool::scope(|scope| {
///     scope.spawn(|_| first = &text[..4]);
///     scope.spawn(|_| second = &text[6..]);
/// });
/// assert_eq!((first, second), ("salt", "pepper"));
/// ```
pub struct Scope<'scope> {
    base: ScopeBase,
    /// The owner's registry, which exists as long as the scope.
    registry: NonNull<Registry>,
    /// The address of the owner. For comparison only.
    owner_at: usize,
    /// Touched by the owner alone, which recognises itself by `owner_at`.
    local: Padded<LocalCount>,
    shared: Padded<SharedCount>,
    /// The first panic of a child.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// The closures that run in the order in which they were spawned.
    fifo: Mutex<VecDeque<Ordered<'scope>>>,
    // Invariant, so that a scope cannot be used as one with a shorter or longer lifetime.
    _scope: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

type Ordered<'scope> = Box<dyn FnOnce(&Scope<'scope>) + Send + 'scope>;

/// A child in its queue.
#[repr(C)]
struct ChildJob<'scope, F> {
    header: JobHeader,
    scope: NonNull<Scope<'scope>>,
    origin: Origin,
    work: F,
}

// SAFETY: threads share a registry anyway, and this one exists as long as the scope; so do the outer
// scopes, of which only the base is read. `local` is touched on the owner's thread alone. The other
// fields may be shared.
unsafe impl Send for Scope<'_> {}
// SAFETY: as above.
unsafe impl Sync for Scope<'_> {}

impl<'scope> Scope<'scope> {
    /// Spawns a job into the scope. The job may spawn more jobs through the scope that it gets.
    ///
    /// If the job panics, the panic continues where the scope ends, after all other jobs have ended.
    ///
    /// ```
    /// let sum = std::sync::atomic::AtomicU32::new(0);
    /// let add = |n| _ = sum.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
    /// brigade_pool::scope(|scope| {
    ///     scope.spawn(move |scope| {
    ///         add(1);
    ///         scope.spawn(move |_| add(2));
    ///     });
    /// });
    /// assert_eq!(sum.into_inner(), 3);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, work: F)
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        let (job, registry) = (self.child(work), self.registry());
        // The child is counted before it is queued (rule 1).
        current::with(|worker| match worker {
            Some(worker) if ptr::from_ref(worker).addr() == self.owner_at => {
                self.local.0.add();
                worker.jobs.push(job);
                registry.announce_job();
            }
            _ => {
                self.shared.0.add();
                // SAFETY: the job is a child of this scope.
                registry.submit(unsafe { ScopeBase::add_remote_child(NonNull::from(&self.base), job) });
            }
        });
    }

    /// Spawns a job like [`spawn`](Self::spawn), but ordered jobs begin in the order in which they were
    /// spawned. A worker normally runs the newest of the jobs that `spawn` spawned first.
    ///
    /// ```
    /// let order = std::sync::Mutex::new(Vec::new());
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// pool.scope(|scope| {
    ///     for n in 0..4 {
    ///         let order = &order;
    ///         scope.spawn_fifo(move |_| order.lock().unwrap().push(n));
    ///     }
    /// });
    /// assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "scope_fifo")]
    #[track_caller]
    pub fn spawn_fifo<F>(&self, work: F)
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        self.ordered().push_back(Box::new(work));
        self.spawn(|scope| {
            // The lock is released before the closure runs.
            let oldest = scope.ordered().pop_front();
            oldest.expect("as many closures are queued as there are children for them")(scope);
        });
    }

    fn registry(&self) -> &Registry {
        // SAFETY: the owner's worker holds a reference to its registry, and its frame holds the scope.
        unsafe { self.registry.as_ref() }
    }

    fn ordered(&self) -> MutexGuard<'_, VecDeque<Ordered<'scope>>> {
        self.fifo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn child<F>(&self, work: F) -> JobRef
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        let scope = NonNull::from(self);
        let header = JobHeader::of_child(&ChildJob::<'scope, F>::VTABLE, NonNull::from(&self.base));
        let origin = Origin::spawned(JOB);
        let child = memory::put(ChildJob { header, scope, origin, work });
        live::scope_child(origin.id(JOB), ptr::from_ref(&self.base).addr());
        // SAFETY: the header is the first field, the closure is Send, and a child is run before the scope
        // ends (rule 1).
        unsafe { JobRef::from_raw(child.cast()) }
    }

    /// Stores a child's panic, if it is the first.
    fn store_panic(&self, payload: Box<dyn Any + Send>) {
        let mut place = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        let loser = if place.is_none() { place.replace(payload) } else { Some(payload) };
        drop(place);
        forget_panic(loser.map_or(Ok(()), Err));
    }

    /// Counts off a child. The scope may be gone afterwards.
    ///
    /// # Safety
    ///
    /// The scope exists, and the caller was counted and is counted off once.
    #[inline]
    unsafe fn count_off(scope: NonNull<Self>) {
        // SAFETY: the caller is still counted (rule 1).
        let open = unsafe { scope.as_ref() };
        let (owner, sleep, shared) = (open.base.owner(), open.base.sleep(), NonNull::from(&open.shared.0));
        if current::address() == open.owner_at {
            return open.local.0.end();
        }
        // SAFETY: the caller is counted until this call. From there on the scope may be gone.
        if unsafe { SharedCount::end(shared) } {
            // SAFETY: the pool's threads keep its registry alive, and this is one of them or a thread
            // that borrows the pool.
            unsafe { sleep.as_ref() }.unpark(owner);
        }
    }
}

impl<'scope, F> ChildJob<'scope, F>
where
    F: FnOnce(&Scope<'scope>) + Send + 'scope,
{
    /// The scope waits for it, so it cannot be discarded: discarding runs it.
    const VTABLE: JobVtable =
        JobVtable { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    /// Runs the child, since discarding it would leave the scope waiting.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<JobHeader>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// Runs the closure, stores its panic, and counts the child off.
    ///
    /// # Safety
    ///
    /// This is the queue's only call for this child.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: `child` put it there, and only one function of its vtable is called, once.
        let Self { scope, origin, work, .. } = unsafe { memory::take(job.cast::<Self>()) };
        // SAFETY: this child is counted until the end of this function (rule 1).
        let open = unsafe { scope.as_ref() };
        origin.begin(JOB);
        let outer = current::replace_current_scope(Some(NonNull::from(&open.base)));
        let result = panic::catch_unwind(AssertUnwindSafe(|| work(open)));
        current::replace_current_scope(outer);
        origin.complete(JOB, u64::from(result.is_err()));
        if let Err(payload) = result {
            open.store_panic(payload);
        }
        // SAFETY: this child was counted when it was spawned.
        unsafe { Scope::count_off(scope) };
    }
}

/// Opens a scope on a worker, for the program at this place.
pub(crate) fn scope_on<'scope, F, R>(worker: &Worker, at: &'static Location<'static>, body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R,
{
    let (local, shared) = LocalCount::body();
    let scope = Scope {
        base: ScopeBase::new(current::current_scope(), NonNull::from(&worker.registry.sleep), worker.index),
        registry: NonNull::from(&*worker.registry),
        owner_at: current::address(),
        local: Padded(local),
        shared: Padded(shared),
        panic: Mutex::new(None),
        fifo: Mutex::new(VecDeque::new()),
        _scope: PhantomData,
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| body(&scope)));
    scope.local.0.end();
    worker.wait_for_scope(&scope.base, &scope.local.0, &scope.shared.0, at);
    let child = scope.panic.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (payload, unheard) = match (result, child) {
        (Ok(result), None) => return result,
        (Ok(result), Some(payload)) => (payload, Ok(result)),
        (Err(payload), child) => (payload, Err(child)),
    };
    // The destructors of an unseen result or panic are foreign code, and would run while this thread
    // unwinds.
    contain(|| drop(unheard));
    panic::resume_unwind(payload)
}

/// Runs `body` with a scope, and returns when all jobs that were spawned into the scope have ended.
///
/// The jobs may borrow data that outlives the scope. On a worker of a pool the body runs here. From any
/// other thread it runs on the [global pool](crate::Pool::global) while the thread waits.
///
/// ```
/// let mut squares = [0; 4];
/// brigade_pool::scope(|scope| {
///     for (n, square) in squares.iter_mut().enumerate() {
///         scope.spawn(move |_| *square = n * n);
///     }
/// });
/// assert_eq!(squares, [0, 1, 4, 9]);
/// ```
///
/// A job cannot borrow data that lives shorter than the scope:
///
/// ```compile_fail
/// brigade_pool::scope(|scope| {
///     let local = 7;
///     scope.spawn(|_| assert_eq!(local, 7));
/// });
/// ```
///
/// # Panics
///
/// Panics if the body or a job panics, after all of them have ended: the body's panic continues, or else
/// the first panic of a job. Panics on a thread outside the pool if its [waiting
/// policy](brigade_handle::wait) forbids blocking.
#[track_caller]
pub fn scope<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    scope_at(Location::caller(), body)
}

/// Runs `body` with a scope, for the program at this place.
#[track_caller]
fn scope_at<'scope, F, R>(at: &'static Location<'static>, body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    let ended = current::with(|worker| match worker {
        Some(worker) => Ok(scope_on(worker, at, body)),
        None => Err(body),
    });
    // This is out of the closure, so that a panic names the caller.
    match ended {
        Ok(result) => result,
        Err(body) => Pool::global().scope(body),
    }
}

impl Pool {
    /// Runs `body` on this pool with a scope. See [`scope`](fn@crate::scope).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let mut squares = [0; 4];
    /// pool.scope(|scope| {
    ///     for (n, square) in squares.iter_mut().enumerate() {
    ///         scope.spawn(move |_| *square = n * n);
    ///     }
    /// });
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the body or a job panics, after all have ended. Panics on a thread whose waiting policy
    /// forbids blocking.
    #[track_caller]
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        let at = Location::caller();
        install(&self.registry, "Pool::scope", || scope_at(at, body))
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("owner", &self.base.owner()).finish_non_exhaustive()
    }
}
