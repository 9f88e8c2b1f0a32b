//! How the model's workers sleep and are woken: the steps of `pool/src/registry/sleep.rs`.

use super::{
    super::engine::{Call, Thread, Time, nanos},
    Registry,
    worker::Worker,
};

/// Each further thread that `membarrier` interrupts adds this part of the price of the first one. It is not
/// measured: the interrupts go out one after another, and are waited for together.
const FURTHER_INTERRUPT: f64 = 0.1;

impl Registry {
    pub(super) fn wants_wake(&self) -> bool {
        self.searching.get() == 0 && self.dozing.get() == 0 && self.sleeping.get() > 0
    }

    /// Wakes the first sleeper, which counts as searching from here on.
    pub(super) async fn wake_one(&self, thread: &Thread) {
        for (index, slot) in self.slots.iter().enumerate() {
            slot.parking.read(thread).await;
            if !slot.is_asleep.get() {
                continue;
            }
            slot.parking.write(thread).await;
            if !slot.is_asleep.replace(false) {
                continue;
            }
            self.sleeping.set(self.sleeping.get() - 1);
            self.searching.set(self.searching.get() + 1);
            self.counters.write(thread).await;
            if self.engine.call(index, Call::Unpark, self.costs.unpark_latency) {
                thread.work(self.costs.unpark).await;
            }
            return;
        }
    }

    /// Unparks a worker that may wait for something of its own.
    pub(super) async fn unpark(&self, thread: &Thread, worker: usize) {
        if self.engine.call(worker, Call::Unpark, self.costs.unpark_latency) {
            thread.work(self.costs.unpark).await;
        }
    }

    pub(super) async fn heavy_fence(&self, thread: &Thread) {
        let others = self.engine.interrupt_others(thread.id, self.costs.interrupt);
        let further = others.saturating_sub(1) as f64 * FURTHER_INTERRUPT;
        let waits = if others > 0 { self.costs.membarrier_other * (1.0 + further) } else { 0.0 };
        thread.work(self.costs.membarrier + waits).await;
    }

    async fn notify_owners(&self, thread: &Thread) {
        for slot in &self.slots {
            slot.owner_line.write(thread).await;
            slot.is_notified.set(true);
        }
    }

    async fn have_work(&self, thread: &Thread) -> bool {
        self.injector_front.read(thread).await;
        if !self.injected.borrow().is_empty() {
            return true;
        }
        for slot in &self.slots {
            slot.back.read(thread).await;
            slot.thieves_line.read(thread).await;
            slot.owner_line.read(thread).await;
            if !slot.jobs.borrow().is_empty()
                || !slot.stack_jobs.borrow().is_empty()
                || slot.offer.borrow().is_some()
            {
                return true;
            }
        }
        false
    }
}

impl Worker {
    /// Counts this worker as searching. If enough others search, it may wait awake for its turn.
    pub(super) async fn begin_search(&self) -> bool {
        if self.begin_search_now().await {
            return true;
        }
        let (engine, costs) = (&self.registry.engine, &self.registry.costs);
        let time = self.payoff.linger_time(engine.cores);
        if time == 0 || !self.payoff.is_coarse() {
            return false;
        }
        let end = self.thread.now() + time;
        while self.thread.now() < end && !engine.is_stopped() {
            self.thread.work(costs.clock).await;
            self.thread.yield_now(costs.yielding).await;
            if self.begin_search_now().await {
                return true;
            }
        }
        false
    }

    /// Counts this worker as searching, unless enough others search.
    async fn begin_search_now(&self) -> bool {
        let registry = &self.registry;
        registry.counters.read(&self.thread).await;
        let limit = registry.workers().div_ceil(2).min(registry.engine.cores);
        if registry.searching.get() >= limit {
            return false;
        }
        registry.searching.set(registry.searching.get() + 1);
        registry.counters.write(&self.thread).await;
        true
    }

    /// Stops searching, and wakes another worker if that is this one's duty.
    pub(super) async fn end_search(&self) {
        if !self.is_searching.replace(false) {
            return;
        }
        let registry = &self.registry;
        self.payoff.begin(self.thread.now());
        self.thread.work(registry.costs.clock).await;
        registry.searching.set(registry.searching.get() - 1);
        registry.counters.write(&self.thread).await;
        if !registry.wants_wake() {
            return;
        }
        let others_sleep = registry.sleeping.get() + 1 == registry.workers();
        registry.notify_owners(&self.thread).await;
        if !others_sleep {
            registry.heavy_fence(&self.thread).await;
        }
        if registry.wants_wake() && registry.have_work(&self.thread).await {
            registry.wake_one(&self.thread).await;
        }
    }

    /// Sleeps until woken, or returns at once if there is work. The worker then searches.
    pub(super) async fn fall_asleep(&self) {
        let (registry, slot) = (&self.registry, &self.registry.slots[self.index]);
        registry.sleeping.set(registry.sleeping.get() + 1);
        if self.is_searching.replace(true) {
            registry.searching.set(registry.searching.get() - 1);
        }
        registry.counters.write(&self.thread).await;
        slot.parking.write(&self.thread).await;
        slot.is_asleep.set(true);
        registry.notify_owners(&self.thread).await;
        let all_sleep = registry.searching.get() == 0 && registry.sleeping.get() == registry.workers();
        if !all_sleep {
            registry.heavy_fence(&self.thread).await;
        }
        if registry.have_work(&self.thread).await && slot.is_asleep.replace(false) {
            registry.sleeping.set(registry.sleeping.get() - 1);
            registry.searching.set(registry.searching.get() + 1);
            registry.counters.write(&self.thread).await;
        } else {
            self.park_while_asleep().await;
        }
        self.payoff.interrupted();
        self.thread.work(registry.costs.clock).await;
        self.awake_since.set(self.thread.now());
    }

    pub(super) async fn park_while_asleep(&self) {
        let slot = &self.registry.slots[self.index];
        while slot.is_asleep.get() && !self.registry.engine.is_stopped() {
            self.thread.work(self.registry.costs.park / 2.0).await;
            self.thread.park(None).await;
            self.thread.work(self.registry.costs.park / 2.0).await;
        }
        slot.parking.write(&self.thread).await;
    }

    /// Dozes, unless another worker does or no worker is left that could produce anything.
    pub(super) async fn doze(&self, time: Time) -> bool {
        let (registry, slot) = (&self.registry, &self.registry.slots[self.index]);
        registry.counters.read(&self.thread).await;
        if registry.dozing.get() > 0 || registry.sleeping.get() + 1 >= registry.workers() {
            return false;
        }
        registry.counters.write(&self.thread).await;
        registry.dozing.set(registry.dozing.get() + 1);
        registry.sleeping.set(registry.sleeping.get() + 1);
        registry.searching.set(registry.searching.get() - 1);
        slot.is_asleep.set(true);
        self.thread.work(registry.costs.park / 2.0).await;
        // The kernel's timer is late by the slack of a thread.
        let late = TIMER_SLACK + (registry.costs.unpark_latency - registry.costs.unpark).max(0.0);
        self.thread.park(Some(nanos(time) + late)).await;
        self.thread.work(registry.costs.park / 2.0).await;
        if slot.is_asleep.replace(false) {
            registry.sleeping.set(registry.sleeping.get() - 1);
            registry.searching.set(registry.searching.get() + 1);
        }
        registry.dozing.set(registry.dozing.get() - 1);
        registry.counters.write(&self.thread).await;
        self.payoff.interrupted();
        true
    }
}

/// How late the kernel ends a sleep with a time limit, unless asked otherwise.
const TIMER_SLACK: f64 = 50_000.0;
