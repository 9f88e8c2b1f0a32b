//! Ends on a real Slurm: of a step, of a node, of a job's time, of the pool. Each is told to its calls, the
//! others go on, and nothing is left.

use crate::{
    gate::Gate,
    machine::{
        Holder, assert_no_job_is_left, hold, loss, parent, pool, refusal, run, signal, wait_for_the_end,
    },
};
use brigade_process::{ProcessPool, Slurm};
use std::{path::PathBuf, time::Duration};

/// Lets a held call go on, which shows that it was not harmed.
fn goes_on((call, waiting): (brigade_process::JoinHandle<String>, crate::gate::Waiting)) {
    let node = waiting.node.clone();
    drop(waiting);
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
    // Slurm says the first where its daemon has told `srun` of the signal before the worker has ended.
    assert!(why.contains("CANCELLED") || why.contains("Job step aborted"), "{why}");
    goes_on(other);
    works_and_ends(procs);
}

pub(crate) fn a_node_that_disappears_loses_its_calls_alone() {
    let conf = PathBuf::from(std::env::var("SLURM_CONF").unwrap());
    let procs = pool(2, Slurm::new().option("--exclusive"));
    let gate = Gate::new();
    let [(call, waiting), other] = hold(&procs, &gate);
    let (node, worker) = (waiting.node.clone(), waiting.pid);
    let pid_file = conf.with_file_name(format!("slurmd-{node}.pid"));
    let daemon = std::fs::read_to_string(pid_file).unwrap();
    let step = parent(worker).to_string();
    for process in [daemon.trim(), &step, &worker.to_string()] {
        signal("KILL", process);
    }
    let why = loss(call.join());
    assert!(why.contains("`srun`"), "{why}");
    goes_on(other);
    assert!(procs.map(|n: u32| n, 0..100).into_iter().all(|answer| answer.is_ok()));
    run(&["slurmd", "-N", &node, "-f", conf.to_str().unwrap()]);
    works_and_ends(procs);
}

pub(crate) fn a_job_over_its_time_is_told() {
    let procs = pool(1, Slurm::new().option("--time=1"));
    let gate = Gate::new();
    let [(call, _waiting)] = hold(&procs, &gate);
    let why = loss(call.join());
    assert!(why.contains("TIME LIMIT"), "{why}");
    works_and_ends(procs);
}

pub(crate) fn a_job_that_slurm_refuses_is_told() {
    let why = refusal(Slurm::new().option("--nodes=9").option("--ntasks=9"));
    assert!(why.contains("`srun` said") && why.contains("Unable to allocate resources"), "{why}");
    let why = refusal(Slurm::new().option("--time=100:00:00"));
    assert!(why.contains("`srun` said") && why.contains("time limit"), "{why}");
    assert_no_job_is_left();
}

pub(crate) fn a_drained_node_is_told() {
    run(&["scontrol", "update", "nodename=n2", "state=drain", "reason=test"]);
    let others = pool(1, Slurm::new());
    let on_it = || Slurm::new().option("--nodelist=n2");
    let why = refusal(on_it().start_limit(Duration::from_secs(10)));
    assert!(why.contains("start_limit") && why.contains("drained"), "{why}");
    works_and_ends(others);
    run(&["scontrol", "update", "nodename=n2", "state=resume"]);
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
    let workers = holder.waiting.each_ref().map(|waiting| waiting.pid);
    holder.end_by("KILL");
    wait_for_the_end(&workers);
    assert_no_job_is_left();
}

pub(crate) fn an_interrupted_pool_leaves_no_job() {
    Holder::start("slurm").end_by("INT");
    assert_no_job_is_left();
}
