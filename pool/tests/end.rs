//! The end of a pool, and a failed start.

use brigade_pool::{JoinError, Pool};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn a_pool_that_does_nothing_can_be_dropped_and_shut_down() {
    for threads in 1..=4 {
        drop(pool(threads));
        pool(threads).shutdown();
    }
}

#[test]
fn shutdown_runs_what_is_queued_and_what_that_spawns() {
    for threads in 1..=3 {
        let pool = pool(threads);
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let count = count.clone();
            drop(pool.spawn(move || {
                let inner = count.clone();
                drop(brigade_pool::spawn(move || inner.fetch_add(1, Ordering::Relaxed)));
                count.fetch_add(1, Ordering::Relaxed);
            }));
        }
        pool.shutdown();
        assert_eq!(count.load(Ordering::Relaxed), 200);
    }
}

#[test]
fn drop_cancels_what_is_queued_and_waits_for_what_runs() {
    let pool = pool(1);
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let running = pool.spawn(move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
        7
    });
    starts.recv().unwrap();
    let queued: Vec<_> = (0..100).map(|n| pool.spawn(move || n)).collect();
    // This ends the running job only once the drop has begun, or so late that the drop waits.
    let first = &queued[0];
    std::thread::scope(|threads| {
        threads.spawn(move || drop(pool));
        go.send(()).unwrap();
        while !first.is_finished() {
            std::thread::yield_now();
        }
    });
    assert_eq!(running.join().unwrap(), 7);
    for handle in queued {
        assert!(matches!(handle.join(), Ok(_) | Err(JoinError::Cancelled(_))));
    }
}

#[test]
fn jobs_queued_when_a_pool_is_dropped_are_cancelled_and_never_run() {
    let (go, wait) = mpsc::channel::<()>();
    let place = Arc::new(Mutex::new(Some(pool(1))));
    let held = place.clone();
    let spawn_queued = |n| place.lock().unwrap().as_ref().unwrap().spawn(move || n);
    // The only worker drops the pool, so the order is certain.
    let running = place.lock().unwrap().as_ref().unwrap().spawn(move || {
        wait.recv().unwrap();
        drop(held.lock().unwrap().take());
    });
    let queued: Vec<_> = (0..100).map(spawn_queued).collect();
    go.send(()).unwrap();
    running.join().unwrap();
    assert!(queued.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled(_)))));
}

#[test]
fn a_pool_may_be_dropped_or_shut_down_by_its_own_worker() {
    for threads in 1..=2 {
        for drain in [false, true] {
            let exits = Arc::new(AtomicUsize::new(0));
            let exited = exits.clone();
            let pool =
                Pool::builder().threads(threads).on_exit(move |_| _ = exited.fetch_add(1, Ordering::SeqCst));
            let place = Arc::new(Mutex::new(Some(pool.build().unwrap())));
            let held = place.clone();
            let inside = place.lock().unwrap().as_ref().unwrap().spawn(move || {
                let pool = held.lock().unwrap().take().unwrap();
                if drain { pool.shutdown() } else { drop(pool) }
            });
            inside.join().unwrap();
            while exits.load(Ordering::SeqCst) < threads {
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_worker_may_end_another_pool() {
    let (outer, inner) = (pool(1), pool(1));
    let job = inner.spawn(|| 7);
    outer.spawn(move || inner.shutdown()).join().unwrap();
    assert_eq!(job.join().unwrap(), 7);
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error() {
    let error = Pool::builder().threads(2).stack_size(usize::MAX / 4).build().unwrap_err();
    assert!(error.to_string().contains("granted 0 of the pool's 2 threads"), "{error}");
    assert_eq!(Pool::builder().threads(0).build().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(Pool::builder().name("\0").build().unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn hooks_see_each_thread_begin_and_end() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (begun, ended) = (log.clone(), log.clone());
    let pool = Pool::builder()
        .threads(2)
        .on_start(move |index| begun.lock().unwrap().push((index, "start")))
        .on_exit(move |index| ended.lock().unwrap().push((index, "exit")));
    pool.build().unwrap().shutdown();
    let mut log = log.lock().unwrap().clone();
    log.sort_unstable();
    assert_eq!(log, [(0, "exit"), (0, "start"), (1, "exit"), (1, "start")]);
}

#[test]
fn a_start_hook_that_takes_its_time_keeps_no_job_waiting() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let hook = move |index| {
        if index == 1 {
            // No spare thread replaces it, or the spare threads would wait here, too.
            brigade_pool::blocking(|| _ = wait.lock().unwrap().recv());
        }
    };
    let pool = Pool::builder().threads(2).on_start(hook).build().unwrap();
    for round in 0..20 {
        // The other worker sleeps, or is about to.
        while pool.stats().parks < round {
            std::thread::yield_now();
        }
        let (tell, told) = mpsc::channel();
        pool.spawn_detached(move || tell.send(round).unwrap());
        assert_eq!(told.recv(), Ok(round));
    }
    assert_eq!(pool.stats().threads, 2);
    drop(go);
}

#[test]
fn shutdown_now_says_how_many_jobs_it_cancelled() {
    for threads in 1..=3 {
        let pool = pool(threads);
        let handles: Vec<_> = (0..1000).map(|n| pool.spawn(move || n)).collect();
        let cancelled = pool.shutdown_now();
        let results: Vec<_> = handles.into_iter().map(|handle| handle.join()).collect();
        let seen = results.iter().filter(|result| matches!(result, Err(JoinError::Cancelled(_)))).count();
        assert_eq!(cancelled, seen);
    }
}

#[test]
fn detached_jobs_run_or_are_dropped_and_counted() {
    let ran = Arc::new(AtomicUsize::new(0));
    for threads in 1..=3 {
        let held = Arc::new(());
        let pool = pool(threads);
        ran.store(0, Ordering::Relaxed);
        for _ in 0..1000 {
            let (ran, held) = (ran.clone(), held.clone());
            pool.spawn_detached(move || {
                ran.fetch_add(Arc::strong_count(&held).min(1), Ordering::Relaxed);
            });
        }
        let cancelled = pool.shutdown_now();
        assert_eq!(ran.load(Ordering::Relaxed) + cancelled, 1000);
        assert_eq!(Arc::strong_count(&held), 1, "what the jobs held is dropped");
    }
}

#[test]
fn a_shutdown_runs_detached_jobs() {
    let ran = Arc::new(AtomicUsize::new(0));
    let pool = pool(2);
    for _ in 0..1000 {
        let ran = ran.clone();
        pool.spawn_detached(move || _ = ran.fetch_add(1, Ordering::Relaxed));
    }
    pool.shutdown();
    assert_eq!(ran.load(Ordering::Relaxed), 1000);
}

#[test]
fn a_running_job_is_not_counted_as_cancelled() {
    let pool = pool(1);
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let running = pool.spawn(move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
    });
    starts.recv().unwrap();
    let queued: Vec<_> = (0..100).map(|n| pool.spawn(move || n)).collect();
    queued[0].cancel();
    std::thread::scope(|threads| {
        let end = threads.spawn(move || pool.shutdown_now());
        go.send(()).unwrap();
        let cancelled = end.join().unwrap();
        running.join().unwrap();
        let seen = queued.into_iter().filter_map(|handle| handle.join().err()).count();
        assert_eq!(seen, cancelled + 1, "the first was cancelled by its owner");
    });
}

#[test]
fn a_detached_pool_runs_what_is_queued() {
    let (tell, told) = mpsc::channel();
    let pool = pool(2);
    for n in 0..100 {
        let tell = tell.clone();
        pool.spawn_detached(move || tell.send(n).unwrap());
    }
    drop(tell);
    pool.detach();
    let mut all: Vec<_> = told.iter().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..100));
}

#[test]
fn a_thread_that_must_not_block_cannot_shut_a_pool_down() {
    let refuses = |end: fn(Pool)| {
        let pool = pool(1);
        let _policy = brigade_handle::wait::set(brigade_handle::wait::Policy::Forbid("it must not"));
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| end(pool))).unwrap_err();
        let text = refused.downcast_ref::<String>().unwrap();
        assert!(text.contains("it must not"), "{text}");
    };
    refuses(Pool::shutdown);
    refuses(|pool| _ = pool.shutdown_now());
}

#[test]
fn a_shutdown_with_a_deadline_waits_for_what_ends_in_time() {
    for threads in 1..=3 {
        let pool = pool(threads);
        let answers: Vec<_> = (0..50).map(|n| pool.spawn(move || n)).collect();
        let first = pool.spawn(|| brigade_pool::join(|| 1, || 2));
        assert!(pool.shutdown_timeout(Duration::MAX));
        assert!(
            answers.into_iter().all(|answer| matches!(answer.join(), Ok(_) | Err(JoinError::Cancelled(_))))
        );
        assert!(matches!(first.join(), Ok((1, 2)) | Err(JoinError::Cancelled(_))));
    }
}

#[test]
fn a_blocking_job_is_left_behind_at_the_deadline_and_queued_jobs_are_cancelled_at_once() {
    for at_most in [Duration::ZERO, Duration::from_millis(2)] {
        // The pool cannot start another thread.
        let pool = Pool::builder().threads(1).spares(0).build().unwrap();
        let (started, starts) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let running = pool.spawn(move || {
            started.send(()).unwrap();
            brigade_pool::blocking(|| wait.recv().unwrap());
            7
        });
        starts.recv().unwrap();
        let queued: Vec<_> = (0..100).map(|n| pool.spawn(move || n)).collect();
        let ordered = pool.spawn_fifo(|| 7);
        assert!(!pool.shutdown_timeout(at_most));
        assert!(queued.into_iter().all(|job| matches!(job.join(), Err(JoinError::Cancelled(_)))));
        assert!(matches!(ordered.join(), Err(JoinError::Cancelled(_))));
        go.send(()).unwrap();
        assert_eq!(running.join().unwrap(), 7);
    }
}

#[test]
fn a_job_that_another_waits_for_is_run_although_the_pool_was_left() {
    let pool = Pool::builder().threads(1).spares(0).build().unwrap();
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let running = pool.spawn(move || {
        let sum = AtomicUsize::new(0);
        let adds = &sum;
        brigade_pool::scope(move |scope| {
            (1..=10).for_each(|n| scope.spawn(move |_| _ = adds.fetch_add(n, Ordering::Relaxed)));
            started.send(()).unwrap();
            wait.recv().unwrap();
        });
        sum.into_inner()
    });
    starts.recv().unwrap();
    assert!(!pool.shutdown_timeout(Duration::ZERO));
    go.send(()).unwrap();
    assert_eq!(running.join().unwrap(), 55);
}

#[test]
fn a_job_may_leave_its_own_pool() {
    let pool = Arc::new(Mutex::new(Some(pool(2))));
    let theirs = pool.clone();
    let job = pool.lock().unwrap().as_ref().unwrap().spawn(move || {
        let own = theirs.lock().unwrap().take().unwrap();
        own.shutdown_timeout(Duration::ZERO)
    });
    assert!(!job.join().unwrap());
}

#[test]
fn unseen_results_are_dropped_by_a_thread_of_the_pool() {
    struct Told(mpsc::Sender<Option<String>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(std::thread::current().name().map(str::to_owned)).unwrap();
        }
    }
    let pool = Pool::builder().threads(1).name("cooks").build().unwrap();
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.spawn_detached(move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
    });
    starts.recv().unwrap();
    let unseen = Told(tell);
    pool.spawn_detached(move || drop(unseen));
    assert!(!pool.shutdown_timeout(Duration::ZERO));
    go.send(()).unwrap();
    assert!(told.recv().unwrap().unwrap().starts_with("cooks"));
}
