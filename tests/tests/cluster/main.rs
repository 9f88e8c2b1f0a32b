//! Workers on other machines, by the real engines: Slurm, ssh, mpirun.
//!
//! These tests need what a machine seldom has: a Slurm of their own (`tests/cluster/slurm-up`), a server of
//! ssh, and root. So they are ignored unless `BRIGADE_CLUSTER_TESTS` is set; `tests/cluster/run` prepares all
//! that and sets it. They run one after the other, because each of them looks at the whole cluster.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

#[path = "../../../process/tests/situations/gate.rs"]
mod gate;
mod held;
mod machine;
mod mpi;
mod slurm;
mod slurm_ends;
mod ssh;
mod sshd;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// Names tests by their functions.
macro_rules! trials {
    ($($module:ident: $($name:ident)*;)*) => {
        [$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn()),)*)*]
    };
}

fn main() -> ExitCode {
    brigade_process::init();
    slurm::work_in_an_allocation_if_asked();
    machine::hold_calls_if_asked();
    let tests = trials! {
        slurm: a_map_goes_over_four_workers_on_four_nodes ten_thousand_calls_are_answered
            arguments_of_one_gibibyte_arrive workers_of_an_allocation_share_it srun_needs_no_option_but_one_task
            environment_and_directory_are_those_of_the_pool two_tasks_behind_one_srun_are_refused;
        slurm_ends: a_step_that_is_cancelled_loses_one_call a_node_that_disappears_loses_its_calls_alone
            a_job_over_its_time_is_told a_job_that_slurm_refuses_is_told a_drained_node_is_told
            a_program_that_is_not_there_is_told pools_that_end_while_they_start_leave_no_job
            a_killed_pool_leaves_no_job an_interrupted_pool_leaves_no_job;
        ssh: workers_are_dealt_to_the_hosts environment_and_directory_arrive a_connection_that_is_cut_loses_one_call
            a_host_that_does_not_answer_any_more_is_told a_host_that_cannot_be_reached_is_told
            a_startup_file_that_prints_is_told a_killed_pool_leaves_no_worker;
        mpi: workers_behind_mpirun_answer;
    };
    let is_wanted = std::env::var_os("BRIGADE_CLUSTER_TESTS").is_some();
    let trial = |(name, test): (&str, fn())| {
        let run = move || {
            test();
            Ok::<(), Failed>(())
        };
        let is_ignored = !is_wanted || !machine::has_engine(name);
        Trial::test(name, run).with_ignored_flag(is_ignored)
    };
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}
