//! A watcher and a busy worker look at another worker. The thread of the test is that of both workers, one
//! after the other, so nothing happens meanwhile.

use super::*;
use crate::executor::{
    multi_thread::{MultiThread, run_queue},
    reference::ExecutorHandle,
};
use brigade_trace::clock;
use std::{panic::Location, sync::Arc};

/// Two workers without threads.
fn workers() -> [Worker; 2] {
    let (owners, queues): (Vec<_>, Vec<_>) = (0..2).map(|_| run_queue::new()).unzip();
    let shared = Arc::new(MultiThread::new(queues, 1).expect("the machine has a reactor"));
    let mut owners = owners.into_iter();
    [0, 1].map(|index| {
        shared.remotes[index].parker.own();
        Worker::new(index, shared.clone(), owners.next().expect("there are two"))
    })
}

/// Puts a task into the LIFO slot of the worker.
fn give_task(worker: &Worker) {
    let executor = ExecutorHandle::MultiThread(worker.shared.clone());
    drop(executor.spawn(async {}, Location::caller()));
    let task = worker.pop_injected().expect("a thread that is no worker spawns into the injector");
    worker.schedule(task);
}

/// Takes the task out of the LIFO slot, ends a round, and puts the task back, as if another task of this
/// worker had woken it again.
fn run_again(worker: &Worker) {
    let task = worker.queue.pop_lifo_slot().expect("the task is there");
    assert!(worker.check().is_none());
    worker.schedule(task);
}

/// A worker that sleeps in the driver, if it is free.
fn asleep(worker: &Worker) -> Asleep {
    let watch = worker.shared.idle.fall_asleep(worker.index, Awake::Working);
    assert_eq!(watch, Watch::Yes);
    Asleep { watch, may_drive: true, suspects: false, has_slept: false }
}

fn asleep_on_thread(worker: &Worker) -> Asleep {
    Asleep { may_drive: false, ..asleep(worker) }
}

/// Makes the polls so short that a busy worker looks at others.
fn make_polls_short(worker: &Worker) {
    let now = clock::now();
    while !worker.interval.has_short_polls() {
        worker.interval.count_poll();
        if worker.interval.is_due() {
            worker.interval.end_round(now);
        }
    }
}

#[test]
fn a_watcher_beside_a_worker_that_polls_the_driver_hurries_every_second_time() {
    let [watcher, busy] = workers();
    let mut sleep = asleep_on_thread(&watcher);
    let hurries = [(); 6].map(|()| {
        busy.shared.driver.try_lock().expect("nobody is in the driver").poll_now();
        assert!(!watcher.sleep_once(&mut sleep));
        assert!(!sleep.may_drive, "somebody was in the driver");
        sleep.suspects
    });
    assert_eq!(hurries, [true, false, true, false, true, false]);
}

#[test]
fn a_watcher_in_the_driver_does_not_suspect_itself() {
    let [watcher, _busy] = workers();
    let mut sleep = asleep(&watcher);
    for _ in 0..3 {
        assert!(!watcher.sleep_once(&mut sleep));
        assert!(sleep.may_drive && !sleep.suspects);
    }
}

#[test]
fn a_watcher_takes_the_place_in_a_driver_that_stays_empty() {
    let [watcher, _busy] = workers();
    let mut sleep = asleep_on_thread(&watcher);
    assert!(!watcher.sleep_once(&mut sleep));
    assert!(sleep.suspects && !sleep.may_drive);
    assert!(!watcher.sleep_once(&mut sleep));
    assert!(sleep.may_drive);
}

#[test]
fn a_watcher_takes_a_task_that_stays_in_the_lifo_slot_for_a_round() {
    let [watcher, stuck] = workers();
    give_task(&stuck);
    let mut sleep = asleep(&watcher);
    assert!(!watcher.sleep_once(&mut sleep));
    assert!(watcher.sleep_once(&mut sleep));
    assert!(watcher.may_steal_lifo_task.get());
}

#[test]
fn a_watcher_leaves_a_task_that_comes_back_to_the_lifo_slot() {
    let [watcher, busy] = workers();
    give_task(&busy);
    let mut sleep = asleep(&watcher);
    for _ in 0..4 {
        assert!(!watcher.sleep_once(&mut sleep), "the worker is not stuck");
        run_again(&busy);
    }
}

#[test]
fn a_busy_worker_takes_a_task_that_stays_in_the_lifo_slot_and_no_other() {
    let [busy, other] = workers();
    make_polls_short(&busy);
    give_task(&other);
    assert!(busy.relieve().is_none(), "it looks for the first time");
    for _ in 0..4 {
        run_again(&other);
        assert!(busy.relieve().is_none(), "the other worker is not stuck");
    }
    assert!(busy.relieve().is_some());
}

#[test]
fn a_busy_worker_forgets_its_suspect_when_it_sleeps() {
    let [busy, other] = workers();
    make_polls_short(&busy);
    give_task(&other);
    assert!(busy.relieve().is_none());
    // Woken before it sleeps, so that it returns at once.
    busy.shared.wake(busy.index, WakeReason::Search);
    busy.sleep();
    assert!(busy.relieve().is_none(), "the look before the sleep says nothing");
    assert!(busy.relieve().is_some());
}
