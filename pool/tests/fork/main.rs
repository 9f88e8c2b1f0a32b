//! A pool in a forked child: a clear panic, and the parent's goes on undisturbed.
//!
//! One thread runs all cases in turn, since a fork copies only the thread that calls it.

// Unsafe: fork and what goes with it.
#[allow(unsafe_code)]
mod sys;

use brigade_pool::{Pool, for_each, join, scope, spawn, spawn_detached, spawn_fifo};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn pool() -> Pool {
    Pool::builder().threads(2).build().expect("the threads start")
}

/// Runs `inside` in a forked child, which must panic with the advice.
#[track_caller]
fn must_refuse(inside: impl FnOnce()) {
    sys::in_child(|| {
        std::panic::set_hook(Box::new(|_| {}));
        let panic = catch_unwind(AssertUnwindSafe(inside)).expect_err("it is refused");
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
        message.is_some_and(|message| message.contains("make a new Pool in the child"))
    });
}

fn every_method_refuses(pool: &Pool) {
    must_refuse(|| drop(pool.spawn(|| 7)));
    must_refuse(|| drop(pool.spawn_fifo(|| 7)));
    must_refuse(|| drop(pool.spawn_blocking(|| 7)));
    must_refuse(|| pool.spawn_detached(|| ()));
    must_refuse(|| pool.install(|| ()));
    must_refuse(|| _ = pool.join(|| (), || ()));
    must_refuse(|| pool.scope(|scope| scope.spawn(|_| ())));
    must_refuse(|| drop(pool.broadcast(|_| ())));
}

fn the_free_functions_refuse() {
    assert_eq!(spawn(|| 7).join().expect("it runs"), 7);
    must_refuse(|| drop(spawn(|| 7)));
    must_refuse(|| drop(spawn_fifo(|| 7)));
    must_refuse(|| spawn_detached(|| ()));
    must_refuse(|| _ = join(|| (), || ()));
    must_refuse(|| scope(|scope| scope.spawn(|_| ())));
    must_refuse(|| for_each(&mut [1, 2, 3], |_| ()));
}

fn the_end_refuses_and_a_drop_does_nothing() {
    let mut held = Some(pool());
    must_refuse(|| held.take().into_iter().for_each(Pool::shutdown));
    must_refuse(|| held.take().into_iter().for_each(|pool| _ = pool.shutdown_now()));
    sys::in_child(|| {
        drop(held.take());
        true
    });
    sys::in_child(|| {
        held.take().into_iter().for_each(Pool::detach);
        true
    });
    let pool = held.expect("only children have taken it");
    assert_eq!(pool.spawn(|| 7).join().expect("it runs"), 7);
    pool.shutdown();
}

fn a_new_pool_works_in_the_child() {
    sys::in_child(|| {
        let pool = pool();
        let sum = pool.install(|| join(|| 1, || 2));
        let both = sum == (1, 2) && pool.spawn(|| 7).join().is_ok();
        pool.shutdown();
        both
    });
}

/// A child of the child is another process again.
fn a_pool_of_the_child_is_refused_in_its_child() {
    sys::in_child(|| {
        let pool = pool();
        every_method_refuses(&pool);
        pool.spawn(|| 7).join().is_ok()
    });
}

fn main() {
    let pool = pool();
    every_method_refuses(&pool);
    the_free_functions_refuse();
    the_end_refuses_and_a_drop_does_nothing();
    a_new_pool_works_in_the_child();
    a_pool_of_the_child_is_refused_in_its_child();
    assert_eq!(pool.spawn(|| 7).join().expect("it runs"), 7);
    println!("a forked child is refused, and its parent goes on: ok");
}
