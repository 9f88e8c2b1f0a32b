//! How calls travel between the pool and a worker: the messages, and the memory and channels that carry
//! them.

#[cfg(not(loom))]
pub(crate) mod channel;
#[cfg(not(loom))]
pub(crate) mod frame;
#[cfg(not(loom))]
pub(crate) mod handover;
#[cfg(not(loom))]
pub(crate) mod hello;
#[cfg_attr(not(loom), allow(unreachable_pub))]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) mod ring;
#[cfg(not(loom))]
pub(crate) mod setup;
