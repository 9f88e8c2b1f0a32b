//! The starter: the thread that runs the pool's launcher, and with it every step to a new worker that may
//! take its time. A zygote is set up for as long as its initializer likes, a fork copies page tables, a
//! command logs in somewhere. The supervisor waits for none of it.
//!
//! ```text
//!   supervisor                                   starter
//!   order(numbers) ────────────────────────────> launcher.start, confirm
//!   delivered: takes the child over  <────────── the member, its lane, and calls that wait for it
//! ```
//!
//! # Why it lives longer than the workers
//!
//! The kernel kills a worker when the *thread* that forked it ends (`parent/launcher/exec.rs`). So the
//! starter ends last, when the supervisor has reaped all children.
//!
//! # How it ends
//!
//! At the end of the pool the launcher's waits are [stopped](Stop). A launcher of the user's may ignore
//! that: after [`GRACE_PERIOD`] the pool ends without it, and the starter itself ends a worker that comes
//! then.

use crate::{
    parent::{
        WorkerKey,
        child::Child,
        lane::Lane,
        launcher::{Command, Launcher, Stop},
        shared::{Mover, Shared, StartOutcome, statistics::Member},
    },
    wire::{handover::start_error, setup::Setup},
};
use brigade_handle::contain;
use std::{
    io, mem,
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long the end of a pool waits for a launcher that starts a worker.
pub(crate) const GRACE_PERIOD: Duration = Duration::from_secs(1);
/// How often a start is tried while the pool is being built, if the system says "try again".
const MAX_TRIES: u32 = 4;
/// The pause after the first refusal; each further refusal doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The reason for which nothing is started after the thread has ended before its time.
pub(crate) const STARTER_ENDED: &str = "the thread that starts workers has ended";

/// The orders to the starter.
pub(crate) struct StartQueue {
    orders: Mutex<StartOrders>,
    changed: Condvar,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct StartOrders {
    /// Numbers of workers that are to be started.
    numbers: Vec<usize>,
    /// No more workers are to be started.
    stopped: bool,
    /// The thread is to end.
    closed: bool,
    /// The launcher hangs, and nobody waits for it any more.
    given_up: bool,
    /// The thread has ended, as far as others can see.
    over: bool,
}

impl StartQueue {
    pub(crate) fn new(stop: Arc<Stop>) -> Self {
        Self { orders: Mutex::default(), changed: Condvar::new(), stop }
    }

    fn lock(&self) -> MutexGuard<'_, StartOrders> {
        // No code panics under the lock.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut StartOrders)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Orders workers with these numbers. False if there is no thread to start them.
    pub(crate) fn order(&self, numbers: &[usize]) -> bool {
        let mut orders = self.lock();
        orders.numbers.extend_from_slice(numbers);
        self.changed.notify_all();
        !orders.over
    }

    /// Has no more workers started, and ends the launcher's waits.
    pub(crate) fn stop(&self) {
        self.stop.ring();
        self.change(|orders| orders.stopped = true);
    }

    /// Lets the thread end.
    pub(crate) fn close(&self) {
        self.stop();
        self.change(|orders| orders.closed = true);
    }

    /// Stops waiting for a launcher that hangs.
    pub(crate) fn give_up(&self) {
        self.change(|orders| orders.given_up = true);
    }

    /// Waits until the thread has ended, but not beyond [`GRACE_PERIOD`], and not for a launcher that
    /// hangs. Whether it has ended.
    pub(crate) fn wait_for_the_end(&self) -> bool {
        let waits = |orders: &mut StartOrders| !orders.over && !orders.given_up;
        let waited = self.changed.wait_timeout_while(self.lock(), GRACE_PERIOD, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.over
    }

    /// The next orders, and whether they are to be carried out; None when the thread is to end.
    fn next(&self) -> Option<(Vec<usize>, bool)> {
        let mut orders = self.lock();
        loop {
            if !orders.numbers.is_empty() {
                return Some((mem::take(&mut orders.numbers), !orders.stopped));
            }
            if orders.closed {
                return None;
            }
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The starter's own state.
pub(crate) struct Starter {
    shared: Arc<Shared>,
    launcher: Box<dyn Launcher>,
    command: Command,
    setup: Setup,
    bell: Arc<OwnedFd>,
    last_key: u64,
    /// Children of failed starts, which are to be ended.
    failed: Vec<Child>,
}

/// A worker that was started and that the pool has not taken over.
struct Started {
    child: Child,
    number: usize,
    lane: Option<Lane>,
    output: Option<[OwnedFd; 2]>,
}

impl Starter {
    pub(crate) fn new(
        shared: Arc<Shared>,
        launcher: Box<dyn Launcher>,
        command: Command,
        setup: Setup,
    ) -> io::Result<Self> {
        let bell = shared.bell.share().map_err(|error| start_error(error, "fcntl(F_DUPFD_CLOEXEC)"))?;
        Ok(Self { shared, launcher, command, setup, bell: Arc::new(bell), last_key: 0, failed: Vec::new() })
    }

    /// Runs the thread: starts the first workers and reports by `tell`, then carries out orders.
    pub(crate) fn run(mut self, start_queue: &StartQueue, workers: usize, tell: impl FnOnce(io::Result<()>)) {
        let _over = Over { start_queue, shared: self.shared.clone() };
        tell(self.start_first(workers));
        while let Some((numbers, wanted)) = start_queue.next() {
            // A zygote's worker is ready at once. Other workers overlap: one loads its program while the
            // next one is forked.
            let together = if self.command.zygote.is_some() { 1 } else { numbers.len() };
            for numbers in numbers.chunks(together) {
                let starts = if wanted { self.start_all(numbers) } else { Vec::new() };
                self.deliver(numbers, starts);
                self.end_failed();
            }
        }
        // A launcher's destructor is foreign code. A zygote is ended here.
        let Self { launcher, .. } = self;
        contain(|| drop(launcher));
    }

    /// Starts the pool's first workers, all or none.
    fn start_first(&mut self, workers: usize) -> io::Result<()> {
        let mut started = Vec::new();
        let result = (0..workers).try_for_each(|number| {
            started.push(self.start_patiently(number)?);
            Ok(())
        });
        let result = result.and_then(|()| started.iter_mut().try_for_each(|new| new.child.confirm()));
        if let Err(error) = result {
            self.failed.extend(started.into_iter().map(|new| new.child));
            self.end_failed();
            self.deliver(&[], Vec::new());
            return Err(error);
        }
        self.shared.set_maps(started.iter().all(|new| new.lane.is_some()));
        self.deliver(&[], started.into_iter().map(Ok).collect());
        // A start that went well when it was tried again.
        self.end_failed();
        Ok(())
    }

    /// Starts a worker, and tries again if the system asks for that.
    fn start_patiently(&mut self, number: usize) -> io::Result<Started> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..MAX_TRIES {
            match self.start(number) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.command.stop.pause(pause),
                done => return done,
            }
            pause *= 2;
        }
        self.start(number)
    }

    /// Starts workers with these numbers.
    fn start_all(&mut self, numbers: &[usize]) -> Vec<io::Result<Started>> {
        let started: Vec<_> = numbers.iter().map(|&number| self.start(number)).collect();
        let mut confirm = |mut new: Started| match new.child.confirm() {
            Ok(()) => Ok(new),
            Err(error) => {
                self.failed.push(new.child);
                Err(error)
            }
        };
        started.into_iter().map(|new| new.and_then(&mut confirm)).collect()
    }

    /// Ends the children of failed starts, all at once.
    fn end_failed(&mut self) {
        Child::end_all(&mut mem::take(&mut self.failed));
    }

    fn start(&mut self, number: usize) -> io::Result<Started> {
        // Without shared memory, calls go over the socket, and blocks whole.
        let mut lane = Lane::new().ok();
        self.command.ring = match &mut lane {
            Some((memory, _)) => Some([
                Arc::new(memory.try_clone().map_err(|error| start_error(error, "fcntl(F_DUPFD_CLOEXEC)"))?),
                self.bell.clone(),
            ]),
            None => None,
        };
        self.command.setup = self.setup.of_worker(number).frame();
        self.command.worker = number;
        self.command.facts = Arc::default();
        self.last_key += 1;
        let child = Child::start(WorkerKey(self.last_key), &mut *self.launcher, &self.command);
        self.command.ring = None;
        let mut child = child?;
        let output = match child.begin(&self.command.facts) {
            Ok(output) => output,
            Err(error) => {
                self.failed.push(child);
                return Err(error);
            }
        };
        let lane = lane.filter(|_| child.has_ring()).map(|(_, mut lane)| {
            (lane.key, lane.pid) = (child.key, child.pid());
            // A zygote's worker is ready in less time than it takes to hear of that.
            lane.open = self.command.zygote.is_some();
            lane
        });
        if lane.is_none() {
            self.shared.set_maps(false);
        }
        Ok(Started { child, number, lane, output })
    }

    /// Hands the workers over to the pool.
    fn deliver(&self, numbers: &[usize], starts: Vec<io::Result<Started>>) {
        let mut orphans = Vec::new();
        self.shared.tell(|state| {
            state.opening = false;
            state.ordered.retain(|number| !numbers.contains(number));
            for start in starts {
                match start {
                    Ok(new) if state.abandoned => orphans.push(new.child),
                    Ok(Started { child, number, lane, output }) => {
                        state.staff.push(Member::new(child.key, child.pid(), number));
                        state.lanes.extend(lane);
                        state.delivered.push(StartOutcome::Child(Box::new(child), number, output));
                    }
                    Err(error) => state.delivered.push(StartOutcome::Failed(error)),
                }
            }
            // The supervisor is told in any case.
            let _ = state.dispatch(Mover::Anybody);
        });
        Child::end_all(&mut orphans);
    }
}

/// Says that the thread is over, whatever has ended it.
struct Over<'a> {
    start_queue: &'a StartQueue,
    shared: Arc<Shared>,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.start_queue.change(|orders| orders.over = true);
        self.shared.tell(|state| {
            state.opening = false;
            if !std::mem::take(&mut state.ordered).is_empty() {
                state.delivered.push(StartOutcome::Failed(io::Error::other(STARTER_ENDED)));
            }
        });
    }
}
