//! Groups and sets of tasks: all children end, and each result is told once.

use crate::tasks;
use brigade_explore::runtime::{
    JoinSet, sleep, spawn, spawn_blocking, sync::mpsc, task_group, try_task_group, yield_now,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Counts the ends of tasks, also of cancelled ones.
struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_group_ends_after_its_tasks() {
    tasks(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        task_group(async |group| {
            for _ in 0..2 {
                let ends = Ends(ended.clone());
                drop(group.spawn(async move {
                    yield_now().await;
                    drop(ends);
                }));
            }
        })
        .await;
        assert_eq!(ended.load(Relaxed), 2);
    });
}

#[test]
fn a_group_that_fails_cancels_its_tasks_and_waits_for_them() {
    tasks(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        let result: Result<(), u32> = try_task_group(async |group| {
            let ends = Ends(ended.clone());
            drop(group.spawn(async move {
                let _ends = ends;
                sleep(Duration::MAX).await;
            }));
            drop(group.try_spawn(async { Err::<(), _>(7) }));
            Ok(())
        })
        .await;
        assert_eq!((result, ended.load(Relaxed)), (Err(7), 1));
    });
}

#[test]
fn a_join_set_gives_each_result_once() {
    tasks(|| async {
        let mut set = JoinSet::new();
        for number in [1, 2] {
            set.spawn(async move {
                yield_now().await;
                number
            });
        }
        let mut sum = 0;
        while let Some(result) = set.join_next().await {
            sum += result.unwrap();
        }
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_join_set_that_is_shut_down_has_ended_its_tasks() {
    tasks(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        for _ in 0..2 {
            let ends = Ends(ended.clone());
            set.spawn(async move {
                let _ends = ends;
                sleep(Duration::MAX).await;
            });
        }
        set.shutdown().await;
        assert_eq!(ended.load(Relaxed), 2);
    });
}

#[test]
fn a_cancelled_task_has_dropped_its_future_before_its_joiner_knows() {
    tasks(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        let ends = Ends(ended.clone());
        let task = spawn(async move {
            let _ends = ends;
            yield_now().await;
            sleep(Duration::MAX).await;
        });
        task.cancel();
        assert!(task.await.is_err());
        assert_eq!(ended.load(Relaxed), 1);
    });
}

#[test]
fn a_task_that_is_woken_while_it_runs_is_polled_again() {
    tasks(|| async {
        let (one, mut inbox_of_one) = mpsc::channel(1);
        let (two, mut inbox_of_two) = mpsc::channel(1);
        let echo = spawn(async move {
            while let Some(item) = inbox_of_one.recv().await {
                two.send(item).await.unwrap();
            }
        });
        for item in 0..2 {
            one.send(item).await.unwrap();
            assert_eq!(inbox_of_two.recv().await, Some(item));
        }
        drop(one);
        echo.await.unwrap();
    });
}

#[test]
fn a_blocking_call_reports_to_its_task() {
    tasks(|| async {
        let calls = [1, 2].map(|number| spawn_blocking(move || number));
        let mut sum = 0;
        for call in calls {
            sum += call.await.unwrap();
        }
        assert_eq!(sum, 3);
    });
}
