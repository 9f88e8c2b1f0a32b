//! Models of a worker's ring: the owner appends and takes while thieves take. The tasks are made during the
//! model, so it fails if a thief sees a slot without the task's memory.

use super::Queue;
use crate::{
    executor::multi_thread::run_queue::{self, Owner},
    task::Task,
};
use loom::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};
use std::{panic::Location, sync::Arc};

/// Makes tasks that count their runs.
#[derive(Clone)]
struct Counting {
    model: Arc<Queue>,
    runs: Arc<AtomicUsize>,
}

impl Counting {
    fn new() -> Self {
        Self { model: Queue::new(), runs: Arc::new(AtomicUsize::new(0)) }
    }

    fn task(&self) -> Task {
        let runs = self.runs.clone();
        let count = async move {
            runs.fetch_add(1, Relaxed);
        };
        drop(self.model.spawn(count, Location::caller()));
        self.model.pop().expect("it was just pushed")
    }

    fn append(&self, owner: &Owner) {
        owner.push(self.task(), |surplus| surplus.into_iter().for_each(run));
    }
}

fn run(task: Task) {
    drop(task.run());
}

fn run_all(owner: &Owner) {
    while let Some(task) = owner.pop() {
        run(task);
    }
}

/// Steals once, and runs the stolen task.
fn steal(from: &run_queue::RunQueue) {
    let (thief, _) = run_queue::new();
    from.steal(&thief).into_iter().for_each(|stolen| run(stolen.first));
    run_all(&thief);
}

/// Appends a task while a thief looks, with this many tasks in the ring.
fn all_are_run_once(before: usize) {
    loom::model(move || {
        let (tasks, (owner, shared)) = (Counting::new(), run_queue::new());
        (0..before).for_each(|_| tasks.append(&owner));
        let other = thread::spawn(move || steal(&shared));
        tasks.append(&owner);
        run_all(&owner);
        other.join().unwrap();
        assert_eq!(tasks.runs.load(Relaxed), before + 1);
    });
}

#[test]
fn a_task_appended_while_a_thief_looks_is_run_once() {
    all_are_run_once(0);
    all_are_run_once(1);
}

/// The owner comes round to a slot that the thief has just read.
#[test]
fn a_task_appended_to_a_full_ring_is_run_once() {
    all_are_run_once(4);
    // The same with the threads swapped, because loom then tries other orders.
    loom::model(|| {
        let (tasks, (owner, shared)) = (Counting::new(), run_queue::new());
        (0..4).for_each(|_| tasks.append(&owner));
        let theirs = tasks.clone();
        let other = thread::spawn(move || {
            theirs.append(&owner);
            run_all(&owner);
        });
        steal(&shared);
        other.join().unwrap();
        assert_eq!(tasks.runs.load(Relaxed), 5);
    });
}

/// A second thief steals the tasks that the first one has put into its own ring. The second thief is another
/// thread, because loom does not try all orders of a read and the writes of a thread that comes after it and
/// reads the same first.
#[test]
fn a_stolen_task_is_stolen_again_and_run_once() {
    loom::model(|| {
        let (tasks, (owner, shared)) = (Counting::new(), run_queue::new());
        (0..3).for_each(|_| tasks.append(&owner));
        let (thief, its) = run_queue::new();
        let other = thread::spawn(move || steal(&its));
        shared.steal(&thief).into_iter().for_each(|stolen| run(stolen.first));
        run_all(&thief);
        run_all(&owner);
        other.join().unwrap();
        assert_eq!(tasks.runs.load(Relaxed), 3);
    });
}

#[test]
fn the_newest_task_is_taken_by_its_owner_or_a_thief() {
    loom::model(|| {
        let (tasks, (owner, shared)) = (Counting::new(), run_queue::new());
        let other = thread::spawn(move || shared.steal_lifo_task().into_iter().for_each(run));
        assert!(owner.replace_lifo_slot(tasks.task()).is_none());
        owner.replace_lifo_slot(tasks.task()).into_iter().for_each(run);
        owner.pop_lifo_slot().into_iter().for_each(run);
        other.join().unwrap();
        assert_eq!(tasks.runs.load(Relaxed), 2);
    });
}
