//! What a process pool promises, situation by situation, with a ring and without. A pool starts this very program as its worker, so the tests have a
//! `main` of their own.

#![allow(clippy::unwrap_used)]

mod calls;
mod deaths;
mod ending;
mod gate;
mod manners;
mod orphans;
mod path;
// Unsafe: a test that damages its own process does what safe code cannot.
#[allow(unsafe_code)]
mod sys;

use self::path::Path;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// Names tests by their functions, on both paths.
macro_rules! trials {
    ($($module:ident: $($name:ident)*;)*) => {
        [Path::Ring, Path::Socket].into_iter().flat_map(|path| {
            [$($(trial(path, concat!(stringify!($module), "::", stringify!($name)), $module::$name),)*)*]
        }).collect()
    };
}

fn main() -> ExitCode {
    if let Some(error) = forgotten_init() {
        println!("{error}");
        return ExitCode::FAILURE;
    }
    brigade_process::init();
    orphans::be_a_parent_if_asked();
    let trials = trials! {
        calls: results_come_in_the_order_of_the_inputs a_panic_crosses_with_its_message_and_place
            an_odd_panic_payload_is_said_to_be_odd big_arguments_and_results_cross threads_may_spawn_at_once
            a_call_may_have_a_pool_of_its_own a_panic_while_encoding_the_argument_is_the_handles
            an_argument_that_cannot_be_encoded_is_lost an_argument_that_cannot_be_decoded_is_lost
            a_panic_while_decoding_the_argument_is_the_calls a_result_that_cannot_be_encoded_is_lost
            a_panic_while_encoding_the_result_is_the_calls a_result_that_cannot_be_decoded_is_lost
            a_panic_while_decoding_the_result_is_the_handles;
        deaths: an_exit_fails_that_call_alone a_kill_in_mid_call_fails_that_call_alone
            an_abort_fails_that_call_alone a_panic_while_panicking_fails_that_call_alone
            garbage_on_the_channel_fails_that_call_alone a_worker_without_a_channel_is_replaced
            a_large_answer_needs_the_channel
            a_worker_that_dies_idle_fails_nothing many_deaths_among_many_calls every_call_completes_while_workers_are_killed_at_random
            a_worker_killed_with_a_large_argument_in_flight;
        manners: a_call_that_prints_disturbs_nothing stdin_is_empty a_call_that_forks_answers_once
            a_call_that_changes_directory_stays_alone a_leaked_grandchild_harms_nobody
            a_worker_has_no_descriptors_but_its_own a_worker_does_not_show_its_descent
            ignored_signals_are_not_inherited;
        ending: a_queued_call_can_be_cancelled a_shutdown_drains_what_is_queued
            a_drop_cancels_what_is_queued_and_kills_what_runs a_pool_leaves_nothing_behind
            a_shutdown_meets_calls_that_were_cancelled a_shutdown_meets_a_joiner_on_another_thread
            a_shutdown_meets_a_large_result a_pool_may_be_dropped_by_a_waker workers_that_cannot_start_are_an_error
            workers_that_always_die_at_start_fail_the_calls a_pool_without_workers_is_refused
            a_forgotten_init_is_an_error;
        orphans: workers_die_with_a_killed_parent;
    };
    // One after the other on this thread: threads of the harness would be counted among the pools'.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(path: Path, name: &str, test: fn()) -> Trial {
    let path_name = match path {
        Path::Ring => "ring",
        Path::Socket => "socket",
    };
    Trial::test(format!("{path_name}::{name}"), move || {
        path.choose();
        test();
        Ok::<(), Failed>(())
    })
}

/// In a process that was asked to: what a pool says where `init` was not called.
fn forgotten_init() -> Option<String> {
    std::env::var("FORGET_INIT").ok()?;
    Some(match brigade_process::ProcessPool::new(1) {
        Ok(_) => "a pool started without init".into(),
        Err(error) => error.to_string(),
    })
}
