//! Child replies by a script: in every order, late, and lost.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_explore::{
    Explore,
    children::{ProcessPool, Reply},
    handle::{JoinError, Lost, explore::Kind},
    runtime::{gather, timeout},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

fn coarse(schedules: u64) -> Explore {
    Explore::new().coarse().schedules(schedules)
}

#[test]
fn a_map_has_its_results_in_the_order_of_its_inputs() {
    coarse(1_000)
        .explore_threads(|| {
            let procs = ProcessPool::new(2).unwrap();
            let squares: Vec<u32> = procs.map(|n: u32| n * n, 0..4).into_iter().map(Result::unwrap).collect();
            assert_eq!(squares, [0, 1, 4, 9]);
            procs.shutdown();
        })
        .expect_pass();
}

#[test]
fn answers_come_in_every_order_and_to_tasks_too() {
    let program = || async {
        let procs = ProcessPool::new(2).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let answers = [1_u32, 2].map(|n| {
            let (handle, order) = (procs.spawn(|n: u32| n, n), order.clone());
            async move {
                let n = handle.await.unwrap();
                order.lock().unwrap().push(n);
            }
        });
        gather(answers).await;
        assert_eq!(*order.lock().unwrap(), [1, 2], "another order");
    };
    let swapped = coarse(1_000).explore(program).expect_failure();
    assert_eq!(swapped.schedule.deviations().len(), 1, "{swapped}");
}

#[test]
fn a_child_that_dies_takes_one_call_along_and_retries_bring_it_back() {
    coarse(1_000)
        .explore_threads(|| {
            let procs = ProcessPool::builder().deaths().build().unwrap();
            let handles: Vec<_> = (0..3).map(|n: u32| procs.spawn(|n: u32| n, n)).collect();
            for (n, handle) in (0..).zip(handles) {
                match handle.join() {
                    Ok(answer) => assert_eq!(answer, n),
                    Err(error) => assert!(matches!(error, JoinError::Lost(Lost::Killed { signal: 9 }, _))),
                }
            }
            let tried = procs.call(|n: u32| n, 7).retry(1).spawn().join();
            assert!(matches!(tried, Ok(7) | Err(JoinError::Lost(Lost::Quarantined { workers: 2, .. }, _))));
        })
        .expect_pass();
    let lost = coarse(1_000)
        .explore_threads(|| {
            let procs = ProcessPool::builder().deaths().build().unwrap();
            procs.call(|n: u32| n, 7).retry(1).spawn().join().unwrap();
        })
        .expect_failure();
    assert_eq!((lost.schedule.deviations().len(), lost.schedule.count(Kind::Reply)), (2, 2), "{lost}");
}

#[test]
fn a_late_answer_meets_the_limit_of_its_call_and_a_timeout() {
    coarse(500)
        .explore(|| async {
            let late = |_| Reply::AnswerLate(Duration::from_secs(5));
            let procs = ProcessPool::builder().workers(1).script(late).build().unwrap();
            let limit = Duration::from_secs(3);
            let error = procs.call(|n: u32| n, 1).timeout(limit).spawn().await.unwrap_err();
            assert!(matches!(error, JoinError::Lost(Lost::TimedOut { .. }, _)), "{error}");
            let mut handle = procs.spawn(|n: u32| n, 2);
            assert!(timeout(limit, &mut handle).await.is_err());
            assert_eq!(handle.await.unwrap(), 2);
        })
        .expect_pass();
}

#[test]
fn a_cancel_removes_what_waits_and_kills_what_runs_if_asked() {
    coarse(1_000)
        .explore_threads(|| {
            let late = |_| Reply::AnswerLate(Duration::from_secs(5));
            let procs = ProcessPool::builder().workers(1).script(late).build().unwrap();
            let runs = procs.call(|n: u32| n, 1).kill_on_cancel().spawn();
            let waits = procs.spawn(|n: u32| n, 2);
            let stands = procs.spawn(|n: u32| n, 3);
            waits.cancel();
            runs.cancel();
            assert!(matches!(waits.join(), Ok(2) | Err(JoinError::Cancelled(_))));
            assert!(matches!(runs.join(), Ok(1) | Err(JoinError::Cancelled(_))));
            assert_eq!(stands.join().unwrap(), 3);
        })
        .expect_pass();
}

#[test]
fn panics_closed_pools_and_ends_are_told_like_those_of_processes() {
    coarse(500)
        .explore_threads(|| {
            let procs = ProcessPool::new(1).unwrap();
            let burnt = procs.spawn(|(): ()| -> u32 { panic!("burnt") }, ()).join().unwrap_err();
            assert_eq!(burnt.panic_message(), Some("burnt"));
            let amount = 3;
            let captures = procs.spawn(move |n: u32| n + amount, 1).join().unwrap_err();
            assert!(matches!(captures, JoinError::Lost(Lost::Codec(_), _)), "{captures}");
            let early = procs.spawn(|n: u32| n, 1);
            procs.close();
            let late = procs.spawn(|n: u32| n, 1).join().unwrap_err();
            assert!(matches!(late, JoinError::Lost(Lost::NotStarted(_), _)), "{late}");
            procs.shutdown();
            assert_eq!(early.join().unwrap(), 1);
            let procs = ProcessPool::new(1).unwrap();
            let handle = procs.spawn(|n: u32| n, 1);
            procs.terminate();
            assert!(matches!(handle.join(), Ok(1) | Err(JoinError::Cancelled(_))));
        })
        .expect_pass();
}
