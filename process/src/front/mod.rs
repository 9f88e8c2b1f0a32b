//! What a program sees of a pool, and the handles that it waits for.

mod builder;
mod call_builder;
// Unsafe: as `pending`.
#[allow(unsafe_code)]
mod gathering;
mod imap;
mod map;
// Unsafe: says that signal and place of a handle's allocation belong together.
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
