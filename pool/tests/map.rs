//! `map` in chunks, with a time limit, and several handles at a time.

use brigade_pool::{JoinError, Pool, Until, as_completed, wait_for};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn chunks_of_any_size_give_all_results_in_order() {
    for chunk in [1, 2, 3, 7, 100, 1000, usize::MAX] {
        let results = pool(2).map_chunked(|n: usize| n * 2, 0..100, chunk);
        assert!(results.into_iter().map(Result::unwrap).eq((0..100).map(|n| n * 2)));
    }
}

#[test]
fn a_panic_in_a_chunk_fails_one_item_only() {
    let results = pool(2).map_chunked(|n: u32| if n == 3 { panic!("three") } else { n }, 0..8, 8);
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, false, false, true, false, false, false, false]);
}

#[test]
fn several_panics_in_a_chunk_fail_their_items_and_drop_each_input_once() {
    let held = Arc::new(());
    let inputs: Vec<_> = (0..100).map(|n| (n, held.clone())).collect();
    let odd = |(n, held): (u32, Arc<()>)| if n % 2 == 1 { panic!("odd") } else { (n, held) };
    let results = pool(2).map_chunked(odd, inputs, 16);
    assert_eq!(Arc::strong_count(&held), 1 + 50);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.as_ref().ok().map(|result| result.0 as usize), (n % 2 == 0).then_some(n));
    }
    drop(results);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_map_that_may_not_block_drops_its_inputs() {
    use brigade_handle::wait::{self, Policy};
    let (held, pool) = (Arc::new(()), pool(1));
    let inputs = vec![held.clone(); 3];
    let forbidden = wait::set(Policy::Forbid("an example"));
    let maps = std::panic::AssertUnwindSafe(|| drop(pool.map(|input| input, inputs)));
    assert!(std::panic::catch_unwind(maps).is_err());
    drop(forbidden);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn items_of_a_chunk_run_on_one_thread() {
    let threads = pool(4).map_chunked(|_| thread::current().id(), 0..4, 4);
    let threads: Vec<_> = threads.into_iter().map(Result::unwrap).collect();
    assert!(threads.iter().all(|thread| *thread == threads[0]));
}

#[test]
#[should_panic(expected = "at least one item")]
fn a_chunk_of_zero_items_is_refused() {
    let _ = pool(1).map_chunked(|n| n, 0..4, 0);
}

#[test]
fn after_the_time_limit_no_call_begins_and_the_inputs_are_dropped() {
    let (held, called) = (Arc::new(()), AtomicBool::new(false));
    let inputs: Vec<_> = (0..10).map(|_| held.clone()).collect();
    let results = pool(2).map_timeout(|_| called.store(true, Ordering::Relaxed), inputs, Duration::ZERO);
    assert!(results.iter().all(|result| matches!(result, Err(JoinError::Cancelled(_)))));
    assert_eq!((called.into_inner(), Arc::strong_count(&held)), (false, 1));
}

#[test]
fn a_time_limit_beyond_all_clocks_is_none() {
    let called = AtomicUsize::new(0);
    let results = pool(2).map_timeout(|_| called.fetch_add(1, Ordering::Relaxed), 0..10, Duration::MAX);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(called.into_inner(), 10);
}

#[test]
fn jobs_are_seen_in_the_order_in_which_they_finish() {
    let pool = pool(2);
    let (gates, handles): (Vec<_>, Vec<_>) = (0..8)
        .map(|n| {
            let (go, wait) = mpsc::channel::<()>();
            (go, pool.spawn_blocking(move || wait.recv().map(|()| n).unwrap()))
        })
        .unzip();
    let mut results = as_completed(handles);
    for n in [5, 1, 7, 0, 2, 6, 3, 4] {
        gates[n].send(()).unwrap();
        let (number, result) = results.next().unwrap();
        assert_eq!((number, result.unwrap()), (n, n));
    }
}

#[test]
fn a_worker_may_wait_for_several_jobs_of_its_own_pool_of_one() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let waited = pool.spawn(move || {
        let ok = inner.spawn(|| ());
        let bad = inner.spawn(|| panic!("bad"));
        wait_for([ok, bad], Until::All).done.len()
    });
    assert_eq!(waited.join().unwrap(), 2);
}
