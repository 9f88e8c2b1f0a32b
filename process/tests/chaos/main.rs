//! Everything goes wrong at once: workers are killed, stopped and aborted at random, parents are killed,
//! system calls fail. Every handle completes, and nothing is left behind.
//!
//! The storms take a second here; `BRIGADE_CHAOS_SECONDS` sets how many seconds each takes, and
//! `BRIGADE_CHAOS_SEED` seeds another run of the dice. A pool starts this very program as its worker, so
//! the tests have a `main` of their own.

// A test fails by panicking, also in the functions that it calls.
#![allow(clippy::unwrap_used)]

mod cancels;
mod dice;
mod faults;
// The frames themselves, for peers that are not workers.
#[allow(dead_code)]
#[path = "../../src/wire/frame.rs"]
mod frame;
#[path = "../../src/image"]
mod image {
    //! The hash that frames are checked by.

    #[allow(dead_code)]
    pub(crate) mod xxh64;
}
mod ledger;
mod leftovers;
mod orders;
mod parents;
#[path = "../situations/path.rs"]
mod path;
mod peers;
mod recycling;
mod stopped;
mod storm;
mod strangers;
// Unsafe: signals to workers, filters of system calls, limits.
#[allow(unsafe_code)]
mod sys;
mod zygotes;

use self::path::Path;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    brigade_process::init();
    parents::be_a_parent_if_asked();
    let mut trials = situations(Path::Ring);
    trials.extend(situations(Path::Socket));
    trials.push(Trial::test("peers_that_talk_nonsense_leave_no_call_without_an_end", || {
        peers::peers_that_talk_nonsense_leave_no_call_without_an_end();
        Ok::<(), Failed>(())
    }));
    trials.push(Trial::test("strangers_in_a_storm_keep_no_worker_out", || {
        strangers::strangers_in_a_storm_keep_no_worker_out();
        Ok::<(), Failed>(())
    }));
    // The tests run one after the other on this thread: threads of the harness would be counted among the
    // pools'.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Situations of a pool whose calls take this path.
fn situations(path: Path) -> Vec<Trial> {
    /// Names tests by their functions.
    macro_rules! trials {
        ($($module:ident: $($name:ident)*;)*) => {
            vec![$($(path.trial(stringify!($name), $module::$name),)*)*]
        };
    }
    let mut trials = trials! {
        storm: every_call_completes_in_a_storm every_call_completes_in_a_storm_over_a_zygote;
        parents: a_parent_killed_at_random_leaves_nothing;
        stopped: a_stopped_worker_hinders_one_call_at_most
            a_call_that_a_stopped_worker_has_not_begun_goes_to_another_when_its_time_is_over
            a_pool_with_a_stopped_worker_can_be_dropped;
        recycling: nothing_is_lost_when_workers_are_recycled_by_calls
            nothing_is_lost_when_workers_are_recycled_by_memory every_call_completes_in_a_storm_of_recycling
            every_call_completes_in_a_storm_over_connections;
        cancels: a_cancelled_call_is_never_started_again;
        zygotes: a_zygote_that_is_killed_at_any_moment_is_replaced a_zygote_is_killed_while_it_is_set_up
            a_zygote_is_killed_whose_workers_have_a_long_setup;
        faults: a_system_call_that_is_refused_is_named a_system_call_that_can_be_spared_is
            a_pool_whose_own_calls_are_refused_says_so workers_that_cannot_be_replaced_are_told_to_the_calls
            a_pool_that_loses_its_rings_sends_blocks_whole
            a_worker_that_gets_no_thread_does_without_or_is_told_to_the_calls
            any_number_of_descriptors_is_enough_or_is_told a_pool_recovers_when_descriptors_are_free_again;
    };
    if path == Path::Ring {
        // This test waits for the zygote for seconds, on either path.
        trials.extend(trials! { zygotes: a_zygote_that_is_stopped_is_replaced; });
    }
    trials
}

/// How many seconds a storm takes.
fn seconds(usual: u64) -> u64 {
    let text = std::env::var("BRIGADE_CHAOS_SECONDS").ok();
    text.map_or(usual, |text| text.parse().expect("BRIGADE_CHAOS_SECONDS is a number of seconds"))
}

/// Whether a storm is to be long, and print what it has seen.
fn is_long() -> bool {
    std::env::var_os("BRIGADE_CHAOS_SECONDS").is_some()
}
