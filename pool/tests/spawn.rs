//! Spawned jobs: results, panics, nesting, cancelling.

use brigade_pool::{JoinError, Pool};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn a_job_gives_its_result() {
    for threads in 1..=4 {
        assert_eq!(pool(threads).spawn(|| 6 * 7).join().unwrap(), 42);
    }
}

#[test]
fn a_panic_is_delivered_and_the_pool_goes_on() {
    let pool = pool(1);
    let error = pool.spawn(|| panic!("no flour")).join().unwrap_err();
    assert_eq!(error.panic_message(), Some("no flour"));
    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
}

#[test]
fn a_job_that_joins_a_job_runs_it_in_place_on_a_pool_of_one() {
    fn depth(n: usize) -> usize {
        if n == 0 { 0 } else { 1 + brigade_pool::spawn(move || depth(n - 1)).join().unwrap() }
    }
    assert_eq!(pool(1).spawn(|| depth(100)).join().unwrap(), 100);
}

#[test]
fn a_queued_job_that_is_cancelled_drops_its_closure_at_once() {
    let pool = pool(1);
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn(move || wait.recv());
    let token = Arc::new(());
    let held = token.clone();
    let handle = pool.spawn(move || drop(held));
    handle.cancel();
    assert_eq!(Arc::strong_count(&token), 1);
    assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
    go.send(()).unwrap();
    busy.join().unwrap().unwrap();
}

#[test]
fn a_job_is_cancelled_by_any_of_many_handles_that_do_not_own_its_result() {
    let pool = pool(1);
    let (open, gate) = mpsc::channel::<()>();
    let first = pool.spawn(move || gate.recv().unwrap());
    let held = Arc::new(());
    let holding = held.clone();
    let queued = pool.spawn(move || drop(holding));
    // More cancel handles than a byte would count.
    let cancels = vec![queued.cancel_handle(); 1_000];
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || cancels.into_iter().for_each(|cancel| sender.send(cancel).unwrap()));
    for cancel in receiver {
        cancel.cancel();
        assert!(cancel.is_finished());
    }
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    open.send(()).unwrap();
    let ends = first.cancel_handle();
    first.join().unwrap();
    drop(pool);
    assert!(ends.is_finished());
    ends.cancel();
}

#[test]
fn a_running_job_that_is_cancelled_runs_to_its_end() {
    let pool = pool(1);
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let handle = pool.spawn(move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
        7
    });
    starts.recv().unwrap();
    handle.cancel();
    go.send(()).unwrap();
    assert_eq!(handle.join().unwrap(), 7);
}

#[test]
fn a_waker_whose_destructor_panics_does_not_end_the_worker_that_drops_it() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {}

        fn wake_by_ref(self: &Arc<Self>) {}
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("the waker")
        }
    }
    let pool = pool(1);
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn(move || wait.recv().unwrap());
    let mut queued = pool.spawn(|| ());
    assert!(queued.poll_join(&Waker::from(Arc::new(Bad))).is_pending());
    queued.cancel();
    // The queue holds the rest of the job, with the waker.
    drop(queued);
    go.send(()).unwrap();
    busy.join().unwrap();
    assert_eq!(pool.spawn(|| 7).join().unwrap(), 7);
}

#[test]
fn jobs_that_are_detached_run() {
    let pool = pool(2);
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let count = count.clone();
        drop(pool.spawn(move || count.fetch_add(1, Ordering::Relaxed)));
    }
    pool.shutdown();
    assert_eq!(count.load(Ordering::Relaxed), 1000);
}

#[test]
fn jobs_that_spawn_jobs_are_all_run() {
    fn tree(depth: usize, count: &Arc<AtomicUsize>) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            for _ in 0..2 {
                let count = count.clone();
                drop(brigade_pool::spawn(move || tree(depth - 1, &count)));
            }
        }
    }
    for threads in 1..=4 {
        let pool = pool(threads);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        drop(pool.spawn(move || tree(12, &counted)));
        pool.shutdown();
        assert_eq!(count.load(Ordering::Relaxed), (1 << 13) - 1);
    }
}

#[test]
fn results_of_a_map_come_in_the_order_of_the_inputs() {
    for threads in 1..=4 {
        let results = pool(threads).map(|n: u64| n * n, 0..1000);
        assert!(results.into_iter().map(Result::unwrap).eq((0..1000).map(|n| n * n)));
    }
}

#[test]
fn a_panic_in_a_map_fails_one_item_only() {
    let results = pool(2).map(|n: u32| if n == 3 { panic!("three") } else { n }, 0..8);
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(value as usize, n),
            Err(error) => assert_eq!((n, error.panic_message()), (3, Some("three"))),
        }
    }
}

#[test]
fn free_functions_outside_of_a_pool_use_the_global_one() {
    let name = || std::thread::current().name().map(str::to_owned);
    let inside = brigade_pool::spawn(name).join().unwrap().unwrap();
    assert!(inside.starts_with("global-"), "{inside}");
    let (a, b) = brigade_pool::join(name, || 7);
    assert!(a.unwrap().starts_with("global-"));
    assert_eq!(b, 7);
}

#[test]
fn a_job_that_respawns_itself_does_not_starve_older_jobs() {
    fn again(seen: Arc<AtomicBool>, tell: mpsc::Sender<()>) {
        if seen.load(Ordering::Relaxed) {
            return tell.send(()).expect("the test waits");
        }
        brigade_pool::spawn_detached(move || again(seen, tell));
    }
    let pool = pool(1);
    let (seen, (tell, told)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    pool.install(|| {
        let older = seen.clone();
        brigade_pool::spawn_detached(move || older.store(true, Ordering::Relaxed));
        brigade_pool::spawn_detached(move || again(seen, tell));
    });
    told.recv().unwrap();
}
