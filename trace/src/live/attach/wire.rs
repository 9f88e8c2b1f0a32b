//! The form of an answer: lines of fields that tabs divide. The first field says what the line is.

use super::{
    super::graph::{Ender, Hold, LaneState, Node, State, WaitEdge, WaitGraph},
    Snapshot,
};
use crate::{event::Cause, export::Lane};
use brigade_handle::Id;
use std::fmt::Write;

const STATES: [State; 3] = [State::Ready, State::Runs, State::Waits];
const ENDERS: [Ender; 5] = [Ender::Work, Ender::Holders, Ender::Children, Ender::Anyone, Ender::Outside];

/// Appends a field. A name is whatever the program says, and must not end the field or the line.
fn text(out: &mut String, text: Option<&str>) {
    out.push('\t');
    out.extend(text.unwrap_or("").chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }));
}

fn number(out: &mut String, number: impl Into<u64>) {
    _ = write!(out, "\t{:x}", number.into());
}

fn index<T: PartialEq>(all: &[T], value: &T) -> u64 {
    all.iter().position(|one| one == value).map_or(0, |at| at as u64)
}

/// Appends the lines of a snapshot.
pub(super) fn encode(snapshot: &Snapshot, out: &mut String) {
    let graph = &snapshot.graph;
    out.push('s');
    number(out, snapshot.process);
    text(out, Some(&snapshot.program));
    [graph.now, graph.unseen as u64, graph.others_act.into()].into_iter().for_each(|n| number(out, n));
    out.push('\n');
    encode_waits(graph, out);
    for hold in &graph.holds {
        out.push('h');
        let (by_grant, travels) = (hold.by_grant.into(), hold.travels.into());
        let numbers =
            [hold.resource.to_bits(), hold.holder.to_bits(), hold.since, hold.permits, by_grant, travels];
        numbers.into_iter().for_each(|n| number(out, n));
        out.push('\n');
    }
    for lane in &graph.lanes {
        out.push('l');
        number(out, lane.tid);
        text(out, Some(&lane.name));
        let (role, is_parked) = (index(Lane::ALL, &lane.lane), lane.is_parked.into());
        [role, lane.id.to_bits(), is_parked, lane.runs.to_bits()].into_iter().for_each(|n| number(out, n));
        out.push('\n');
    }
    for (letter, pairs) in [('q', &graph.queues), ('c', &graph.children)] {
        for &(id, value) in pairs {
            out.push(letter);
            [id.to_bits(), value].into_iter().for_each(|n| number(out, n));
            out.push('\n');
        }
    }
    out.push_str("end\n");
}

/// Appends the agents and their waits.
fn encode_waits(graph: &WaitGraph, out: &mut String) {
    for node in &graph.nodes {
        out.push('n');
        number(out, node.id.to_bits());
        text(out, node.name.as_deref());
        text(out, node.spawned_at.as_deref());
        let numbers = [
            node.spawned,
            node.parent.to_bits(),
            index(&STATES, &node.state),
            node.can_run.into(),
            node.other_wakers as u64,
            node.has_handle.into(),
            node.above.to_bits(),
            node.scope as u64,
            node.is_known_thread.into(),
        ];
        numbers.into_iter().for_each(|n| number(out, n));
        out.push('\n');
    }
    for edge in &graph.edges {
        out.push('w');
        [edge.waiter, edge.resource].into_iter().for_each(|id| number(out, id.to_bits()));
        text(out, edge.resource_name.as_deref());
        text(out, edge.at.as_deref());
        let (known, granted) = (edge.is_known.into(), edge.is_granted.into());
        let (cause, ender) = (index(Cause::ALL, &edge.cause), index(&ENDERS, &edge.ender));
        [cause, edge.since, ender, known, granted, edge.scope as u64]
            .into_iter()
            .for_each(|n| number(out, n));
        out.push('\n');
    }
}

/// The fields of a line.
struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    fn number(&mut self) -> Option<u64> {
        u64::from_str_radix(self.0.next()?, 16).ok()
    }

    fn id(&mut self) -> Option<Id> {
        self.number().map(Id::from_bits)
    }

    fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    fn size(&mut self) -> Option<usize> {
        self.number().and_then(|number| number.try_into().ok())
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        self.size().and_then(|at| all.get(at).copied())
    }

    /// A text that is empty stands for none. The peer's control characters do not reach a terminal.
    fn text(&mut self) -> Option<Option<String>> {
        let text: String = self.0.next()?.chars().filter(|c| !c.is_control()).collect();
        Some((!text.is_empty()).then_some(text))
    }
}

/// Reads the lines of a snapshot. Returns `None` if they are not whole.
pub(super) fn decode(answer: &str) -> Option<Snapshot> {
    let mut snapshot = Snapshot::default();
    for line in answer.lines() {
        let mut fields = Fields(line.split('\t'));
        let WaitGraph { nodes, edges, holds, lanes, queues, children, .. } = &mut snapshot.graph;
        match fields.0.next()? {
            "end" => return Some(snapshot),
            "s" => {
                snapshot.process = fields.number()?.try_into().ok()?;
                snapshot.program = fields.text()?.unwrap_or_default();
                snapshot.graph.now = fields.number()?;
                snapshot.graph.unseen = fields.size()?;
                snapshot.graph.others_act = fields.flag()?;
            }
            "n" => nodes.push(node(&mut fields)?),
            "w" => edges.push(edge(&mut fields)?),
            "h" => holds.push(Hold {
                resource: fields.id()?,
                holder: fields.id()?,
                since: fields.number()?,
                permits: fields.number()?,
                by_grant: fields.flag()?,
                travels: fields.flag()?,
            }),
            "l" => lanes.push(LaneState {
                tid: fields.number()?,
                name: fields.text()?.unwrap_or_default(),
                lane: fields.one_of(Lane::ALL)?,
                id: fields.id()?,
                is_parked: fields.flag()?,
                runs: fields.id()?,
            }),
            "q" => queues.push((fields.id()?, fields.number()?)),
            "c" => children.push((fields.id()?, fields.number()?)),
            _ => return None,
        }
    }
    None
}

fn node(fields: &mut Fields<'_>) -> Option<Node> {
    Some(Node {
        id: fields.id()?,
        name: fields.text()?,
        spawned_at: fields.text()?,
        spawned: fields.number()?,
        parent: fields.id()?,
        state: fields.one_of(&STATES)?,
        can_run: fields.flag()?,
        other_wakers: fields.size()?,
        has_handle: fields.flag()?,
        above: fields.id()?,
        scope: fields.size()?,
        is_known_thread: fields.flag()?,
    })
}

fn edge(fields: &mut Fields<'_>) -> Option<WaitEdge> {
    Some(WaitEdge {
        waiter: fields.id()?,
        resource: fields.id()?,
        resource_name: fields.text()?,
        at: fields.text()?,
        cause: fields.one_of(Cause::ALL)?,
        since: fields.number()?,
        ender: fields.one_of(&ENDERS)?,
        is_known: fields.flag()?,
        is_granted: fields.flag()?,
        scope: fields.size()?,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use brigade_handle::Domain;

    fn snapshot() -> Snapshot {
        let (task, lock) = (Id::new(Domain::Task, 1), Id::new(Domain::Lock, 2));
        let node = Node { id: task, name: Some("so\tup\n".into()), other_wakers: 2, ..Node::default() };
        let edge = WaitEdge {
            waiter: task,
            resource: lock,
            cause: Cause::Unlock,
            ender: Ender::Holders,
            at: Some("a.rs:1".into()),
            ..WaitEdge::default()
        };
        let hold = Hold { resource: lock, holder: task, permits: 1, travels: true, ..Hold::default() };
        let lane = LaneState { tid: 7, name: "cook-0".into(), lane: Lane::Pool, ..LaneState::default() };
        let graph = WaitGraph {
            nodes: vec![node],
            edges: vec![edge],
            holds: vec![hold],
            lanes: vec![lane],
            queues: vec![(Id::new(Domain::Worker, 0), 3)],
            children: vec![(Id::new(Domain::Child, 4711), 5)],
            others_act: true,
            unseen: 1,
            now: 9,
        };
        Snapshot { process: 4711, program: "kitchen".into(), graph }
    }

    #[test]
    fn a_snapshot_comes_back_from_its_lines() {
        let mut lines = String::new();
        encode(&snapshot(), &mut lines);
        let mut expected = snapshot();
        expected.graph.nodes[0].name = Some("so\u{FFFD}up\u{FFFD}".into());
        assert_eq!(decode(&lines), Some(expected));
    }

    #[test]
    fn an_answer_that_is_cut_or_changed_is_none() {
        let mut lines = String::new();
        encode(&snapshot(), &mut lines);
        for end in lines.char_indices().map(|(at, _)| at).filter(|&at| at + 4 <= lines.len()) {
            assert_eq!(decode(&lines[..end]), None, "{end}");
        }
        assert_eq!(decode("n\tx\nend\n"), None);
        assert_eq!(decode("what\nend\n"), None);
    }
}
