//! A work-stealing thread pool.
mod builder;
mod counters;
mod crew;
// Unsafe: hands out a reference to the worker that lives on this thread's stack.
#[allow(unsafe_code)]
mod current;
// Unsafe: entries are raw pointers, and slots are reached without a bounds check.
#[allow(unsafe_code)]
#[cfg_attr(not(loom), allow(unreachable_pub))]
mod deque;
// Unsafe: a half lies on the stack of a thread that waits for it.
#[allow(unsafe_code)]
#[cfg_attr(not(loom), allow(unreachable_pub))]
mod half;
// Unsafe: an installed job lies on the stack of a thread that waits for it.
#[allow(unsafe_code)]
mod install;
// Unsafe: a job counts its own references and is called through a table.
#[allow(unsafe_code)]
mod job;
// Unsafe: decides who takes the closure and the result out of a half.
#[allow(unsafe_code)]
mod join;
pub mod lock;
mod map;
mod pool;
pub mod queue;
// Unsafe: children point to a scope on the stack of a thread that waits for them.
#[allow(unsafe_code)]
mod scope;
#[cfg_attr(not(loom), allow(unreachable_pub))]
mod sleep;
mod spare;
// Unsafe: turns a stolen entry into the duty to run it.
#[allow(unsafe_code)]
mod steal;
mod sync;
// Unsafe: membarrier is a system call.
#[cfg_attr(not(loom), allow(unreachable_pub))]
#[allow(unsafe_code)]
mod sys;
// Unsafe: says that it is the owner of its halves.
#[allow(unsafe_code)]
mod worker;

pub use brigade_handle::{JoinError, JoinHandle};
pub use builder::Builder;
pub use join::join;
pub use pool::{Pool, spawn};
pub use scope::{Scope, scope};
