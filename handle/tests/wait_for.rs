//! Waiting for several handles: in their order of finishing, until the first, until the first failure,
//! until all.

use brigade_handle::{JoinError, JoinHandle, Until, as_completed, pair, wait, wait_for, wait_for_timeout};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

fn done(value: u32) -> JoinHandle<u32> {
    let (completer, handle) = pair();
    completer.complete(Ok(value));
    handle
}

fn failed() -> JoinHandle<u32> {
    let (completer, handle) = pair();
    completer.complete(Err(JoinError::cancelled()));
    handle
}

#[test]
fn results_come_in_the_order_in_which_they_finish() {
    let (mut completers, handles): (Vec<_>, Vec<_>) = (0..4).map(|_| pair::<usize>()).unzip();
    let mut results = as_completed(handles);
    for number in [2, 0, 1, 0] {
        let completer = completers.remove(number);
        let left = results.len();
        completer.complete(Ok(left));
        assert_eq!(results.next().unwrap().1.unwrap(), left);
    }
    assert!(results.next().is_none());
}

#[test]
fn each_result_comes_once_from_whatever_thread() {
    for round in 0..200 {
        let (completers, handles): (Vec<_>, Vec<_>) = (0..8).map(|_| pair::<usize>()).unzip();
        let threads: Vec<_> = completers
            .into_iter()
            .enumerate()
            .map(|(number, completer)| thread::spawn(move || completer.complete(Ok(number * round))))
            .collect();
        let mut numbers: Vec<_> = as_completed(handles)
            .map(|(number, result)| {
                assert_eq!(result.unwrap(), number * round);
                number
            })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..8));
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap()));
    }
}

#[test]
fn finished_handles_come_first_in_the_order_of_the_input() {
    let (completer, late) = pair();
    let mut results = as_completed([late, done(1), done(2)]);
    assert_eq!(results.next().unwrap().0, 1);
    assert_eq!(results.next().unwrap().0, 2);
    completer.complete(Ok(0));
    assert_eq!(results.next().unwrap().0, 0);
}

#[test]
fn a_lost_result_is_a_result() {
    let (completer, handle) = pair::<()>();
    let mut results = as_completed([handle]);
    drop(completer);
    assert!(matches!(results.next(), Some((0, Err(JoinError::Lost(..))))));
}

#[test]
fn the_first_that_finishes_is_enough() {
    let (completer, running) = pair();
    let waited = wait_for([running, done(7)], Until::FirstCompleted);
    assert!(matches!(waited.done[..], [(1, Ok(7))]));
    let (number, running) = waited.pending.into_iter().next().unwrap();
    completer.complete(Ok(8));
    assert_eq!((number, running.join().unwrap()), (0, 8), "a pending handle is as good as new");
}

#[test]
fn a_failure_is_waited_for_past_results() {
    let (first, handle) = pair();
    let (second, other) = pair();
    let completer = thread::spawn(move || {
        first.complete(Ok(1));
        drop(second);
    });
    let (_running, pending) = pair();
    let waited = wait_for([handle, other, pending], Until::FirstFailed);
    completer.join().unwrap();
    assert!(matches!(waited.done[..], [(0, Ok(1)), (1, Err(_))]));
    assert_eq!(waited.pending[0].0, 2);
}

#[test]
fn without_a_failure_all_are_waited_for() {
    for until in [Until::FirstFailed, Until::All] {
        let waited = wait_for((0..5).map(done), until);
        assert_eq!((waited.done.len(), waited.pending.len()), (5, 0));
    }
}

#[test]
fn all_means_also_those_after_a_failure() {
    let waited = wait_for([failed(), done(1)], Until::All);
    assert!(matches!(waited.done[..], [(0, Err(_)), (1, Ok(1))]));
}

#[test]
fn no_handles_are_not_waited_for() {
    for until in [Until::FirstCompleted, Until::FirstFailed, Until::All] {
        assert!(wait_for::<()>([], until).done.is_empty());
    }
    assert!(as_completed::<()>([]).next().is_none());
}

#[test]
fn where_blocking_is_forbidden_it_is_refused_and_the_handles_are_kept() {
    let mut results = as_completed([done(3)]);
    let forbidden = wait::set(wait::Policy::Forbid("this is a test"));
    let refused = catch_unwind(AssertUnwindSafe(|| results.next().is_some()));
    drop(forbidden);
    assert!(refused.is_err());
    assert_eq!(results.next().unwrap().1.unwrap(), 3);
}

/// A time that is over at once, one that is over soon, and one that is not over while a test runs.
const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(600)];

#[test]
fn a_time_that_is_over_gives_no_result_and_loses_none() {
    let (completer, running) = pair();
    let mut results = as_completed([running, done(1)]);
    assert!(matches!(results.next_timeout(TIMES[0]), Some((1, Ok(1)))), "it was there already");
    assert!(results.next_timeout(TIMES[0]).is_none());
    assert!(results.next_timeout(TIMES[1]).is_none());
    assert_eq!(results.len(), 1);
    let other = thread::spawn(move || completer.complete(Ok(2)));
    assert!(matches!(results.next_timeout(TIMES[2]), Some((0, Ok(2)))));
    assert!(results.next_timeout(Duration::MAX).is_none(), "all were returned");
    other.join().unwrap();
}

#[test]
fn waiting_ends_with_the_results_that_are_there_and_the_handles_of_the_rest() {
    let (completer, running) = pair();
    let waited = as_completed([running, done(1), failed()]).into_waited();
    assert!(matches!(waited.done[..], [(1, Ok(1)), (2, Err(_))]));
    let (number, running) = waited.pending.into_iter().next().unwrap();
    completer.complete(Ok(7));
    assert_eq!((number, running.join().unwrap()), (0, 7));
}

#[test]
fn a_wait_with_a_time_limit_returns_what_is_done_by_then() {
    for at_most in [TIMES[0], TIMES[1]] {
        let (completer, running) = pair();
        let waited = wait_for_timeout([running, done(1)], Until::All, at_most);
        assert!(matches!(waited.done[..], [(1, Ok(1))]));
        let (_, running) = waited.pending.into_iter().next().unwrap();
        completer.complete(Ok(7));
        assert_eq!(running.join().unwrap(), 7, "the handle is as good as new");
    }
}

#[test]
fn a_wait_with_a_time_limit_ends_as_soon_as_enough_have_finished() {
    for at_most in [TIMES[2], Duration::MAX] {
        let (completer, running) = pair();
        let other = thread::spawn(move || completer.complete(Ok(2)));
        assert_eq!(wait_for_timeout([running, done(1)], Until::All, at_most).done.len(), 2);
        other.join().unwrap();
        let waited = wait_for_timeout([pair().1, failed()], Until::FirstFailed, at_most);
        assert!(matches!(waited.done[..], [(0, Err(_)), (1, Err(_))] | [(1, Err(_))]));
    }
}
