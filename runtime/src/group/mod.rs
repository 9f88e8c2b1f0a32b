//! Several tasks looked after by one: a task group, a join set, and a scope whose tasks borrow from the stack.

pub(crate) mod join_set;
mod member;
// Unsafe: gives borrowing futures a lifetime that they do not have, and sees to it that they end in time.
#[allow(unsafe_code)]
pub(crate) mod scope;
pub(crate) mod task_group;
