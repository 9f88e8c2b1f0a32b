//! The graph as text, for a report and for a listing.

use super::{
    graph::{Ender, Node, WaitEdge, WaitGraph},
    stuck::{Class, Stuck},
};
use brigade_handle::Id;
use std::fmt::{self, Write as _};

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name:?}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

/// Writes a time span in the unit that suits it.
pub(super) fn span(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{}.{} s", nanos / 1_000_000_000, nanos / 100_000_000 % 10),
    }
}

impl WaitGraph {
    /// Returns the name of an agent, with the place that spawned it if it has no name of its own.
    ///
    /// ```
    /// use brigade_trace::{Domain, Id, live::WaitGraph};
    ///
    /// assert_eq!(WaitGraph::default().name_of(Id::new(Domain::Thread, 7)), "thread#7");
    /// ```
    #[must_use]
    pub fn name_of(&self, id: Id) -> String {
        let at = self.nodes.binary_search_by_key(&id, |node| node.id);
        let Some(node) = at.ok().and_then(|at| self.nodes.get(at)) else { return id.to_string() };
        match &node.spawned_at {
            Some(at) => format!("{node} (spawned at {at})"),
            None => node.to_string(),
        }
    }

    /// Says what an agent waits for, who holds it, where, and for how long.
    ///
    /// ```
    /// use brigade_trace::{Cause, Domain, Id, live::{Ender, WaitEdge, WaitGraph}};
    ///
    /// let lock = Id::new(Domain::Lock, 3);
    /// let ender = Ender::Holders;
    /// let edge = WaitEdge { resource: lock, cause: Cause::Unlock, ender, ..WaitEdge::default() };
    /// assert_eq!(WaitGraph::default().describe(&edge), "waits for lock#3, for 0 µs");
    /// ```
    #[must_use]
    pub fn describe(&self, edge: &WaitEdge) -> String {
        let resource = match (&edge.resource_name, edge.ender) {
            (_, Ender::Work) => format!("the end of {}", self.name_of(edge.resource)),
            (Some(name), _) => format!("{} {name:?}", edge.resource),
            (None, _) if edge.cause.name().is_empty() => "something of its own".into(),
            (None, _) if edge.resource == Id::NONE => {
                format!("something without a number ({})", edge.cause.name())
            }
            (None, _) if edge.ender == Ender::Anyone || edge.resource.number() == 0 => {
                format!("{} ({})", edge.resource, edge.cause.name())
            }
            (None, _) => edge.resource.to_string(),
        };
        let mut text = format!("waits for {resource}");
        if let Some(at) = &edge.at {
            _ = write!(text, " at {at}");
        }
        _ = write!(text, ", for {}", span(self.now.saturating_sub(edge.since)));
        if edge.is_granted {
            text.push_str(", got it and did not look");
        }
        text
    }

    /// Says who holds what this wait is for.
    ///
    /// ```
    /// use brigade_trace::{Domain, Id, live::{Ender, Hold, WaitEdge, WaitGraph}};
    ///
    /// let (lock, task) = (Id::new(Domain::Lock, 3), Id::new(Domain::Task, 4));
    /// let holds = vec![Hold { resource: lock, holder: task, ..Hold::default() }];
    /// let edge = WaitEdge { resource: lock, ender: Ender::Holders, ..WaitEdge::default() };
    /// let graph = WaitGraph { holds, ..WaitGraph::default() };
    /// assert_eq!(graph.holders(&edge), ["held by task#4 for 0 µs"]);
    /// ```
    #[must_use]
    pub fn holders(&self, edge: &WaitEdge) -> Vec<String> {
        let holds = self.holds.iter().filter(|hold| hold.resource == edge.resource);
        let text = |hold: &super::Hold| {
            let since = span(self.now.saturating_sub(hold.since));
            let holder = self.name_of(hold.holder);
            match (hold.by_grant, hold.holder == edge.waiter) {
                (true, true) => {
                    format!("given {since} ago to a future of the same task, which does not poll it")
                }
                (true, false) => format!("given {since} ago to {holder}, which has not taken it"),
                (false, true) => format!("held by a future of the same task for {since}"),
                (false, false) => format!("held by {holder} for {since}"),
            }
        };
        holds.map(text).collect()
    }

    /// Writes the report on agents that are stuck: why, and each with its waits.
    ///
    /// ```
    /// use brigade_trace::live::{Class, Stuck, WaitGraph};
    ///
    /// let stuck = Stuck { class: Class::NobodyLeft, agents: Vec::new(), core: Vec::new() };
    /// assert!(WaitGraph::default().report(&stuck).starts_with("nobody left: "));
    /// ```
    #[must_use]
    pub fn report(&self, stuck: &Stuck) -> String {
        let core = |at: usize| stuck.core.get(at).map_or_else(String::new, |&id| self.name_of(id));
        let why = match stuck.class {
            Class::Cycle => format!("{} wait for each other in a circle", many(stuck.core.len())),
            Class::Futurelock => format!("{} waits for what it holds itself", core(0)),
            Class::JoinsItself => format!("{} waits for its own end", core(0)),
            Class::NoWaker => format!("{} is pending, and nothing is left that could wake it", core(0)),
            Class::NobodyLeft => "nobody is left who could do what is waited for".into(),
        };
        let mut text = format!("{}: {why}\n", stuck.class.name());
        let rest = stuck.agents.iter().filter(|id| !stuck.core.contains(id));
        for &id in stuck.core.iter().chain(rest).take(AGENTS_SHOWN) {
            self.write_agent(&mut text, id);
        }
        if let Some(more) = stuck.agents.len().checked_sub(AGENTS_SHOWN).filter(|&more| more > 0) {
            _ = writeln!(text, "  and {more} more");
        }
        text
    }

    fn write_agent(&self, text: &mut String, id: Id) {
        _ = writeln!(text, "  {}", self.name_of(id));
        let mut is_waiting = false;
        for edge in self.edges.iter().filter(|edge| edge.waiter == id) {
            is_waiting = true;
            _ = writeln!(text, "    {}", self.describe(edge));
            self.holders(edge).iter().for_each(|holder| _ = writeln!(text, "      {holder}"));
        }
        if !is_waiting {
            text.push_str("    is pending, and no wait of it is known\n");
        }
    }
}

/// A report shows this many agents.
const AGENTS_SHOWN: usize = 32;

fn many(count: usize) -> String {
    if count == 2 { "two of them".into() } else { format!("{count} of them") }
}

impl fmt::Display for WaitGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for node in &self.nodes {
            if self.edges.iter().any(|edge| edge.waiter == node.id) {
                self.write_agent(&mut text, node.id);
            }
        }
        f.write_str(&text)
    }
}
