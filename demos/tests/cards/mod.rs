//! The answers of the cards are checked: by Python, by our own code here, or by a test that is named here.

use super::{
    common::{folder::Folder, program::run},
    document::{AT_ONCE, ended, has_python, start},
};
use brigade_process::ProcessPool;
use brigade_runtime::{JoinError, gather, named, sleep, spawn, spawn_local, task_name, timeout, yield_now};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    future::ready,
    path::{Path, PathBuf},
    time::Duration,
};

/// Cards whose answers a test of another file checks, by the name of the test.
const TESTED: &[(&str, &str)] = &[
    // basics
    ("concurrency-parallelism", "kitchen_gives_one_chef_a_hand_at_a_time_and_several_chefs_one_each"),
    ("ui", "decide_measures_the_documents_table"),
    ("when-async", "a_thousand_tasks_echo_at_once_on_one_thread"),
    ("daemon", "join_waits_and_a_daemon_is_not_waited_for"),
    ("lost-update", "race_loses_an_update_and_lock_loses_none"),
    ("lock-cost", "race_loses_an_update_and_lock_loses_none"),
    ("deadlock-cure", "deadlock_is_found_and_order_cures_it"),
    ("sentinel", "produced_items_are_consumed_in_order"),
    ("gil-interval", "the_gil_is_handed_over_only_while_threads_compute"),
    ("gil-io", "the_gil_is_handed_over_only_while_threads_compute"),
    ("gil-cpu-bound", "the_six_questions_on_the_gil_are_answered_and_every_python_is_measured"),
    // tasks
    ("poll-loop", "hello_shows_every_phase_in_order"),
    ("await-chain", "chain_wakes_one_task_and_then_a_child_before_its_parent"),
    ("run-leftovers", "run_cancels_leftovers_and_a_second_run_works"),
    ("task-one-entry", "one_of_two_wake_ups_makes_the_entry_and_the_last_poll_sees_what_came_before_both"),
    ("task-woken-running", "a_wake_up_during_a_poll_makes_the_runner_poll_again"),
    ("task-allocation", "a_task_is_one_allocation_or_memory_of_one_before"),
    ("task-cancel-drop", "a_local_task_whose_output_may_not_leave_its_thread_is_cancelled_by_another"),
    ("entry-no-reference", "the_last_of_handle_waker_and_runner_frees"),
    ("slot-lost-wakeup", "a_poll_is_ready_or_its_waker_is_woken"),
    ("handle-everywhere", "handles_are_awaited_in_our_runtime"),
    ("edge-triggered", "bytes_that_arrive_while_readiness_is_cleared_are_read"),
    ("source-two-wakers", "each_direction_wakes_its_own_task"),
    ("reactor-generations", "a_key_of_what_was_removed_finds_nothing"),
    ("newest-task", "two_tasks_that_wake_each_other_let_a_third_run"),
    ("stealing-ring", "a_task_stolen_from_a_ring_is_run_once"),
    ("half-search", "a_worker_that_stops_to_search_looks_for_what_came_meanwhile"),
    ("watch", "a_long_poll_stops_neither_timers_nor_the_task_that_it_made_ready"),
    ("local-sleep", "a_task_sent_while_the_thread_falls_asleep_is_run"),
    ("timing-wheel", "a_random_history_fires_what_a_sorted_list_fires"),
    ("timer-race", "a_timer_is_cancelled_or_fires"),
    // threads
    ("executor-order", "results_of_a_map_come_in_the_order_of_the_inputs"),
    ("deadlock-ring", "in_a_cycle_of_threads_exactly_one_gets_the_deadlock_and_the_others_go_on"),
    ("queue-wakeup", "a_get_wakes_a_waiting_put_and_a_put_wakes_a_waiting_get"),
    ("join-cost", "a_join_counts_no_job_and_its_stolen_closure_counts_a_steal"),
    ("leapfrog", "nothing_taken_before_the_stack_job_is_done_was_pushed_later"),
    ("no-strangers", "nested_parallelism_under_a_mutex_finishes"),
    ("half-done", "the_owner_of_a_stolen_stack_job_is_woken"),
    ("deque-ends", "each_stack_job_goes_to_the_owner_or_to_one_thief"),
    ("membarrier", "the_owner_sees_the_notification_or_the_sleeper_sees_the_stack_job"),
    ("sleep-last-look", "a_sleeper_wakes_for_a_job"),
    ("search-duty", "a_searcher_that_finds_work_passes_its_duty_on"),
    ("doze", "a_dozing_worker_finds_a_job_that_was_queued_meanwhile"),
    ("spare-thread", "a_job_that_joins_a_job_runs_it_in_place_on_a_pool_of_one"),
    ("scope-borrow", "children_end_before_the_scope_does"),
    ("pool-panic", "a_panic_in_a_map_fails_one_item_only"),
    ("trace-full", "a_full_ring_that_keeps_the_first_drops_the_newest_and_counts_them"),
    // processes
    ("exec-error", "a_system_call_that_is_refused_is_named"),
    ("pdeathsig", "workers_die_with_a_killed_parent"),
    ("watcher", "none_outlives_a_killed_parent_whoever_has_changed_its_user"),
    ("name-of-function", "a_name_leads_back_to_its_function"),
    ("same-build", "another_build_is_refused"),
    ("frame-head-hash", "every_damaged_byte_is_found"),
    ("frame-claim", "a_huge_length_is_refused_and_not_allocated"),
    ("ring-state", "each_call_leaves_a_ravaged_ring_once"),
    ("ring-begun", "a_call_is_claimed_or_withdrawn_and_never_both"),
    ("ring-syscalls", "a_worker_that_falls_asleep_is_woken_for_a_call"),
    ("call-once", "a_cancelled_call_is_never_started_again"),
    ("start-fails", "workers_that_always_die_at_start_fail_the_calls"),
];

/// Cards with a number that is a constant in the file that proves them.
const CONSTANTS: &[(&str, &str, &str)] = &[
    ("newest-task", "only 3 times in a row", "MAX_LIFO_RUNS: u32 = 3;"),
    ("injector-fairness", "After 61 tasks at most", "MAX_POLLS: i32 = 61;"),
    ("gil-interval", "5 ms by default", "SWITCH_INTERVAL: Duration = Duration::from_millis(5);"),
    ("start-fails", "After 3 failures in a row", "MAX_FAILURES: u32 = 3;"),
];

/// Cards that this file checks by running our code.
const RUN_HERE: &[&str] = &["gather", "timeout-first-poll", "block-in-task", "init-first"];

/// Cards on costs, or on what other systems do, which no test can see.
const ONLY_READ: &[&str] = &["process-cost", "trace-off", "fork-threads", "answers-first", "memfd"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All cards, as `brigade cards` prints them.
fn cards() -> Vec<Value> {
    run(&["cards", "all", "--json"]).objects()
}

/// A text of a card.
fn of<'a>(card: &'a Value, key: &str) -> &'a str {
    card[key].as_str().unwrap()
}

/// All Rust files of the libraries, the demos and the tests, one after the other.
fn sources() -> String {
    fn collect(folder: &Path, texts: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, texts);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut texts = String::new();
    for library in ["handle", "trace", "pool", "runtime", "process", "demos"] {
        ["src", "tests"].iter().for_each(|folder| collect(&root().join(library).join(folder), &mut texts));
    }
    texts
}

#[test]
fn each_card_is_checked_by_a_program_or_says_why_not() {
    let cards = cards();
    let ids: BTreeSet<_> = cards.iter().map(|card| of(card, "card")).collect();
    let python = cards.iter().filter(|card| of(card, "proof").ends_with(".py")).map(|card| of(card, "card"));
    let lists =
        [TESTED.iter().map(|(id, _)| *id).collect::<Vec<_>>(), CONSTANTS.iter().map(|row| row.0).collect()];
    let checked = python.chain(lists.into_iter().flatten()).chain(RUN_HERE.iter().chain(ONLY_READ).copied());
    assert_eq!(checked.collect::<BTreeSet<_>>(), ids);
    let sources = sources();
    for (id, test) in TESTED {
        assert!(sources.contains(&format!("fn {test}(")), "{id}: the test {test} is not there");
    }
}

#[test]
fn each_answer_that_is_on_python_is_true_in_this_one() {
    if !has_python() {
        return;
    }
    let folder = Folder::new();
    let cards = cards();
    let python = cards.iter().filter(|card| of(card, "proof").ends_with(".py"));
    let check = |card: &Value| {
        let text = fs::read_to_string(root().join(of(card, "proof"))).unwrap();
        (of(card, "card").to_owned(), start(&folder, of(card, "card"), &text, "120"))
    };
    let python: Vec<_> = python.collect();
    let programs = fs::read_dir(root().join("demos/python/cards")).unwrap().count();
    assert_eq!(python.len(), programs, "a program proves no card");
    for some in python.chunks(AT_ONCE) {
        let children: Vec<_> = some.iter().copied().map(check).collect();
        for (card, child) in children {
            let (code, output, errors) = ended(child);
            assert_eq!((code, errors.as_str()), (Some(0), ""), "{card}: {output}");
        }
    }
}

#[test]
fn each_number_of_a_card_is_the_one_in_the_code() {
    let cards = cards();
    for (id, words, constant) in CONSTANTS {
        let card = cards.iter().find(|card| of(card, "card") == *id).unwrap();
        let answer = of(card, "answer");
        assert!(answer.contains(words), "{id}: {words:?} is not in {answer:?}");
        let proof = fs::read_to_string(root().join(of(card, "proof"))).unwrap();
        assert!(proof.contains(constant), "{id}: {constant:?} is not in {}", of(card, "proof"));
    }
}

#[test]
fn our_gather_stays_in_one_task() {
    let names = brigade_runtime::run(async {
        let gathering = async { gather([0, 1].map(|_| async { task_name() })).await };
        spawn(named("the one", gathering)).await.unwrap()
    });
    assert_eq!(names, [Some("the one".into()), Some("the one".into())]);
}

#[test]
fn a_result_that_is_ready_wins_over_a_timeout_that_is_over() {
    let both = brigade_runtime::run(async {
        let ready = timeout(Duration::ZERO, ready(7)).await;
        (ready.ok(), timeout(Duration::ZERO, sleep(Duration::from_secs(3600))).await.is_err())
    });
    assert_eq!(both, (Some(7), true));
}

#[test]
fn a_task_that_blocks_its_thread_is_told_what_to_do() {
    let blocked = brigade_runtime::run(async {
        let blocking = spawn_local(async { spawn_local(yield_now()).join().is_ok() });
        blocking.await
    });
    let Err(JoinError::Panicked(panic, _)) = blocked else { panic!("{blocked:?}") };
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("would block this thread") && message.contains("await"), "{message}");
}

#[test]
fn a_program_without_init_is_told_the_line_to_add() {
    // This program has not called it.
    let error = ProcessPool::new(1).unwrap_err().to_string();
    assert!(error.contains("add `brigade_process::init();` as the first line of `main`"), "{error}");
}
