//! The executors: where a runtime is made, how it takes tasks in, and how it runs and ends them.
//!
//! | file | what it is |
//! |---|---|
//! | `runtime`, `builder`, `end` | the owner of an executor, its settings, and the ways in which it ends |
//! | `handle` | a reference to a runtime for any thread, which does not keep it running |
//! | `spawn`, `blocking`, `running_call` | the ways in: tasks, and calls that block |
//! | `block_on` | the loop that turns a future into a value |
//! | `context` | the executor that this thread is inside of |
//! | `reference` | the executor of either kind, owned, borrowed, or as the one word that a task has |
//! | `current_thread` | the executor without threads of its own |
//! | `multi_thread` | the work-stealing executor |
//! | `check_interval` | how often a busy executor looks at timers, driver and injector |
//! | `injector`, `rng` | parts of both: the queue for tasks from other threads, and random choices |

pub(crate) mod block_on;
pub(crate) mod blocking;
pub(crate) mod builder;
pub(crate) mod check_interval;
// Unsafe: extends the lifetime of the references in a thread's role, which a guard keeps alive.
#[allow(unsafe_code)]
pub(crate) mod context;
pub(crate) mod current_thread;
pub(crate) mod end;
pub(crate) mod handle;
// Unsafe: a reference to one of several types in one word, counted by hand.
pub(crate) mod injector;
pub(crate) mod multi_thread;
#[allow(unsafe_code)]
pub(crate) mod reference;
pub(crate) mod rng;
mod running_call;
pub(crate) mod runtime;
pub(crate) mod spawn;
