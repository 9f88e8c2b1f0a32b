//! From the first line of `main` to a worker.
//!
//! A process is a worker if it was started with [`VARIABLE`] in its environment. [`init`] sees that, and then never returns:
//! it greets the pool, answers calls until it is told to end, and exits. In every other process it only notes that it was
//! called, so that a pool can refuse to start where it was not: without `init`, a child would run the program's `main`
//! from the start, start a pool there, and so on for ever.
//!
//! # A worker never outlives its pool
//!
//! The kernel kills it when the parent's supervising thread ends (`exec.rs`), and where that does not reach (other systems,
//! a worker behind a launcher, a call that has changed its user), the *watcher* does: a thread that waits for nothing but the
//! end of the channel, and ends the process at once, even while a call computes. Where the kernel has promised to do it, the
//! watcher begins with the second call: until then it would be most of what a new worker costs.

use crate::{
    block::{Keeper, inherited, luggage::Leases},
    channel::Channel,
    exec::{BELL, CHANNEL, MEMORY},
    memory::Memory,
    panics,
    ring::{LENT_TO_POOL, WORDS},
    ring_worker::{Lifelines, Patience, RingWorker},
    sys,
    sys::Watch,
    worker::Worker,
    zygote,
};
use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsFd, OwnedFd},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// The environment variable that makes a process a worker: the protocol's version and the channel.
pub(crate) const VARIABLE: &str = "BRIGADE_WORKER";
/// What the variable holds if calls come over the socket alone.
pub(crate) const WITHOUT_RING: &str = "1:socket";
/// What it holds if there is a ring besides.
pub(crate) const WITH_RING: &str = "1:ring";

/// The exit code of a worker that cannot speak to its pool.
pub(crate) const WITHOUT_POOL: i32 = 70;

static INITIALIZED: AtomicBool = AtomicBool::new(false);
/// Makes this process a worker if a pool has started it as one. Must be the first line of `main`.
///
/// In a worker it does not return: the process answers calls and then exits. Anywhere else it returns at once.
///
/// ```no_run
/// // The first line of `main`:
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// let handle = procs.spawn(|n: u64| n * n, 12);
/// assert_eq!(handle.join().unwrap(), 144);
/// ```
///
/// # Panics
///
/// Never in an ordinary process. A worker that cannot reach its pool says so on stderr and exits with code 70.
pub fn init() {
    // Relaxed: the flag guards no other memory.
    INITIALIZED.store(true, Ordering::Relaxed);
    let Ok(variable) = std::env::var(VARIABLE) else { return };
    // SAFETY: this is the first line of `main`, so no other thread is running. What a call starts must not take itself for
    // a worker.
    unsafe { sys::forget_variable(VARIABLE) };
    let code = match start(&variable) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("brigade: this process was started as a worker, but {error}");
            WITHOUT_POOL
        }
    };
    process::exit(code);
}

/// Whether `init` was called in this process.
pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Relaxed)
}

fn start(variable: &str) -> io::Result<()> {
    panics::install_hook();
    let channel = match variable {
        zygote::MARKER => {
            // From here on this is a worker, forked from what was the zygote.
            let variable = be_zygote()?;
            return start_local(variable);
        }
        WITHOUT_RING | WITH_RING => return start_local(variable),
        "1:stdio" => Channel::of_stdio()?,
        other => match other.strip_prefix("1:dial:") {
            Some(address) => {
                let token = Channel::token_of_stdin()?;
                let channel = Channel::dial(address)?;
                return start_socket(channel, Some(token));
            }
            None => return Err(io::Error::other(format!("{VARIABLE}={other} is not for this version"))),
        },
    };
    start_socket(channel, None)
}

/// Sets this process up and forks workers from it, in which it returns.
fn be_zygote() -> io::Result<&'static str> {
    let mut worker = Worker::new(Channel::of_socket(sys::adopt(CHANNEL)?));
    inherited::be_zygote();
    worker.set_up()?;
    worker.rehearse()?;
    zygote::serve(worker.into_socket()?)
}

/// A worker that talks over a channel alone.
fn start_socket(channel: Channel, token: Option<String>) -> io::Result<()> {
    watch(channel.input())?;
    let mut worker = undropped(Worker::new(channel));
    worker.greet(token)?;
    worker.set_up()?;
    worker.run()
}

/// A worker on the pool's machine.
fn start_local(variable: &str) -> io::Result<()> {
    let channel = Channel::of_socket(sys::adopt(CHANNEL)?);
    if variable == WITHOUT_RING {
        return start_socket(channel, None);
    }
    let mut worker = Worker::new(channel);
    worker.watch_later();
    worker.greet(None)?;
    let memory = Arc::new(Memory::map(&sys::adopt(MEMORY)?, WORDS)?);
    let lent = Leases::new(memory.clone(), LENT_TO_POOL);
    let _blocks = undropped(Keeper::new());
    let bell = sys::Bell::adopt(BELL)?;
    let setup = worker.set_up()?;
    let lifelines = Lifelines::new()?;
    let patience = Patience::new(setup.busy_poll);
    let records = Vec::new();
    undropped(RingWorker { worker, memory, lent, bell, number: 1, patience, records, lifelines }).run()
}

/// What a worker works with goes when its process does. A call may have closed the descriptors that it owns, and to close them
/// again would be to close somebody else's, or an abort where the standard library finds it out.
fn undropped<T>(tools: T) -> ManuallyDrop<T> {
    ManuallyDrop::new(tools)
}

/// Starts the watcher.
pub(crate) fn watch(channel: Arc<OwnedFd>) -> io::Result<()> {
    let wait_for_the_end = move || {
        loop {
            let mut watched = [Watch::hang_up(channel.as_fd())];
            if sys::poll(&mut watched, None).is_err() || watched[0].is_ready() {
                // Closed by a call before this thread looked for the first time, or by the pool.
                sys::exit_now(if watched[0].is_closed() { WITHOUT_POOL } else { 0 });
            }
        }
    };
    thread::Builder::new()
        .name("brigade-watcher".into())
        .stack_size(64 << 10)
        .spawn(wait_for_the_end)
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("its watcher's thread: {error}")))
}
