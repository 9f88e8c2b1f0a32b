//! Each planted bug is found within 10,000 schedules and shrunk to its known minimum, and its right version
//! passes.

use brigade_explore::{
    Explore, Verdict,
    bugs::{self, Bug},
};

const MAX_SCHEDULES: u64 = 10_000;
/// The schedules of a right version here. All of them passed 100,000 once.
const RIGHT_SCHEDULES: u64 = 400;

fn check(name: &str) {
    let bug = bugs::ALL.iter().find(|bug| bug.name == name).expect("the bug is planted");
    demand_minimum(bug);
    match bug.right.explore(Explore::new().schedules(RIGHT_SCHEDULES)) {
        Verdict::Passed(coverage) => assert!(coverage.is_complete || coverage.schedules == RIGHT_SCHEDULES),
        Verdict::Failed(failed) => panic!("an alarm on the right version of {name}:\n{failed}"),
        unfit @ Verdict::Unfit { .. } => panic!("{unfit:?}"),
    }
}

fn demand_minimum(bug: &Bug) {
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
