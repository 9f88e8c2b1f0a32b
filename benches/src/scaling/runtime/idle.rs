//! How the model's workers fall asleep and are woken.

use super::super::engine::{
    Thread,
    line::{Line, Lock},
};
use std::cell::{Cell, RefCell};

/// The counts and the list of sleepers.
pub(in super::super) struct Idle {
    workers: usize,
    word: Line,
    lock: Lock,
    searching: Cell<usize>,
    /// The sleepers that nobody has woken, in the order in which they fell asleep.
    list: RefCell<Vec<usize>>,
    watcher: Cell<Option<usize>>,
}

impl Idle {
    pub(super) fn new(workers: usize, word: Line, lock: Lock) -> Self {
        Self {
            workers,
            word,
            lock,
            searching: Cell::new(0),
            list: RefCell::default(),
            watcher: Cell::new(None),
        }
    }

    pub(super) async fn should_wake(&self, thread: &Thread) -> bool {
        self.word.read(thread).await;
        self.searching.get() == 0 && !self.list.borrow().is_empty()
    }

    pub(super) async fn try_search(&self, thread: &Thread) -> bool {
        self.word.read(thread).await;
        if 2 * self.searching.get() >= self.workers {
            return false;
        }
        self.word.write(thread).await;
        self.searching.set(self.searching.get() + 1);
        true
    }

    /// Stops searching. Returns true if nobody searches any more.
    pub(super) async fn stop_search(&self, thread: &Thread) -> bool {
        self.word.write(thread).await;
        self.searching.set(self.searching.get() - 1);
        self.searching.get() == 0
    }

    /// Counts the worker as asleep. Returns whether it watches.
    pub(super) async fn fall_asleep(&self, thread: &Thread, worker: usize, was_searching: bool) -> bool {
        self.lock.lock(thread).await;
        self.word.write(thread).await;
        self.list.borrow_mut().push(worker);
        self.searching.set(self.searching.get() - usize::from(was_searching));
        let watches = self.watcher.get().is_none() && self.list.borrow().len() < self.workers;
        if watches {
            self.watcher.set(Some(worker));
        }
        self.lock.unlock(thread).await;
        watches
    }

    /// Chooses a worker to wake, if none searches, and counts it as searching.
    pub(super) async fn wake_one(&self, thread: &Thread, is_costly: impl Fn(usize) -> bool) -> Option<usize> {
        self.lock.lock(thread).await;
        self.word.write(thread).await;
        let chosen = if self.searching.get() == 0 { self.choose(is_costly) } else { None };
        self.searching.set(self.searching.get() + usize::from(chosen.is_some()));
        self.lock.unlock(thread).await;
        chosen
    }

    fn choose(&self, is_costly: impl Fn(usize) -> bool) -> Option<usize> {
        let mut list = self.list.borrow_mut();
        let cheap = list.iter().rposition(|&worker| !is_costly(worker));
        cheap.or(list.len().checked_sub(1)).map(|position| list.remove(position))
    }

    /// Counts the worker as awake. Returns whether it was woken to search, and the worker that has to watch
    /// from now on, if there is a new one.
    pub(super) async fn wake_up(&self, thread: &Thread, worker: usize) -> (bool, Option<usize>) {
        self.lock.lock(thread).await;
        let position = self.list.borrow().iter().position(|&sleeper| sleeper == worker);
        if let Some(position) = position {
            self.word.write(thread).await;
            self.list.borrow_mut().remove(position);
        }
        if self.watcher.get() == Some(worker) {
            self.watcher.set(None);
        }
        let last = self.list.borrow().last().copied();
        let next = if self.watcher.get().is_none() { last } else { None };
        if next.is_some() {
            self.watcher.set(next);
        }
        self.lock.unlock(thread).await;
        (position.is_none(), next)
    }

    /// Tells whether the watcher has to go on watching.
    pub(super) async fn watch_on(&self, thread: &Thread, worker: usize) -> bool {
        self.lock.lock(thread).await;
        let is_watcher = self.watcher.get() == Some(worker);
        let all_asleep = self.list.borrow().len() == self.workers;
        if is_watcher && all_asleep {
            self.watcher.set(None);
        }
        self.lock.unlock(thread).await;
        is_watcher && !all_asleep
    }
}
