//! A worker of the model's pool. Its functions follow those of `pool/src/worker/mod.rs` and `steal.rs`.

use super::{
    super::engine::{Thread, Time, picos},
    Job, MAX_BATCH, Registry, StackJob,
    payoff::Payoff,
};
use std::{cell::Cell, rc::Rc};

const FAIRNESS_INTERVAL: u32 = 61;
const ROUNDS_PER_SPELL: u32 = 30;
const VICTIMS_PER_ROUND: usize = 32;
const MAX_PAUSE_EXPONENT: u32 = 4;
const SPIN_TIME_DIVISOR: Time = 16;
const SPIN_TIME_LIMIT: Time = picos(150_000.0);
const DOZES_PER_SEARCH: u32 = 4;

/// One worker.
pub(in super::super) struct Worker {
    pub(super) thread: Thread,
    pub(super) index: usize,
    pub(super) registry: Rc<Registry>,
    pub(super) is_searching: Cell<bool>,
    pub(super) payoff: Payoff,
    pub(super) awake_since: Cell<Time>,
    tick: Cell<u32>,
}

/// Work that a worker can find.
pub(super) enum Work {
    Job(Job),
    StackJob(Rc<StackJob>),
}

/// How long a worker searches before it sleeps.
pub(super) struct Spin {
    rounds: u32,
    round_weight: u32,
    end: Option<Time>,
    yields: bool,
}

impl Worker {
    /// A worker that starts asleep.
    pub(in super::super) fn new(thread: Thread, index: usize, registry: Rc<Registry>) -> Self {
        Self {
            awake_since: Cell::new(thread.now()),
            thread,
            index,
            registry,
            is_searching: Cell::new(true),
            payoff: Payoff::new(),
            tick: Cell::new(0),
        }
    }

    pub(in super::super) async fn run(&self) {
        self.park_while_asleep().await;
        while !self.registry.engine.is_stopped() {
            match self.find().await {
                Some(Work::Job(job)) => self.execute(job).await,
                Some(Work::StackJob(stack_job)) => self.run_stolen(&stack_job).await,
                None => self.fall_asleep().await,
            }
        }
    }

    async fn find(&self) -> Option<Work> {
        let job = match self.local_job().await {
            Some(job) => Some(job),
            None => self.batch().await,
        };
        let work = match job {
            Some(job) => Some(Work::Job(job)),
            None => {
                if self.payoff.end(self.thread.now()) {
                    self.thread.work(self.registry.costs.clock).await;
                }
                self.search().await
            }
        };
        if work.is_some() {
            self.end_search().await;
        }
        work
    }

    async fn local_job(&self) -> Option<Job> {
        self.tick.set(self.tick.get().wrapping_add(1));
        if self.tick.get().is_multiple_of(FAIRNESS_INTERVAL)
            && let Some(job) = self.batch().await
        {
            return Some(job);
        }
        self.pop_job().await
    }

    /// Takes the newest of its own jobs.
    pub(super) async fn pop_job(&self) -> Option<Job> {
        let slot = &self.registry.slots[self.index];
        if slot.jobs.borrow().is_empty() {
            return None;
        }
        slot.back.write(&self.thread).await;
        slot.front.read(&self.thread).await;
        slot.jobs.borrow_mut().pop_back()
    }

    /// Takes a batch from the injector, and returns the oldest job of it.
    async fn batch(&self) -> Option<Job> {
        let registry = &self.registry;
        registry.injector_front.read(&self.thread).await;
        registry.injector_back.read(&self.thread).await;
        if registry.injected.borrow().is_empty() {
            return None;
        }
        registry.injector_front.write(&self.thread).await;
        let len = registry.injected.borrow().len().div_ceil(2).min(MAX_BATCH);
        let mut batch = registry.injected.borrow_mut().drain(..len).collect::<Vec<_>>().into_iter();
        let oldest = batch.next();
        // The slots lie on lines of two jobs, and come from the core that wrote them.
        self.thread.work(registry.costs.stream * (len as f64 / 2.0)).await;
        let slot = &registry.slots[self.index];
        slot.back.write(&self.thread).await;
        // The oldest goes on top of those that are left, so that they run in their order.
        slot.jobs.borrow_mut().extend(batch.rev());
        if !slot.jobs.borrow().is_empty() {
            registry.announce(&self.thread).await;
        }
        oldest
    }

    async fn search(&self) -> Option<Work> {
        if !self.is_searching.get() {
            if !self.begin_search().await {
                return None;
            }
            self.is_searching.set(true);
        }
        let Some(time) = self.payoff.doze_time() else { return self.spin_and_search().await };
        for _ in 0..DOZES_PER_SEARCH {
            let dozed = self.doze(time).await;
            let work = self.spin_and_search().await;
            if work.is_some() || !dozed {
                return work;
            }
        }
        None
    }

    async fn spin_and_search(&self) -> Option<Work> {
        let mut spin = Spin::new(self);
        loop {
            if let Some(work) = self.search_once().await {
                if spin.rounds == 0 {
                    self.payoff.found_at_once();
                }
                return Some(work);
            }
            if !spin.once(self).await {
                for victim in self.others() {
                    if let Some(stack_job) = self.steal_stack_job(victim).await {
                        return Some(Work::StackJob(stack_job));
                    }
                }
                if !spin.begin_spell(self).await {
                    return None;
                }
            }
        }
    }

    async fn search_once(&self) -> Option<Work> {
        for victim in self.others() {
            if let Some(stack_job) = self.request_stack_job(victim).await {
                return Some(Work::StackJob(stack_job));
            }
            if let Some(job) = self.steal_job(victim).await {
                return Some(Work::Job(job));
            }
        }
        self.batch().await.map(Work::Job)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let (own, slots) = (self.index, self.registry.workers());
        (1..slots).map(move |step| (own + step) % slots)
    }

    /// Takes the stack job that the victim has on offer, or requests one.
    pub(super) async fn request_stack_job(&self, victim: usize) -> Option<Rc<StackJob>> {
        let slot = &self.registry.slots[victim];
        slot.thieves_line.read(&self.thread).await;
        let mut offered = None;
        if slot.offer.borrow().is_some() {
            slot.thieves_line.write(&self.thread).await;
            offered = slot.offer.borrow_mut().take();
        }
        if offered.is_none() {
            self.request(victim).await;
        } else if self.payoff.is_coarse() {
            self.request(victim).await;
            self.request(self.index).await;
        }
        offered.inspect(|stack_job| stack_job.thief.set(Some(self.index)))
    }

    async fn request(&self, victim: usize) {
        let slot = &self.registry.slots[victim];
        slot.owner_line.read(&self.thread).await;
        if !slot.is_notified.replace(true) {
            slot.owner_line.write(&self.thread).await;
        }
    }

    /// Steals the oldest stack job of the victim, by a heavy fence.
    pub(super) async fn steal_stack_job(&self, victim: usize) -> Option<Rc<StackJob>> {
        let slot = &self.registry.slots[victim];
        slot.thieves_line.read(&self.thread).await;
        slot.owner_line.read(&self.thread).await;
        if slot.stack_jobs.borrow().is_empty() {
            return None;
        }
        if slot.offer.borrow().is_none() {
            self.registry.heavy_fence(&self.thread).await;
        }
        slot.thieves_line.write(&self.thread).await;
        let offered = slot.offer.borrow_mut().take();
        let taken = offered.or_else(|| slot.stack_jobs.borrow_mut().pop_front());
        taken.inspect(|stack_job| stack_job.thief.set(Some(self.index)))
    }

    /// Steals the oldest job of the victim.
    pub(super) async fn steal_job(&self, victim: usize) -> Option<Job> {
        let slot = &self.registry.slots[victim];
        slot.back.read(&self.thread).await;
        slot.front.read(&self.thread).await;
        if slot.jobs.borrow().is_empty() {
            return None;
        }
        slot.front.write(&self.thread).await;
        let job = slot.jobs.borrow_mut().pop_front();
        if job.is_some() {
            // The slot, and the job itself.
            self.thread.work(2.0 * self.registry.costs.line).await;
        }
        job
    }
}

impl Spin {
    pub(super) fn new(worker: &Worker) -> Self {
        let round_weight = (1 + worker.registry.workers() / VICTIMS_PER_ROUND) as u32;
        Self { rounds: 0, round_weight, end: None, yields: false }
    }

    /// Pauses for one round. Returns false when the spell is over.
    pub(super) async fn once(&mut self, worker: &Worker) -> bool {
        self.rounds += self.round_weight;
        let costs = &worker.registry.costs;
        if self.rounds > MAX_PAUSE_EXPONENT && self.yields {
            worker.thread.yield_now(costs.yielding).await;
        } else {
            let pauses = 1 << self.rounds.min(MAX_PAUSE_EXPONENT);
            worker.thread.work(f64::from(pauses) * costs.pause).await;
        }
        self.rounds < ROUNDS_PER_SPELL
    }

    /// Begins another spell. Returns false when it is time to sleep.
    pub(super) async fn begin_spell(&mut self, worker: &Worker) -> bool {
        worker.thread.work(worker.registry.costs.clock).await;
        let now = worker.thread.now();
        let linger = worker.payoff.linger_time(worker.registry.engine.cores);
        let awake = now - worker.awake_since.get();
        let allowed = (awake / SPIN_TIME_DIVISOR).min(SPIN_TIME_LIMIT).max(linger);
        let end = *self.end.get_or_insert(now + allowed);
        self.rounds = MAX_PAUSE_EXPONENT;
        self.yields |= worker.payoff.is_coarse();
        now < end
    }
}
