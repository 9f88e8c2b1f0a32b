//! Blocks that a process has inherited by a fork: which of them it may use, and how.
//!
//! | made by | then | `Block` | `BlockMut` |
//! |---|---|---|---|
//! | a zygote's initializer | a worker is forked | is read in place | is the worker's own from then on |
//! | any process | it forks by libc's `fork` | is read in place | refuses |
//! | any process | it makes a bare `clone` | refuses | refuses |
//! | another process, which sent it | the receiver forks | refuses, but in a zygote's workers | |
//!
//! The heir recycles and lends none of them: it sends them whole.
//!
//! A zygote does nothing more with its blocks once its initializer has returned, so nobody writes them. Its
//! workers replace the shared mappings by private ones, which the kernel copies page by page where they are
//! written ([`take_for_own`]). `call/block/kept.rs` tells what a process that forks by libc's `fork` does
//! to its blocks. The sender of a block may write it again once the receiver lets it go, which does not
//! wait for the receiver's children.

use super::{kept, sys};
use brigade_handle::fork::Generation;
use std::{io, sync::OnceLock};

/// The zygote that this worker was forked from.
static ZYGOTE: OnceLock<Generation> = OnceLock::new();

/// Says that workers will be forked from this process, which has one thread.
pub(crate) fn be_zygote() {
    sys::register();
}

/// In a worker that was just forked from `zygote`: makes the zygote's blocks the worker's own.
pub(crate) fn take_for_own(zygote: Generation) -> io::Result<()> {
    let _ = ZYGOTE.set(zygote);
    sys::take_for_own()
}

fn is_zygotes(maker: Generation) -> bool {
    ZYGOTE.get().is_some_and(|&zygote| zygote == maker)
}

/// Refuses a `BlockMut` of an ancestor.
///
/// # Panics
///
/// If the `BlockMut` of that ancestor is not this process's own.
#[cold]
#[track_caller]
pub(super) fn check_writable(maker: Generation) {
    assert!(
        is_zygotes(maker),
        "this `BlockMut` was made before a fork, and its memory is shared with the process that made it: make it after \
         the fork, or freeze it before and read it"
    );
}

/// Refuses a `Block` that an ancestor has made.
///
/// # Panics
///
/// If the `Block` may be written while it is read.
#[cold]
#[track_caller]
pub(super) fn check_readable(maker: Generation) {
    assert!(
        is_zygotes(maker) || kept::has_noticed(maker),
        "this `Block` was made before a fork that the process that made it could not notice (a bare `clone`): it may \
         use the memory again; copy it before the fork"
    );
}

/// Refuses a `Block` that an ancestor has received.
///
/// # Panics
///
/// If the `Block` may be written while it is read.
#[cold]
#[track_caller]
pub(super) fn check_received(receiver: Generation) {
    assert!(
        is_zygotes(receiver),
        "this `Block` was received from another process, before a fork: its sender may use the memory again when the \
         process that received it has dropped it; copy it before the fork"
    );
}
