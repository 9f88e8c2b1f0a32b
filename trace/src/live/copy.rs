//! Copying the table into a graph.

use super::{
    graph::{Ender, Hold, Node, State, WaitEdge, WaitGraph},
    probe::Probe,
    table::{Agent, AgentWait, TABLE, Way, lock},
    threads,
};
use crate::{clock, event::Cause, resource, site::Site};
use brigade_handle::{Domain, Id};
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering::Relaxed,
};

fn node(id: Id, agent: &Agent, own: &HashSet<u64>) -> Node {
    let look = agent.probe.as_ref().map(|probe| probe.look());
    let known = agent.waits.iter().filter(|wait| wait.way == Way::HasWaker && !wait.granted).count();
    let blocks = agent.probe.is_none() && agent.waits.len() == 1 && agent.waits[0].way == Way::Blocks;
    let is_idle = look.map_or(blocks, |look| look.is_idle);
    let location = Site::from_number(agent.site).location();
    let state = match (agent.runs_on != 0, agent.waits.is_empty()) {
        (true, true) => State::Runs,
        (_, false) if is_idle || look.is_none() => State::Waits,
        (true, false) => State::Runs,
        (false, _) if is_idle => State::Waits,
        // The thread of a `block_on` runs its future, and nobody queues it.
        (false, _) if matches!(agent.probe, Some(Probe::Root(_))) => State::Runs,
        (false, _) => State::Ready,
    };
    Node {
        id,
        name: agent.name.as_deref().map(str::to_owned).or_else(|| thread_name(id)),
        spawned_at: location.map(|at| format!("{}:{}", at.file(), at.line())),
        spawned: agent.spawned_at,
        parent: agent.parent,
        state,
        can_run: !is_idle,
        other_wakers: look.map_or(0, |look| look.wakers.saturating_sub(known)),
        has_handle: look.is_some_and(|look| look.has_handle),
        above: agent.above,
        scope: agent.scope,
        is_known_thread: id.domain() == Domain::Thread && !own.contains(&id.number()),
    }
}

/// The name of a thread. The kernel has that of the program for the first one.
fn thread_name(id: Id) -> Option<String> {
    if id.domain() != Domain::Thread {
        return None;
    }
    if id.number() == u64::from(std::process::id()) {
        return Some("main".into());
    }
    let name = std::fs::read_to_string(format!("/proc/self/task/{}/comm", id.number())).ok()?;
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
}

fn edge(waiter: Id, wait: &AgentWait) -> WaitEdge {
    let location = Site::from_number(wait.site).location();
    let ender = match wait.cause {
        _ if wait.way == Way::Unknown && is_outside(wait.cause) => Ender::Outside,
        Cause::Join if wait.resource != Id::NONE && wait.resource.domain() != Domain::Scope => Ender::Work,
        Cause::Unlock => Ender::Holders,
        Cause::Scope if wait.node != 0 => Ender::Children,
        cause if is_outside(cause) => Ender::Outside,
        _ => Ender::Anyone,
    };
    WaitEdge {
        waiter,
        resource: wait.resource,
        resource_name: None,
        cause: wait.cause,
        at: location.map(|at| format!("{}:{}", at.file(), at.line())),
        since: wait.since,
        ender,
        is_known: wait.way != Way::Unknown,
        is_granted: wait.granted,
        scope: wait.node,
    }
}

/// Whether a wait for this reason can be ended by the operating system or by code that is not ours.
fn is_outside(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Timer | Cause::Readiness | Cause::ChildExit | Cause::Reply | Cause::Slot | Cause::Unknown
    )
}

pub(super) fn graph() -> WaitGraph {
    let Some(table) = TABLE.get() else { return WaitGraph::default() };
    let mut lanes = threads::all();
    let own: HashSet<u64> = lanes.iter().map(|lane| lane.tid).collect();
    let mut graph =
        WaitGraph { now: clock::nanos(), unseen: table.unseen.load(Relaxed), ..WaitGraph::default() };
    let mut names: HashMap<Id, String> = resource::names();
    for shard in &table.shards {
        let shard = lock(shard);
        for (&id, agent) in &shard.agents {
            graph.nodes.push(node(id, agent, &own));
            if let Some(lane) = lanes.iter_mut().find(|lane| agent.runs_on != 0 && lane.tid == agent.runs_on)
            {
                lane.runs = if agent.above == Id::NONE { id } else { lane.runs };
            }
            graph.edges.extend(agent.waits.iter().map(|wait| edge(id, wait)));
        }
        for (&resource, held) in &shard.resources {
            if let Some(name) = &held.name {
                names.entry(resource).or_insert_with(|| name.to_string());
            }
            graph.holds.extend(held.holders.iter().map(|holder| Hold {
                resource,
                holder: holder.id,
                since: holder.since,
                permits: holder.permits,
                by_grant: holder.by_grant,
                travels: holder.travels,
            }));
        }
        graph.queues.extend(shard.depths.iter().map(|(&id, &depth)| (id, depth)));
    }
    for edge in &mut graph.edges {
        edge.resource_name = names.get(&edge.resource).cloned();
    }
    let known = graph.nodes.iter().filter(|node| node.is_known_thread).count();
    let all = std::fs::read_dir("/proc/self/task").map_or(usize::MAX, Iterator::count);
    graph.others_act = graph.unseen > 0 || all > own.len() + known;
    graph.children = threads::children();
    graph.lanes = lanes;
    graph.nodes.sort_by_key(|node| node.id);
    graph.edges.sort_by_key(|edge| (edge.waiter, edge.since));
    graph.queues.sort_unstable();
    graph
}
