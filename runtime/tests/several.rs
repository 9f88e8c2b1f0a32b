//! Several futures in one task: who comes first, who is dropped, and what belongs to a task.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    Either, TaskGroup, TaskLocal, Until, as_completed, named, race, run, select, shield, sleep, spawn,
    spawn_local, spawn_named, task_group, task_name, timeout, wait_for, yield_now,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn as_completed_polls_only_those_that_were_woken() {
    run(async {
        let polls = Rc::new(std::cell::Cell::new(0));
        let slow = |ms: u32| {
            let polls = polls.clone();
            async move {
                poll_fn(|_| {
                    polls.set(polls.get() + 1);
                    Poll::Ready(())
                })
                .await;
                sleep(ms * MS).await;
                poll_fn(|_| {
                    polls.set(polls.get() + 1);
                    Poll::Ready(ms)
                })
                .await
            }
        };
        let mut stream = as_completed([30, 10, 20].map(slow));
        let mut order = Vec::new();
        while let Some((_, ms)) = stream.next().await {
            order.push(ms);
        }
        assert_eq!(order, [10, 20, 30]);
        assert_eq!(polls.get(), 6);
    });
}

#[test]
fn as_completed_of_many_handles_gives_each_once() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut stream = as_completed((0..1000).map(|n| spawn(async move { n })));
            let mut seen = vec![false; 1000];
            while let Some((place, result)) = stream.next().await {
                assert_eq!(result.unwrap(), place);
                assert!(!std::mem::replace(&mut seen[place], true));
            }
            assert!(seen.into_iter().all(|seen| seen));
        });
    }
}

#[test]
fn waiting_stops_at_the_first_the_first_failure_or_the_last() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let tasks = || [spawn(pending()), spawn(async { 1 }), spawn(async { panic!("meant") })];
            let waited = wait_for(tasks(), Until::FirstFailed).await;
            assert!(waited.done.iter().any(|(place, result)| *place == 2 && result.is_err()));
            assert!(waited.pending.iter().any(|(place, _)| *place == 0));
            let waited = wait_for(tasks(), Until::FirstCompleted).await;
            assert!(!waited.done.is_empty());
            let waited = wait_for(tasks().into_iter().skip(1), Until::All).await;
            assert_eq!((waited.done.len(), waited.pending.len()), (2, 0));
            let waited = wait_for(Vec::<brigade_runtime::JoinHandle<()>>::new(), Until::FirstCompleted).await;
            assert!(waited.done.is_empty());
        });
    }
}

#[test]
fn the_losers_of_a_race_are_dropped_before_it_is_over() {
    for runtime in runtimes() {
        // Spawned: a race of what is Send is Send.
        let task = runtime.spawn(async {
            let held = Arc::new(());
            let loser = |held: Arc<()>| async move {
                let _held = held;
                pending::<u32>().await
            };
            assert_eq!(race((loser(held.clone()), ready(7), loser(held.clone()))).await, 7);
            assert_eq!(race((loser(held.clone()), async { 8 })).await, 8);
            assert_eq!(Arc::strong_count(&held), 1);
            assert_eq!(race([sleep(MS), sleep(1000 * MS)]).await, ());
            let won = select(loser(held.clone()), sleep(MS)).await;
            assert_eq!(won, Either::Right(()));
            assert_eq!(Arc::strong_count(&held), 1);
            let nobody = race(Vec::<std::future::Ready<()>>::new());
            assert!(timeout(MS, nobody).await.is_err());
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn of_those_that_are_always_ready_each_wins_at_times() {
    run(async {
        let mut wins = [0; 6];
        for _ in 0..1000 {
            wins[race((ready(0), ready(1), ready(2), ready(3), ready(4), ready(5))).await] += 1;
        }
        assert!(wins.iter().all(|&wins| wins > 50), "{wins:?}");
        let mut wins = [0; 2];
        for _ in 0..1000 {
            match select(ready(()), ready(())).await {
                Either::Left(()) => wins[0] += 1,
                Either::Right(()) => wins[1] += 1,
            }
        }
        assert!(wins.iter().all(|&wins| wins > 200), "{wins:?}");
        let mut wins = [0; 3];
        for _ in 0..1000 {
            wins[race([ready(0), ready(1), ready(2)]).await] += 1;
        }
        assert!(wins.iter().all(|&wins| wins > 100), "{wins:?}");
    });
}

#[test]
fn a_shielded_future_goes_on_and_its_panic_reaches_the_waiter() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let done = Arc::new(AtomicUsize::new(0));
            let inner = done.clone();
            let shielded = shield(async move {
                sleep(3 * MS).await;
                inner.fetch_add(1, Ordering::SeqCst);
            });
            let waiting = spawn(shielded);
            yield_now().await;
            waiting.cancel();
            assert!(waiting.await.is_err());
            while done.load(Ordering::SeqCst) == 0 {
                sleep(MS).await;
            }
            assert_eq!(shield(async { 7 }).await, 7);
            let error = spawn(shield(async { panic!("inside") })).await.unwrap_err();
            assert_eq!(error.panic_message(), Some("inside"));
        });
    }
}

static NUMBER: TaskLocal<u32> = TaskLocal::new();
static WORD: TaskLocal<String> = TaskLocal::new();

#[test]
fn task_locals_follow_their_task_and_nobody_else() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let task = |n: u32| {
                NUMBER.scope(n, async move {
                    for turn in 0..20 {
                        assert_eq!(NUMBER.get(), Some(n));
                        let inner = NUMBER.scope(n + turn, async {
                            yield_now().await;
                            NUMBER.with(|number| WORD.try_with(|_| ()).map_or(*number, |()| 0))
                        });
                        assert_eq!(inner.await, n + turn);
                        assert_eq!(spawn(async { NUMBER.get() }).await.unwrap(), None);
                    }
                })
            };
            let tasks: Vec<_> = (0..50).map(|n| spawn(task(100 * n))).collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(NUMBER.get(), None);
        });
    }
}

static STEPS: TaskLocal<Cell<u32>> = TaskLocal::new();
static NOTES: TaskLocal<Rc<RefCell<Vec<u32>>>> = TaskLocal::new();

#[test]
fn a_task_local_may_be_a_cell_whose_task_moves_between_threads() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let task = || {
                STEPS.scope(Cell::new(0), async {
                    for turn in 0..50 {
                        assert_eq!(STEPS.with(|steps| steps.replace(turn + 1)), turn);
                        yield_now().await;
                    }
                    STEPS.with(Cell::get)
                })
            };
            let tasks: Vec<_> = (0..50).map(|_| spawn(task())).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), 50);
            }
        });
    }
}

#[test]
fn a_local_task_has_a_value_that_stays_on_its_thread_and_is_dropped_with_it() {
    run(async {
        let notes = Rc::new(RefCell::new(Vec::new()));
        let task = |n: u32| {
            NOTES.scope(notes.clone(), async move {
                NOTES.with(|notes| notes.borrow_mut().push(n));
                pending::<()>().await;
            })
        };
        let tasks = [spawn_local(task(1)), spawn_local(task(2))];
        yield_now().await;
        assert_eq!((*notes.borrow()).clone(), [1, 2]);
        for task in tasks {
            task.cancel();
            assert!(task.await.is_err());
        }
        assert_eq!(Rc::strong_count(&notes), 1);
    });
}

#[test]
fn the_value_may_be_read_and_hidden_again_while_it_is_read() {
    let inner = || {
        STEPS.scope(Cell::new(10), async {
            yield_now().await;
            STEPS.with(Cell::get)
        })
    };
    let outer = STEPS.scope(Cell::new(1), async {
        STEPS.with(|steps| {
            let mut hidden = pin!(inner());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(hidden.as_mut().poll(&mut cx).is_pending());
            STEPS.with(|again| again.set(steps.get() + 1));
            assert_eq!(hidden.as_mut().poll(&mut cx), Poll::Ready(10));
            steps.get()
        })
    });
    assert_eq!(run(outer), 2);
}

#[test]
fn a_task_local_is_there_for_destructors_and_gone_after_a_panic() {
    struct Reads(Arc<Mutex<Vec<Option<u32>>>>);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(NUMBER.get());
        }
    }
    run(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (cancelled, panicking) = (Reads(seen.clone()), Reads(seen.clone()));
        let task = spawn(NUMBER.scope(1, async move {
            let _reads = cancelled;
            pending::<()>().await;
        }));
        yield_now().await;
        task.cancel();
        assert!(task.await.is_err());
        let task = spawn(NUMBER.scope(2, async move {
            let _reads = panicking;
            panic!("meant");
        }));
        assert!(task.await.is_err());
        assert_eq!(*seen.lock().unwrap(), [Some(1), Some(2)]);
        assert_eq!(NUMBER.get(), None);
        let outside = catch_unwind(|| NUMBER.with(|_| ())).unwrap_err();
        assert!(outside.downcast_ref::<String>().unwrap().contains("outside of its `scope`"));
    });
}

#[test]
fn every_kind_of_task_may_have_a_name() {
    fn name() -> String {
        task_name().map_or_else(|| "nobody".into(), Into::into)
    }
    run(async {
        assert_eq!(spawn_local(named("local", async { name() })).await.unwrap(), "local");
        let member = async |group: TaskGroup| group.spawn(named("member", async { name() })).await.unwrap();
        assert_eq!(task_group(member).await, "member");
        let both = named("outer", async { (named("inner", async { name() }).await, name()) });
        assert_eq!(spawn(both).await.unwrap(), ("inner".into(), "outer".into()));
        assert_eq!(spawn(async { name() }).await.unwrap(), "nobody");
    });
}

#[test]
fn a_name_is_seen_in_the_task_and_in_the_trace() {
    let session = brigade_trace::Session::start(4096).unwrap();
    run(async {
        let named = spawn_named("sous-chef", async { task_name() });
        assert_eq!(named.await.unwrap().as_deref(), Some("sous-chef"));
        assert_eq!(spawn(async { task_name() }).await.unwrap(), None);
    });
    // An error of a task says which task it was, by the id and the name that the trace shows.
    let errors = run(async {
        let mut set = brigade_runtime::JoinSet::new();
        let burnt = set.spawn(named("saucier", async { panic!("the soup has burnt") })).id();
        let plain = set.spawn(std::future::pending::<()>()).id();
        let first = set.join_next().await.unwrap().unwrap_err();
        assert_eq!(
            (first.id(), first.to_string()),
            (burnt, format!("{burnt} (`saucier`) panicked: the soup has burnt"))
        );
        set.cancel_all();
        let second = set.join_next().await.unwrap().unwrap_err();
        assert_eq!(second.id(), plain);
        assert!(
            second.subject().name().unwrap().contains("several.rs:"),
            "the line that spawned it: {second}"
        );
        [first, second]
    });
    let trace = session.stop();
    assert!(errors.iter().all(|error| trace.events().any(|event| event.subject == error.id())));
    let trace = trace.to_string();
    assert!(trace.contains("sous-chef ("), "{trace}");
}

#[test]
fn an_error_says_the_name_of_its_task_also_if_nothing_is_recorded() {
    let name = |error: brigade_runtime::JoinError| error.subject().name().map(str::to_owned);
    run(async {
        let burnt = spawn_named("saucier", async { panic!("burnt") });
        assert_eq!(name(burnt.await.unwrap_err()).as_deref(), Some("saucier"));
        // Names of futures that a task drops while it lives are not the task's.
        let other = spawn(async {
            drop(named("sommelier", async {}));
            panic!("burnt");
        });
        assert_ne!(name(other.await.unwrap_err()).as_deref(), Some("sommelier"));
        // A task that another one takes along keeps its own name.
        let (send, receive) = brigade_runtime::sync::oneshot::channel();
        let inner = named("plongeur", std::future::pending::<()>());
        let outer = spawn_named("chef", async move {
            let mut set = brigade_runtime::JoinSet::new();
            let inner = set.spawn(inner).cancel_handle();
            send.send(()).unwrap();
            std::future::pending::<()>().await;
            drop((set, inner));
        });
        receive.await.unwrap();
        outer.cancel();
        assert_eq!(name(outer.await.unwrap_err()).as_deref(), Some("chef"));
        let never = spawn_local(named("commis", std::future::pending::<()>()));
        never.cancel();
        assert_eq!(name(never.await.unwrap_err()).as_deref(), Some("commis"), "it was never polled");
    });
}

#[test]
fn a_stale_waker_of_a_child_does_no_harm() {
    run(async {
        let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let mut set = brigade_runtime::JoinSet::new();
        let keep = wakers.clone();
        set.spawn(async move {
            poll_fn(|cx| {
                keep.lock().unwrap().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
        });
        set.join_next().await.unwrap().unwrap();
        set.spawn(sleep(MS));
        wakers.lock().unwrap().drain(..).for_each(Waker::wake);
        set.join_next().await.unwrap().unwrap();
        let mut stream = as_completed([async { 1 }]);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let next = std::pin::pin!(stream.next());
            next.poll(&mut std::task::Context::from_waker(Waker::noop())).is_ready()
        }));
        assert!(polled.unwrap());
        assert_eq!(stream.next().await, None);
    });
}
