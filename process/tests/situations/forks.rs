//! A pool in a forked child: it refuses, and its parent notices nothing.

use crate::{
    gate::{Gate, wait_at},
    path::{launcher, pool},
};
use brigade_process::{JoinError, Lost, ProcessPool, Start};
use brigade_runtime::Runtime;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

// Unsafe: fork, and the calls that go with it.
#[allow(unsafe_code)]
#[path = "../../../handle/tests/fork/sys.rs"]
pub(crate) mod sys;
use sys::Way;

fn double(n: u64) -> u64 {
    n * 2
}

fn is_lost<R>(result: &Result<R, JoinError>) -> bool {
    matches!(result, Err(JoinError::Lost(Lost::Forked, _)))
}

fn all_lost<R>(results: impl IntoIterator<Item = Result<R, JoinError>>) -> bool {
    results.into_iter().all(|result| is_lost(&result))
}

/// Whether `inside` panics with the advice.
fn is_refused(inside: impl FnOnce()) -> bool {
    let Err(panic) = catch_unwind(AssertUnwindSafe(inside)) else { return false };
    panic
        .downcast_ref::<&str>()
        .is_some_and(|message| message.contains("make a new ProcessPool in the child"))
}

/// Checks that the parent's pool goes on, with the same workers.
fn is_undisturbed(procs: &ProcessPool) {
    for n in 0..20 {
        assert_eq!(procs.spawn(double, n).join().unwrap(), 2 * n);
    }
    let results = procs.map(double, 0..100);
    assert!(results.into_iter().map(Result::unwrap).eq((0..100).map(|n| 2 * n)));
}

pub(crate) fn calls_in_a_child_are_lost() {
    let procs = pool(2);
    let workers = procs.worker_ids();
    for &way in Way::ALL {
        way.in_child(|| {
            is_lost(&procs.spawn(double, 1).join())
                && is_lost(&procs.spawn(|bytes: Vec<u8>| bytes.len(), vec![0; 1 << 20]).join())
                && is_lost(&procs.call(double, 1).retry(2).spawn().join())
                && all_lost(procs.map(double, 0..100))
                && procs.map(double, 0..100).len() == 100
                && all_lost(procs.map_chunked(double, 0..10, 3))
                && all_lost(procs.spawn_map(double, 0..10).join().unwrap())
                && all_lost(procs.starmap(u64::pow, [(2, 3)]))
                && all_lost(procs.imap(double, 0..10))
                && all_lost(procs.imap_unordered(double, 0..10).chunk(3))
        });
        is_undisturbed(&procs);
    }
    assert_eq!(procs.worker_ids(), workers);
}

pub(crate) fn an_operation_that_cannot_report_a_loss_panics_in_a_child() {
    let mut procs = Some(pool(1));
    let mut held = || procs.take().unwrap();
    for &way in Way::ALL {
        way.in_child(|| {
            std::panic::set_hook(Box::new(|_| {}));
            let procs = held();
            is_refused(|| drop(procs.worker_ids()))
                && is_refused(|| _ = procs.statistics())
                && is_refused(|| procs.close())
                && format!("{procs:?}").starts_with("ProcessPool")
                && is_refused(|| procs.shutdown())
        });
    }
    is_undisturbed(&held());
}

pub(crate) fn a_drop_in_a_child_does_nothing() {
    let mut procs = Some(pool(2));
    for &way in Way::ALL {
        let gate = Gate::new();
        let pool = procs.as_ref().unwrap();
        let (running, queued) = (pool.spawn(wait_at, gate.port()), pool.spawn_map(double, 0..1000));
        let waiting = gate.arrival();
        let mut all = Some((running, queued));
        way.in_child(|| {
            let (running, queued) = all.take().unwrap();
            running.cancel();
            queued.cancel();
            drop(queued);
            drop(procs.take());
            drop(running);
            true
        });
        drop(waiting);
        let (running, queued) = all.unwrap();
        assert_eq!(running.join().unwrap(), gate.port());
        assert_eq!(queued.join().unwrap().len(), 1000);
        is_undisturbed(procs.as_ref().unwrap());
    }
}

/// A result that was there is there; a handle that would have to wait is lost.
pub(crate) fn handles_from_before_a_fork_do_not_wait() {
    let procs = pool(1);
    for &way in Way::ALL {
        let gate = Gate::new();
        let finished = procs.spawn(double, 1);
        let running = procs.call(wait_at, gate.port()).kill_on_cancel().spawn();
        let waiting = gate.arrival();
        let (queued, mapped) = (procs.spawn(double, 2), procs.spawn_map(double, 0..10));
        while !finished.is_finished() {
            std::thread::yield_now();
        }
        let lazy = procs.imap(double, 0..10);
        let mut all = Some((finished, running, queued, mapped, lazy));
        way.in_child(|| {
            let (finished, running, queued, mapped, lazy) = all.take().unwrap();
            running.cancel();
            finished.join().is_ok_and(|two| two == 2)
                && is_lost(&running.join())
                && is_lost(&queued.join())
                && is_lost(&mapped.join())
                && all_lost(lazy)
        });
        drop(waiting);
        let (finished, running, queued, mapped, lazy) = all.unwrap();
        assert_eq!(finished.join().unwrap(), 2);
        assert_eq!(running.join().unwrap(), gate.port());
        assert_eq!(queued.join().unwrap(), 4);
        assert!([mapped.join().unwrap(), lazy.collect()].iter().flatten().all(Result::is_ok));
    }
}

/// Results that came before are given, and the rest is lost; the parent's map goes on where it was.
pub(crate) fn lazy_maps_that_are_under_way_at_a_fork_do_not_wait() {
    let procs = pool(2);
    for &way in Way::ALL {
        let gate = Gate::new();
        let mut of_inputs = procs.imap(wait_at, vec![gate.port(); 3]);
        let mut of_completion = procs.imap_unordered(double, 0..20);
        let mut fed = procs.imap(double, 0..20).with_feeder().unwrap();
        let arrived = std::thread::scope(|scope| {
            let arriving = scope.spawn(|| (0..3).map(|_| gate.arrival()).for_each(drop));
            assert_eq!(of_inputs.next().unwrap().unwrap(), gate.port());
            arriving.join()
        });
        arrived.unwrap();
        assert!(of_completion.next().unwrap().is_ok());
        assert_eq!(fed.next().unwrap().unwrap(), 0);
        let is_right = |result: Result<u64, JoinError>| is_lost(&result) || result.is_ok_and(|n| n % 2 == 0);
        way.in_child(|| {
            let first =
                of_inputs.all(|result| is_lost(&result) || result.is_ok_and(|port| port == gate.port()));
            first && of_completion.all(is_right) && fed.all(is_right)
        });
        assert!(of_inputs.map(Result::unwrap).eq([gate.port(); 2]));
        assert_eq!(of_completion.map(Result::unwrap).count(), 19);
        assert!(fed.map(Result::unwrap).eq((1..20).map(|n| 2 * n)));
    }
    is_undisturbed(&procs);
}

pub(crate) fn a_new_pool_works_in_a_child() {
    let procs = pool(1);
    for &way in Way::ALL {
        way.in_child(|| {
            let procs = pool(2);
            let five = procs.spawn(double, 5).join();
            let all = procs.map(double, 0..10);
            procs.shutdown();
            five.is_ok_and(|ten| ten == 10) && all.iter().all(Result::is_ok)
        });
        is_undisturbed(&procs);
    }
}

/// All workers would share a runtime that the initializer made: one epoll, with the descriptors of all of
/// them.
pub(crate) fn a_runtime_of_a_zygote_is_refused_in_its_workers() {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let make = |(): ()| drop(RUNTIME.set(Runtime::current_thread().unwrap()));
    let builder = ProcessPool::builder().workers(2).launcher(launcher()).start_method(Start::Zygote);
    let procs = builder.initializer(make, ()).build().unwrap();
    let error = procs.spawn(|n: u32| RUNTIME.get().unwrap().block_on(async { n }), 7).join().unwrap_err();
    assert!(
        error.panic_message().is_some_and(|text| text.contains("make a new Runtime in the child")),
        "{error}"
    );
    assert_eq!(procs.spawn(|n: u32| brigade_runtime::run(async { n }), 7).join().unwrap(), 7);
}
