//! A gate between threads of a harness.

use crate::thread;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// A place where one thread waits for another one.
#[derive(Clone)]
pub(crate) struct Gate {
    is_open: Arc<AtomicBool>,
    guest: thread::Thread,
}

impl Gate {
    /// Makes a gate for the calling thread to wait at.
    pub(crate) fn new() -> Self {
        Self { is_open: Arc::default(), guest: thread::current() }
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, SeqCst);
        self.guest.unpark();
    }

    pub(crate) fn pass(&self) {
        while !self.is_open.load(SeqCst) {
            thread::park();
        }
    }
}
