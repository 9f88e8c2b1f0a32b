//! Panics whose payload panics when it is dropped, and results that do. None of them ends a worker or the
//! program.

use brigade_pool::{JoinError, Pool, for_each_in, join, join_lazy, map_collect_in, map_reduce_in};
use std::{
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

/// Panics with another bomb when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

fn pool() -> Pool {
    Pool::builder().threads(2).build().expect("the threads start")
}

/// Runs it on a worker. A panic comes out, its payload is never dropped, and the pool goes on.
#[track_caller]
fn must_panic<R: Send>(work: impl FnOnce() -> R + Send) -> &'static str {
    let pool = pool();
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| pool.install(work))) else { panic!("it panics") };
    assert_eq!(pool.map(|n| n + 1, 0..10).into_iter().map(Result::unwrap).sum::<i32>(), 55);
    pool.shutdown();
    match payload.downcast::<&'static str>() {
        Ok(text) => *text,
        Err(bomb) => {
            forget(bomb);
            "a bomb"
        }
    }
}

#[test]
fn in_a_scope_the_bodys_panic_continues_and_the_childrens_are_dropped() {
    let told = must_panic(|| {
        brigade_pool::scope(|scope| {
            (0..10).for_each(|_| scope.spawn(|_| panic_any(Bomb)));
            panic!("the body's")
        })
    });
    assert_eq!(told, "the body's");
}

#[test]
fn in_a_scope_one_childs_panic_continues_and_the_others_are_dropped() {
    let told = must_panic(|| {
        brigade_pool::scope(|scope| (0..10).for_each(|_| scope.spawn(|_| panic_any(Bomb))));
    });
    assert_eq!(told, "a bomb");
}

#[test]
fn in_a_scope_a_childs_panic_continues_and_the_bodys_result_is_dropped() {
    let told = must_panic(|| {
        let _bomb = brigade_pool::scope(|scope| {
            scope.spawn(|_| panic!("the child's"));
            Bomb
        });
    });
    assert_eq!(told, "the child's");
}

#[test]
fn in_nested_scopes_the_outermost_panic_continues() {
    let told = must_panic(|| {
        brigade_pool::scope(|scope| {
            scope.spawn(|_| {
                brigade_pool::scope(|scope| {
                    scope.spawn(|_| panic_any(Bomb));
                    panic_any(Bomb)
                })
            });
            panic!("the outer body's")
        })
    });
    assert_eq!(told, "the outer body's");
}

#[test]
fn in_a_join_the_first_panic_continues_and_the_second_result_is_dropped() {
    assert_eq!(must_panic(|| join(|| panic!("the first's"), || panic_any(Bomb))), "the first's");
    assert_eq!(must_panic(|| join(|| panic_any(Bomb), || panic_any(Bomb))), "a bomb");
    let _: &str = must_panic(|| join(|| panic!("the first's"), || Bomb).1);
}

#[test]
fn in_a_join_the_second_panic_continues_and_the_first_result_is_dropped() {
    let told = must_panic(|| forget(join(|| Bomb, || panic!("the second's"))));
    assert_eq!(told, "the second's");
    let told = must_panic(|| forget(join_lazy(|| Bomb, || panic!("the second's"))));
    assert_eq!(told, "the second's");
    let told = must_panic(|| {
        let (begun, is_begun) = mpsc::channel();
        let stolen = move || {
            begun.send(()).expect("it is waited for");
            panic!("the thief's")
        };
        let first = move || {
            is_begun.recv().expect("it begins elsewhere");
            Bomb
        };
        forget(join(first, stolen));
    });
    assert_eq!(told, "the thief's");
}

/// A thief runs the second closure.
#[test]
fn the_same_holds_for_a_join_whose_second_closure_is_stolen() {
    let told = must_panic(|| {
        let (begun, is_begun) = mpsc::channel();
        join(
            move || {
                is_begun.recv().expect("it begins elsewhere");
                panic!("the first's")
            },
            move || {
                begun.send(()).expect("it is waited for");
                panic_any(Bomb)
            },
        )
    });
    assert_eq!(told, "the first's");
}

/// A thousand joins deep the second closures are children of scopes.
#[test]
fn the_same_holds_for_joins_a_thousand_deep() {
    fn deep(depth: usize) {
        if depth == 0 {
            panic!("the deepest");
        }
        join(|| deep(depth - 1), || panic_any(Bomb));
    }
    // An unoptimised build takes kilobytes for each of the joins, more than a thread normally has.
    let pool = Pool::builder().threads(2).stack_size(64 << 20).build().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| pool.install(|| deep(1_500)))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the deepest"));
}

#[test]
fn in_loops_one_panic_goes_on() {
    let _: &str = must_panic(|| for_each_in(0..1_000, |_| panic_any(Bomb)));
    let _: &str = must_panic(|| map_reduce_in(0..1_000, 0, |_| panic_any(Bomb), |a, b| a + b));
}

/// Once as a loop that is split, and once as a loop that goes on alone beside older work.
#[test]
fn in_a_loop_that_collects_one_panic_goes_on_and_the_results_are_dropped() {
    let collect = || forget(map_collect_in(0..1_000, |n| if n == 900 { panic!("the loop's") } else { Bomb }));
    assert_eq!(must_panic(collect), "the loop's");
    assert_eq!(must_panic(|| _ = join(collect, || ())), "the loop's");
}

#[test]
fn unclaimed_results_are_dropped_by_the_pool() {
    let pool = pool();
    let (go, gate) = mpsc::channel::<()>();
    drop(pool.spawn(move || {
        assert!(gate.recv().is_err());
        Bomb
    }));
    drop(go);
    drop(pool.spawn(|| panic_any(Bomb)));
    pool.spawn_detached(|| panic_any(Bomb));
    let cancelled = pool.spawn({
        let bomb = Bomb;
        move || forget(bomb)
    });
    cancelled.cancel();
    forget(cancelled.join());
    pool.shutdown();
}

#[test]
fn in_a_map_and_a_broadcast_each_call_has_its_own_panic() {
    let pool = pool();
    let mapped = pool.map(|n: i32| if n % 2 == 0 { n } else { panic_any(Bomb) }, 0..10);
    assert_eq!(mapped.iter().filter(|result| matches!(result, Err(JoinError::Panicked(..)))).count(), 5);
    forget(mapped);
    let everywhere = pool.broadcast(|_| -> u32 { panic_any(Bomb) });
    assert!(everywhere.iter().all(|result| matches!(result, Err(JoinError::Panicked(..)))));
    forget(everywhere);
    pool.shutdown();
}

/// The hooks panic, and so does the panic handler, with the payload that it got.
#[test]
fn hooks_and_handlers_may_panic_with_such_payloads() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = || {
        let called = called.clone();
        move || _ = called.fetch_add(1, Ordering::Relaxed)
    };
    let (starts, exits, panics) = (count(), count(), count());
    let pool = Pool::builder()
        .threads(2)
        .on_start(move |_| {
            starts();
            panic_any(Bomb)
        })
        .on_exit(move |_| {
            exits();
            panic_any(Bomb)
        })
        .on_panic(move |payload| {
            panics();
            drop(payload);
        });
    let pool = pool.build().expect("the threads start");
    pool.spawn_detached(|| panic_any(Bomb));
    pool.shutdown();
    assert_eq!(called.load(Ordering::Relaxed), 5);
}
