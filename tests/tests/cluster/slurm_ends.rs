//! Ends on a real Slurm: of a step, of a node, of a job's time, of the pool. Each is told to its calls, the
//! others go on, and nothing is left.

use crate::{
    gate::Gate,
    held::{Held, hold},
    machine::{
        Holder, assert_no_job_is_left, assert_says_one_of, loss, parent, pool, refusal, run, signal,
        wait_for_the_end,
    },
};
use brigade_process::{JoinHandle, ProcessPool, Slurm};
use std::{path::PathBuf, process::Command, time::Duration};

/// The words of `srun` about a step that is aborted: the reason, if it hears of that before its worker's end,
/// or that it waits for the rest of the step, or how the worker has ended.
const ABORTED: [&str; 6] = [
    "CANCELLED",
    "Job step aborted",
    "Force Terminated",
    "task 0: Killed",
    "task 0: Terminated",
    "task 0: Exited",
];

/// Lets a held call go on, which shows that it was not harmed.
fn goes_on((call, held): (JoinHandle<String>, Held)) {
    let node = held.node.clone();
    drop(held);
    assert_eq!(call.join().unwrap(), node);
}

/// Ends the pool after it has shown that it still works.
fn works_and_ends(procs: ProcessPool) {
    assert!(procs.map(|n: u32| n, 0..100).into_iter().map(Result::unwrap).eq(0..100));
    procs.shutdown();
    assert_no_job_is_left();
}

pub(crate) fn a_step_that_is_cancelled_loses_one_call() {
    let procs = pool(2, Slurm::new());
    let gate = Gate::new();
    let [(call, waiting), other] = hold(&procs, &gate);
    run(&["scancel", &waiting.step]);
    let why = loss(call.join());
    assert!(why.contains("`srun`"), "{why}");
    assert_says_one_of(&why, &ABORTED);
    goes_on(other);
    works_and_ends(procs);
}

/// A node whose daemon is killed, and started again when this is dropped.
struct Stopped {
    node: String,
    conf: PathBuf,
}

impl Stopped {
    fn new(node: String) -> Self {
        let conf = PathBuf::from(std::env::var("SLURM_CONF").unwrap());
        let daemon = std::fs::read_to_string(conf.with_file_name(format!("slurmd-{node}.pid"))).unwrap();
        signal("KILL", daemon.trim());
        Self { node, conf }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // The test may be unwinding, and must not panic again.
        let mut slurmd = Command::new("slurmd");
        let started = slurmd.args(["-N", &self.node, "-f"]).arg(&self.conf).status();
        if !started.is_ok_and(|status| status.success()) {
            eprintln!("node {} stays down", self.node);
        }
    }
}

pub(crate) fn a_node_that_disappears_loses_its_calls_alone() {
    let procs = pool(2, Slurm::new().option("--exclusive"));
    let gate = Gate::new();
    let [(call, held), other] = hold(&procs, &gate);
    let step = parent(held.pid).to_string();
    let stopped = Stopped::new(held.node.clone());
    for process in [&step, &held.pid.to_string()] {
        signal("KILL", process);
    }
    let why = loss(call.join());
    assert!(why.contains("`srun`"), "{why}");
    goes_on(other);
    assert!(procs.map(|n: u32| n, 0..100).into_iter().all(|answer| answer.is_ok()));
    drop(stopped);
    works_and_ends(procs);
}

pub(crate) fn a_job_over_its_time_is_told() {
    let procs = pool(1, Slurm::new().option("--time=1"));
    let gate = Gate::new();
    let [(call, _waiting)] = hold(&procs, &gate);
    let why = loss(call.join());
    assert!(why.contains("`srun`"), "{why}");
    assert_says_one_of(&why, &[&["TIME LIMIT"][..], &ABORTED].concat());
    works_and_ends(procs);
}

pub(crate) fn a_job_that_slurm_refuses_is_told() {
    let why = refusal(Slurm::new().option("--nodes=9").option("--ntasks=9"));
    assert!(why.contains("`srun` said") && why.contains("Unable to allocate resources"), "{why}");
    let why = refusal(Slurm::new().option("--time=100:00:00"));
    assert!(why.contains("`srun` said") && why.contains("time limit"), "{why}");
    assert_no_job_is_left();
}

/// A node that takes no jobs until this is dropped.
struct Drained(&'static str);

impl Drained {
    fn new(node: &'static str) -> Self {
        run(&["scontrol", "update", &format!("nodename={node}"), "state=drain", "reason=test"]);
        Self(node)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        // The test may be unwinding, and must not panic again.
        let node = format!("nodename={}", self.0);
        let resumed = Command::new("scontrol").args(["update", &node, "state=resume"]).status();
        if !resumed.is_ok_and(|status| status.success()) {
            eprintln!("node {} stays drained", self.0);
        }
    }
}

pub(crate) fn a_drained_node_is_told() {
    let drained = Drained::new("n2");
    let others = pool(1, Slurm::new());
    let on_it = || Slurm::new().option("--nodelist=n2");
    let why = refusal(on_it().start_limit(Duration::from_secs(10)));
    assert!(why.contains("start_limit") && why.contains("drained"), "{why}");
    works_and_ends(others);
    drop(drained);
    works_and_ends(pool(1, on_it()));
}

pub(crate) fn a_program_that_is_not_there_is_told() {
    let why = refusal(Slurm::new().program("/no/such/program"));
    assert!(why.contains("`srun` said") && why.contains("/no/such/program"), "{why}");
    // Another program: it prints what is no greeting.
    let why = refusal(Slurm::new().program("/usr/bin/env"));
    assert!(why.contains("instead of a greeting"), "{why}");
    assert_no_job_is_left();
}

pub(crate) fn pools_that_end_while_they_start_leave_no_job() {
    for _ in 0..5 {
        drop(pool(3, Slurm::new()));
    }
    assert_no_job_is_left();
}

pub(crate) fn a_killed_pool_leaves_no_job() {
    let holder = Holder::start("slurm");
    let workers = holder.held.each_ref().map(|held| held.pid);
    holder.end_by("KILL");
    wait_for_the_end(&workers);
    assert_no_job_is_left();
}

pub(crate) fn an_interrupted_pool_leaves_no_job() {
    Holder::start("slurm").end_by("INT");
    assert_no_job_is_left();
}
