//! Runtimes inside jobs of a pool of one thread: whenever one sleeps there, the pool goes on with its other
//! jobs.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_pool::Pool;
use brigade_runtime::{Runtime, run, sleep, spawn, spawn_blocking, spawn_local};
use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `job` on the thread of a pool that has no other.
#[track_caller]
fn in_a_job(job: impl FnOnce(Arc<Pool>) + Send + 'static) {
    let pool = Arc::new(Pool::builder().threads(1).build().unwrap());
    let (sender, receiver) = mpsc::channel();
    let theirs = pool.clone();
    drop(pool.spawn(move || {
        job(theirs);
        sender.send(()).unwrap();
    }));
    if receiver.recv_timeout(PATIENCE).is_err() {
        // Its destructor would wait for the job.
        std::mem::forget(pool);
        panic!("the job has failed, or waits for another that nobody runs");
    }
}

fn kinds() -> [fn() -> Runtime; 2] {
    [|| Runtime::current_thread().unwrap(), || Runtime::multi_thread(1).unwrap()]
}

#[test]
fn run_may_await_another_job() {
    in_a_job(|pool| assert_eq!(run(async move { pool.spawn(|| 5).await.unwrap() }), 5));
}

#[test]
fn a_task_may_await_another_job_while_its_runtime_is_inside_a_job() {
    in_a_job(|pool| {
        run(async move {
            let theirs = pool.clone();
            let local = spawn_local(async move { theirs.spawn(|| 5).await.unwrap() });
            let other = spawn(async move { pool.spawn(|| 6).await.unwrap() });
            assert_eq!((local.await.unwrap(), other.await.unwrap()), (5, 6));
        });
    });
}

#[test]
fn each_way_to_block_on_a_runtime_lets_the_pool_go_on() {
    for kind in kinds() {
        in_a_job(move |pool| {
            let theirs = pool.clone();
            assert_eq!(kind().block_on(async move { theirs.spawn(|| 5).await.unwrap() }), 5);
            let ask = |n| {
                let handle = pool.spawn(move || n + 1);
                async move { handle.await.unwrap() }
            };
            let answers: Vec<_> = kind().map(ask, [1, 2, 3]).into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, [2, 3, 4]);
            let mut answer = 0;
            kind().scope(|scope| scope.spawn(async { answer = pool.spawn(|| 7).await.unwrap() }));
            assert_eq!(answer, 7);
        });
    }
}

#[test]
fn two_jobs_may_wait_for_each_other_inside_run() {
    in_a_job(|pool| {
        let (to_other, from_first) = brigade_runtime::sync::oneshot::channel();
        let (to_first, from_other) = brigade_runtime::sync::oneshot::channel();
        let other = pool.spawn(move || {
            run(async move {
                to_first.send(from_first.await.unwrap() + 1).unwrap();
            });
        });
        to_other.send(1).unwrap();
        assert_eq!(run(from_other), Ok(2));
        other.join().unwrap();
    });
}

#[test]
fn the_end_of_a_runtime_lets_the_pool_go_on() {
    let ends: [fn(Runtime); 3] =
        [Runtime::shutdown, drop, |runtime| _ = runtime.shutdown_timeout(Duration::MAX)];
    for kind in kinds() {
        for end in ends {
            in_a_job(move |pool| {
                let runtime = kind();
                let (begun, has_begun) = mpsc::channel();
                let (go, gone) = mpsc::channel();
                // The end waits for this call, the call for the other job.
                let call = move || {
                    begun.send(()).unwrap();
                    gone.recv().unwrap();
                };
                runtime.block_on(async move { drop(spawn_blocking(call)) });
                brigade_pool::blocking(|| has_begun.recv().unwrap());
                let other = pool.spawn(move || go.send(()).unwrap());
                end(runtime);
                other.join().unwrap();
            });
        }
    }
}

#[test]
fn a_task_that_awaits_a_job_is_drained_by_a_shutdown_inside_a_job() {
    for kind in kinds() {
        in_a_job(move |pool| {
            let runtime = kind();
            let theirs = pool.clone();
            let task = runtime.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                theirs.spawn(|| 5).await.unwrap()
            });
            runtime.shutdown();
            assert_eq!(task.join().unwrap(), 5);
        });
    }
}

#[test]
fn a_runtime_that_ends_in_a_task_inside_a_job_lets_the_pool_go_on() {
    in_a_job(|pool| {
        run(async move {
            let runtime = Runtime::multi_thread(1).unwrap();
            let (begun, has_begun) = brigade_runtime::sync::oneshot::channel();
            let (go, gone) = mpsc::channel();
            let call = move || {
                begun.send(()).unwrap();
                gone.recv().unwrap();
            };
            drop(runtime.spawn(async move { drop(spawn_blocking(call)) }));
            has_begun.await.unwrap();
            let other = pool.spawn(move || go.send(()).unwrap());
            drop(runtime);
            other.await.unwrap();
        });
    });
}
