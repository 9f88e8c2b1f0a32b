//! Situations of a handle that can only cancel: apart from the result, on other threads, after the end.

use crate::common::runtimes;
use brigade_runtime::{
    CancelHandle, JoinError, JoinSet, run, spawn, spawn_local, sync::Event, task_group, yield_now,
};
use std::{
    future::pending,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

/// Cancels from a thread of its own.
fn cancel_elsewhere(cancel: CancelHandle) {
    thread::spawn(move || cancel.cancel()).join().expect("it does not panic");
}

#[test]
fn a_task_is_cancelled_by_another_thread_while_its_handle_is_awaited() {
    for runtime in runtimes() {
        let (begun, begins) = mpsc::channel();
        let handle = runtime.spawn(async move {
            begun.send(()).unwrap();
            pending::<u32>().await
        });
        let cancel = handle.cancel_handle();
        let other = thread::spawn(move || {
            begins.recv().unwrap();
            let clone = cancel.clone();
            drop(cancel);
            clone.cancel();
            clone
        });
        assert!(matches!(runtime.block_on(handle), Err(JoinError::Cancelled(_))));
        assert!(other.join().unwrap().is_finished());
    }
}

#[test]
fn a_task_that_has_not_run_is_cancelled() {
    run(async {
        let handle = spawn(async { unreachable!("it was cancelled first") });
        handle.cancel_handle().cancel();
        let result: Result<(), _> = handle.await;
        assert!(matches!(result, Err(JoinError::Cancelled(_))));
    });
}

#[test]
fn a_local_task_whose_output_may_not_leave_its_thread_is_cancelled_by_another() {
    run(async {
        let held = Rc::new(7);
        let holding = held.clone();
        let handle = spawn_local(async move {
            pending::<()>().await;
            holding
        });
        yield_now().await;
        let cancel = handle.cancel_handle();
        cancel_elsewhere(cancel.clone());
        assert!(!cancel.is_finished(), "its own thread has not run it");
        assert!(matches!(handle.await, Err(JoinError::Cancelled(_))));
        assert!(cancel.is_finished());
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_cancel_handle_keeps_neither_the_future_nor_the_output() {
    for runtime in runtimes() {
        let held = Arc::new(7);
        let (in_future, output) = (held.clone(), held.clone());
        let handle = runtime.spawn(async move {
            assert_eq!(*in_future, 7);
            output
        });
        let cancel = handle.cancel_handle();
        assert_eq!(Arc::strong_count(&runtime.block_on(handle).unwrap()), 2);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(cancel.is_finished());
        cancel.cancel();
    }
}

#[test]
fn the_end_of_a_detached_task_is_seen() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let handle = spawn(pending::<()>());
            let cancel = handle.cancel_handle();
            drop(handle);
            yield_now().await;
            assert!(!cancel.is_finished());
            cancel.cancel();
            while !cancel.is_finished() {
                yield_now().await;
            }
        });
    }
}

#[test]
fn a_cancel_handle_may_outlive_the_runtime() {
    for runtime in runtimes() {
        let handles: Vec<_> = (0..10).map(|_| runtime.spawn(pending::<()>())).collect();
        runtime.block_on(yield_now());
        let cancels: Vec<_> = handles.iter().map(|handle| handle.cancel_handle()).collect();
        drop(runtime);
        for cancel in cancels {
            assert!(cancel.is_finished());
            cancel_elsewhere(cancel);
        }
        for handle in handles {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        }
    }
}

#[test]
fn a_runtime_ends_while_others_cancel_its_tasks() {
    for round in 0..100 {
        for runtime in runtimes() {
            let handles: Vec<_> = (0..20).map(|_| runtime.spawn(pending::<()>())).collect();
            let cancels: Vec<_> = handles.iter().map(|handle| handle.cancel_handle()).collect();
            let other = thread::spawn(move || cancels.into_iter().for_each(|cancel| cancel.cancel()));
            if round % 2 == 0 {
                runtime.block_on(yield_now());
            }
            drop(runtime);
            other.join().unwrap();
            assert!(handles.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled(_)))));
        }
    }
}

#[test]
fn one_task_of_a_set_is_cancelled() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (mut set, gate) = (JoinSet::new(), Arc::new(Event::new()));
            let mut cancels = Vec::new();
            for n in 0..3 {
                let gate = gate.clone();
                let handle = set.spawn(async move {
                    gate.wait().await;
                    n
                });
                cancels.push(handle.cancel_handle());
            }
            cancels[1].cancel();
            assert!(matches!(set.join_next().await, Some(Err(JoinError::Cancelled(_)))));
            assert!(!cancels[0].is_finished() && cancels[1].is_finished() && !cancels[2].is_finished());
            gate.set();
            let mut results: Vec<_> = set.join_all().await.into_iter().map(Result::unwrap).collect();
            results.sort_unstable();
            assert_eq!(results, [0, 2]);
        });
    }
}

#[test]
fn one_task_of_a_group_is_cancelled_and_the_others_go_on() {
    for runtime in runtimes() {
        let sum = runtime.block_on(task_group(async |group| {
            let one = group.spawn(pending::<u32>());
            let two = group.spawn(async { 2 });
            let cancel = one.cancel_handle();
            group.spawn(async move { cancel.cancel() }).await.unwrap();
            assert!(matches!(one.await, Err(JoinError::Cancelled(_))));
            two.await.unwrap()
        }));
        assert_eq!(sum, 2);
    }
}

#[test]
fn a_member_of_a_set_that_is_no_task_is_cancelled_as_well() {
    let (completer, handle) = brigade_handle::pair::<()>();
    let cancel = handle.cancel_handle();
    let set: JoinSet<()> = [handle].into_iter().collect();
    cancel_elsewhere(cancel);
    assert!(completer.is_finished());
    let results = run(set.join_all());
    assert!(matches!(results[..], [Err(JoinError::Cancelled(_))]));
}
