//! The configuration of a pool.

use std::any::Any;

/// A start or exit hook. It gets the worker's number.
pub(crate) type Hook = Box<dyn Fn(usize) + Send + Sync>;

/// A panic handler. It gets the payload that was passed to `panic!`.
pub(crate) type PanicHandler = Box<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;

/// The configuration of a pool, as its builder made it.
pub(crate) struct PoolConfig {
    pub(crate) threads: usize,
    /// How many more threads there may be while others are blocked.
    pub(crate) spares: usize,
    /// Whether jobs are long and seldom, so that it is their producer who pays for the fence.
    pub(crate) for_blocking_calls: bool,
    pub(crate) name: String,
    /// In bytes.
    pub(crate) stack_size: Option<usize>,
    /// Whether jobs that can never go on are reported.
    pub(crate) reports_stuck: bool,
    pub(crate) on_start: Option<Hook>,
    pub(crate) on_exit: Option<Hook>,
    pub(crate) on_panic: Option<PanicHandler>,
}
