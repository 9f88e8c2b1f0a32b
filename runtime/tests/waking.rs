//! Wake-ups: from other threads, from oneself, in the middle of a poll, and for nothing.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{Runtime, gather, run, sleep, spawn, timeout, yield_now};
use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

/// A one-way flag that a task can await and any thread can raise.
#[derive(Default)]
struct Flag {
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            if self.raised.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[test]
fn tasks_are_woken_by_other_threads() {
    for runtime in runtimes() {
        let flags: Vec<_> = (0..2000).map(|_| Arc::new(Flag::default())).collect();
        let tasks: Vec<_> = flags
            .iter()
            .map(|flag| {
                let flag = flag.clone();
                runtime.spawn(async move { flag.wait().await })
            })
            .collect();
        thread::scope(|scope| {
            for chunk in flags.chunks(500) {
                scope.spawn(move || chunk.iter().for_each(|flag| flag.raise()));
            }
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}

#[test]
fn the_future_of_block_on_is_woken_by_other_threads() {
    for runtime in runtimes() {
        for _ in 0..200 {
            let flag = Arc::new(Flag::default());
            let raiser = flag.clone();
            let raising = thread::spawn(move || raiser.raise());
            runtime.block_on(flag.wait());
            raising.join().unwrap();
        }
    }
}

#[test]
fn tasks_may_be_spawned_from_other_threads_while_the_runtime_sleeps() {
    for runtime in runtimes() {
        let runtime = Arc::new(runtime);
        let count = Arc::new(AtomicUsize::new(0));
        let spawner = runtime.clone();
        let counting = count.clone();
        let spawning = thread::spawn(move || {
            for _ in 0..1000 {
                let count = counting.clone();
                drop(spawner.spawn(async move { _ = count.fetch_add(1, Ordering::SeqCst) }));
            }
        });
        runtime.block_on(async {
            while count.load(Ordering::SeqCst) < 1000 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        spawning.join().unwrap();
    }
}

#[test]
fn a_task_that_wakes_itself_starves_neither_timers_nor_neighbours() {
    for runtime in runtimes() {
        let greedy = runtime.spawn(async {
            loop {
                yield_now().await;
            }
        });
        let pair = (
            runtime.spawn(async {
                loop {
                    yield_now().await
                }
            }),
            greedy,
        );
        runtime.block_on(async {
            assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
            sleep(Duration::from_millis(5)).await;
            spawn(sleep(Duration::from_millis(5))).await.unwrap();
        });
        pair.0.cancel();
        pair.1.cancel();
    }
}

#[test]
fn a_long_poll_stops_neither_timers_nor_the_task_that_it_made_ready() {
    let runtime = Runtime::multi_thread(2).unwrap();
    for _ in 0..20 {
        let (done, blocked) = mpsc::channel();
        let blocking = runtime.spawn(async move {
            let done_too = done.clone();
            // The newest task of this worker, which then blocks until others have run it.
            drop(spawn(async move { done.send("newest").unwrap() }));
            drop(spawn(async move {
                sleep(Duration::from_millis(2)).await;
                done_too.send("timer").unwrap();
            }));
            let mut all = [blocked.recv().unwrap(), blocked.recv().unwrap()];
            all.sort_unstable();
            assert_eq!(all, ["newest", "timer"]);
        });
        blocking.join().unwrap();
    }
}

#[test]
fn a_worker_that_is_never_idle_runs_the_tasks_of_one_that_is_stuck() {
    let runtime = Runtime::multi_thread(2).unwrap();
    for _ in 0..20 {
        let busy = runtime.spawn(async {
            loop {
                yield_now().await;
            }
        });
        let (done, blocked) = mpsc::channel();
        let blocking = runtime.spawn(async move {
            for task in 0..5 {
                let done = done.clone();
                drop(spawn(async move { done.send(task).unwrap() }));
            }
            // This worker blocks until the other one has run them all, and that one has a task of its own.
            let wait = || blocked.recv_timeout(Duration::from_secs(60)).expect("the other worker takes them");
            let mut all: Vec<_> = (0..5).map(|_| wait()).collect();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4]);
        });
        blocking.join().unwrap();
        busy.cancel();
    }
}

#[test]
fn two_tasks_that_wake_each_other_let_a_third_run() {
    run(async {
        let flag = Arc::new(Flag::default());
        let turns = Arc::new(AtomicUsize::new(0));
        let player = |me: usize| {
            let (turns, flag) = (turns.clone(), flag.clone());
            async move {
                while !flag.raised.load(Ordering::SeqCst) {
                    while turns.load(Ordering::SeqCst) % 2 != me && !flag.raised.load(Ordering::SeqCst) {
                        yield_now().await;
                    }
                    turns.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let players = [spawn(player(0)), spawn(player(1))];
        sleep(Duration::from_millis(3)).await;
        flag.raise();
        assert!(gather(players).await.into_iter().all(|result| result.is_ok()));
        assert!(turns.load(Ordering::SeqCst) > 2);
    });
}

#[test]
fn a_waker_that_is_called_many_times_polls_a_task_that_waits() {
    for runtime in runtimes() {
        let flag = Arc::new(Flag::default());
        let waiting = flag.clone();
        let task = runtime.spawn(async move { waiting.wait().await });
        runtime.block_on(async {
            while flag.waker.lock().unwrap().is_none() {
                yield_now().await;
            }
            let waker = flag.waker.lock().unwrap().clone().unwrap();
            for _ in 0..100 {
                waker.wake_by_ref();
            }
            flag.raise();
            timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
            waker.wake();
        });
    }
}

#[test]
fn a_future_that_yields_for_ever_starves_no_timer_and_no_reactor() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let fired = spawn(sleep(Duration::from_millis(1)));
            // No other task is ready meanwhile, so nothing but the loop itself turns the driver.
            while !fired.is_finished() {
                yield_now().await;
            }
        });
    }
}
