//! Task groups and sets: how they end when their tasks, their body or the one who waits for them fail.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    JoinError, JoinSet, Runtime, run, sleep, spawn, sync::Event, task_group, timeout, try_task_group,
    yield_now,
};
use std::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_group_waits_for_tasks_whose_handles_were_dropped_and_for_those_that_they_spawn() {
    for runtime in runtimes() {
        let done = Arc::new(AtomicUsize::new(0));
        runtime.block_on(task_group(async |group| {
            for _ in 0..20 {
                let (done, inner) = (done.clone(), group.clone());
                drop(group.spawn(async move {
                    sleep(MS).await;
                    let done_too = done.clone();
                    drop(inner.spawn(async move {
                        yield_now().await;
                        done_too.fetch_add(1, Ordering::SeqCst);
                    }));
                    done.fetch_add(1, Ordering::SeqCst);
                }));
            }
        }));
        assert_eq!(done.load(Ordering::SeqCst), 40);
    }
}

#[test]
fn the_first_panic_cancels_the_rest_and_goes_on_when_all_have_ended() {
    for runtime in runtimes() {
        let alive = Arc::new(AtomicUsize::new(0));
        let group = task_group(async |group| {
            for _ in 0..20 {
                let guard = Alive::new(&alive);
                drop(group.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                }));
            }
            let in_body = Alive::new(&alive);
            drop(group.spawn(async {
                yield_now().await;
                panic!("the first");
            }));
            pending::<()>().await;
            drop(in_body);
        });
        let error = catch_unwind(AssertUnwindSafe(|| runtime.block_on(group))).unwrap_err();
        assert_eq!(error.downcast_ref::<&str>(), Some(&"the first"));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn the_first_error_cancels_the_rest_and_is_the_result() {
    for runtime in runtimes() {
        let alive = Arc::new(AtomicUsize::new(0));
        let result: Result<(), _> = runtime.block_on(try_task_group(async |group| {
            let guard = Alive::new(&alive);
            let waiting = group.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let failing = group.try_spawn(async { Err::<(), _>("no flour") });
            // The body waits for both; it is dropped instead.
            let _ = (waiting.await, failing.await);
            unreachable!("a group that has failed drops its body");
        }));
        assert_eq!(result, Err("no flour"));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn an_error_and_a_panic_of_the_body_cancel_the_tasks() {
    for runtime in runtimes() {
        let alive = Arc::new(AtomicUsize::new(0));
        let fill = |group: &brigade_runtime::TaskGroup<&'static str>| {
            let guard = Alive::new(&alive);
            drop(group.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        };
        let result: Result<(), _> = runtime.block_on(try_task_group(async |group| {
            fill(&group);
            yield_now().await;
            Err("the body")
        }));
        assert_eq!(result, Err("the body"));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        let panicking = try_task_group(async |group| {
            fill(&group);
            panic!("the body");
            #[allow(unreachable_code)]
            Ok(())
        });
        assert!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(panicking))).is_err());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_destructor_that_panics_fails_the_group() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    for runtime in runtimes() {
        let group = task_group(async |group| {
            drop(group.spawn(async {
                let _bomb = Bomb;
            }));
            pending::<()>().await;
        });
        assert!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(group))).is_err());
    }
}

#[test]
fn cancelling_one_task_fails_nobody() {
    for runtime in runtimes() {
        let seven = runtime.block_on(task_group(async |group| {
            let never = group.spawn(pending::<()>());
            yield_now().await;
            never.cancel();
            assert!(matches!(never.await, Err(JoinError::Cancelled(_))));
            group.spawn(async { 7 }).await.unwrap()
        }));
        assert_eq!(seven, 7);
    }
}

#[test]
fn dropping_a_group_cancels_its_tasks_and_lets_no_more_in() {
    for runtime in runtimes() {
        let alive = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let mut kept = None;
            let group = task_group(async |group| {
                kept = Some(group.clone());
                for _ in 0..10 {
                    let guard = Alive::new(&alive);
                    drop(group.spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    }));
                }
                pending::<()>().await;
            });
            assert!(timeout(MS, group).await.is_err());
            while alive.load(Ordering::SeqCst) > 0 {
                yield_now().await;
            }
            let late = kept.unwrap().spawn(async { unreachable!("the group is closed") });
            assert!(matches!(late.await, Err::<(), _>(JoinError::Cancelled(_))));
        });
    }
}

#[test]
fn groups_within_groups_end_from_the_inside() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (inner, outer) = (alive.clone(), alive.clone());
    let error = catch_unwind(|| {
        run(task_group(async move |group| {
            drop(group.spawn(async move {
                let guard = Alive::new(&inner);
                task_group(async move |group| {
                    drop(group.spawn(async move {
                        let _guard = guard;
                        panic!("inside");
                    }));
                    pending::<Infallible>().await
                })
                .await;
            }));
            let _guard = Alive::new(&outer);
            pending::<()>().await;
        }));
    });
    assert_eq!(error.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn many_failures_at_once_are_one() {
    for runtime in runtimes() {
        for _ in 0..50 {
            let result: Result<(), usize> = runtime.block_on(try_task_group(async |group| {
                (0..10).for_each(|n| drop(group.try_spawn(async move { Err::<(), _>(n) })));
                Ok(())
            }));
            assert!(result.unwrap_err() < 10);
        }
    }
}

#[test]
fn a_set_gives_results_in_the_order_in_which_they_end() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let gates = [(); 3].map(|()| Arc::new(Event::new()));
            for (n, gate) in gates.iter().cloned().enumerate() {
                set.spawn(async move {
                    gate.wait().await;
                    n
                });
            }
            set.spawn(async { panic!("at once") });
            assert!(matches!(set.join_next().await, Some(Err(JoinError::Panicked(..)))));
            for n in [2, 0, 1] {
                assert!(set.try_join_next().is_none());
                gates[n].set();
                assert_eq!(set.join_next().await.unwrap().unwrap(), n);
            }
            assert!(set.join_all().await.is_empty());
        });
    }
}

#[test]
fn a_set_may_be_refilled_while_it_is_emptied() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut set: JoinSet<u64> = (0..10).map(|n| spawn(async move { n })).collect();
            let (mut left, mut sum) = (1000, 0);
            while let Some(n) = set.join_next().await {
                sum += n.unwrap();
                if left > 0 {
                    left -= 1;
                    set.spawn(async move {
                        if left % 3 == 0 {
                            yield_now().await;
                        }
                        1
                    });
                }
            }
            assert_eq!((sum, set.len()), (1000 + 45, 0));
            assert!(set.try_join_next().is_none());
        });
    }
}

#[test]
fn a_set_cancels_when_it_is_dropped_and_lets_go_when_it_is_told() {
    for runtime in runtimes() {
        let alive = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let fill = |set: &mut JoinSet<()>| {
                for _ in 0..10 {
                    let guard = Alive::new(&alive);
                    set.spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    });
                }
            };
            fill(&mut set);
            set.shutdown().await;
            assert_eq!((set.len(), alive.load(Ordering::SeqCst)), (0, 0));
            fill(&mut set);
            drop(set);
            while alive.load(Ordering::SeqCst) > 0 {
                yield_now().await;
            }
            let mut set = JoinSet::new();
            let (sender, receiver) = std::sync::mpsc::channel();
            set.spawn(async move { sender.send(()).unwrap() });
            set.detach_all();
            assert!(set.is_empty());
            while receiver.try_recv().is_err() {
                yield_now().await;
            }
        });
    }
}

#[test]
fn local_tasks_of_a_group_share_what_is_not_send_and_end_with_it() {
    let alive = Rc::new(Cell::new(0));
    let task = |alive: &Rc<Cell<i32>>| {
        let guard = Guard::new(alive);
        async move {
            pending::<()>().await;
            drop(guard);
        }
    };
    let result = run(try_task_group(async |group| {
        drop(group.spawn_local(task(&alive)));
        // A local task may spawn more, also those of the other kind.
        let (inner, counted) = (group.clone(), alive.clone());
        let spawned = group.spawn_local(async move {
            drop(inner.spawn(pending::<()>()));
            inner.spawn_local(async move { counted.get() }).await.unwrap()
        });
        assert_eq!(spawned.await.unwrap(), 1);
        let failing = alive.clone();
        drop(group.try_spawn_local(async move { Err::<(), _>(failing.get()) }));
        pending::<Result<(), i32>>().await
    }));
    assert_eq!(result, Err(1));
    assert_eq!(alive.get(), 0, "a task outlived its group");
}

#[test]
fn local_tasks_are_refused_where_no_thread_is_theirs() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let refused = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(task_group(async |group| drop(group.spawn_local(async {}))))
    }));
    let message = *refused.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("current-thread"), "{message}");
}

/// Counts those that are alive, on one thread.
struct Guard(Rc<Cell<i32>>);

impl Guard {
    fn new(count: &Rc<Cell<i32>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
