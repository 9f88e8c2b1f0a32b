//! The threads and atomics of the bugs of plain threads. The benches build the same files with those of loom
//! and shuttle in this place.

pub(super) use crate::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};
