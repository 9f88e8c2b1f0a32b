//! A moment of a run: the choice that it has come to, its threads, and what waits for what.

use crate::{
    schedule::{Key, ThreadName},
    stuck::is_engine,
};
use brigade_handle::explore::{self, Blocked, Doing, End, Queue, Queued, Ran};
use brigade_trace::{
    Id, live,
    live::{State, WaitGraph},
};
use serde::{Deserialize, Serialize};

/// The state of a run that was stopped, or has ended.
///
/// ```
/// use brigade_explore::{Explore, Schedule, thread};
///
/// let mut stepper = Explore::new().step_threads(|| thread::spawn(|| {}).join().unwrap());
/// let begin = stepper.stop(&Schedule::default(), 0);
/// // The root has spawned a thread, and may be preempted before it goes on.
/// assert_eq!((begin.choice(), begin.nanos), (Some(0), 0));
/// assert_eq!(begin.threads[0].state, "runs");
/// assert_eq!((begin.threads[1].name.as_str(), begin.threads[1].state.as_str()), ("w1", "can go on"));
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Moment {
    /// The virtual nanoseconds since the run began.
    pub nanos: u64,
    /// The threads, in the order of their numbers.
    pub threads: Vec<ThreadMoment>,
    /// The tasks and jobs that wait for a worker and are in none of the [`queues`](Self::queues) that tell
    /// their work.
    pub ready: Vec<String>,
    /// The tasks, jobs and threads that wait for something, each with what that is and who holds it.
    pub waits: Vec<String>,
    /// The locks and permits that are held, each with its holder.
    pub holds: Vec<String>,
    /// The queues that are not empty: those of the workers and the injectors with their work, those of the
    /// program with their lengths.
    pub queues: Vec<String>,
    pub(crate) pending: Option<PendingChoice>,
}

/// A thread of a run that was stopped. The page of [`Moment`] has an example.
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
        let of_executors: Vec<_> = explore::queues().into_iter().filter(is_worth_showing).collect();
        let is_told = |id: Id| of_executors.iter().any(|queue| tasks(queue).contains(&id));
        let ready = graph.nodes.iter().filter(|node| node.state == State::Ready && !is_told(node.id));
        let holds = graph.holds.iter().map(|hold| {
            let held = if hold.by_grant { "is granted to" } else { "is held by" };
            format!("{} {held} {}", hold.resource, name(hold.holder))
        });
        let of_program = graph.queues.iter().filter(|&&(_, depth)| depth > 0);
        let of_program = of_program.map(|(id, depth)| format!("{id} has {depth}"));
        let of_executors = of_executors.iter().map(|queue| queue_words(&graph, queue, ran));
        Self {
            nanos: ran.nanos,
            threads: threads(&graph, ran),
            ready: ready.map(|node| name(node.id)).collect(),
            waits: waits(&graph, ran),
            holds: holds.collect(),
            queues: of_executors.chain(of_program).collect(),
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

/// The tasks in a queue that tells them.
fn tasks(queue: &Queue) -> &[Id] {
    if let Queued::Tasks(tasks) = &queue.work { tasks } else { &[] }
}

fn is_worth_showing(queue: &Queue) -> bool {
    match &queue.work {
        Queued::Tasks(tasks) => !tasks.is_empty(),
        Queued::Jobs(count) => *count > 0,
        Queued::Locked => true,
    }
}

fn queue_words(graph: &WaitGraph, queue: &Queue, ran: &Ran) -> String {
    let tid = graph.lanes.iter().find(|lane| lane.id == queue.owner).map(|lane| lane.tid);
    let thread = ran.threads.iter().position(|thread| thread.tid != 0 && Some(thread.tid) == tid);
    let owner = match thread {
        Some(index) => format!("{}'s ", ThreadName(index as u32)),
        None if queue.owner == Id::NONE => String::new(),
        None => format!("{}'s ", queue.owner),
    };
    let work = match &queue.work {
        Queued::Tasks(tasks) => {
            tasks.iter().map(|&task| name_of(graph, task, ran)).collect::<Vec<_>>().join(", ")
        }
        Queued::Jobs(1) => "1 job".to_owned(),
        Queued::Jobs(count) => format!("{count} jobs"),
        Queued::Locked => "a thread changes it".to_owned(),
    };
    format!("{owner}{}: {work}", queue.name)
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
