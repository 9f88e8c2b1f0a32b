//! The wait-for graph: a copy of the table at one time.

use crate::{Cause, Lane};
use brigade_handle::Id;

/// The state of an agent.
///
/// ```
/// assert_eq!(brigade_trace::live::State::Waits.name(), "waits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// It waits in a queue until a worker runs it.
    #[default]
    Ready,
    /// A thread runs it.
    Runs,
    /// It waits.
    Waits,
}

impl State {
    /// Returns the word that a listing shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Runs => "runs",
            Self::Waits => "waits",
        }
    }
}

/// An agent: a task, job, call, or a thread that waits.
///
/// ```
/// use brigade_trace::{Domain, Id, live::Node};
///
/// let node = Node { id: Id::new(Domain::Task, 3), name: Some("soup".into()), ..Node::default() };
/// assert_eq!(node.to_string(), "task#3 \"soup\"");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: Id,
    /// The name that the program gave it.
    pub name: Option<String>,
    /// The file and line that spawned it.
    pub spawned_at: Option<String>,
    /// When it was spawned, in nanoseconds of the [clock](crate::clock::nanos).
    pub spawned: u64,
    /// The task, job or thread that spawned it.
    pub parent: Id,
    /// Its state, for a listing.
    pub state: State,
    /// Whether it runs, or may run for all that is known.
    pub can_run: bool,
    /// How many wakers and cancel handles it has that belong to no wait of which the end is known.
    pub other_wakers: usize,
    /// Whether a handle exists that could cancel it.
    pub has_handle: bool,
    /// The job that runs above it on the same thread, which has to return first.
    pub above: Id,
    /// The address of the scope that waits for it, or 0.
    pub scope: usize,
    /// Whether it is a thread that no executor of ours owns.
    pub is_known_thread: bool,
}

/// The agents that can end a wait.
///
/// ```
/// assert_ne!(brigade_trace::live::Ender::Work, brigade_trace::live::Ender::Anyone);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ender {
    /// The work that is the resource, by its end.
    Work,
    /// The holders of the resource.
    Holders,
    /// The children of the scope, each by its end.
    Children,
    /// Anybody who can reach the resource: the other side of a channel, for example.
    #[default]
    Anyone,
    /// The operating system, a timer, another process.
    Outside,
}

/// An agent waits for a resource.
///
/// ```
/// use brigade_trace::{Cause, Domain, Id, live::{Ender, WaitEdge}};
///
/// let (a, b) = (Id::new(Domain::Task, 1), Id::new(Domain::Task, 2));
/// let ender = Ender::Work;
/// let join = WaitEdge { waiter: a, resource: b, cause: Cause::Join, ender, ..WaitEdge::default() };
/// assert_eq!(join.resource, b);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitEdge {
    /// The agent that waits.
    pub waiter: Id,
    /// The lock, channel or work that it waits for.
    pub resource: Id,
    /// The name that the program gave the resource.
    pub resource_name: Option<String>,
    /// The reason for which the wait would end.
    pub cause: Cause,
    /// The file and line that waits.
    pub at: Option<String>,
    /// The begin, in nanoseconds of the [clock](crate::clock::nanos).
    pub since: u64,
    /// The agents that can end it.
    pub ender: Ender,
    /// Whether this wait has one waker of its waiter, or blocks it, so that its end is the only thing to be
    /// looked at. Otherwise its waker is one of [`Node::other_wakers`].
    pub is_known: bool,
    /// Whether it was granted what it waits for, and the waiter has not looked since.
    pub is_granted: bool,
    /// The address of what it waits in: of a scope, for [`Ender::Children`].
    pub scope: usize,
}

impl Default for WaitEdge {
    fn default() -> Self {
        Self {
            waiter: Id::NONE,
            resource: Id::NONE,
            resource_name: None,
            cause: Cause::Unknown,
            at: None,
            since: 0,
            ender: Ender::Anyone,
            is_known: true,
            is_granted: false,
            scope: 0,
        }
    }
}

/// An agent holds a resource.
///
/// ```
/// use brigade_trace::{Domain, Id, live::Hold};
///
/// let (resource, holder) = (Id::new(Domain::Lock, 1), Id::new(Domain::Task, 2));
/// let hold = Hold { resource, holder, ..Hold::default() };
/// assert!(!hold.travels);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// The lock or semaphore.
    pub resource: Id,
    /// The agent.
    pub holder: Id,
    /// Since when, in nanoseconds of the [clock](crate::clock::nanos).
    pub since: u64,
    /// How many permits.
    pub permits: u64,
    /// Whether a wait of the holder was granted the resource and did not take it yet.
    pub by_grant: bool,
    /// Whether the guard may be with another agent by now.
    pub travels: bool,
}

/// A thread of an executor.
///
/// ```
/// assert!(!brigade_trace::live::LaneState::default().is_parked);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneState {
    /// The number that the operating system gave it.
    pub tid: u64,
    /// Its name.
    pub name: String,
    /// Its role.
    pub lane: Lane,
    /// The worker that it is.
    pub id: Id,
    /// Whether it sleeps because there is nothing to do.
    pub is_parked: bool,
    /// The task or job that it runs, or [`Id::NONE`].
    pub runs: Id,
}

/// The waits at one time: agents, what they wait for, and the holders of resources.
///
/// Its `Display` lists each wait with names, files and lines.
///
/// ```
/// use brigade_trace::{Cause, Domain, Id, live::{Class, Ender, Hold, Node, WaitEdge, WaitGraph}};
///
/// // Each of two tasks holds a lock that the other one waits for.
/// let [a, b] = [1, 2].map(|number| Id::new(Domain::Task, number));
/// let [salt, pepper] = [3, 4].map(|number| Id::new(Domain::Lock, number));
/// let wait = |waiter, resource| WaitEdge {
///     waiter, resource, cause: Cause::Unlock, ender: Ender::Holders, ..WaitEdge::default()
/// };
/// let hold = |holder, resource| Hold { holder, resource, ..Hold::default() };
/// let mut graph = WaitGraph {
///     nodes: [a, b].map(|id| Node { id, ..Node::default() }).into(),
///     edges: vec![wait(a, pepper), wait(b, salt)],
///     holds: vec![hold(a, salt), hold(b, pepper)],
///     others_act: true,
///     ..WaitGraph::default()
/// };
/// assert_eq!(graph.classify()[0].class, Class::Cycle);
/// // If one of them could be woken by somebody else, nothing is stuck.
/// graph.nodes[0].other_wakers = 1;
/// assert!(graph.classify().is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitGraph {
    /// The agents that have not ended.
    pub nodes: Vec<Node>,
    /// Their waits.
    pub edges: Vec<WaitEdge>,
    /// The holders of resources.
    pub holds: Vec<Hold>,
    /// The threads of the executors.
    pub lanes: Vec<LaneState>,
    /// The lengths of queues, by worker or queue.
    pub queues: Vec<(Id, u64)>,
    /// The child processes, and when they were forked, in nanoseconds of the [clock](crate::clock::nanos).
    pub children: Vec<(Id, u64)>,
    /// Whether somebody may act who is not among the agents: a thread of the program, a signal.
    pub others_act: bool,
    /// How many agents found no room in the table.
    pub unseen: usize,
    /// The time of the copy, in nanoseconds of the [clock](crate::clock::nanos).
    pub now: u64,
}
