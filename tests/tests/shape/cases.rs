//! The cases. Each case holds for a task, a job and a call alike.

use crate::{
    executor::Executor,
    gate::{Gate, wait_at},
};
use brigade_handle::{Id, JoinError};
use brigade_trace::{Kind, Session};
use std::sync::{Mutex, PoisonError};

fn double(n: u64) -> u64 {
    n * 2
}

fn panic_if_three(n: u64) -> u64 {
    assert!(n != 3, "three is not to my taste");
    n
}

pub(crate) fn results_come_in_the_order_of_the_inputs<E: Executor>() {
    let executor = E::start(4);
    let results = executor.map(double, (0..1_000).collect());
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, (0..1_000).map(double).collect::<Vec<_>>());
    executor.shutdown();
}

pub(crate) fn a_panic_fails_its_own_unit_only<E: Executor>() {
    let executor = E::start(2);
    let results = executor.map(panic_if_three, vec![1, 2, 3, 4]);
    assert!(results.iter().enumerate().all(|(place, result)| result.is_ok() == (place != 2)), "{results:?}");
    let error = results.into_iter().nth(2).unwrap().unwrap_err();
    assert_eq!(error.panic_message(), Some("three is not to my taste"));
    assert_eq!(executor.spawn(double, 4).join().unwrap(), 8, "the worker lives on");
    executor.shutdown();
}

pub(crate) fn queued_work_can_be_cancelled<E: Executor>() {
    let executor = E::start(1);
    let gate = Gate::new();
    let first = executor.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued = executor.spawn(double, 1);
    queued.cancel();
    drop(waiting);
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(first.join().unwrap(), gate.port(), "the work before it is not touched");
    executor.shutdown();
}

pub(crate) fn a_cancel_handle_cancels_what_another_handle_waits_for<E: Executor>() {
    let executor = E::start(1);
    let gate = Gate::new();
    let first = executor.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued = executor.spawn(double, 1);
    let (cancel, detached) = (queued.cancel_handle(), executor.spawn(double, 2).cancel_handle());
    let canceller = std::thread::spawn(move || cancel.clone().cancel());
    detached.cancel();
    canceller.join().unwrap();
    drop(waiting);
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(first.join().unwrap(), gate.port(), "the work before it is not touched");
    executor.shutdown();
    assert!(detached.is_finished());
}

pub(crate) fn an_error_says_which_work_it_is_of<E: Executor>() {
    // A process has one session at a time, and the executors are tested side by side.
    static SESSION: Mutex<()> = Mutex::new(());
    let _one = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    let executor = E::start(1);
    let unseen = executor.spawn(panic_if_three, 3);
    assert_eq!(unseen.id(), Id::NONE, "nothing is recorded yet");
    assert!(unseen.join().unwrap_err().to_string().starts_with("panicked: "));
    let session = Session::start(1 << 12).unwrap();
    let gate = Gate::new();
    let first = executor.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let (panics, queued) = (executor.spawn(panic_if_three, 3), executor.spawn(double, 1));
    let ids = [panics.id(), queued.id()];
    assert_eq!(queued.cancel_handle().id(), ids[1]);
    queued.cancel();
    drop(waiting);
    let errors = [panics.join().unwrap_err(), queued.join().unwrap_err()];
    first.join().unwrap();
    let trace = session.stop();
    for (id, error) in ids.into_iter().zip(errors) {
        assert_eq!(error.id(), id);
        assert!(error.to_string().starts_with(&id.to_string()), "{error}");
        let is_spawn = |event: &&brigade_trace::Event| event.kind == Kind::Spawn && event.subject == id;
        assert_eq!(trace.events().filter(is_spawn).count(), 1, "{id} is the trace's");
    }
    executor.shutdown();
}

pub(crate) fn a_dropped_handle_detaches<E: Executor>() {
    let executor = E::start(1);
    let gate = Gate::new();
    drop(executor.spawn(wait_at, gate.port()));
    drop(gate.arrival());
    drop(executor.spawn(wait_at, gate.port()));
    drop(gate.arrival());
    executor.shutdown();
}

pub(crate) fn a_shutdown_drains_what_is_queued<E: Executor>() {
    let executor = E::start(1);
    let gate = Gate::new();
    let first = executor.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued: Vec<_> = (0..100).map(|n| executor.spawn(double, n)).collect();
    drop(waiting);
    executor.shutdown();
    assert!(first.is_finished());
    for (n, handle) in (0..).zip(queued) {
        assert!(handle.is_finished(), "unit {n} has ended before shutdown returned");
        assert_eq!(handle.join().unwrap(), double(n));
    }
}

pub(crate) fn a_drop_leaves_no_handle_waiting<E: Executor>() {
    let executor = E::start(1);
    let gate = Gate::new();
    let first = executor.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued: Vec<_> = (0..100).map(|n| executor.spawn(double, n)).collect();
    drop(waiting);
    drop(executor);
    // A drop stops running work if it can (a child, a task), and finishes it if it cannot (a thread).
    assert!(first.is_finished());
    for (n, handle) in (0..).zip(queued) {
        assert!(handle.is_finished(), "unit {n} has ended before the drop returned");
        match handle.join() {
            Ok(result) => assert_eq!(result, double(n)),
            Err(error) => assert!(matches!(error, JoinError::Cancelled(_)), "{error}"),
        }
    }
}

pub(crate) fn work_may_spawn_work<E: Executor>() {
    let executor = E::start(1);
    assert_eq!(executor.spawn(E::nested, 41).join().unwrap(), 42);
    executor.shutdown();
}

pub(crate) fn a_handle_can_be_awaited_on_a_foreign_executor<E: Executor>() {
    let executor = E::start(2);
    let handle = executor.spawn(double, 21);
    let result = brigade_runtime::run(handle);
    assert_eq!(result.unwrap(), 42);
    executor.shutdown();
}

pub(crate) fn a_million_units_come_back_in_order<E: Executor>() {
    let executor = E::start(2);
    let results = executor.map(double, (0..1_000_000).collect());
    assert_eq!(results.len(), 1_000_000);
    assert!((0..).zip(results).all(|(n, result)| result.unwrap() == double(n)));
    executor.shutdown();
}
