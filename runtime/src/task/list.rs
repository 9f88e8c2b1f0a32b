//! A roll of tasks: all that an executor, or a part of it, has taken in and not seen complete.
//!
//! A task is struck off exactly once, by the number that it was given, so a number needs no generation; and an entry is one word, since a
//! million tasks that wait have a million entries.

use crate::task::TaskRef;

/// Tasks by number.
#[derive(Default)]
pub(crate) struct TaskList {
    entries: Vec<Option<TaskRef>>,
    free: Vec<u32>,
}

impl TaskList {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// Enters a task, and says under which number.
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

    /// Strikes a task off, by the number that `insert` gave.
    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        let struck = self.entries[number as usize].take();
        debug_assert!(struck.is_some(), "a task is struck off once");
        self.free.push(number);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskRef> {
        self.entries.iter().flatten()
    }
}
