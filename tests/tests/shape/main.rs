//! One shape, three executors: the same cases against the pool, the runtime and the process pool.
//!
//! `executor` is the trait of the three, `cases` holds the cases, each written once, and `gate` holds work
//! back. `places` checks that a panic names the line of its caller. A process pool executes this program
//! again, so the suite has a main function of its own.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

mod cases;
mod executor;
#[path = "../../../process/tests/situations/gate.rs"]
mod gate;
mod places;
#[path = "../../../process/tests/situations/quiet.rs"]
mod quiet;

use executor::Executor;
use libtest_mimic::{Arguments, Trial};

/// Makes a test of each case on one executor.
macro_rules! suite {
    ($executor:ty: $($case:ident)*) => {
        vec![$(Trial::test(
            format!("{}::{}", <$executor>::NAME, stringify!($case)),
            || { cases::$case::<$executor>(); Ok(()) },
        ),)*]
    };
}

/// Makes the same tests for all executors.
macro_rules! suites {
    ($($executor:ty),*) => {
        [$(suite!($executor:
            results_come_in_the_order_of_the_inputs
            a_panic_fails_its_own_unit_only
            queued_work_can_be_cancelled
            a_cancel_handle_cancels_what_another_handle_waits_for
            a_dropped_handle_detaches
            an_error_says_which_work_it_is_of
            a_shutdown_drains_what_is_queued
            a_drop_leaves_no_handle_waiting
            work_may_spawn_work
            a_handle_can_be_awaited_on_a_foreign_executor
            a_million_units_come_back_in_order
        ),)*]
    };
}

fn main() {
    quiet::about(&["three is not to my taste"]);
    brigade_process::init();
    let arguments = Arguments::from_args();
    let suites = suites!(executor::Pool, executor::Runtime, executor::Processes);
    let trials = suites.into_iter().flatten().chain(places::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
