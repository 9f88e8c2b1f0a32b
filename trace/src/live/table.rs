//! The table: agents with their waits, and resources with their holders, in shards.

use super::{probe::Probe, threads};
use crate::{
    clock,
    event::{Cause, Event, Kind},
    record,
};
use brigade_handle::{Domain, Id, fork::PerProcess, observe};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The table takes this many agents. Those beyond it are counted.
pub const AGENTS_MAX: usize = 1 << 20;

const SHARDS: usize = 64;

pub(super) static TABLE: PerProcess<Table> = PerProcess::new();

pub(super) struct Table {
    pub(super) shards: [Mutex<Shard>; SHARDS],
    pub(super) agents: AtomicUsize,
    /// How many agents were not taken.
    pub(super) unseen: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Shard {
    pub(super) agents: HashMap<Id, Agent>,
    pub(super) resources: HashMap<Id, Held>,
    /// The waiters by the addresses of their nodes.
    pub(super) nodes: HashMap<usize, Id>,
    pub(super) depths: HashMap<Id, u64>,
}

#[derive(Default)]
pub(super) struct Agent {
    pub(super) name: Option<Arc<str>>,
    pub(super) site: u64,
    pub(super) parent: Id,
    pub(super) spawned_at: u64,
    /// The thread that runs it, if one does.
    pub(super) runs_on: u64,
    /// The job that runs above it on the same thread.
    pub(super) above: Id,
    /// The address of the scope that waits for it.
    pub(super) scope: usize,
    pub(super) waits: Vec<AgentWait>,
    pub(super) probe: Option<Probe>,
}

#[derive(Clone, Copy)]
pub(super) struct AgentWait {
    pub(super) resource: Id,
    pub(super) cause: Cause,
    pub(super) site: u64,
    pub(super) since: u64,
    pub(super) node: usize,
    pub(super) way: Way,
    pub(super) granted: bool,
}

/// How the end of a wait is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The thread blocks until this wait ends.
    Blocks,
    /// The wait has one waker of its task.
    HasWaker,
    Unknown,
}

#[derive(Default)]
pub(super) struct Held {
    pub(super) name: Option<Arc<str>>,
    pub(super) holders: Vec<Holder>,
}

/// How a holder got the resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// It took it.
    Taken,
    /// A wait of it was granted it.
    Granted,
}

pub(super) struct Holder {
    pub(super) id: Id,
    pub(super) since: u64,
    pub(super) permits: u64,
    pub(super) by_grant: bool,
    /// Whether its guard may go to another agent.
    pub(super) travels: bool,
}

impl Agent {
    /// The way in which it waits, if the wait has registered a waker with this data.
    fn way(&self, data: *const ()) -> Way {
        if self.probe.as_ref().is_some_and(|probe| probe.is_woken_by(data)) {
            Way::HasWaker
        } else if observe::is_blocking() {
            Way::Blocks
        } else {
            Way::Unknown
        }
    }
}

fn table() -> Option<&'static Table> {
    let table = TABLE.get();
    if table.is_none() {
        // A forked child: the bit is its parent's.
        observe::switch_live(false);
    }
    table
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No foreign code runs under these locks, and no panic leaves a change half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    fn of(&self, key: u64) -> MutexGuard<'_, Shard> {
        /// 2⁶⁴ divided by the golden ratio, which spreads near numbers.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        lock(&self.shards[(key.wrapping_mul(SPREAD) >> 58) as usize % SHARDS])
    }

    fn of_id(&self, id: Id) -> MutexGuard<'_, Shard> {
        self.of(id.to_bits())
    }

    /// Changes an agent. A thread that is not there is made.
    fn with_agent<R>(&self, id: Id, change: impl FnOnce(&mut Agent) -> R) -> Option<R> {
        let is_thread = matches!(id.domain(), Domain::Thread | Domain::Worker);
        let mut shard = self.of_id(id);
        let agent = match shard.agents.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !is_thread || !self.has_room() => return None,
            Entry::Vacant(new) => new.insert(Agent::default()),
        };
        let result = change(agent);
        let is_over = is_thread && agent.waits.is_empty() && agent.probe.is_none();
        if is_over {
            shard.agents.remove(&id);
            self.agents.fetch_sub(1, Relaxed);
        }
        Some(result)
    }

    fn has_room(&self) -> bool {
        let has_room = self.agents.fetch_add(1, Relaxed) < AGENTS_MAX;
        if !has_room {
            self.agents.fetch_sub(1, Relaxed);
            self.unseen.fetch_add(1, Relaxed);
        }
        has_room
    }

    fn spawn(&self, event: &Event) {
        if self.has_room() {
            let agent = Agent {
                site: event.detail,
                parent: record::actor(),
                spawned_at: clock::nanos(),
                ..Agent::default()
            };
            self.of_id(event.subject).agents.insert(event.subject, agent);
        }
    }

    fn ended(&self, id: Id) {
        let agent = self.of_id(id).agents.remove(&id);
        // Out of the lock: the probe gives back a reference to the task.
        if let Some(agent) = agent {
            self.agents.fetch_sub(1, Relaxed);
            agent.waits.iter().for_each(|wait| self.forget_node(wait.node));
        }
    }

    fn forget_node(&self, node: usize) {
        if node != 0 {
            self.of(node as u64).nodes.remove(&node);
        }
    }

    fn wait_begins(&self, event: &Event) {
        let (data, node) = observe::take_registered();
        let (resource, cause, site) = (event.by, event.cause, event.detail);
        let since = clock::nanos();
        let is_taken = self.with_agent(event.subject, |agent| {
            let way = agent.way(data);
            agent.waits.push(AgentWait { resource, cause, site, since, node, way, granted: false });
        });
        if is_taken.is_some() && node != 0 {
            self.of(node as u64).nodes.insert(node, event.subject);
        }
    }

    fn wait_ends(&self, event: &Event) {
        let (_, node) = observe::take_registered();
        let ended = self.with_agent(event.subject, |agent| {
            let of_node = |wait: &AgentWait| node != 0 && wait.node == node;
            let of_resource = |wait: &AgentWait| wait.resource == event.by;
            let at = agent.waits.iter().position(of_node);
            let at = at.or_else(|| agent.waits.iter().rposition(of_resource));
            at.map(|at| agent.waits.remove(at))
        });
        if let Some(wait) = ended.flatten() {
            self.forget_node(wait.node);
            if wait.granted {
                self.released(wait.resource, event.subject, u64::MAX);
            }
        }
    }

    fn held(&self, resource: Id, id: Id, permits: u64, how: Taking) {
        let by_grant = how == Taking::Granted;
        let mut shard = self.of_id(resource);
        let holders = &mut shard.resources.entry(resource).or_default().holders;
        match holders.iter_mut().find(|holder| holder.id == id && holder.by_grant == by_grant) {
            Some(known) => known.permits = known.permits.saturating_add(permits),
            None => holders.push(Holder { id, since: clock::nanos(), permits, by_grant, travels: false }),
        }
    }

    /// Takes permits from a holder; [`u64::MAX`] means a grant that is over.
    fn released(&self, resource: Id, id: Id, permits: u64) {
        let mut shard = self.of_id(resource);
        let Some(held) = shard.resources.get_mut(&resource) else { return };
        let by_grant = permits == u64::MAX;
        let is_it = |holder: &Holder| holder.id == id && holder.by_grant == by_grant;
        match held.holders.iter().position(is_it) {
            Some(at) if held.holders[at].permits > permits => held.holders[at].permits -= permits,
            Some(at) => drop(held.holders.swap_remove(at)),
            // Another task than the one that took it gives it back. So nobody knows who has the rest.
            None if !by_grant => held.holders.clear(),
            None => {}
        }
        if held.holders.is_empty() {
            shard.resources.remove(&resource);
        }
    }

    fn run_begins(&self, id: Id, before: Id) {
        self.with_agent(id, |agent| agent.runs_on = clock::tid());
        if before != Id::NONE && before != id {
            self.with_agent(before, |agent| agent.above = id);
        }
    }

    fn run_ends(&self, id: Id) {
        self.with_agent(id, |agent| agent.runs_on = 0);
        let below = record::current();
        if below != Id::NONE && below != id {
            self.with_agent(below, |agent| agent.above = Id::NONE);
        }
    }
}

/// Notes an event.
#[cold]
pub(crate) fn apply(event: &Event) {
    let Some(table) = table() else { return };
    match event.kind {
        Kind::Spawn if event.subject.domain() != Domain::None => table.spawn(event),
        Kind::Complete => table.ended(event.subject),
        Kind::RunBegin => table.run_begins(event.subject, event.by),
        Kind::RunEnd => table.run_ends(event.subject),
        Kind::WaitBegin => {
            table.wait_begins(event);
            super::watch::something_waits();
        }
        Kind::WaitEnd => table.wait_ends(event),
        Kind::Held => table.held(event.subject, event.by, event.detail, Taking::Taken),
        Kind::Released => table.released(event.subject, event.by, event.detail),
        Kind::QueueDepth => drop(table.of_id(event.subject).depths.insert(event.subject, event.detail)),
        Kind::Fork => threads::forked(event.subject),
        Kind::Exit => threads::exited(event.subject),
        Kind::Park => {
            threads::parked(true);
            super::watch::something_waits();
        }
        Kind::Unpark => threads::parked(false),
        _ => {}
    }
}

/// Gives an agent or a resource a name.
pub(crate) fn label(id: Id, text: &str) {
    let Some(table) = table() else { return };
    let name = Some(Arc::from(text));
    match id.domain() {
        Domain::Task | Domain::Job | Domain::Call | Domain::Future => {
            table.with_agent(id, |agent| agent.name = name);
        }
        _ => table.of_id(id).resources.entry(id).or_default().name = name,
    }
}

pub(super) fn set_probe(id: Id, probe: Option<Probe>) {
    if let Some(table) = TABLE.get() {
        // Out of the lock, as in `ended`.
        drop(table.with_agent(id, |agent| std::mem::replace(&mut agent.probe, probe)));
    }
}

pub(super) fn set_scope(id: Id, scope: usize) {
    if let Some(table) = table() {
        table.with_agent(id, |agent| agent.scope = scope);
    }
}

pub(super) fn granted(node: usize) {
    let Some(table) = table() else { return };
    let Some(waiter) = table.of(node as u64).nodes.get(&node).copied() else { return };
    let granted = table.with_agent(waiter, |agent| {
        let wait = agent.waits.iter_mut().find(|wait| wait.node == node)?;
        wait.granted = true;
        Some(*wait)
    });
    if let Some(wait) = granted.flatten() {
        table.held(wait.resource, waiter, 1, Taking::Granted);
    }
}

/// Checks a wait that is polled again: it may have another waker now, or another waiter.
pub(super) fn polled_again(node: usize) {
    let (data, _) = observe::take_registered();
    let Some(table) = table() else { return };
    let Some(waiter) = table.of(node as u64).nodes.get(&node).copied() else { return };
    let is_same = record::actor() == waiter;
    table.with_agent(waiter, |agent| {
        let way = agent.way(data);
        let Some(wait) = agent.waits.iter_mut().find(|wait| wait.node == node) else { return };
        if !is_same || way != wait.way {
            wait.way = Way::Unknown;
        }
    });
}

pub(super) fn travels(resource: Id) {
    if let Some(table) = table() {
        let (mut shard, holder) = (table.of_id(resource), record::actor());
        let holders = shard.resources.get_mut(&resource).map(|held| held.holders.iter_mut());
        holders.into_iter().flatten().filter(|held| held.id == holder).for_each(|held| held.travels = true);
    }
}

/// Forgets all agents and resources: nobody has heard of their ends.
pub(super) fn clear() {
    let table = TABLE.get_or_init(Table::new);
    for shard in &table.shards {
        let before = std::mem::take(&mut *lock(shard));
        drop(before);
    }
    table.agents.store(0, Relaxed);
    table.unseen.store(0, Relaxed);
}

impl Table {
    fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            agents: AtomicUsize::new(0),
            unseen: AtomicUsize::new(0),
        }
    }
}
