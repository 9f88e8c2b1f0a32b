//! The await tree: each agent, what it waits for, and below that who would have to end the wait.

use brigade_trace::{
    Id,
    live::{Ender, Node, Snapshot, State, WaitEdge, WaitGraph},
};
use std::collections::{HashMap, HashSet};

/// Of agents that were spawned at one place and wait at one place, this many are shown.
const ALIKE_MAX: usize = 4;

/// The tree as it grows.
struct Tree<'a> {
    graph: &'a WaitGraph,
    edges: HashMap<Id, Vec<&'a WaitEdge>>,
    shown: HashSet<Id>,
    /// How many agents have each pair of places.
    alike: HashMap<(Option<&'a str>, Option<&'a str>), usize>,
    lines: Vec<String>,
}

/// Returns the lines of the tree.
pub(super) fn lines(snapshot: &Snapshot) -> Vec<String> {
    let graph = &snapshot.graph;
    let mut edges: HashMap<Id, Vec<&WaitEdge>> = HashMap::new();
    graph.edges.iter().for_each(|edge| edges.entry(edge.waiter).or_default().push(edge));
    let (shown, alike) = (HashSet::new(), HashMap::new());
    let mut tree = Tree { graph, edges, shown, alike, lines: Vec::new() };
    tree.lines.push(format!("{} (process {}): {}", snapshot.program, snapshot.process, counts(graph)));
    let awaited: HashSet<Id> = graph.edges.iter().flat_map(|edge| enders(graph, edge)).collect();
    let (roots, others): (Vec<_>, Vec<_>) = graph.nodes.iter().partition(|node| !awaited.contains(&node.id));
    // The rest is in circles, or below a root.
    for node in roots.into_iter().chain(others) {
        if !tree.shown.contains(&node.id) {
            tree.root(node);
        }
    }
    let left_out: usize = tree.alike.values().map(|&count| count.saturating_sub(ALIKE_MAX)).sum();
    if left_out > 0 {
        tree.lines.push(format!("… and {left_out} more that were spawned and wait at the same places"));
    }
    for stuck in graph.classify() {
        tree.lines.push(String::new());
        tree.lines.extend(graph.report(&stuck).lines().map(str::to_owned));
    }
    tree.lines
}

fn counts(graph: &WaitGraph) -> String {
    let count = |state| graph.nodes.iter().filter(|node| node.state == state).count();
    let [runs, ready, waits] = [State::Runs, State::Ready, State::Waits].map(count);
    format!("{runs} running, {ready} ready, {waits} waiting")
}

/// The agents that would end a wait, as far as they are known.
fn enders(graph: &WaitGraph, edge: &WaitEdge) -> Vec<Id> {
    match edge.ender {
        Ender::Work => vec![edge.resource],
        Ender::Children => {
            let children = graph.nodes.iter().filter(|node| node.scope == edge.scope);
            children.map(|node| node.id).collect()
        }
        _ => {
            let holds = graph.holds.iter().filter(|hold| hold.resource == edge.resource);
            holds.map(|hold| hold.holder).collect()
        }
    }
}

impl<'a> Tree<'a> {
    fn root(&mut self, node: &'a Node) {
        let waits_at = self.edges.get(&node.id).and_then(|edges| edges.first()?.at.as_deref());
        let alike = self.alike.entry((node.spawned_at.as_deref(), waits_at)).or_default();
        *alike += 1;
        if *alike <= ALIKE_MAX {
            self.agent(node.id, "", "");
        }
    }

    /// Shows an agent. `first` stands before its line, and `rest` before those below.
    fn agent(&mut self, id: Id, first: &str, rest: &str) {
        let name = self.graph.name_of(id);
        if !self.shown.insert(id) {
            self.lines.push(format!("{first}{name}: see above"));
            return;
        }
        let state = self.graph.nodes.iter().find(|node| node.id == id).map(|node| node.state.name());
        let edges = self.edges.get(&id).cloned().unwrap_or_default();
        match (state, edges.is_empty()) {
            (Some(state), true) => self.lines.push(format!("{first}{name} {state}")),
            (None, true) => self.lines.push(format!("{first}{name}")),
            (_, false) => self.lines.push(format!("{first}{name}")),
        }
        for (number, edge) in edges.iter().enumerate() {
            let (branch, below) =
                if number + 1 == edges.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.lines.push(format!("{rest}{branch}{}", self.graph.describe(edge)));
            let ends = enders(self.graph, edge);
            let held =
                if edge.ender == Ender::Work || edge.ender == Ender::Children { "" } else { "held by " };
            for (number, &ender) in ends.iter().enumerate() {
                let is_last = number + 1 == ends.len();
                let (branch, deeper) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                let first = format!("{rest}{below}{branch}{held}");
                self.agent(ender, &first, &format!("{rest}{below}{deeper}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_trace::{Cause, Domain, live::Hold};

    #[test]
    fn the_tree_shows_who_holds_what_is_waited_for() {
        let [main, cook, salt] =
            [(Domain::Thread, 1), (Domain::Task, 2), (Domain::Lock, 3)].map(|(domain, n)| Id::new(domain, n));
        let node = |id, state| Node { id, state, ..Node::default() };
        let joins = WaitEdge { waiter: main, resource: cook, ender: Ender::Work, ..WaitEdge::default() };
        let wants = WaitEdge {
            waiter: cook,
            resource: salt,
            resource_name: Some("salt".into()),
            cause: Cause::Unlock,
            ender: Ender::Holders,
            at: Some("a.rs:7".into()),
            ..WaitEdge::default()
        };
        let graph = WaitGraph {
            nodes: vec![node(cook, State::Waits), node(main, State::Waits)],
            edges: vec![joins, wants],
            holds: vec![Hold { resource: salt, holder: cook, ..Hold::default() }],
            ..WaitGraph::default()
        };
        let shown = lines(&Snapshot { process: 9, program: "kitchen".into(), graph });
        assert_eq!(
            shown[..6],
            [
                "kitchen (process 9): 0 running, 0 ready, 2 waiting",
                "thread#1",
                "└─ waits for the end of task#2, for 0 µs",
                "   └─ task#2",
                "      └─ waits for lock#3 \"salt\" at a.rs:7, for 0 µs",
                "         └─ held by task#2: see above",
            ]
        );
        assert_eq!(shown[7], "futurelock: task#2 waits for what it holds itself");
    }
}
