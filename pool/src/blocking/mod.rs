//! Things that threads wait for: a lock that detects a deadlock, and a queue.

pub mod lock;
pub mod queue;
