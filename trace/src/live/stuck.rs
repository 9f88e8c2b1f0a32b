//! Finding what can never go on.
//!
//! # The model
//!
//! An agent that waits can go on if *one* of its waits can end: a task that selects waits for whichever comes
//! first. A wait can end if one of those who can end it can go on. So the agents that can never go on are
//! the largest set in which each member waits only for members (a greatest fixpoint: begin with all agents,
//! take out those that can go on, until nothing changes).
//!
//! # Why there is no false alarm
//!
//! An agent is taken out of the set unless *everything* that could wake it is known:
//!
//! * A task has a count of references. Each wait whose end is known has one waker of the task; the task
//!   itself and its handle have one each. If the count is higher, somebody else has a waker or a cancel
//!   handle ([`Node::other_wakers`]). Such a task is stuck only if nobody in the process can act at all,
//!   and it waits for nothing outside the process.
//! * A handle can cancel its task. So the task is stuck only if the agent that awaits the handle is, or
//!   nobody can act.
//! * A wait for a lock ends by its holder. If guards of the lock travel, or the holder has spawned something
//!   since then that can go on, the guard may be there.
//! * A wait for the other side of a channel, a permit, a notification can be ended by anybody. It is stuck
//!   only if nobody can act: no agent outside the set, no thread of the program that is not ours and does
//!   not wait, no signal, no agent that found no room in the table.
//! * Timers, descriptors, children and everything that is not known can always act.
//!
//! A set that is stuck stays stuck, because its members change nothing any more. So a copy that was not
//! taken at one instant is no danger, if a second copy shows the same waits (`watch.rs`).
//!
//! A guard that is sent to another task through memory that both share is the one way to deceive this. An
//! owned guard is expected to do so; a guard that borrows its lock is not.

use super::graph::{Ender, Hold, Node, WaitEdge, WaitGraph};
use brigade_handle::{Domain, Id};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The reason for which agents are stuck.
///
/// ```
/// assert_eq!(brigade_trace::live::Class::Cycle.name(), "deadlock");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Agents wait for each other in a circle.
    Cycle,
    /// A task waits for what a future inside of the same task holds, and does not poll that future.
    Futurelock,
    /// Work waits for its own end.
    JoinsItself,
    /// A task is pending, and all its wakers are gone.
    NoWaker,
    /// Agents wait for something that nobody who is left can do, such as a send.
    NobodyLeft,
}

impl Class {
    /// Returns the word that a report shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cycle => "deadlock",
            Self::Futurelock => "futurelock",
            Self::JoinsItself => "join on itself",
            Self::NoWaker => "lost waker",
            Self::NobodyLeft => "nobody left",
        }
    }
}

/// Agents that can never go on.
///
/// ```
/// use brigade_trace::live::{Class, Stuck};
///
/// let stuck = Stuck { class: Class::NoWaker, agents: Vec::new(), core: Vec::new() };
/// assert!(stuck.agents.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The reason.
    pub class: Class,
    /// All of them, also those that wait for the others.
    pub agents: Vec<Id>,
    /// The agents that are the reason, in the order in which they wait for each other.
    pub core: Vec<Id>,
}

/// The graph with its indices.
struct Search<'a> {
    nodes: HashMap<Id, &'a Node>,
    edges: HashMap<Id, Vec<&'a WaitEdge>>,
    holds: HashMap<Id, Vec<&'a Hold>>,
    /// The agents that wait for the end of this work.
    joiners: HashMap<Id, Vec<Id>>,
    children: HashMap<Id, Vec<&'a Node>>,
    members: HashMap<usize, Vec<Id>>,
    stuck: HashSet<Id>,
    others_act: bool,
}

impl WaitGraph {
    /// Finds the agents that can never go on, in groups that have to do with each other. The result is empty
    /// if there are none. `stuck.rs` argues why an agent in it is certainly stuck; an agent may be stuck
    /// without being found.
    #[must_use]
    pub fn classify(&self) -> Vec<Stuck> {
        let mut search = Search::new(self);
        search.narrow();
        search.groups()
    }
}

impl<'a> Search<'a> {
    fn new(graph: &'a WaitGraph) -> Self {
        let mut edges: HashMap<_, Vec<_>> = HashMap::new();
        let mut joiners: HashMap<_, Vec<_>> = HashMap::new();
        for edge in &graph.edges {
            edges.entry(edge.waiter).or_default().push(edge);
            if edge.ender == Ender::Work {
                joiners.entry(edge.resource).or_default().push(edge.waiter);
            }
        }
        let mut holds: HashMap<_, Vec<_>> = HashMap::new();
        graph.holds.iter().for_each(|hold| holds.entry(hold.resource).or_default().push(hold));
        let (mut children, mut members) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for node in &graph.nodes {
            children.entry(node.parent).or_default().push(node);
            if node.scope != 0 {
                members.entry(node.scope).or_default().push(node.id);
            }
        }
        let nodes: HashMap<_, _> = graph.nodes.iter().map(|node| (node.id, node)).collect();
        let stuck = nodes.keys().copied().collect();
        Self { nodes, edges, holds, joiners, children, members, stuck, others_act: graph.others_act }
    }

    /// Takes out the agents that can go on, until nothing changes.
    fn narrow(&mut self) {
        loop {
            let goes_on: Vec<_> =
                self.stuck.iter().copied().filter(|id| self.can_go_on(self.nodes[id])).collect();
            if goes_on.is_empty() {
                return;
            }
            self.others_act = true;
            goes_on.iter().for_each(|id| _ = self.stuck.remove(id));
        }
    }

    fn edges_of(&self, id: Id) -> impl Iterator<Item = &'a WaitEdge> {
        self.edges.get(&id).into_iter().flatten().copied()
    }

    fn can_go_on(&self, node: &Node) -> bool {
        // Its thread is in the job above it, whatever is known of itself.
        if node.above != Id::NONE {
            return !self.stuck.contains(&node.above);
        }
        if node.can_run {
            return true;
        }
        let mut waits = self.edges_of(node.id).filter(|edge| !edge.is_granted);
        waits.any(|edge| edge.is_known && self.can_end(edge))
            || node.other_wakers > 0 && self.others_wake(node.id)
            || node.has_handle && self.can_be_cancelled(node.id)
    }

    fn others_wake(&self, id: Id) -> bool {
        self.others_act || self.edges_of(id).any(|edge| !edge.is_known && edge.ender == Ender::Outside)
    }

    fn can_be_cancelled(&self, id: Id) -> bool {
        match self.joiners.get(&id) {
            Some(joiners) => joiners.iter().any(|joiner| !self.stuck.contains(joiner)),
            None => self.others_act,
        }
    }

    fn can_end(&self, edge: &WaitEdge) -> bool {
        match edge.ender {
            Ender::Work => !self.stuck.contains(&edge.resource),
            Ender::Holders => self.can_be_released(edge.resource),
            // It ends only if all of them do.
            Ender::Children => {
                let members = self.members.get(&edge.scope);
                !members.is_some_and(|members| members.iter().any(|child| self.stuck.contains(child)))
            }
            Ender::Anyone => self.others_act,
            Ender::Outside => true,
        }
    }

    fn can_be_released(&self, resource: Id) -> bool {
        // Without a holder it is being handed over, or nobody knows.
        let Some(holds) = self.holds.get(&resource) else { return true };
        holds.iter().any(|hold| {
            !self.stuck.contains(&hold.holder)
                || hold.travels && self.others_act
                || self.children_since(hold).any(|child| !self.stuck.contains(&child.id))
        })
    }

    fn children_since(&self, hold: &Hold) -> impl Iterator<Item = &'a Node> {
        let since = hold.since;
        let children = self.children.get(&hold.holder).into_iter().flatten().copied();
        children.filter(move |child| child.spawned >= since)
    }

    /// The stuck agents for whose progress this one waits.
    fn awaited(&self, id: Id) -> Vec<Id> {
        let mut awaited = Vec::new();
        let above = self.nodes[&id].above;
        if above != Id::NONE {
            awaited.push(above);
        }
        for edge in self.edges_of(id).filter(|edge| !edge.is_granted) {
            match edge.ender {
                Ender::Work => awaited.push(edge.resource),
                Ender::Holders => {
                    let holds = self.holds.get(&edge.resource).into_iter().flatten();
                    awaited.extend(holds.map(|hold| hold.holder));
                }
                Ender::Children => {
                    awaited.extend(self.members.get(&edge.scope).into_iter().flatten());
                }
                Ender::Anyone | Ender::Outside => {}
            }
        }
        awaited.retain(|id| self.stuck.contains(id));
        awaited
    }

    /// Whether this is the future of a `block_on` that nothing can wake, where nobody can act.
    fn is_last_root(&self, id: Id) -> bool {
        let is_thread = matches!(id.domain(), Domain::Thread | Domain::Worker);
        is_thread && !self.others_act && self.nodes[&id].other_wakers == 0
    }

    /// Divides the stuck agents into groups that wait for each other. An agent that nobody waits for, and
    /// that waits for nothing, is no group: it may be meant to wait for ever. The future of a `block_on` is
    /// one if the program can do nothing else.
    fn groups(&self) -> Vec<Stuck> {
        let mut links: HashMap<Id, BTreeSet<Id>> = HashMap::new();
        for &id in &self.stuck {
            for other in self.awaited(id) {
                links.entry(id).or_default().insert(other);
                links.entry(other).or_default().insert(id);
            }
            let waits = self.edges_of(id).any(|edge| !edge.is_granted);
            if waits || self.is_last_root(id) {
                links.entry(id).or_default();
            }
        }
        let mut left: BTreeSet<Id> = links.keys().copied().collect();
        let mut groups = Vec::new();
        while let Some(first) = left.pop_first() {
            let (mut agents, mut next) = (vec![first], vec![first]);
            while let Some(id) = next.pop() {
                for &other in &links[&id] {
                    if left.remove(&other) {
                        agents.push(other);
                        next.push(other);
                    }
                }
            }
            agents.sort_unstable();
            let (class, core) = self.class_of(&agents);
            groups.push(Stuck { class, agents, core });
        }
        groups
    }

    fn class_of(&self, agents: &[Id]) -> (Class, Vec<Id>) {
        for &id in agents {
            for edge in self.edges_of(id).filter(|edge| !edge.is_granted) {
                if edge.ender == Ender::Work && edge.resource == id {
                    return (Class::JoinsItself, vec![id]);
                }
                let mut holds = self.holds.get(&edge.resource).into_iter().flatten();
                if edge.ender == Ender::Holders && holds.any(|hold| hold.holder == id) {
                    return (Class::Futurelock, vec![id]);
                }
            }
        }
        if let Some(cycle) = agents.iter().find_map(|&id| self.cycle_from(id)) {
            return (Class::Cycle, cycle);
        }
        let is_forgotten = |id: &&Id| {
            self.nodes[id].other_wakers == 0
                && self.edges_of(**id).all(|edge| edge.is_granted || !edge.is_known)
        };
        match agents.iter().find(is_forgotten) {
            Some(&id) => (Class::NoWaker, vec![id]),
            None => (Class::NobodyLeft, agents.to_vec()),
        }
    }

    /// Returns the agents of a circle that goes through this one.
    fn cycle_from(&self, start: Id) -> Option<Vec<Id>> {
        let mut came_from: HashMap<Id, Id> = HashMap::new();
        let mut next = vec![start];
        while let Some(id) = next.pop() {
            for other in self.awaited(id) {
                if other == start {
                    let mut circle = vec![id];
                    while let Some(&before) = came_from.get(circle.last()?) {
                        circle.push(before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if let std::collections::hash_map::Entry::Vacant(new) = came_from.entry(other) {
                    new.insert(id);
                    next.push(other);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
