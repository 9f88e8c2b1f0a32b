//! The watcher: a worker's thread that ends it when its pool is gone. `worker/init.rs` tells when there is
//! one.

use super::thread;
use crate::{
    sys::{self, Watch},
    wire::handover::WITHOUT_POOL,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

/// The means, beside the watcher, by which a worker ends with its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A leash, which holds whatever the worker does to itself.
    Leash,
    /// The parent's death signal, as long as the kernel remembers it.
    DeathSignal,
}

/// The things that a watcher will watch.
pub(super) struct Unwatched {
    pub(super) channel: Arc<OwnedFd>,
    pub(super) pool: i32,
    pub(super) guard: Guard,
}

/// Starts the watcher. For the pool's own child it watches the pool's process, too: a process that was
/// forked from the pool's may hold the channel's other end, and live on.
pub(crate) fn watch(channel: Arc<OwnedFd>, pool: Option<i32>) -> io::Result<()> {
    // Where the system has no such descriptor, or none to spare, the channel alone must do.
    let exit = pool.and_then(sys::exit_watch);
    if pool.is_some_and(|pool| sys::parent() != pool) {
        sys::exit_now(0);
    }
    let wait_for_the_end = move || {
        let exit = exit.as_ref().map(|exit| Watch::readable(exit.as_fd()));
        let mut watched: Vec<_> = [Watch::hang_up(channel.as_fd())].into_iter().chain(exit).collect();
        loop {
            if sys::poll(&mut watched, None).is_err() || watched.iter().any(Watch::is_ready) {
                // A call closed it before this thread looked for the first time, or the pool did.
                sys::exit_now(if watched[0].is_closed() { WITHOUT_POOL } else { 0 });
            }
        }
    };
    thread::start("brigade-watcher", wait_for_the_end)
}
