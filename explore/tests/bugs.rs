//! Each planted bug is found within 10,000 schedules and shrunk to its known minimum: all schedules with
//! fewer deviations pass. Its right version passes.

use brigade_explore::{
    Explore, Verdict,
    bugs::{self, Bug},
};

const MAX_SCHEDULES: u64 = 10_000;
/// The schedules of a right version. `docs/proof.md` has the latest run with 100,000.
fn right_schedules() -> u64 {
    let given = std::env::var("BRIGADE_EXPLORE_SCHEDULES").ok();
    given.map_or(400, |number| number.parse().expect("BRIGADE_EXPLORE_SCHEDULES is a number"))
}

fn check(name: &str) {
    let bug = bugs::ALL.iter().find(|bug| bug.name == name).expect("the bug is planted");
    demand_minimum(bug);
    match bug.right.explore(Explore::new().schedules(right_schedules())) {
        Verdict::Passed(coverage) => {
            // Shown by `--nocapture`.
            println!(
                "{name}, the right version: {} schedules, all with at most {} deviations",
                coverage.schedules, coverage.all_deviations
            );
            assert!(coverage.is_complete || coverage.schedules == right_schedules());
        }
        Verdict::Failed(failed) => panic!("an alarm on the right version of {name}:\n{failed}"),
        unfit @ Verdict::Unfit { .. } => panic!("{unfit:?}"),
    }
}

fn demand_minimum(bug: &Bug) {
    if let Some(fewer) = bug.minimum.checked_sub(1) {
        // The minimum is known without the shrinker: all schedules with fewer deviations pass.
        let fewer = u32::try_from(fewer).expect("it is small");
        let coverage =
            bug.bad.explore(Explore::new().deviations(fewer).schedules(MAX_SCHEDULES)).expect_pass();
        assert_eq!(coverage.all_deviations, fewer, "{coverage:?}");
    }
    let Verdict::Failed(failed) = bug.bad.explore(Explore::new().schedules(MAX_SCHEDULES)) else {
        panic!("{} is not found", bug.name)
    };
    assert_eq!(failed.schedule.deviations().len(), bug.minimum, "{}", bug.why);
}

macro_rules! each_bug {
    ($($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                check(&stringify!($test).replace('_', "-"));
            }
        )*

        #[test]
        fn each_bug_has_a_test() {
            let tested = [$(stringify!($test)),*].map(|test| test.replace('_', "-"));
            let planted: Vec<_> = bugs::ALL.iter().map(|bug| bug.name).collect();
            assert_eq!(planted, tested);
        }
    };
}

each_bug! {
    lost_update
    flag_order
    double_completion
    aba
    double_unlock
    lost_wake_up
    missed_close
    three_locks
    two_locks
    condition_if
    merged_notify
    notify_before_wait
    futurelock
    select_loses_item
    timer_against_cancel
    missed_shutdown
    permit_leak
    cancelled_transfer
    starvation
    job_behind
}
