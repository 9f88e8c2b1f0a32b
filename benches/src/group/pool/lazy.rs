//! Lazy joins, on trees of tiny nodes: `join_lazy` against the peers with a heartbeat, against rayon, and
//! against one thread.
//!
//! The question is what is left of the cost of a join where almost none is stolen. chili and forte promote a
//! join at a beat of 100 µs; chili makes 63 of 64 joins plain calls.

use crate::{
    bench::{Bench, Side, sides, workers},
    group::pool::{
        entrance,
        join::{FIB_30_JOINS, Join, RayonJoin, RightFirstJoin, SequentialJoin, Tree, fib, fib_chili},
    },
};
use std::{hint::black_box, sync::Arc};

/// On Brigade's pool, from inside a worker, by joins that are plain calls where they can be.
pub(super) struct LazyJoin;

impl Join for LazyJoin {
    #[inline(always)]
    fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        brigade_pool::join_lazy(a, b)
    }

    fn spawn_each(answers: &mut [u64], f: impl Fn(usize) -> u64 + Sync) {
        super::join::BrigadeJoin::spawn_each(answers, f);
    }
}

pub(super) fn benches() -> Vec<Bench> {
    let mut benches = trees("tree_1m_lazy", 20);
    benches.extend(trees_one_thread("tree_1m_lazy_one_thread", 20));
    benches.extend(trees("tree_16m_lazy", 24));
    benches.extend(fibs());
    benches
}

/// fib(30), where the joins are all there is. Times are per join.
fn fibs() -> Vec<Bench> {
    const N: u64 = 30;
    let check = |result: u64| assert_eq!(black_box(result), 832_040);
    let ours = move |threads| {
        entrance::brigade_with(threads, FIB_30_JOINS, move || check(fib::<LazyJoin>(black_box(N))))
    };
    let chili = move |threads| {
        entrance::chili_with(threads, FIB_30_JOINS, move |scope| check(fib_chili(scope, black_box(N))))
    };
    let forte = move || entrance::forte(FIB_30_JOINS, move |worker| check(fib_forte(worker, black_box(N))));
    let sequential =
        move || entrance::sequential(FIB_30_JOINS, move || check(fib::<SequentialJoin>(black_box(N))));
    vec![
        Bench::new("fib30_lazy", "chili", move || sides(ours(workers()), chili(workers()))).goal(1.0),
        Bench::new("fib30_lazy", "forte", move || sides(ours(workers()), forte())).goal(1.0),
        Bench::new("fib30_lazy", "sequential", move || sides(ours(workers()), sequential())),
        Bench::new("fib30_lazy_one_thread", "chili", move || sides(ours(1), chili(1))).goal(1.0),
        Bench::new("fib30_lazy_one_thread", "sequential", move || sides(ours(1), sequential())).goal(1.45),
    ]
}

/// A peer that sums the nodes of a tree, of which there are so many, on so many threads.
type Peer = fn(Arc<Tree>, u64, usize) -> Side;

/// The sum over a balanced tree of `2^layers - 1` nodes. Times are per node.
fn trees(name: &'static str, layers: u32) -> Vec<Bench> {
    let against = |peer, theirs| tree(name, layers, workers(), peer, theirs);
    vec![
        against("chili", by_chili).goal(1.0),
        against("forte", by_forte).goal(1.0),
        against("rayon", by_rayon).goal(0.4),
        against("sequential", |tree, nodes, _| alone::<SequentialJoin>(tree, nodes)),
        against("right first", |tree, nodes, _| alone::<RightFirstJoin>(tree, nodes)),
    ]
}

/// The same on pools of one thread: what does a lazy join cost where nobody steals?
fn trees_one_thread(name: &'static str, layers: u32) -> Vec<Bench> {
    let against = |peer, theirs| tree(name, layers, 1, peer, theirs);
    vec![
        against("chili", by_chili).goal(1.0),
        against("sequential", |tree, nodes, _| alone::<SequentialJoin>(tree, nodes)),
        against("right first", |tree, nodes, _| alone::<RightFirstJoin>(tree, nodes)),
    ]
}

fn tree(name: &'static str, layers: u32, threads: usize, peer: &'static str, theirs: Peer) -> Bench {
    Bench::new(name, peer, move || {
        let tree = Arc::new(Tree::new(layers));
        let nodes = (1 << layers) - 1;
        let theirs = theirs(tree.clone(), nodes, threads);
        let ours = move || assert_eq!(black_box(&tree).sum::<LazyJoin>(), nodes);
        sides(entrance::brigade_with(threads, nodes, ours), theirs)
    })
}

fn by_chili(tree: Arc<Tree>, nodes: u64, threads: usize) -> Side {
    entrance::chili_with(threads, nodes, move |scope| assert_eq!(black_box(&tree).sum_chili(scope), nodes))
}

fn by_forte(tree: Arc<Tree>, nodes: u64, _: usize) -> Side {
    entrance::forte(nodes, move |worker| assert_eq!(sum_forte(black_box(&tree), worker), nodes))
}

fn by_rayon(tree: Arc<Tree>, nodes: u64, _: usize) -> Side {
    entrance::rayon(nodes, move || assert_eq!(black_box(&tree).sum::<RayonJoin>(), nodes))
}

/// On the thread that measures.
fn alone<J: Join>(tree: Arc<Tree>, nodes: u64) -> Side {
    entrance::sequential(nodes, move || assert_eq!(black_box(&tree).sum::<J>(), nodes))
}

fn fib_forte(worker: &forte::Worker, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(|worker| fib_forte(worker, n - 1), |worker| fib_forte(worker, n - 2));
    a + b
}

fn sum_forte(tree: &Tree, worker: &forte::Worker) -> u64 {
    let (left, right) = worker.join(
        |worker| tree.left.as_ref().map_or(0, |tree| sum_forte(tree, worker)),
        |worker| tree.right.as_ref().map_or(0, |tree| sum_forte(tree, worker)),
    );
    tree.value + left + right
}
