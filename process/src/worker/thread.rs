//! The threads that a worker has beside the one that runs its calls.

use brigade_handle::refused_thread;
use std::{hint, io, sync::mpsc, thread};

/// Room for a thread that polls, encodes a frame and does little else.
const STACK_BYTES: usize = 64 << 10;

/// Starts a thread, and waits until it runs. A call or an initializer that follows may lower this process's
/// limits, to its present address space for example, and a thread that is half started would not survive
/// that: its start maps a stack for signals and an arena for allocations.
pub(super) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (running, runs) = mpsc::channel::<()>();
    let body = move || {
        // An allocation of the thread's own, which has it choose its arena now.
        drop(hint::black_box(Box::new(0_u64)));
        drop(running);
        run();
    };
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(body);
    thread.map_err(|error| refused_thread(name, error))?;
    // Nothing is ever sent: an error means that the thread has dropped its end.
    let _ = runs.recv();
    Ok(())
}
