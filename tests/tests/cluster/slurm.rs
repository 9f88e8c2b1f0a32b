//! Work on a real Slurm.

use crate::{
    gate::Gate,
    held::{hold, wait_at},
    machine::{assert_no_job_is_left, pool, run},
};
use brigade_process::{Argv, ProcessPool, Slurm};
use std::collections::{BTreeSet, VecDeque};

/// Workers with a node each.
fn a_node_each() -> Slurm {
    Slurm::new().option("--exclusive")
}

pub(crate) fn a_map_goes_over_four_workers_on_four_nodes() {
    let procs = pool(4, a_node_each());
    let gate = Gate::new();
    let held = hold::<4>(&procs, &gate);
    let nodes: BTreeSet<_> = held.iter().map(|(_, waiting)| waiting.node.clone()).collect();
    assert!(nodes.iter().eq(["n1", "n2", "n3", "n4"].iter()), "{nodes:?}");
    for (call, waiting) in held {
        let node = waiting.node.clone();
        drop(waiting);
        assert_eq!(call.join().unwrap(), node);
    }
    let squares = procs.map(|n: u64| n * n, 0..1_000);
    assert!(squares.into_iter().map(Result::unwrap).eq((0..1_000).map(|n| n * n)));
    let error = procs.spawn(|(): ()| -> u32 { panic!("no flour") }, ()).join().unwrap_err();
    assert_eq!(error.panic_message(), Some("no flour"));
    procs.shutdown();
    assert_no_job_is_left();
}

pub(crate) fn ten_thousand_calls_are_answered() {
    let procs = pool(4, a_node_each());
    let calls: Vec<_> = (0..10_000).map(|n| procs.spawn(|n: u64| n + 1, n)).collect();
    for (n, call) in (1..).zip(calls) {
        assert_eq!(call.join().unwrap(), n);
    }
    procs.shutdown();
    assert_no_job_is_left();
}

/// The argument of a call: 32 MiB.
const ARGUMENT_BYTES: usize = 32 << 20;

pub(crate) fn arguments_of_one_gibibyte_arrive() {
    let procs = pool(4, a_node_each());
    let count = |text: String| text.bytes().map(u64::from).sum::<u64>();
    let (mut calls, mut arrived) = (VecDeque::new(), 0);
    let mut join = |calls: &mut VecDeque<_>| {
        let (letter, call): (u8, brigade_process::JoinHandle<u64>) = calls.pop_front().unwrap();
        assert_eq!(call.join().unwrap(), u64::from(letter) * ARGUMENT_BYTES as u64);
        arrived += ARGUMENT_BYTES;
    };
    for letter in (b'a'..=b'z').chain(b'A'..=b'F') {
        // A few at a time, or the whole gibibyte would lie in this process's memory.
        if calls.len() == 4 {
            join(&mut calls);
        }
        let text = char::from(letter).to_string().repeat(ARGUMENT_BYTES);
        calls.push_back((letter, procs.spawn(count, text)));
    }
    while !calls.is_empty() {
        join(&mut calls);
    }
    assert_eq!(arrived, 1 << 30);
    procs.shutdown();
    assert_no_job_is_left();
}

/// The variable by which this program works within an allocation.
const INSIDE: &str = "BRIGADE_CLUSTER_INSIDE";

/// In a process that was asked to: has four workers at once, and prints their nodes.
pub(crate) fn work_in_an_allocation_if_asked() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let procs = pool(4, Slurm::new());
    let gate = Gate::new();
    for (_, waiting) in hold::<4>(&procs, &gate) {
        println!("{} {}", waiting.node, waiting.step.split('.').next().unwrap());
    }
    procs.shutdown();
    std::process::exit(0);
}

pub(crate) fn workers_of_an_allocation_share_it() {
    let program = std::env::current_exe().unwrap();
    let inside = format!("{INSIDE}=1");
    let program = program.to_str().unwrap();
    let allocate = |shape: &[&str]| {
        let words = [&["salloc", "--quiet"], shape, &["env", &inside, program]].concat();
        run(&words).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = allocate(&["--nodes=4", "--ntasks=4"]);
    let nodes: BTreeSet<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let jobs: BTreeSet<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!((nodes.len(), jobs.len()), (4, 1), "{lines:?}");
    // All four at once on one node: no step takes the CPUs or the memory of the others.
    let lines = allocate(&["--nodes=1", "--ntasks=4"]);
    let nodes: BTreeSet<_> = lines.iter().collect();
    assert_eq!((lines.len(), nodes.len()), (4, 1), "{lines:?}");
    assert_no_job_is_left();
}

pub(crate) fn srun_needs_no_option_but_one_task() {
    let procs = pool(2, Argv::new(["srun", "-n1"]));
    assert_eq!(procs.spawn(|n: u32| n + 1, 1).join().unwrap(), 2);
    procs.shutdown();
    assert_no_job_is_left();
}

pub(crate) fn two_tasks_behind_one_srun_are_refused() {
    let procs = pool(1, Argv::new(["srun", "-n2"]));
    let gate = Gate::new();
    let error = procs.spawn(wait_at, gate.port()).join().unwrap_err().to_string();
    assert!(error.contains("second worker"), "{error}");
    drop(procs);
    assert_no_job_is_left();
}

pub(crate) fn environment_and_directory_are_those_of_the_pool() {
    let builder = ProcessPool::builder().workers(1).launcher(Slurm::new());
    let procs = builder.env("SEASON", "it's \"late\"\n$WINTER").current_dir("/usr/share").build().unwrap();
    let shown = |(): ()| (std::env::var("SEASON").unwrap(), std::env::current_dir().unwrap());
    let (season, directory) = procs.spawn(shown, ()).join().unwrap();
    assert_eq!(season, "it's \"late\"\n$WINTER");
    assert_eq!(directory.to_str(), Some("/usr/share"));
    procs.shutdown();
    assert_no_job_is_left();
}
