//! Group `pool`: the thread pool against rayon, chili, and one thread.
//!
//! Each pool has one thread for each core. Work is measured inside the pools, unless a bench is about the way
//! in.

mod classic;
mod collect;
mod entrance;
pub(crate) mod join;
mod lazy;
mod shapes;
pub(crate) mod small;
mod spawn;
mod way_in;

use crate::bench::{Bench, sides, workers};
use join::{BrigadeJoin, FIB_30_JOINS, RayonJoin, SequentialJoin, Tree, fib, fib_chili, scramble};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::{hint::black_box, sync::Arc};

/// The group.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = fibs();
    benches.extend(trees("tree_1023", 10));
    benches.extend(trees("tree_1m", 20));
    benches.push(tree_one_thread("tree_1m_one_thread", 20));
    benches.extend(trees("tree_16m", 24));
    benches.extend(lazy::benches());
    benches.extend(map_sums());
    benches.extend(spawn::benches());
    benches.extend(classic::benches());
    benches.extend(way_in::benches());
    benches.extend(collect::benches());
    benches.extend(shapes::benches());
    benches.extend(small::benches());
    benches
}

/// fib(30): what does a join cost? Times are per join.
fn fibs() -> Vec<Bench> {
    const N: u64 = 30;
    let check = |result: u64| assert_eq!(black_box(result), 832_040);
    let ours = move |threads| {
        entrance::brigade_with(threads, FIB_30_JOINS, move || check(fib::<BrigadeJoin>(black_box(N))))
    };
    let rayon = move || entrance::rayon(FIB_30_JOINS, move || check(fib::<RayonJoin>(black_box(N))));
    let chili = move || entrance::chili(FIB_30_JOINS, move |scope| check(fib_chili(scope, black_box(N))));
    let sequential =
        move || entrance::sequential(FIB_30_JOINS, move || check(fib::<SequentialJoin>(black_box(N))));
    vec![
        Bench::new("fib30_join", "rayon", move || sides(ours(workers()), rayon())).goal(0.30),
        Bench::new("fib30_join", "chili", move || sides(ours(workers()), chili())).goal(0.9),
        Bench::new("fib30_join", "sequential", move || sides(ours(workers()), sequential())),
        Bench::new("fib30_one_thread", "chili", move || {
            let chili =
                entrance::chili_with(1, FIB_30_JOINS, move |scope| check(fib_chili(scope, black_box(N))));
            sides(ours(1), chili)
        }),
        Bench::new("fib30_one_thread", "sequential", move || sides(ours(1), sequential())).goal(1.45),
    ]
}

/// The sum over a balanced tree of `2^layers - 1` nodes. Times are per node.
fn trees(name: &'static str, layers: u32) -> Vec<Bench> {
    let nodes = (1 << layers) - 1;
    let check = move |sum: u64| assert_eq!(black_box(sum), nodes);
    let ours = move |tree: &Arc<Tree>| {
        let tree = tree.clone();
        entrance::brigade(nodes, move || check(black_box(&tree).sum::<BrigadeJoin>()))
    };
    vec![
        Bench::new(name, "chili", move || {
            let tree = Arc::new(Tree::new(layers));
            let ours = ours(&tree);
            sides(ours, entrance::chili(nodes, move |scope| check(black_box(&tree).sum_chili(scope))))
        })
        .goal(0.9),
        Bench::new(name, "rayon", move || {
            let tree = Arc::new(Tree::new(layers));
            let ours = ours(&tree);
            sides(ours, entrance::rayon(nodes, move || check(black_box(&tree).sum::<RayonJoin>())))
        })
        .goal(0.4),
        Bench::new(name, "sequential", move || {
            let tree = Arc::new(Tree::new(layers));
            let ours = ours(&tree);
            sides(ours, entrance::sequential(nodes, move || check(black_box(&tree).sum::<SequentialJoin>())))
        }),
    ]
}

/// The same on one thread: what does an eager join cost where nobody steals?
fn tree_one_thread(name: &'static str, layers: u32) -> Bench {
    let nodes = (1 << layers) - 1;
    let check = move |sum: u64| assert_eq!(black_box(sum), nodes);
    Bench::new(name, "sequential", move || {
        let tree = Arc::new(Tree::new(layers));
        let same = tree.clone();
        let ours = entrance::brigade_with(1, nodes, move || check(black_box(&same).sum::<BrigadeJoin>()));
        sides(ours, entrance::sequential(nodes, move || check(black_box(&tree).sum::<SequentialJoin>())))
    })
}

/// The sum over a mapped slice of 1 Mi elements: `map_reduce` against rayon's parallel iterator, and against
/// one loop. Times are for the whole sum.
fn map_sums() -> Vec<Bench> {
    const COUNT: u32 = 1 << 20;
    let values = || (0..COUNT).collect::<Arc<[u32]>>();
    let ours = |values: &Arc<[u32]>| {
        let values = values.clone();
        let sum =
            move || brigade_pool::map_reduce(black_box(&values), 0, |value| scramble(*value), |a, b| a + b);
        entrance::brigade(1, move || _ = black_box(sum()))
    };
    vec![
        Bench::new("map_sum_1mi", "rayon", move || {
            let values = values();
            let ours = ours(&values);
            let sum = move || black_box(&values).par_iter().map(|value| scramble(*value)).sum::<u64>();
            sides(ours, entrance::rayon(1, move || _ = black_box(sum())))
        })
        .goal(0.8),
        Bench::new("map_sum_1mi", "sequential", move || {
            let values = values();
            let ours = ours(&values);
            let sum = move || black_box(&values).iter().map(|value| scramble(*value)).sum::<u64>();
            sides(ours, entrance::sequential(1, move || _ = black_box(sum())))
        }),
    ]
}
