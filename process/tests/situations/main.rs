//! The promises of a process pool, situation by situation, with a ring and without. A pool starts this very
//! program as its worker, so the tests have a `main` of their own.

#![allow(clippy::unwrap_used)]

mod awaiting;
mod blocks;
mod call_options;
mod calls;
mod commands;
mod credentials;
mod deaths;
mod descriptors;
mod ending;
mod foreign;
mod forks;
mod gate;
mod inherited_blocks;
mod interrupts;
mod launchers;
mod leashes;
mod limits;
mod manners;
mod maps;
mod options;
mod orphans;
mod output;
mod path;
mod ports;
mod programs;
mod quiet;
mod recorded;
mod recycled;
mod scripts;
mod silence;
mod starts;
// Unsafe: a test that damages its own process does things that safe code cannot.
#[allow(unsafe_code)]
mod sys;
mod thread_ends;
mod unbegun;
mod unwind_safe;
mod wrappers;

use self::path::Path;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// Names tests by their functions, on both paths.
macro_rules! trials {
    ($($module:ident: $($name:ident)*;)*) => {
        [Path::Ring, Path::Socket].into_iter().flat_map(|path| {
            [$($(path.trial(concat!(stringify!($module), "::", stringify!($name)), $module::$name),)*)*]
        }).collect()
    };
}

/// The panics that these tests mean to happen.
const MEANT: &[&str] = &[
    "a destructor that panics",
    "a launcher's ",
    "JoinHandle::join would block this thread: it is the supervisor",
    "and then the oven caught fire",
    "burnt",
    "caught",
    "it is late",
    "no flour",
    "no oven",
    "no second oven",
    "panic in a destructor during cleanup",
    "panicked while reading",
    "panicked while writing",
    "the sink is full",
    "this runtime was made before the process forked",
    "éé",
];

fn main() -> ExitCode {
    if let Some(error) = forgotten_init() {
        println!("{error}");
        return ExitCode::FAILURE;
    }
    // A worker prints a panic of a call, as a thread does.
    quiet::about(MEANT);
    silence::panic_if_asked();
    brigade_process::init();
    orphans::be_a_parent_if_asked();
    interrupts::be_interrupted_if_asked();
    credentials::change_credentials_if_asked();
    leashes::be_let_go_if_asked();
    limits::be_limited_if_asked();
    programs::mount_a_folder_if_asked();
    programs::build_a_pool_if_asked();
    // The tests run one after the other on this thread: threads of the harness would be counted among the
    // pools'.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let situations = of_calls().into_iter().chain(of_pools()).chain(of_ends()).collect();
    libtest_mimic::run(&arguments, situations).exit_code()
}

/// Situations of calls, on both paths.
fn of_calls() -> Vec<Trial> {
    trials! {
        calls: results_come_in_the_order_of_the_inputs a_panic_crosses_with_its_message_and_place
            a_panic_is_not_told_the_place_of_another a_panic_that_is_passed_on_keeps_its_place
            the_panic_of_a_pool_in_a_pool_keeps_its_words_and_its_place a_very_long_panic_message_is_cut
            an_odd_panic_payload_is_said_to_be_odd big_arguments_and_results_cross
            large_values_cross_a_pool_in_a_pool many_large_values_wait_with_few_descriptors a_large_value_leaves_no_memory_behind threads_may_spawn_at_once
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
        maps: every_size_of_chunk_gives_the_same a_panic_in_a_chunk_is_one_calls
            a_death_in_a_chunk_loses_one_call_and_none_runs_twice a_map_has_small_and_huge_values
            a_fork_in_a_chunk_answers_once an_idle_worker_is_given_the_rest_of_a_running_batch
            a_map_that_is_cancelled_stops_early a_map_meets_the_end_of_its_pool a_function_of_several_arguments
            a_lazy_map_reads_no_further_than_it_may a_lazy_map_gives_what_comes_first
            a_lazy_map_that_is_dropped_cancels a_result_is_given_before_a_late_input_is_asked_for
            inputs_that_come_promptly_are_read_ahead a_feeder_waits_for_late_inputs
            a_feeder_passes_a_panic_on_and_ends_with_its_map handles_are_given_as_they_complete;
        call_options: a_call_over_its_time_is_killed_alone a_call_in_time_gives_its_result a_join_over_its_time_leaves_the_call_alone a_time_limit_may_be_for_ever
            a_cancel_may_kill
            without_retry_a_call_is_started_once with_retry_a_call_is_started_until_it_answers
            a_call_that_always_kills_is_quarantined a_cancelled_call_is_not_tried_again a_panic_is_an_answer_and_not_tried_again
            options_survive_the_pools_end;
        thread_ends: a_thread_that_ends_may_call a_thread_that_ends_may_map a_thread_that_ends_may_send_blocks;
        awaiting: handles_are_awaited_in_our_runtime handles_are_awaited_in_another_runtime;
        blocks: blocks_are_read_in_place memory_is_used_again_only_when_nobody_reads_it
            a_worker_may_keep_more_blocks_than_there_are_leases the_dead_keep_no_block
            blocks_in_maps_and_small_ones_travel_with_the_message a_block_outlives_its_pool_and_its_worker;
    }
}

/// Situations of pools and their workers, on both paths.
fn of_pools() -> Vec<Trial> {
    trials! {
        ending: a_queued_call_can_be_cancelled a_shutdown_drains_what_is_queued
            a_drop_cancels_what_is_queued_and_kills_what_runs a_pool_leaves_nothing_behind
            a_shutdown_meets_calls_that_were_cancelled a_shutdown_meets_a_joiner_on_another_thread
            a_shutdown_meets_a_large_result a_pool_may_be_dropped_by_a_waker workers_that_cannot_start_are_an_error
            workers_that_always_die_at_start_fail_the_calls a_pool_without_workers_is_refused
            a_forgotten_init_is_an_error;
        forks: calls_in_a_child_are_lost an_operation_that_cannot_report_a_loss_panics_in_a_child a_drop_in_a_child_does_nothing
            handles_from_before_a_fork_do_not_wait lazy_maps_that_are_under_way_at_a_fork_do_not_wait
            a_new_pool_works_in_a_child a_runtime_of_a_zygote_is_refused_in_its_workers;
        options: each_worker_is_initialized_before_its_first_call an_initializer_may_have_a_pool_of_its_own
            a_failing_initializer_is_told
            a_worker_is_recycled_after_its_calls a_worker_that_has_grown_is_recycled
            a_call_that_takes_too_much_is_killed a_memory_limit_holds_behind_a_command_that_stays niceness_and_cpus environment_and_directory
            busy_workers_answer_and_end workers_and_joiners_may_be_busy_for_ever
            a_joiner_that_gives_a_call_with_a_deadline_wakes_the_supervisor an_argument_that_finds_no_place_in_the_ring_is_sent statistics_count_what_was_done a_closed_pool_finishes_and_takes_no_more;
        inherited_blocks: a_forked_child_reads_blocks_that_its_parent_drops
            a_block_that_is_written_refuses_in_a_forked_child
            a_block_refuses_where_its_maker_cannot_notice_the_fork a_forked_child_uses_no_memory_of_its_parents
            a_child_of_a_worker_does_not_let_the_workers_block_go
            workers_of_a_zygote_have_its_blocks_each_for_itself;
        descriptors: descriptors_opened_by_an_initializer_stay_open where_an_initializer_has_calls_print_they_print
            an_initializer_that_closes_what_is_the_pools_is_told programs_that_calls_start_get_none_of_the_pools;
        leashes: none_outlives_a_killed_parent_whoever_has_changed_its_user
            none_outlives_a_killed_parent_if_it_is_stopped none_outlives_a_killed_parent_that_has_forked
            a_pool_ends_its_workers_whoever_has_changed_its_user;
        credentials: blocks_travel_whoever_has_changed_its_user a_worker_at_its_limit_of_descriptors_says_so
            a_pool_at_its_limit_of_descriptors_says_so
            blocks_lent_for_a_call_that_is_taken_back_are_free_again;
        limits: a_file_size_limit_is_an_error_or_done_without a_limit_of_memory_is_an_error;
        silence: only_a_panic_that_nobody_means_is_printed;
        starts: a_zygote_is_initialized_once_for_all_workers workers_of_a_zygote_die_and_are_replaced
            a_zygote_that_dies_is_replaced a_zygote_needs_an_initializer_that_is_well_behaved
            the_initializer_of_a_zygote_may_join_threads a_worker_of_a_zygote_may_have_threads_and_a_pool
            a_worker_behind_a_command_talks_over_its_stdio
            a_worker_behind_a_command_dials_back a_peer_without_the_token_is_refused strangers_do_not_keep_a_worker_out
            a_token_is_in_no_argument_and_no_variable another_build_is_refused
            a_command_that_is_no_worker_is_refused a_cancel_kills_a_worker_however_it_was_started;
        commands: a_program_may_have_any_path kubectl_runs_workers_in_a_pod a_lost_call_is_told_what_the_command_said a_refused_start_is_told_what_the_command_said
            a_cleared_environment_is_the_workers_and_not_the_commands
            the_command_of_slurm_may_clean_up a_shell_over_there_gets_each_word_as_it_is
            a_worker_that_does_not_end_when_asked_is_killed;
        output: output_of_workers_is_captured_by_lines labelled_lines_say_whose_they_are last_words_are_heard
            a_sink_that_panics_harms_nobody a_line_without_an_end_comes_in_pieces
            a_grandchild_that_prints_for_ever_holds_up_no_end a_slow_sink_holds_up_no_call
            a_sink_that_does_not_come_back_is_not_waited_for_for_ever a_sink_may_drop_the_pool
            labelled_lines_wait_for_a_stream_that_does_not_block;
        programs: a_program_that_its_loader_runs_as_a_command_is_refused a_program_that_was_deleted_or_replaced_goes_on
            a_program_with_only_this_pool_can_be_observed a_program_without_proc_is_refused a_program_where_nothing_may_be_executed_is_refused;
        interrupts: workers_leave_interrupts_to_the_pools_process a_zygote_leaves_interrupts_to_the_pools_process
            workers_may_be_told_to_die_of_interrupts a_program_started_by_a_call_has_the_usual_signals
            handlers_of_an_initializer_stand an_interrupt_that_nobody_handles_ends_everything;
        gate: a_gate_does_not_wait_for_ever;
        orphans: workers_die_with_a_killed_parent workers_of_a_zygote_die_with_a_killed_parent;
    }
}

/// Situations in which a worker, a launcher or the supervisor ends, on both paths.
fn of_ends() -> Vec<Trial> {
    trials! {
        recorded: a_recording_has_what_ran_in_workers a_killed_worker_loses_nothing_that_it_had_written
            a_worker_without_shared_memory_is_said_to_be_missing a_map_waits_for_a_free_worker;
        recycled: large_answers_of_recycled_workers_stand blocks_of_recycled_workers_stand
            answers_of_workers_that_have_grown_stand a_map_goes_on_with_the_successors_of_recycled_workers
            blocks_stand_whose_worker_ends_of_the_next_call blocks_stand_that_are_given_as_the_pool_ends;
        foreign: a_decoder_that_waits_on_the_supervisor_is_refused a_decoder_may_wait_on_a_thread_of_its_own
            a_waker_that_waits_on_the_supervisor_is_told_what_to_do the_supervisor_decodes_what_the_main_thread_could
            a_cancelled_calls_waker_is_dropped_where_it_may_use_the_pool
            a_map_is_cancelled_whose_results_panic_when_they_are_dropped;
        unbegun: an_argument_that_ends_its_workers_is_given_up a_limit_that_is_over_before_the_call_begins_kills_few_workers
            an_argument_that_aborts_while_it_is_decoded_is_one_calls;
        launchers: a_launcher_that_panics_is_a_failed_start a_start_that_is_refused_for_the_moment_is_tried_again
            a_launcher_that_hangs_delays_no_limit_and_no_end a_worker_whose_methods_panic_is_an_error_of_its_calls
            children_of_failed_starts_end_together
            a_zygote_that_is_set_up_slowly_delays_no_limit_and_no_end a_hanging_initializer_does_not_hold_up_a_shutdown;
        wrappers: a_wrapper_that_forgets_a_method_is_told_which a_wrapper_that_forgets_what_is_harmless_works
            a_wrapper_that_invents_a_ring_is_told an_end_is_seen_by_whichever_descriptor a_call_looks_at_no_other_worker;
    }
}

/// In a process that was asked to: the error of a pool where `init` was not called.
fn forgotten_init() -> Option<String> {
    std::env::var("FORGET_INIT").ok()?;
    Some(match brigade_process::ProcessPool::new(1) {
        Ok(_) => "a pool started without init".into(),
        Err(error) => error.to_string(),
    })
}
