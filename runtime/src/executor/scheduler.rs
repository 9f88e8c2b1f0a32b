//! Which executor a task belongs to: the one place where the two meet.

use crate::{
    driver::Driver,
    executor::{blocking::Blocking, current_thread, multi_thread},
    task::{self, Task},
};
use brigade_handle::JoinHandle;
use std::{future::Future, panic::Location, sync::Arc};

/// A current-thread or a multi-threaded executor.
#[derive(Clone)]
pub(crate) enum Scheduler {
    Local(Arc<current_thread::Shared>),
    Multi(Arc<multi_thread::Shared>),
}

/// A reference to the executor that a task is for.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Local(&'a Arc<current_thread::Shared>),
    Multi(&'a Arc<multi_thread::Shared>),
    /// The executor of a loom model: a bare queue.
    #[cfg(loom)]
    Model(&'a Arc<crate::model::Queue>),
}

impl<'a> At<'a> {
    #[inline]
    pub(crate) fn driver(self) -> &'a Driver {
        match self {
            Self::Local(shared) => &shared.driver,
            Self::Multi(shared) => &shared.driver,
            #[cfg(loom)]
            Self::Model(_) => unreachable!("a model has no driver"),
        }
    }

    /// Takes in a task that was just spawned, from any thread.
    pub(crate) fn take_in(self, task: Task) {
        match self {
            Self::Local(shared) => current_thread::take_in(shared, task),
            Self::Multi(shared) => multi_thread::take_in(shared, task),
            #[cfg(loom)]
            Self::Model(queue) => queue.push(task),
        }
    }
}

impl Scheduler {
    /// By reference.
    #[inline]
    pub(crate) fn at(&self) -> At<'_> {
        match self {
            Self::Local(shared) => At::Local(shared),
            Self::Multi(shared) => At::Multi(shared),
        }
    }

    /// Spawns a task, from any thread.
    pub(crate) fn spawn<F>(&self, future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let (task, handle) = task::new(future, self.at(), at);
        self.at().take_in(task);
        handle
    }

    pub(crate) fn driver(&self) -> &Driver {
        match self {
            Self::Local(shared) => &shared.driver,
            Self::Multi(shared) => &shared.driver,
        }
    }

    pub(crate) fn blocking(&self) -> &Blocking {
        match self {
            Self::Local(shared) => &shared.blocking,
            Self::Multi(shared) => &shared.blocking,
        }
    }
}
