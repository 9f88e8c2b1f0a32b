//! The public side of the crate: the pool, its builder, and the handles that a thread waits for.

mod builder;
mod call_builder;
// Unsafe: promises, as `pending` does, that signal and place of a handle's allocation belong together.
#[allow(unsafe_code)]
mod gathering;
mod imap;
mod map;
// Unsafe: promises that signal and place of a handle's allocation belong together.
#[allow(unsafe_code)]
mod pending;
mod pool;
mod starmap;

pub use self::{
    builder::{Builder, Start},
    call_builder::CallBuilder,
    imap::{Imap, ImapUnordered},
    pool::ProcessPool,
    starmap::Star,
};
