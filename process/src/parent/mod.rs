//! The side of the pool's process: the queue and the lanes that its threads share, the children, and the
//! threads that start and supervise them.

#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod attention;
#[cfg(not(loom))]
pub(crate) mod child;
#[cfg(not(loom))]
pub(crate) mod lane;
#[cfg(not(loom))]
pub(crate) mod launcher;
#[cfg(not(loom))]
pub(crate) mod output;
#[cfg(not(loom))]
pub(crate) mod shared;
#[cfg(not(loom))]
pub(crate) mod starter;
#[cfg(not(loom))]
pub(crate) mod supervisor;

/// Tells a worker from all others of its pool. A process id does not: it is given out again as soon as a
/// process is reaped.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerKey(pub(crate) u64);
