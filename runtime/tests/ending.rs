//! How runtimes end: with work queued, with tasks that hold on, from odd places.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::{OnDrop, runtimes};
use brigade_runtime::{
    Elapsed, JoinError, Runtime, named, run, sleep, spawn, spawn_blocking, spawn_local, task_name, yield_now,
};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Waker,
    thread,
    time::Duration,
};

#[test]
fn shutdown_runs_what_is_queued_and_what_that_spawns() {
    for runtime in runtimes() {
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let count = count.clone();
            drop(runtime.spawn(async move {
                yield_now().await;
                let inner = count.clone();
                drop(spawn(async move {
                    sleep(Duration::from_millis(2)).await;
                    inner.fetch_add(1, Ordering::SeqCst);
                }));
                count.fetch_add(1, Ordering::SeqCst);
            }));
        }
        runtime.shutdown();
        assert_eq!(count.load(Ordering::SeqCst), 2000);
    }
}

#[test]
fn a_shutdown_with_a_deadline_waits_for_those_that_end_and_cancels_those_that_do_not() {
    for runtime in runtimes() {
        let task = runtime.spawn(async {
            sleep(Duration::from_millis(3)).await;
            7
        });
        assert_eq!(runtime.shutdown_timeout(Duration::MAX), Ok(()));
        assert_eq!(task.join().unwrap(), 7);
    }
    for limit in [0, 5] {
        for runtime in runtimes() {
            let drops = Arc::new(AtomicUsize::new(0));
            let count = || {
                let drops = drops.clone();
                OnDrop(move || _ = drops.fetch_add(1, Ordering::SeqCst))
            };
            let (waits, spins) = (count(), count());
            let stuck = runtime.spawn(async move {
                let _guard = waits;
                std::future::pending::<()>().await;
            });
            let busy = runtime.spawn(async move {
                let _guard = spins;
                loop {
                    yield_now().await;
                }
            });
            assert_eq!(runtime.shutdown_timeout(Duration::from_millis(limit)), Err(Elapsed));
            assert_eq!(drops.load(Ordering::SeqCst), 2);
            assert!(matches!(stuck.join(), Err(JoinError::Cancelled(_))));
            assert!(matches!(busy.join(), Err::<(), _>(JoinError::Cancelled(_))));
        }
    }
}

#[test]
fn a_hundred_blocking_calls_may_wait_for_each_other() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let all = Arc::new(std::sync::Barrier::new(100));
            let calls: Vec<_> = (0..100)
                .map(|_| {
                    let all = all.clone();
                    spawn_blocking(move || _ = all.wait())
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        });
        assert_eq!(runtime.shutdown_timeout(Duration::MAX), Ok(()));
    }
}

#[test]
fn dropping_the_runtime_cancels_and_drops_all_tasks() {
    for runtime in runtimes() {
        let drops = Arc::new(AtomicUsize::new(0));
        let task = || {
            let drops = drops.clone();
            let guard = OnDrop(move || _ = drops.fetch_add(1, Ordering::SeqCst));
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        };
        let mut handles: Vec<_> = (0..100).map(|_| runtime.spawn(task())).collect();
        runtime.block_on(yield_now());
        handles.extend((0..100).map(|_| runtime.spawn(task())));
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 200);
        for handle in handles {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        }
    }
}

#[test]
fn run_cancels_leftovers_and_a_second_run_works() {
    for _ in 0..2 {
        let dropped = Rc::new(Cell::new(0));
        let (one, two) = (dropped.clone(), dropped.clone());
        run(async move {
            drop(spawn_local(async move {
                let _guard = OnDrop(|| one.set(one.get() + 1));
                std::future::pending::<()>().await;
            }));
            yield_now().await;
            // Never polled.
            let guard = OnDrop(move || two.set(two.get() + 1));
            drop(spawn_local(async move { drop(guard) }));
        });
        assert_eq!(dropped.get(), 2);
    }
}

#[test]
fn destructors_that_wake_each_other_and_spawn_end() {
    for runtime in runtimes() {
        let (sender, receiver) = mpsc::channel::<Waker>();
        let wakers = Arc::new(std::sync::Mutex::new(Vec::<Waker>::new()));
        for _ in 0..50 {
            let (sender, wakers) = (sender.clone(), wakers.clone());
            drop(runtime.spawn(async move {
                let _guard = OnDrop(|| {
                    wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
                    drop(spawn(async { unreachable!("a runtime that ends runs nothing new") }));
                });
                std::future::poll_fn(|cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    sender.send(cx.waker().clone()).unwrap();
                    std::task::Poll::<()>::Pending
                })
                .await;
            }));
        }
        drop(sender);
        runtime.block_on(async {
            while wakers.lock().unwrap().len() < 50 {
                yield_now().await
            }
        });
        drop(runtime);
        // The runtime is gone; its tasks' wakers are not.
        assert!(receiver.iter().map(Waker::wake).count() >= 50);
    }
}

#[test]
fn a_cancelled_task_whose_destructor_panics_says_so() {
    for runtime in runtimes() {
        let task = runtime.spawn(async {
            let _guard = OnDrop(|| panic!("in the destructor"));
            std::future::pending::<()>().await;
        });
        runtime.block_on(yield_now());
        runtime.block_on(async {
            yield_now().await;
            yield_now().await;
            task.cancel();
            match task.await {
                Err(error @ JoinError::Panicked(..)) => {
                    assert_eq!(error.panic_message(), Some("in the destructor"))
                }
                // It was cancelled before its first poll.
                other => assert!(matches!(other, Err(JoinError::Cancelled(_))), "{other:?}"),
            }
        });
    }
}

#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        // First of all thread-locals, so it is the last one to be destroyed.
        KEPT.with(|_| ());
        let runtime = Runtime::current_thread().unwrap();
        let task = runtime.spawn(named("kept", async move {
            let _at_the_end = OnDrop(|| sender.send(task_name()).unwrap());
            pending::<()>().await;
        }));
        runtime.block_on(yield_now());
        KEPT.set(Some(runtime));
        task
    });
    let task = thread.join().unwrap();
    assert!(matches!(task.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(receiver.recv(), Ok(None), "the future was dropped, where no name can be had any more");
}

#[test]
fn a_task_may_drop_its_own_runtime() {
    let runtime = Arc::new(Runtime::multi_thread(2).unwrap());
    let (sender, receiver) = mpsc::channel();
    let own = runtime.clone();
    let (go, gone) = mpsc::channel::<()>();
    drop(runtime.spawn(async move {
        gone.recv().unwrap();
        drop(own);
        sender.send(()).unwrap();
        std::future::pending::<()>().await;
    }));
    drop(runtime);
    go.send(()).unwrap();
    receiver.recv().unwrap();
    // The threads end by themselves: the future with the sender is dropped.
    assert!(receiver.recv().is_err());
}

#[test]
fn a_blocking_call_may_drop_the_runtime_that_it_belongs_to() {
    for runtime in runtimes() {
        let runtime = Arc::new(runtime);
        let own = runtime.clone();
        let (go, gone) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let call = move || {
            gone.recv().unwrap();
            drop(own);
            sender.send(()).unwrap();
        };
        runtime.block_on(async { drop(spawn_blocking(call)) });
        drop(runtime);
        go.send(()).unwrap();
        receiver.recv().unwrap();
        // The thread ends by itself.
        assert!(receiver.recv().is_err());
    }
}

#[test]
fn a_runtime_may_be_dropped_inside_another() {
    run(async {
        let runtime = Runtime::multi_thread(1).unwrap();
        let handle = runtime.spawn(std::future::pending::<()>());
        drop(runtime);
        assert!(handle.await.is_err());
        let runtime = Runtime::current_thread().unwrap();
        let handle = runtime.spawn(std::future::pending::<()>());
        drop(runtime);
        assert!(handle.await.is_err());
    });
}

#[test]
fn spawning_on_a_runtime_that_ended_is_cancelled_at_once() {
    run(async {
        let _guard = OnDrop(|| {
            let handle = spawn(async {});
            assert!(handle.is_finished());
        });
        drop(spawn(async {
            let _guard = OnDrop(|| assert!(spawn(async {}).is_finished()));
            std::future::pending::<()>().await;
        }));
        yield_now().await;
        std::mem::forget(_guard);
    });
}

#[test]
fn blocking_inside_a_runtime_is_refused_with_a_reason() {
    let refused = |what: &str, f: fn()| {
        let error = run(async move { spawn(async move { f() }).await }).unwrap_err();
        let message = error.panic_message().unwrap().to_owned();
        assert!(message.contains(what) && message.contains("`.await`"), "{message}");
    };
    refused("run", || run(async {}));
    refused("block_on", || Runtime::current_thread().unwrap().block_on(async {}));
    refused("block_on", || Runtime::multi_thread(1).unwrap().block_on(async {}));
    refused("join", || spawn(async {}).join().unwrap());
}

#[test]
fn a_panic_of_the_main_future_goes_on_and_leftovers_are_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = drops.clone();
    let result = std::panic::catch_unwind(move || {
        run(async move {
            drop(spawn(async move {
                let _guard = OnDrop(|| _ = counted.fetch_add(1, Ordering::SeqCst));
                std::future::pending::<()>().await;
            }));
            yield_now().await;
            panic!("main");
        })
    });
    assert!(result.is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}
