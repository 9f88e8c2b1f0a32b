//! The current-thread executor: a queue, a list, and a loop.
//!
//! Long: the loop and the verbs by which other threads reach it are one argument, and are read together.
//!
//! The [`Core`] is what only the driving thread touches: the queue of ready tasks, the lists of all tasks. It lies in
//! [`Shared`] while nobody drives, and in the thread's context while `block_on` does. What other threads wake or spawn
//! comes through the injector.
//!
//! # Why no wake-up is lost
//!
//! ```text
//!   other thread                        driving thread, before it sleeps
//!   injector.push, or woken = true      sleeping = true
//!   sleeping? wake the reactor          recheck: injector empty and not woken? sleep in the reactor
//! ```
//!
//! All of it is sequentially consistent, so one of the two sees the other; and a wake of the reactor that comes before the
//! sleep ends the sleep.
//!
//! # Fairness
//!
//! A round runs at most [`ROUND`] tasks, those of the injector first; between rounds the future of `block_on` is polled if it
//! was woken, and the driver is looked at if it has not been for [`LOOK`]. So a task that wakes itself for ever starves
//! nobody.

use crate::{
    blocking::Blocking,
    context::{self, Place, budget},
    driver::Driver,
    injector::Injector,
    scheduler::Scheduler,
    shim::{Mutex, lock},
    slab::{Key, Slab},
    task::{self, Outcome, Task, TaskRef, UNPLACED},
};
use brigade_handle::{JoinHandle, wait};
use brigade_trace::{Domain, Id, Kind, record};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    io,
    panic::Location,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// How many tasks run before the loop looks at anything else.
const ROUND: usize = 61;
/// How long the driver may be left alone while there is work.
const LOOK: Duration = Duration::from_micros(50);

/// What all threads see.
pub(crate) struct Shared {
    injector: Injector,
    pub(crate) driver: Arc<Driver>,
    pub(crate) blocking: Blocking,
    /// The future of `block_on` was woken.
    woken: AtomicBool,
    /// The driving thread sleeps in the reactor, or is about to.
    sleeping: AtomicBool,
    /// The core while nobody drives, and who waits for it.
    resting: Mutex<Resting>,
}

struct Resting {
    core: Option<Lists>,
    waiting: Vec<Waker>,
}

/// What moves from one driving thread to the next: no local task is among it.
struct Lists {
    ready: VecDeque<Task>,
    owned: Slab<TaskRef>,
    closing: bool,
}

/// What only the driving thread touches.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    ready: RefCell<VecDeque<Task>>,
    /// All tasks that may move between threads.
    owned: RefCell<Slab<TaskRef>>,
    /// All tasks that may not. They end with the `block_on` in which they were spawned.
    locals: RefCell<Slab<TaskRef>>,
    /// Tasks that are spawned now are cancelled at once.
    closing: Cell<bool>,
    looked: Cell<Instant>,
    /// How many polls there were since the clock was looked at.
    polls: Cell<usize>,
}

/// The bit of a place that says: in the list `locals`.
const LOCAL: u64 = 1 << 63;

impl Shared {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let lists = Lists { ready: VecDeque::new(), owned: Slab::new(), closing: false };
        Ok(Arc::new(Self {
            injector: Injector::new(),
            driver: Driver::new(0)?,
            blocking: Blocking::new(),
            woken: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            resting: Mutex::new(Resting { core: Some(lists), waiting: Vec::new() }),
        }))
    }

    /// Wakes the driving thread, after something was put where it will look.
    fn unpark(&self) {
        // SeqCst: see the head of this file. Only one of many wakers has to pay for the wake.
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            self.driver.reactor.wake();
        }
    }
}

/// The waker of the future of `block_on`.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // SeqCst: see the head of this file.
        if !self.woken.swap(true, Ordering::SeqCst) {
            self.unpark();
        }
    }
}

/// Calls `f` if this thread drives that executor.
#[inline]
fn with_core<R>(shared: &Arc<Shared>, f: impl FnOnce(&Core) -> R) -> Option<R> {
    context::with(|place| match place {
        Place::Local(core) if Arc::ptr_eq(&core.shared, shared) => Some(f(core)),
        _ => None,
    })
    .flatten()
}

/// Queues a task that was woken, from any thread.
#[inline]
pub(crate) fn schedule(shared: &Arc<Shared>, task: Task) {
    let mut task = Some(task);
    with_core(shared, |core| core.ready.borrow_mut().extend(task.take()));
    if let Some(task) = task {
        schedule_from_elsewhere(shared, task);
    }
}

#[cold]
fn schedule_from_elsewhere(shared: &Shared, task: Task) {
    match shared.injector.push(task) {
        Ok(()) => shared.unpark(),
        // The executor is gone, and with it all its tasks but this one, which was just spawned: it is cancelled here.
        Err(task) => drop(task),
    }
}

/// Strikes a task off the list.
#[inline]
pub(crate) fn release(shared: &Arc<Shared>, place: u64) {
    // A task that never ran may end elsewhere, and is in no list.
    if place != UNPLACED {
        with_core(shared, |core| core.release(place))
            .expect("a task that is in a list ends on its driving thread");
    }
}

/// Spawns a task from any thread.
pub(crate) fn spawn<F>(
    shared: &Arc<Shared>,
    future: F,
    at: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let core = context::with(|place| match place {
        Place::Local(core) if Arc::ptr_eq(&core.shared, shared) => Some(core.clone()),
        _ => None,
    });
    if let Some(core) = core.flatten() {
        let (handle, refused) = core.spawn(future, at);
        drop(refused);
        return handle;
    }
    let (task, handle) = task::new(future, Scheduler::Local(shared.clone()), at);
    schedule_from_elsewhere(shared, task);
    handle
}

/// Spawns a task that stays on this thread. None if this thread does not drive a current-thread executor.
pub(crate) fn spawn_local<F>(future: F, at: &'static Location<'static>) -> Option<JoinHandle<F::Output>>
where
    F: Future + 'static,
{
    let core = context::with(|place| match place {
        Place::Local(core) => Some(core.clone()),
        _ => None,
    });
    let core = core.flatten()?;
    let (task, handle) = task::new(future, Scheduler::Local(core.shared.clone()), at);
    if core.closing.get() {
        drop(task);
    } else {
        let key = core.locals.borrow_mut().insert(task.to_ref());
        task.set_place(key.to_bits() | LOCAL);
        core.ready.borrow_mut().push_back(task);
    }
    Some(handle)
}

/// Runs tasks until the future is ready.
pub(crate) fn block_on<F: Future>(shared: &Arc<Shared>, future: F) -> F::Output {
    let mut future = pin!(future);
    // Another thread may drive already: then this one polls its future only, until the core is free.
    let first = wait::block("block_on", |waker| {
        let core = {
            let mut resting = lock(&shared.resting);
            let core = resting.core.take();
            if core.is_none() && !resting.waiting.iter().any(|other| other.will_wake(waker)) {
                resting.waiting.push(waker.clone());
            }
            core
        };
        match core {
            Some(core) => Poll::Ready(Err(core)),
            None => crate::block_on::poll_as_guest(&Scheduler::Local(shared.clone()), future.as_mut(), waker)
                .map(Ok),
        }
    });
    match first {
        Ok(output) => output,
        Err(core) => Driving::begin(shared, core).block_on(future),
    }
}

/// Cancels all tasks, or lets them end by themselves, and closes the executor.
pub(crate) fn close(shared: &Arc<Shared>, end: crate::runtime::End) {
    // Nobody else drives: the one who closes owns the runtime. A core that is missing was lost to a panic of ours.
    let Some(core) = lock(&shared.resting).core.take() else { return };
    let driving = Driving::begin(shared, core);
    let core = &driving.core;
    if end == crate::runtime::End::Drain {
        core.drive(|| core.is_empty().then_some(()));
    }
    core.closing.set(true);
    core.owned.borrow().iter().for_each(TaskRef::cancel);
    core.drive(|| core.is_empty().then_some(()));
    drop(shared.injector.close());
    drop(driving);
    shared.blocking.close();
    shared.driver.close();
}

/// The time in which this thread drives the executor.
struct Driving {
    core: Rc<Core>,
    _entered: context::Entered,
    _policy: wait::Restore,
}

impl Driving {
    fn begin(shared: &Arc<Shared>, lists: Lists) -> Self {
        let core = Rc::new(Core {
            shared: shared.clone(),
            ready: RefCell::new(lists.ready),
            owned: RefCell::new(lists.owned),
            locals: RefCell::new(Slab::new()),
            closing: Cell::new(lists.closing),
            looked: Cell::new(shared.driver.timers.clock.now()),
            polls: Cell::new(0),
        });
        let entered = context::enter(Place::Local(core.clone()));
        Self { core, _entered: entered, _policy: wait::set(crate::FORBID) }
    }

    fn block_on<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let shared = &self.core.shared;
        let waker = Waker::from(shared.clone());
        let mut context = Context::from_waker(&waker);
        // SeqCst: see the head of this file. The first poll is due without a wake-up.
        shared.woken.store(true, Ordering::SeqCst);
        self.core.drive(|| {
            if !shared.woken.load(Ordering::Relaxed) || !shared.woken.swap(false, Ordering::SeqCst) {
                return None;
            }
            self.core.polls.set(self.core.polls.get() + 1);
            budget::begin();
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            }
        })
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let core = &self.core;
        core.locals.borrow().iter().for_each(TaskRef::cancel);
        core.drive(|| core.locals.borrow().is_empty().then_some(()));
        let lists = Lists {
            ready: core.ready.take(),
            owned: core.owned.replace(Slab::new()),
            closing: core.closing.get(),
        };
        let waiting = {
            let mut resting = lock(&core.shared.resting);
            resting.core = Some(lists);
            std::mem::take(&mut resting.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Core {
    /// The loop: runs tasks, and turns the driver, until `done` says so. `done` is asked between rounds.
    fn drive<R>(&self, mut done: impl FnMut() -> Option<R>) -> R {
        loop {
            if let Some(result) = done() {
                return result;
            }
            let ran = self.round();
            // Also if no task ran: the future of `block_on` may wake itself over and over.
            if self.polls.get() >= ROUND {
                self.look();
            } else if !ran {
                self.sleep();
            }
        }
    }

    /// Runs some tasks. False if there were none.
    fn round(&self) -> bool {
        let fetched = self.fetch();
        for ran in 0..ROUND {
            // Taken in a statement of its own: the queue must be free while the task runs.
            let task = self.ready.borrow_mut().pop_front();
            let Some(task) = task else { return fetched || ran > 0 };
            self.run(task);
        }
        true
    }

    #[inline]
    fn run(&self, task: Task) {
        self.polls.set(self.polls.get() + 1);
        budget::begin();
        match task.run() {
            Outcome::Done => {}
            Outcome::Again(task) => self.ready.borrow_mut().push_back(task),
        }
    }

    /// Takes what other threads sent. False if that was nothing.
    fn fetch(&self) -> bool {
        let mut refused = Vec::new();
        let mut adopt = |task: Task| {
            if task.place() != UNPLACED {
                self.ready.borrow_mut().push_back(task);
            } else if self.closing.get() {
                refused.push(task);
            } else {
                self.ready.borrow_mut().push_back(self.adopt(task));
            }
        };
        let first = self.shared.injector.pop_batch(|len| len, &mut adopt);
        let fetched = first.is_some();
        first.into_iter().for_each(adopt);
        fetched
    }

    /// Spawns a task from the driving thread. It comes back if the executor is closing, to be dropped by the caller when
    /// nothing is borrowed any more.
    #[inline]
    pub(crate) fn spawn<F>(
        &self,
        future: F,
        at: &'static Location<'static>,
    ) -> (JoinHandle<F::Output>, Option<Task>)
    where
        F: Future + Send,
        F::Output: Send,
    {
        let (task, handle) = task::new(future, Scheduler::Local(self.shared.clone()), at);
        if self.closing.get() {
            return (handle, Some(task));
        }
        self.ready.borrow_mut().push_back(self.adopt(task));
        (handle, None)
    }

    /// Puts a task that was just spawned on the list.
    #[inline]
    fn adopt(&self, task: Task) -> Task {
        task.set_place(self.owned.borrow_mut().insert(task.to_ref()).to_bits());
        task
    }

    fn release(&self, place: u64) {
        let list = if place & LOCAL == 0 { &self.owned } else { &self.locals };
        // Relies on the list's references having nothing to drop.
        list.borrow_mut().remove(Key::from_bits(place & !LOCAL));
    }

    /// Whether no task is left.
    fn is_empty(&self) -> bool {
        self.owned.borrow().is_empty() && self.locals.borrow().is_empty() && self.shared.injector.len() == 0
    }

    /// Looks at the driver without sleeping, if the last look is long ago.
    #[cold]
    fn look(&self) {
        self.polls.set(0);
        let now = self.shared.driver.timers.clock.now();
        if now - self.looked.get() > LOOK {
            self.looked.set(now);
            if let Some(mut turn) = self.shared.driver.try_turn() {
                turn.look();
            }
        }
    }

    /// Sleeps in the reactor until there is something to do.
    fn sleep(&self) {
        let shared = &self.shared;
        let Some(mut turn) = shared.driver.try_turn() else {
            unreachable!("only the driving thread turns the driver of a current-thread runtime")
        };
        // SeqCst: see the head of this file.
        shared.sleeping.store(true, Ordering::SeqCst);
        if shared.injector.len() == 0 && !shared.woken.load(Ordering::SeqCst) {
            record(Kind::Park, Id::new(Domain::Worker, 0), 0);
            turn.sleep(None, || {
                record(Kind::Unpark, Id::new(Domain::Worker, 0), 0);
                // From here on this thread's own wake-ups are seen without waking the reactor.
                shared.sleeping.store(false, Ordering::SeqCst);
            });
        }
        shared.sleeping.store(false, Ordering::SeqCst);
    }
}
