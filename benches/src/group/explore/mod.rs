//! Group `explore`: the rate of small checks, and how soon planted bugs are found, against shuttle (random,
//! PCT), loom and limits.
//!
//! The bugs are those of `explore/src/bugs`. The ones of plain threads are built once more with the atomics,
//! locks and threads of each peer. The others are written with Brigade's own tasks and jobs, which the peers
//! cannot run: their limits are 10,000 schedules, the time of these at 2,000 a second, and the known minimum.
//! For each bug the rows show the time until it is reported, the schedules that were run until it failed, and
//! the length of the trace that the report shows: our shrunk schedule, or all steps of shuttle's. Our time
//! includes the processes of the runs, the proof that the schedule is the shortest, and the told run. Loom
//! reports no trace. A side that looks by chance has another seed in each search. A side that does not find
//! the bug has run all its schedules.

#![allow(clippy::duplicate_mod, reason = "each peer has the bugs with its own types")]

mod loom;
mod rate;
mod shuttle;

use crate::{
    bench::{Bench, Measure, Metric, Side, sides},
    cpu,
};
use brigade_explore::{
    Explore, Verdict,
    bugs::{self, Bug},
};
use brigade_trace::clock;
use std::{panic, time::Duration};

/// The most schedules of a search.
const MAX_SCHEDULES: usize = 10_000;

/// Their time, at 2,000 schedules a second.
const MAX_SEARCH_TIME: Duration = Duration::from_secs(5);

/// The outcome of a search for a failure.
struct Search {
    /// The schedules that were run until one has failed.
    schedules: u64,
    /// The length of the trace that is reported.
    trace: usize,
}

/// The group.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = rate::benches();
    for &(name, rows) in BUGS {
        let random = move || sides(ours(name), searching(move |seed| shuttle::find_by_chance(name, seed)));
        benches.push(with_trace(Bench::new(rows[0], "shuttle", random), rows));
        let pct = move || sides(ours(name), searching(move |seed| shuttle::find_by_priorities(name, seed)));
        let pct = Bench::new(rows[0], "shuttle pct", pct);
        benches.push(if HIDDEN_FROM_PRIORITIES.contains(&name) {
            pct.row(rows[1], Metric::ExtraCount(0))
        } else {
            with_trace(pct, rows)
        });
        let loom = move || sides(ours(name), searching(move |_| loom::find(name)));
        benches.push(Bench::new(rows[0], "loom", loom).row(rows[1], Metric::ExtraCount(0)));
    }
    for &(name, rows) in BUGS.iter().chain(BUGS_OF_TASKS) {
        let limits = move || sides(ours(name), limits(name));
        let bench = Bench::new(rows[0], "limit", limits).goal(1.0);
        let bench = bench.row(rows[1], Metric::ExtraCount(0)).goal(1.0);
        benches.push(bench.row(rows[2], Metric::ExtraCount(1)).goal(1.0));
    }
    benches
}

fn with_trace(bench: Bench, rows: [&'static str; 3]) -> Bench {
    bench.row(rows[1], Metric::ExtraCount(0)).row(rows[2], Metric::ExtraCount(1))
}

/// The bugs of tasks and jobs, and the names of their rows.
const BUGS_OF_TASKS: &[(&str, [&str; 3])] = &[
    ("two-locks", ["two_locks", "two_locks_schedules", "two_locks_trace"]),
    ("condition-if", ["condition_if", "condition_if_schedules", "condition_if_trace"]),
    ("merged-notify", ["merged_notify", "merged_notify_schedules", "merged_notify_trace"]),
    (
        "notify-before-wait",
        ["notify_before_wait", "notify_before_wait_schedules", "notify_before_wait_trace"],
    ),
    ("futurelock", ["futurelock", "futurelock_schedules", "futurelock_trace"]),
    ("select-loses-item", ["select_loses_item", "select_loses_item_schedules", "select_loses_item_trace"]),
    (
        "timer-against-cancel",
        ["timer_against_cancel", "timer_against_cancel_schedules", "timer_against_cancel_trace"],
    ),
    ("missed-shutdown", ["missed_shutdown", "missed_shutdown_schedules", "missed_shutdown_trace"]),
    ("permit-leak", ["permit_leak", "permit_leak_schedules", "permit_leak_trace"]),
    (
        "cancelled-transfer",
        ["cancelled_transfer", "cancelled_transfer_schedules", "cancelled_transfer_trace"],
    ),
    ("starvation", ["starvation", "starvation_schedules", "starvation_trace"]),
    ("job-behind", ["job_behind", "job_behind_schedules", "job_behind_trace"]),
];

/// The bugs that all can run, and the names of their rows.
const BUGS: &[(&str, [&str; 3])] = &[
    ("lost-update", ["lost_update", "lost_update_schedules", "lost_update_trace"]),
    ("flag-order", ["flag_order", "flag_order_schedules", "flag_order_trace"]),
    ("double-completion", ["double_completion", "double_completion_schedules", "double_completion_trace"]),
    ("aba", ["aba", "aba_schedules", "aba_trace"]),
    ("double-unlock", ["double_unlock", "double_unlock_schedules", "double_unlock_trace"]),
    ("lost-wake-up", ["lost_wake_up", "lost_wake_up_schedules", "lost_wake_up_trace"]),
    ("missed-close", ["missed_close", "missed_close_schedules", "missed_close_trace"]),
    ("three-locks", ["three_locks", "three_locks_schedules", "three_locks_trace"]),
];

/// The bugs that shuttle's priorities of depth 3 do not find within the schedules of a search, so that there
/// is no trace.
const HIDDEN_FROM_PRIORITIES: [&str; 2] = ["flag-order", "double-unlock"];

/// Builds the bugs of plain threads with the types that the module `shim` beside the call names.
macro_rules! bugs_of_threads {
    () => {
        #[path = "../../../../explore/src/bugs/aba.rs"]
        mod aba;
        #[path = "../../../../explore/src/bugs/double_completion.rs"]
        mod double_completion;
        #[path = "../../../../explore/src/bugs/double_unlock.rs"]
        mod double_unlock;
        #[path = "../../../../explore/src/bugs/flag_order.rs"]
        mod flag_order;
        #[path = "../../../../explore/src/bugs/lost_update.rs"]
        mod lost_update;
        #[path = "../../../../explore/src/bugs/lost_wake_up.rs"]
        mod lost_wake_up;
        #[path = "../../../../explore/src/bugs/missed_close.rs"]
        mod missed_close;
        #[path = "../../../../explore/src/bugs/three_locks.rs"]
        mod three_locks;

        /// The wrong program and the right one.
        pub(super) fn programs(name: &str) -> [fn(); 2] {
            match name {
                "aba" => [aba::bad, aba::right],
                "double-completion" => [double_completion::bad, double_completion::right],
                "double-unlock" => [double_unlock::bad, double_unlock::right],
                "flag-order" => [flag_order::bad, flag_order::right],
                "lost-update" => [lost_update::bad, lost_update::right],
                "lost-wake-up" => [lost_wake_up::bad, lost_wake_up::right],
                "missed-close" => [missed_close::bad, missed_close::right],
                "three-locks" => [three_locks::bad, three_locks::right],
                _ => unreachable!("the list has no bug {name}"),
            }
        }
    };
}
use bugs_of_threads;

fn bug(name: &str) -> &'static Bug {
    bugs::ALL.iter().find(|bug| bug.name == name).expect("the bug is planted")
}

/// The limits of a search: its schedules, their time at the wanted rate, and the known minimum of
/// deviations.
fn limits(name: &str) -> Side {
    // A bug of the usual schedule has an empty trace, which no ratio can be made of.
    let extra = vec![MAX_SCHEDULES as f64, bug(name).minimum.max(1) as f64];
    Box::new(move |iterations| {
        let time = MAX_SEARCH_TIME * u32::try_from(iterations).unwrap_or(u32::MAX);
        Measure { ops: iterations, wall: time, cpu: time, extra: extra.clone() }
    })
}

fn ours(name: &'static str) -> Side {
    let bug = bug(name);
    searching(move |seed| {
        let explore = Explore::new().schedules(MAX_SCHEDULES as u64).seed(seed);
        let Verdict::Failed(failed) = bug.bad.explore(explore) else { panic!("{name} is not found") };
        Search { schedules: failed.coverage.schedules, trace: failed.schedule.deviations().len() }
    })
}

/// Makes a side of a search. The extra figures are the means of the schedules and of the traces.
fn searching(mut find: impl FnMut(u64) -> Search + 'static) -> Side {
    let mut seed = 0;
    Box::new(move |iterations| {
        let before = cpu::with_children();
        let one = |_| {
            seed += 1;
            find(seed)
        };
        let (searches, wall) = clock::timed(|| (0..iterations).map(one).collect::<Vec<_>>());
        let mean = |sum: u64| sum as f64 / iterations.max(1) as f64;
        let schedules = mean(searches.iter().map(|search| search.schedules).sum());
        let trace = mean(searches.iter().map(|search| search.trace as u64).sum());
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops: iterations, wall, cpu, extra: vec![schedules, trace] }
    })
}

/// Runs a peer, which tells a failure by a panic. Returns whether it has done so. The message is not printed,
/// and the peer's own hook does not stay.
fn panics(run: impl FnOnce() + panic::UnwindSafe) -> bool {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(run);
    panic::set_hook(hook);
    outcome.is_err()
}
