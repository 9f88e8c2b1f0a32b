//! What blocks threads on purpose: a lock that sees a deadlock, and a queue.

pub mod lock;
pub mod queue;
