//! A moment of a run: the choice that it has come to, its threads, and what waits for what.

use crate::{
    schedule::{Key, ThreadName},
    stuck::is_engine,
};
use brigade_handle::explore::{Blocked, Doing, End, Ran};
use brigade_trace::{
    Id, live,
    live::{State, WaitGraph},
};
use serde::{Deserialize, Serialize};

/// The state of a run that was stopped, or has ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Moment {
    /// The virtual nanoseconds since the run began.
    pub nanos: u64,
    /// The threads, in the order of their numbers.
    pub threads: Vec<ThreadMoment>,
    /// The tasks and jobs that are in a queue and wait for a worker.
    pub ready: Vec<String>,
    /// The tasks, jobs and threads that wait for something, each with what that is and who holds it.
    pub waits: Vec<String>,
    /// The locks and permits that are held, each with its holder.
    pub holds: Vec<String>,
    /// The queues of the program that are not empty, each with its length.
    pub queues: Vec<String>,
    pub(crate) pending: Option<PendingChoice>,
}

/// A thread of a run that was stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThreadMoment {
    /// Its name in a written schedule, such as `w1`.
    pub name: String,
    /// The name that the program gave it.
    pub label: String,
    /// Its state, in words.
    pub state: String,
    /// The task or job that it runs.
    pub runs: Option<String>,
    /// Whether it has ended.
    pub has_ended: bool,
}

/// The choice before which a run was stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingChoice {
    pub(crate) key: Key,
    pub(crate) enabled: u32,
    pub(crate) threads: Vec<u32>,
    /// The number of choices before.
    pub(crate) index: u32,
}

impl Moment {
    /// Looks at a run that has ended or was stopped, while its waits are still kept. It has made so many
    /// choices.
    pub(crate) fn of(ran: &Ran, choices: u32) -> Self {
        let graph = live::graph();
        let pending = match &ran.end {
            End::Stopped(pending) => Some(PendingChoice {
                key: Key::new(pending.thread, pending.kind, pending.nth),
                enabled: pending.enabled,
                threads: pending.threads.clone(),
                index: choices,
            }),
            _ => None,
        };
        let name = |id: Id| name_of(&graph, id, ran);
        let ready = graph.nodes.iter().filter(|node| node.state == State::Ready);
        let holds = graph.holds.iter().map(|hold| {
            let held = if hold.by_grant { "is granted to" } else { "is held by" };
            format!("{} {held} {}", hold.resource, name(hold.holder))
        });
        let queues = graph.queues.iter().filter(|&&(_, depth)| depth > 0);
        Self {
            nanos: ran.nanos,
            threads: threads(&graph, ran),
            ready: ready.map(|node| name(node.id)).collect(),
            waits: waits(&graph, ran),
            holds: holds.collect(),
            queues: queues.map(|(id, depth)| format!("{id} has {depth}")).collect(),
            pending,
        }
    }

    /// Whether the run was stopped before its end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.pending.is_some()
    }

    /// The number of choices before this moment. It is `None` at the end of the run.
    #[must_use]
    pub fn choice(&self) -> Option<u32> {
        self.pending.as_ref().map(|pending| pending.index)
    }
}

/// The name of an agent. A thread of the run goes by its name in a schedule.
fn name_of(graph: &WaitGraph, id: Id, ran: &Ran) -> String {
    let is_it = |tid: u64| id.domain() == brigade_trace::Domain::Thread && tid == id.number();
    match ran.threads.iter().position(|thread| is_it(thread.tid)) {
        Some(index) => ThreadName(index as u32).to_string(),
        None => {
            let node = graph.nodes.iter().find(|node| node.id == id);
            node.map_or_else(|| id.to_string(), ToString::to_string)
        }
    }
}

fn threads(graph: &WaitGraph, ran: &Ran) -> Vec<ThreadMoment> {
    let of = |(index, thread): (u32, &brigade_handle::explore::ManagedThread)| {
        let lane = graph.lanes.iter().find(|lane| lane.tid == thread.tid && thread.tid != 0);
        let runs = lane.map(|lane| lane.runs).filter(|&runs| runs != Id::NONE);
        ThreadMoment {
            name: ThreadName(index).to_string(),
            label: thread.name.clone(),
            state: state(thread.doing),
            runs: runs.map(|id| name_of(graph, id, ran)),
            has_ended: thread.doing == Doing::Ended,
        }
    };
    (0..).zip(&ran.threads).map(of).collect()
}

fn state(doing: Doing) -> String {
    let (on, at, until) = match doing {
        Doing::Runs => return "runs".to_owned(),
        Doing::Ready => return "can go on".to_owned(),
        Doing::Ended => return "has ended".to_owned(),
        Doing::Waits { on, at, until } => (on, at, until),
    };
    let waits = match on {
        Blocked::Park if is_engine(at.file()) => "sleeps".to_owned(),
        Blocked::Park => "is parked".to_owned(),
        Blocked::Lock(_) => "waits for a lock".to_owned(),
        Blocked::Join(other) => format!("waits for the end of {}", ThreadName(other)),
    };
    let place =
        if is_engine(at.file()) { String::new() } else { format!(" at {}:{}", file(at.file()), at.line()) };
    let until = until.map(|nanos| format!(" until {}", time(nanos))).unwrap_or_default();
    format!("{waits}{place}{until}")
}

fn waits(graph: &WaitGraph, ran: &Ran) -> Vec<String> {
    let describe = |edge: &live::WaitEdge| {
        let resource = match edge.resource {
            Id::NONE => edge.cause.name().to_owned(),
            work if edge.ender == live::Ender::Work => format!("the end of {}", name_of(graph, work, ran)),
            resource => resource.to_string(),
        };
        let place = edge.at.as_deref().filter(|at| !is_engine(at));
        let place = place.map(|at| format!(" at {}", file(at))).unwrap_or_default();
        let granted = if edge.is_granted { ", which it has been given" } else { "" };
        format!("{} waits for {resource}{granted}{place}", name_of(graph, edge.waiter, ran))
    };
    graph.edges.iter().map(describe).collect()
}

/// The last part of a path.
fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Writes a virtual time in the unit that suits it.
pub(super) fn time(nanos: u64) -> String {
    let in_unit = |unit: u64, name: &str| match (nanos / unit, nanos % unit * 1000 / unit) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, rest) => format!("{whole}.{rest:03} {name}"),
    };
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => in_unit(1_000, "µs"),
        1_000_000..1_000_000_000 => in_unit(1_000_000, "ms"),
        _ => in_unit(1_000_000_000, "s"),
    }
}
