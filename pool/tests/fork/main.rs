//! A pool in a forked child panics with a clear message, and the parent's pool goes on undisturbed.
//!
//! One thread runs all cases in turn, because a fork copies only the thread that calls it.

// Unsafe: forks the process and waits for children.
#[allow(unsafe_code)]
#[path = "../../../handle/tests/fork/sys.rs"]
mod sys;

use brigade_handle::Lost;
use brigade_pool::{JoinError, Pool, for_each, join, scope, spawn, spawn_detached, spawn_fifo};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, Thread},
};
use sys::Way;

fn pool() -> Pool {
    Pool::builder().threads(2).build().expect("the threads start")
}

/// Runs `inside` in a forked child, which must panic with the advice.
#[track_caller]
fn must_refuse(way: Way, inside: impl FnOnce()) {
    way.in_child(|| {
        std::panic::set_hook(Box::new(|_| {}));
        let panic = catch_unwind(AssertUnwindSafe(inside)).expect_err("it is refused");
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
        message.is_some_and(|message| message.contains("make a new Pool in the child"))
    });
}

fn every_method_refuses(way: Way, pool: &Pool) {
    must_refuse(way, || drop(pool.spawn(|| 7)));
    must_refuse(way, || drop(pool.spawn_fifo(|| 7)));
    must_refuse(way, || drop(pool.spawn_blocking(|| 7)));
    must_refuse(way, || pool.spawn_detached(|| ()));
    must_refuse(way, || pool.install(|| ()));
    must_refuse(way, || _ = pool.join(|| (), || ()));
    must_refuse(way, || pool.scope(|scope| scope.spawn(|_| ())));
    must_refuse(way, || drop(pool.broadcast(|_| ())));
    must_refuse(way, || drop(pool.map(|n: u32| n, [1])));
    must_refuse(way, || _ = pool.stats());
}

fn the_free_functions_refuse(way: Way) {
    assert_eq!(spawn(|| 7).join().expect("it runs"), 7);
    must_refuse(way, || drop(spawn(|| 7)));
    must_refuse(way, || drop(spawn_fifo(|| 7)));
    must_refuse(way, || spawn_detached(|| ()));
    must_refuse(way, || _ = join(|| (), || ()));
    must_refuse(way, || scope(|scope| scope.spawn(|_| ())));
    must_refuse(way, || for_each(&mut [1, 2, 3], |_| ()));
}

fn the_end_refuses_and_a_drop_does_nothing(way: Way) {
    let mut held = Some(pool());
    must_refuse(way, || held.take().into_iter().for_each(Pool::shutdown));
    must_refuse(way, || held.take().into_iter().for_each(|pool| _ = pool.shutdown_now()));
    way.in_child(|| {
        drop(held.take());
        true
    });
    way.in_child(|| {
        held.take().into_iter().for_each(Pool::detach);
        true
    });
    let pool = held.expect("only children have taken it");
    assert_eq!(pool.spawn(|| 7).join().expect("it runs"), 7);
    pool.shutdown();
}

/// A result that was there is returned, and a result that would have to be awaited is lost. The child
/// does not cancel the parent's job.
fn handles_from_before_do_not_wait(way: Way, pool: &Pool) {
    let (open, gate) = mpsc::channel::<()>();
    let (tell, begun) = mpsc::channel();
    let finished = pool.spawn(|| 7);
    let running = pool.spawn(move || {
        tell.send(()).expect("it is waited for");
        gate.recv().is_err()
    });
    begun.recv().expect("it begins");
    while !finished.is_finished() {
        std::thread::yield_now();
    }
    let mut all = Some((finished, running));
    way.in_child(|| {
        let (finished, running) = all.take().expect("only children take it");
        running.cancel();
        finished.join().is_ok_and(|seven| seven == 7)
            && matches!(running.join(), Err(JoinError::Lost(Lost::Forked, _)))
    });
    drop(open);
    let (finished, running) = all.expect("only children take it");
    assert_eq!(finished.join().expect("it runs"), 7);
    assert!(running.join().expect("it runs"));
}

fn a_new_pool_works_in_the_child(way: Way) {
    way.in_child(|| {
        let pool = pool();
        let sum = pool.install(|| join(|| 1, || 2));
        let both = sum == (1, 2) && pool.spawn(|| 7).join().is_ok();
        pool.shutdown();
        both
    });
}

/// A child of the child is another process again.
fn a_pool_of_the_child_is_refused_in_its_child(way: Way) {
    way.in_child(|| {
        let pool = pool();
        every_method_refuses(way, &pool);
        pool.spawn(|| 7).join().is_ok()
    });
}

/// A job that forks may run in the child the work that it can run alone.
fn a_copy_of_a_worker_works_alone(way: Way, pool: &Pool) {
    pool.install(|| {
        way.in_child(|| {
            let mut children = 0;
            let both = join(|| join(|| 1, || 2), || 3);
            scope(|scope| scope.spawn(|scope| scope.spawn(|_| children += 1)));
            let spawned = (0..100).map(|n| spawn(move || n)).collect::<Vec<_>>();
            let sum: i32 = spawned.into_iter().map(|handle| handle.join().expect("it runs")).sum();
            let ninth = pool.map(|n| n * n, 0..10).pop().expect("there are ten");
            both == ((1, 2), 3) && children == 1 && sum == 4950 && ninth.is_ok_and(|n| n == 81)
        });
    });
}

/// Returns whether the child was aborted. The child goes on with `inside`.
fn is_aborted(way: Way, inside: impl FnOnce()) -> bool {
    match way.fork_and_wait() {
        Some(status) => sys::is_abort(status),
        None => {
            std::panic::set_hook(Box::new(|_| {}));
            inside();
            false
        }
    }
}

fn a_copy_of_a_worker_ends_with_its_job(way: Way, pool: &Pool) {
    assert!(pool.spawn(move || is_aborted(way, || ())).join().expect("it does not panic"));
    assert!(pool.install(move || is_aborted(way, || ())));
}

/// Holds another worker until it is released. It uses no lock, because a child would find the lock held.
#[derive(Default)]
struct Held {
    by: OnceLock<Thread>,
    is_free: AtomicBool,
}

impl Held {
    fn hold(&self) {
        self.by.set(thread::current()).expect("one is held");
        while !self.is_free.load(Relaxed) {
            thread::park();
        }
    }

    /// Returns whether a child is aborted that waits for the held worker.
    fn is_child_aborted(&self, way: Way) -> bool {
        while self.by.get().is_none() {
            thread::yield_now();
        }
        let aborted = is_aborted(way, || ());
        // In the child no thread is there.
        if aborted {
            self.is_free.store(true, Relaxed);
            self.by.get().into_iter().for_each(Thread::unpark);
        }
        aborted
    }
}

/// The stack job and the scope's child are with another worker, and so with the parent.
fn a_copy_of_a_worker_does_not_wait_for_the_parents(way: Way, pool: &Pool) {
    let held = Held::default();
    assert!(pool.join(|| held.is_child_aborted(way), || held.hold()).0);
    let held = Held::default();
    let aborted = pool.scope(|scope| {
        scope.spawn(|_| held.hold());
        held.is_child_aborted(way)
    });
    assert!(aborted);
}

fn main() {
    let pool = pool();
    for &way in Way::ALL {
        every_method_refuses(way, &pool);
        the_free_functions_refuse(way);
        the_end_refuses_and_a_drop_does_nothing(way);
        handles_from_before_do_not_wait(way, &pool);
        a_new_pool_works_in_the_child(way);
        a_pool_of_the_child_is_refused_in_its_child(way);
        a_copy_of_a_worker_works_alone(way, &pool);
        a_copy_of_a_worker_ends_with_its_job(way, &pool);
        a_copy_of_a_worker_does_not_wait_for_the_parents(way, &pool);
        assert_eq!(pool.spawn(|| 7).join().expect("it runs"), 7);
    }
    println!("a forked child is refused, and its parent goes on: ok");
}
