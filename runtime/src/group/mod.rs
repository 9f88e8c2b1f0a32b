//! Groups of tasks: a task group, a join set, and a scope whose tasks borrow from the stack.
//!
//! * [`task_group`](task_group::task_group): no task outlives the call, and the first failure cancels the
//!   others.
//! * [`JoinSet`](join_set::JoinSet): tasks that are joined in the order in which they end.
//! * [`Scope`](scope::Scope): tasks that borrow from the stack of a thread that waits for them.

pub(crate) mod join_set;
mod member;
// Unsafe: extends the lifetime of futures that borrow, and makes sure that they end in time.
#[allow(unsafe_code)]
pub(crate) mod scope;
mod shared;
pub(crate) mod task_group;
