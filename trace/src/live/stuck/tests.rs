//! Each class is found, and what is close to it is not.

use super::*;
use crate::Cause;
use brigade_handle::Domain;

fn task(number: u64) -> Id {
    Id::new(Domain::Task, number)
}

fn lock(number: u64) -> Id {
    Id::new(Domain::Lock, number)
}

fn idle(id: Id) -> Node {
    Node { id, ..Node::default() }
}

fn wants(waiter: Id, resource: Id) -> WaitEdge {
    WaitEdge { waiter, resource, cause: Cause::Unlock, ender: Ender::Holders, ..WaitEdge::default() }
}

fn joins(waiter: Id, resource: Id) -> WaitEdge {
    WaitEdge { waiter, resource, cause: Cause::Join, ender: Ender::Work, ..WaitEdge::default() }
}

fn receives(waiter: Id) -> WaitEdge {
    let resource = Id::new(Domain::Channel, 9);
    WaitEdge { waiter, resource, cause: Cause::Item, is_known: false, ..WaitEdge::default() }
}

fn holds(holder: Id, resource: Id) -> Hold {
    Hold { holder, resource, ..Hold::default() }
}

/// Two tasks in a circle of two locks, in a program where others act.
fn circle() -> WaitGraph {
    let (a, b, salt, pepper) = (task(1), task(2), lock(3), lock(4));
    WaitGraph {
        nodes: vec![idle(a), idle(b)],
        edges: vec![wants(a, pepper), wants(b, salt)],
        holds: vec![holds(a, salt), holds(b, pepper)],
        others_act: true,
        ..WaitGraph::default()
    }
}

fn classes(graph: &WaitGraph) -> Vec<Class> {
    graph.classify().into_iter().map(|stuck| stuck.class).collect()
}

#[test]
fn a_circle_of_locks_is_found_with_those_who_wait_for_it() {
    let mut graph = circle();
    let third = task(5);
    graph.nodes.push(idle(third));
    graph.edges.push(joins(third, task(1)));
    let found = graph.classify();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].class, found[0].agents.len(), found[0].core.len()), (Class::Cycle, 3, 2));
}

#[test]
fn a_circle_is_no_deadlock_if_one_of_its_tasks_can_be_woken_otherwise() {
    let changes: [fn(&mut WaitGraph); 8] = [
        |graph| graph.nodes[0].can_run = true,
        // A timeout around the lock: its waker is another one.
        |graph| graph.nodes[0].other_wakers = 1,
        // A second wait, for work that goes on.
        |graph| {
            graph.nodes.push(Node { can_run: true, ..idle(task(7)) });
            graph.edges.push(joins(task(1), task(7)));
        },
        // Somebody has the handle, and could cancel.
        |graph| graph.nodes[1].has_handle = true,
        // The guard has gone to a child that sleeps.
        |graph| {
            let child = Node { parent: task(1), spawned: 5, can_run: true, ..idle(task(8)) };
            graph.nodes.push(child);
        },
        |graph| graph.holds[0].travels = true,
        // Nobody has it at this moment.
        |graph| graph.holds.truncate(1),
        |graph| graph.nodes.truncate(1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut graph = circle();
        change(&mut graph);
        assert_eq!(classes(&graph), [], "change {number}");
    }
}

#[test]
fn a_handle_that_a_stuck_task_awaits_cancels_nothing() {
    let mut graph = circle();
    graph.nodes[1].has_handle = true;
    graph.nodes.push(idle(task(5)));
    graph.edges.push(joins(task(5), task(2)));
    assert_eq!(classes(&graph), [Class::Cycle]);
    graph.nodes[2].can_run = true;
    assert_eq!(classes(&graph), []);
}

#[test]
fn a_task_that_waits_for_what_its_own_future_holds_is_a_futurelock() {
    let (a, salt) = (task(1), lock(3));
    let mut graph = WaitGraph {
        nodes: vec![idle(a)],
        // The first future was given the lock, and is not polled; the second one waits for it.
        edges: vec![WaitEdge { is_granted: true, ..wants(a, salt) }, wants(a, salt)],
        holds: vec![Hold { by_grant: true, ..holds(a, salt) }],
        others_act: true,
        ..WaitGraph::default()
    };
    assert_eq!(classes(&graph), [Class::Futurelock]);
    assert!(graph.report(&graph.classify()[0]).contains("a future of the same task, which does not poll it"));
    graph.nodes[0].other_wakers = 1;
    assert_eq!(classes(&graph), []);
}

#[test]
fn work_that_waits_for_its_own_end_is_found() {
    let nodes = vec![Node { has_handle: true, ..idle(task(1)) }];
    let edges = vec![joins(task(1), task(1))];
    let graph = WaitGraph { nodes, edges, others_act: true, ..WaitGraph::default() };
    assert_eq!(classes(&graph), [Class::JoinsItself]);
}

#[test]
fn a_task_without_wakers_is_found_if_somebody_waits_for_it() {
    let nodes = vec![idle(task(1)), Node { has_handle: true, ..idle(task(2)) }];
    let mut graph = WaitGraph { nodes, others_act: true, ..WaitGraph::default() };
    // Nobody waits for it: it may be meant to wait for ever.
    assert_eq!(classes(&graph), []);
    graph.edges.push(joins(task(1), task(2)));
    assert_eq!(classes(&graph), [Class::NoWaker]);
    graph.nodes[1].other_wakers = 1;
    assert_eq!(classes(&graph), []);
}

#[test]
fn a_receiver_is_stuck_only_if_nobody_can_send() {
    let (a, main) = (task(1), Id::new(Domain::Thread, 2));
    let receiver = Node { other_wakers: 1, has_handle: true, ..idle(a) };
    let mut graph = WaitGraph {
        nodes: vec![receiver, idle(main)],
        edges: vec![receives(a), joins(main, a)],
        ..WaitGraph::default()
    };
    assert_eq!(classes(&graph), [Class::NobodyLeft]);
    graph.others_act = true;
    assert_eq!(classes(&graph), []);
    graph.others_act = false;
    let timer = WaitEdge { cause: Cause::Timer, ender: Ender::Outside, ..receives(a) };
    graph.edges.push(timer);
    assert_eq!(classes(&graph), [], "a select with a timer goes on");
}

#[test]
fn a_scope_is_stuck_with_one_of_its_children() {
    let job = |number| Id::new(Domain::Job, number);
    let (owner, child) = (job(1), job(2));
    let scope = WaitEdge { scope: 64, ender: Ender::Children, cause: Cause::Scope, ..joins(owner, job(0)) };
    let mut graph = WaitGraph {
        nodes: vec![
            idle(owner),
            Node { scope: 64, ..idle(child) },
            Node { scope: 64, can_run: true, ..idle(job(3)) },
        ],
        edges: vec![scope, joins(child, owner)],
        others_act: true,
        ..WaitGraph::default()
    };
    assert_eq!(classes(&graph), [Class::Cycle]);
    graph.edges.pop();
    graph.nodes[1].can_run = true;
    assert_eq!(classes(&graph), []);
}

#[test]
fn a_job_under_another_one_waits_for_its_return() {
    let job = |number| Id::new(Domain::Job, number);
    // The child runs on the thread of the owner, which is inside of the scope's wait.
    let nodes = vec![Node { above: job(2), can_run: true, ..idle(job(1)) }, idle(job(2))];
    let graph =
        WaitGraph { nodes, edges: vec![joins(job(2), job(1))], others_act: true, ..WaitGraph::default() };
    assert_eq!(classes(&graph), [Class::Cycle]);
}

#[test]
fn a_root_is_found_if_nobody_is_left_and_a_task_that_nobody_awaits_is_not() {
    let root = Id::new(Domain::Thread, 1);
    let mut graph = WaitGraph { nodes: vec![idle(root)], ..WaitGraph::default() };
    assert_eq!(classes(&graph), [Class::NoWaker]);
    graph.nodes.push(Node { can_run: true, ..idle(task(2)) });
    assert_eq!(classes(&graph), [], "it may be meant to wait while others go on");
    graph.nodes = vec![Node { other_wakers: 1, ..idle(root) }];
    graph.edges.push(receives(root));
    assert_eq!(classes(&graph), [Class::NobodyLeft]);
    graph.others_act = true;
    assert_eq!(classes(&graph), [], "somebody may send");
    let graph = WaitGraph { nodes: vec![idle(task(2))], ..WaitGraph::default() };
    assert_eq!(classes(&graph), []);
}
