//! Dumps on a panic.
//!
//! The panic hook may run on any thread, in the middle of anything, and must not panic itself. So it has the
//! thread of recordings write the dump, and waits for that, though not for ever.

use super::{files::dumps_on_panic, signals};
use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// A panic goes on after this time, whether its dump is written or not.
const DUMP_TIMEOUT: Duration = Duration::from_secs(5);

/// Has panics dumped from now on. The hook that is installed is called first.
pub(super) fn listen() {
    static LISTENING: AtomicBool = AtomicBool::new(false);
    // Once: a forked child inherits it. Relaxed: it guards nothing else.
    if LISTENING.swap(true, Relaxed) {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        if thread::current().name() != Some(signals::THREAD) {
            signals::dump_panic(DUMP_TIMEOUT);
        }
    }));
}

/// Why a dump is written, if one is wanted.
pub(super) fn reason() -> Option<&'static str> {
    dumps_on_panic().then_some("a thread panicked")
}
