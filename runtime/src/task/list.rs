//! A list of tasks: those that an executor, or a part of it, has taken in and that are not complete.
//!
//! A task is removed exactly once, by the number that it was given, so a number needs no generation. An
//! entry is one word, since a million waiting tasks have a million entries.

use crate::task::TaskRef;

/// Tasks by their numbers.
#[derive(Default)]
pub(crate) struct TaskList {
    entries: Vec<Option<TaskRef>>,
    free: Vec<u32>,
}

impl TaskList {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// Inserts a task, and returns its number.
    #[inline]
    pub(crate) fn insert(&mut self, task: TaskRef) -> u32 {
        if let Some(number) = self.free.pop() {
            self.entries[number as usize] = Some(task);
            return number;
        }
        let number = u32::try_from(self.entries.len()).expect("fewer than 2³² tasks");
        self.entries.push(Some(task));
        number
    }

    /// Removes a task by the number that `insert` returned.
    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        let removed = self.entries[number as usize].take();
        debug_assert!(removed.is_some(), "a task is removed once");
        self.free.push(number);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskRef> {
        self.entries.iter().flatten()
    }
}
