//! Which executor a task belongs to: the one place where the two meet.

use crate::{blocking::Blocking, driver::Driver, local, multi, task::Task};
use brigade_handle::JoinHandle;
use std::{future::Future, panic::Location, sync::Arc};

/// A current-thread or a multi-threaded executor.
#[derive(Clone)]
pub(crate) enum Scheduler {
    Local(Arc<local::Shared>),
    Multi(Arc<multi::Shared>),
    /// The executor of a loom model: a bare queue.
    #[cfg(loom)]
    Model(Arc<crate::model::Queue>),
}

impl Scheduler {
    /// Spawns a task, from any thread.
    pub(crate) fn spawn<F>(&self, future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        match self {
            Self::Local(shared) => local::spawn(shared, future, at),
            Self::Multi(shared) => multi::spawn(shared, future, at),
            #[cfg(loom)]
            Self::Model(queue) => queue.spawn(future, at),
        }
    }

    /// Queues a task that was woken.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        match self {
            Self::Local(shared) => local::schedule(shared, task),
            Self::Multi(shared) => multi::schedule(shared, task),
            #[cfg(loom)]
            Self::Model(queue) => queue.push(task),
        }
    }

    /// Strikes a task off the list: it is about to be complete.
    #[inline]
    pub(crate) fn release(&self, place: u64) {
        match self {
            Self::Local(shared) => local::release(shared, place),
            Self::Multi(shared) => shared.owned.remove(place),
            #[cfg(loom)]
            Self::Model(_) => {}
        }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        match self {
            Self::Local(shared) => &shared.driver,
            Self::Multi(shared) => &shared.driver,
            #[cfg(loom)]
            Self::Model(_) => unreachable!("a model has no driver"),
        }
    }

    pub(crate) fn blocking(&self) -> &Blocking {
        match self {
            Self::Local(shared) => &shared.blocking,
            Self::Multi(shared) => &shared.blocking,
            #[cfg(loom)]
            Self::Model(_) => unreachable!("a model has no blocking pool"),
        }
    }
}
