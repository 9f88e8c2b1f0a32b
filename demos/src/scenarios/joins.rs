//! `brigade joins`: a sum over a tree of a million tiny nodes, by plain calls, by `join`, and by `join_lazy`.

use crate::{
    pools,
    recorded::sleep,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, thousands},
};
use brigade_pool::{Pool, join, join_lazy};
use brigade_trace::clock;
use clap::ArgMatches;
use serde_json::json;
use std::time::Duration;

/// The tree has a node less than two to the power of this.
const LAYERS: u32 = 20;

/// How often each way is measured. The fastest run counts.
const RUNS: usize = 7;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "joins",
    about: "Eager and lazy joins on tiny nodes, and the price of each",
    idea: "A join says that two calls may run at the same time. `join` offers one of them to other workers each time, which \
           costs more than a tiny node. `join_lazy` offers one only while other workers may need it, and makes plain calls \
           otherwise; nobody can take a plain call any more. docs/joins.md compares both with a heartbeat.",
    made_by: &[
        "pool/src/join/mod.rs::join_on",
        "pool/src/join/lazy.rs::is_plain",
        "pool/src/join/deque.rs::has_for_thieves",
    ],
    examples: &["joins"],
    takes_speed: true,
    takes_workers: true,
    arguments: no_arguments,
    show,
};

// --code from here
/// A node of the tree.
struct Node {
    takes: Duration,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

impl Node {
    /// The work of the node, which is next to nothing as a rule.
    fn work(&self) -> u64 {
        if !self.takes.is_zero() {
            sleep(self.takes);
        }
        1
    }
}

fn left_first(tree: Option<&Node>) -> u64 {
    let Some(node) = tree else { return 0 };
    let left = left_first(node.left.as_deref());
    node.work() + left + left_first(node.right.as_deref())
}

fn right_first(tree: Option<&Node>) -> u64 {
    let Some(node) = tree else { return 0 };
    let right = right_first(node.right.as_deref());
    node.work() + right + right_first(node.left.as_deref())
}

fn eager(tree: Option<&Node>) -> u64 {
    let Some(node) = tree else { return 0 };
    let (left, right) = (node.left.as_deref(), node.right.as_deref());
    let (left, right) = join(|| eager(left), || eager(right));
    node.work() + left + right
}

fn lazy(tree: Option<&Node>) -> u64 {
    let Some(node) = tree else { return 0 };
    let (left, right) = (node.left.as_deref(), node.right.as_deref());
    let (left, right) = join_lazy(|| lazy(left), || lazy(right));
    node.work() + left + right
}
// --code to here

/// A way to go through a tree.
type Walk = fn(Option<&Node>) -> u64;

/// The time that a way took.
struct Row {
    who: &'static str,
    nodes: u64,
    time: Duration,
    /// How many halves went from one worker to another.
    stolen: u64,
}

impl Row {
    /// Lets a worker of the pool go through the tree so many times, and keeps the fastest run.
    fn measure(pool: &Pool, (who, walk): (&'static str, Walk), tree: &Node, runs: usize) -> Self {
        let run = |_| {
            let before = pool.stats().steals;
            let (nodes, time) = pool.install(|| clock::timed(|| walk(Some(tree))));
            Self { who, nodes, time, stolen: pool.stats().steals - before }
        };
        (0..runs).map(run).min_by_key(|row| row.time).expect("there is a run")
    }

    fn nanos_per_node(&self) -> f64 {
        self.time.as_nanos() as f64 / self.nodes as f64
    }

    fn report(&self, output: &Output, what: impl std::fmt::Display) {
        let numbers = json!({
            "nodes": self.nodes,
            "seconds": self.time.as_secs_f64(),
            "stolen": self.stolen,
        });
        output.measured(self.who, what, numbers);
    }
}

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = pools::threads(output.settings().workers.unwrap_or(2), "worker")
        .map_err(failed("cannot start threads"))?;
    let mut tree = tree(LAYERS);
    let ways: [(&'static str, Walk); 4] =
        [("left first", left_first), ("right first", right_first), ("join", eager), ("join_lazy", lazy)];
    let tiny = ways.map(|way| {
        let row = Row::measure(&pool, way, &tree, RUNS);
        let (nodes, stolen) = (thousands(row.nodes), halves(row.stolen));
        row.report(output, format_args!("{nodes} nodes, {:.1} ns each; {stolen}", row.nanos_per_node()));
        row
    });
    let takes = output.delay(0.2);
    two_leaves(&mut tree).into_iter().for_each(|leaf| leaf.takes = takes);
    let long = [ways[2], ways[3]].map(|way| {
        let row = Row::measure(&pool, way, &tree, 1);
        let (each, all) = (takes.as_secs_f64(), row.time.as_secs_f64());
        row.report(output, format_args!("the same with two leaves of {each:.3} s: {all:.3} s"));
        row
    });
    pool.shutdown();
    output.lesson(&lesson(&tiny, &long, takes));
    let is_complete = tiny.iter().chain(&long).all(|row| row.nodes == (1 << LAYERS) - 1);
    Ok(if is_complete { Exit::SUCCESS } else { Exit::FAILURE })
}

fn halves(stolen: u64) -> String {
    if stolen == 1 {
        "1 half was stolen".to_owned()
    } else {
        format!("{} halves were stolen", thousands(stolen))
    }
}

/// A balanced tree, whose nodes are all short.
fn tree(layers: u32) -> Node {
    let half = || (layers > 1).then(|| Box::new(tree(layers - 1)));
    Node { takes: Duration::ZERO, left: half(), right: half() }
}

/// Two leaves with the same parent, where a worker comes by after an eighth of the tree.
fn two_leaves(tree: &mut Node) -> [&mut Node; 2] {
    let into = |half: &'static str| format!("a tree of {LAYERS} layers has a {half} half here");
    let mut parent = tree;
    for layer in 1..LAYERS - 1 {
        let half = if layer == 3 { &mut parent.left } else { &mut parent.right };
        parent = half.as_deref_mut().unwrap_or_else(|| panic!("{}", into("second")));
    }
    let Node { left, right, .. } = parent;
    [left, right].map(|leaf| leaf.as_deref_mut().unwrap_or_else(|| panic!("{}", into("last"))))
}

fn lesson(tiny: &[Row; 4], long: &[Row; 2], takes: Duration) -> String {
    let [left, right, eager, lazy] = tiny;
    let times = eager.time.as_secs_f64() / lazy.time.as_secs_f64();
    let offered = thousands(eager.nodes);
    let cost = if times > 1.0 {
        format!(
            "`join` offered {offered} halves, and took {times:.1} times as long as `join_lazy`, which offered a few."
        )
    } else {
        format!(
            "`join` offered {offered} halves, and was as fast as `join_lazy`: here the calls cost more than the offers."
        )
    };
    // One after the other, the leaves alone take twice as long as each. The rest of the tree takes time, too.
    let overlapped = |row: &Row, rest: &Row| row.time < (2 * takes).max(rest.time + takes * 3 / 2);
    let overlap = [overlapped(&long[0], eager), overlapped(&long[1], lazy)];
    let price = match overlap {
        [true, false] => {
            "With `join` the two long leaves ran at the same time, and with `join_lazy` one after the other."
        }
        [true, true] => {
            "With `join` the two long leaves ran at the same time. This time they did with `join_lazy` as well, because a \
             worker without work had just asked."
        }
        [false, _] => "The two long leaves ran one after the other: no other worker took one in time.",
    };
    format!(
        "{cost} One worker alone took {:.1} ns a node when it went left first, and {:.1} when it went right first, as \
         `join_lazy` does, and so read its memory in one direction. The price: nobody can steal a plain call. {price}",
        left.nanos_per_node(),
        right.nanos_per_node(),
    )
}
