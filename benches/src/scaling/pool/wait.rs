//! The jobs of the model: joins and scopes, and what a worker runs while it waits for them.

use super::{
    Job, StackJob,
    worker::{Spin, Worker},
};
use std::{cell::Cell, future::Future, pin::Pin, rc::Rc};

impl Worker {
    pub(super) async fn execute(&self, job: Job) {
        let registry = &self.registry;
        match job {
            Job::Scope { rounds, count, length } => {
                for _ in 0..rounds {
                    self.scope(count, length).await;
                }
            }
            Job::Tree { rounds, count, length } => {
                for _ in 0..rounds {
                    self.tree(count, length).await;
                }
            }
            Job::Loop { count, length, caller } => {
                self.tree(count, length).await;
                registry.is_loop_done.set(true);
                registry.unpark(&self.thread, caller).await;
                // The kernel lets a thread that has slept go before one that has run.
                self.thread.yield_now(0.0).await;
            }
            Job::Child { length } => {
                self.thread.work(registry.costs.run_child + length).await;
                self.end_child().await;
            }
            Job::Submitted { length } => {
                self.thread.work(registry.costs.run_submitted + length).await;
                registry.counter.write(&self.thread).await;
                registry.count_item();
            }
        }
    }

    /// Counts off a child of the scope, which its owner does for itself without an atomic operation.
    async fn end_child(&self) {
        let registry = &self.registry;
        let owner = registry.scope_owner.get().expect("a child ends before its scope");
        if owner != self.index {
            registry.scope_line.write(&self.thread).await;
        }
        registry.scope_left.set(registry.scope_left.get() - 1);
        registry.count_item();
        if registry.scope_left.get() == 0 && owner != self.index {
            registry.unpark(&self.thread, owner).await;
        }
    }

    async fn scope(&self, count: usize, length: f64) {
        let (registry, slot) = (&self.registry, &self.registry.slots[self.index]);
        registry.scope_owner.set(Some(self.index));
        for _ in 0..count {
            self.thread.work(registry.costs.child).await;
            registry.scope_left.set(registry.scope_left.get() + 1);
            slot.back.write(&self.thread).await;
            slot.jobs.borrow_mut().push_back(Job::Child { length });
            registry.announce(&self.thread).await;
        }
        let mut spin = Spin::new(self);
        loop {
            registry.scope_line.read(&self.thread).await;
            if registry.scope_left.get() == 0 {
                break;
            }
            let mut job = self.pop_job().await;
            if job.is_none() {
                for victim in self.others() {
                    job = self.steal_job(victim).await;
                    if job.is_some() {
                        break;
                    }
                }
            }
            match job {
                Some(Job::Child { length }) => {
                    self.thread.work(registry.costs.run_child + length).await;
                    self.end_child().await;
                    spin = Spin::new(self);
                }
                Some(_) => unreachable!("there is one scope at a time, and nothing else"),
                None if spin.once(self).await || spin.begin_spell(self).await => {}
                None => self.park_until(|| registry.scope_left.get() == 0).await,
            }
        }
    }

    /// Walks through a tree of joins.
    fn tree(&self, leaves: usize, length: f64) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            if leaves == 1 {
                self.thread.work(length).await;
                self.registry.count_item();
                return;
            }
            let (left, right) = (leaves / 2, leaves - leaves / 2);
            let stack_job = self.push(right, length).await;
            self.tree(left, length).await;
            if self.take_back(&stack_job).await {
                self.tree(right, length).await;
            } else {
                self.wait_for(&stack_job).await;
            }
        })
    }

    /// Pushes the second half of a join. If a thief has asked, it offers the oldest half.
    async fn push(&self, leaves: usize, length: f64) -> Rc<StackJob> {
        let (registry, slot) = (&self.registry, &self.registry.slots[self.index]);
        let stack_job = Rc::new(StackJob {
            leaves,
            length,
            owner: self.index,
            thief: Cell::new(None),
            is_done: Cell::new(false),
            owner_parks: Cell::new(false),
        });
        self.thread.work(registry.costs.fork / 2.0).await;
        slot.owner_line.write(&self.thread).await;
        slot.stack_jobs.borrow_mut().push_back(stack_job.clone());
        if slot.is_notified.replace(false) {
            slot.thieves_line.write(&self.thread).await;
            if slot.offer.borrow().is_none() {
                let oldest = slot.stack_jobs.borrow_mut().pop_front();
                slot.offer.replace(oldest);
            }
            registry.announce(&self.thread).await;
        }
        stack_job
    }

    /// Pops a stack job, or takes it back from the offer. Returns false if a thief has it.
    async fn take_back(&self, stack_job: &Rc<StackJob>) -> bool {
        let slot = &self.registry.slots[self.index];
        self.thread.work(self.registry.costs.fork / 2.0).await;
        slot.owner_line.write(&self.thread).await;
        slot.thieves_line.read(&self.thread).await;
        let is_newest = |newest: Option<&Rc<StackJob>>| newest.is_some_and(|it| Rc::ptr_eq(it, stack_job));
        if is_newest(slot.stack_jobs.borrow().back()) {
            slot.stack_jobs.borrow_mut().pop_back();
            return true;
        }
        if is_newest(slot.offer.borrow().as_ref()) {
            slot.offer.replace(None);
            slot.thieves_line.write(&self.thread).await;
            return true;
        }
        false
    }

    /// Runs a stack job of another worker, and tells its owner.
    pub(super) async fn run_stolen(&self, stack_job: &Rc<StackJob>) {
        // The frame of the join, there and back.
        self.thread.work(self.registry.costs.line).await;
        self.tree(stack_job.leaves, stack_job.length).await;
        self.thread.work(self.registry.costs.line).await;
        stack_job.is_done.set(true);
        if stack_job.owner_parks.get() {
            self.registry.unpark(&self.thread, stack_job.owner).await;
        }
    }

    /// Waits for a stolen stack job, and runs only what its thief has on offer.
    async fn wait_for(&self, stack_job: &Rc<StackJob>) {
        let mut spin = Spin::new(self);
        while !stack_job.is_done.get() {
            let thief = stack_job.thief.get();
            let mut work = match thief {
                Some(thief) => self.request_stack_job(thief).await,
                None => None,
            };
            if work.is_none() {
                if spin.once(self).await {
                    continue;
                }
                if let Some(thief) = thief {
                    work = self.steal_stack_job(thief).await;
                }
            }
            match work {
                Some(work) => {
                    self.run_stolen(&work).await;
                    spin = Spin::new(self);
                }
                None if spin.begin_spell(self).await => {}
                None => {
                    stack_job.owner_parks.set(true);
                    self.park_until(|| stack_job.is_done.get()).await;
                }
            }
        }
        self.thread.work(self.registry.costs.line).await;
    }

    async fn park_until(&self, is_done: impl Fn() -> bool) {
        while !is_done() && !self.registry.engine.is_stopped() {
            self.thread.work(self.registry.costs.park / 2.0).await;
            if is_done() {
                break;
            }
            self.thread.park(None).await;
            self.thread.work(self.registry.costs.park / 2.0).await;
        }
        self.awake_since.set(self.thread.now());
    }
}
