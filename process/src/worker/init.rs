//! From the first line of `main` to a worker.
//!
//! A process is a worker if it was started with [`VARIABLE`] in its environment. [`init`] sees that, and
//! then never returns: it greets the pool, answers calls until it is told to end, and exits. In every other
//! process it only notes that it was called, so that a pool can refuse to start where it was not: without
//! `init`, a child would run the program's `main` from the start, start a pool there, and so on for ever.
//!
//! # A worker never outlives its pool
//!
//! The kernel kills it when the parent's thread that started it ends (`parent/launcher/exec.rs`), and when
//! the parent's end of its *leash* is closed (`system/leash.rs`), which also reaches a worker that has
//! changed its user. Where neither does (other systems, a worker behind a launcher, a copy of the pool's
//! process that holds the leash), the *watcher* does: a thread that waits only for the end of the channel
//! and of the pool's process, and ends this one at once, even while a call computes. A worker on a leash
//! has its watcher from its second call on: until then it would be most of a new worker's cost.

use crate::{
    call::{
        block::{Keeper, attachments::Leases},
        panics,
    },
    sys,
    system::{leash, memory::Memory},
    wire::{
        channel::Channel,
        handover::{
            AS_ZYGOTE, BELL, CHANNEL, LEASH, MEMORY, VARIABLE, WITH_RING, WITHOUT_POOL, WITHOUT_RING,
            WORKER_WORDS,
        },
        ring::{LENT_TO_POOL, WORDS},
    },
    worker::{
        Worker,
        ring_loop::{AdaptiveSpin, RingWorker, StartDescriptors},
        watcher::{Guard, watch},
        zygote::Zygotes,
    },
};
use brigade_trace::WorkerTrace;
use std::{
    io,
    mem::{self, ManuallyDrop},
    os::fd::OwnedFd,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

static INITIALIZED: AtomicBool = AtomicBool::new(false);
/// Makes this process a worker if a pool has started it as one. It must be the first line of `main`.
///
/// In a worker it does not return: the process answers calls and then exits. Anywhere else it returns at
/// once.
///
/// ```
/// // The first line of `main`:
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// let handle = procs.spawn(|n: u64| n * n, 12);
/// assert_eq!(handle.join().unwrap(), 144);
/// ```
///
/// # Panics
///
/// It never panics in an ordinary process. A worker that cannot reach its pool says so on stderr and exits
/// with code 70.
#[doc(alias("freeze_support", "__main__"))]
pub fn init() {
    // Relaxed: the flag guards no other memory.
    INITIALIZED.store(true, Ordering::Relaxed);
    let Ok(variable) = std::env::var(VARIABLE) else { return };
    brigade_trace::recorded_by_parent();
    // SAFETY: this is the first line of `main`, so no other thread is running. (The variable goes so that a
    // program that a call starts does not take itself for a worker.)
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
        AS_ZYGOTE => {
            // From here on this is a worker, forked from what was the zygote.
            let memory = be_zygote()?;
            return start_local(memory);
        }
        WITHOUT_RING => return start_local(None),
        WITH_RING => return start_local(Some(sys::adopt(MEMORY)?)),
        "1:stdio" => Channel::of_stdio()?,
        other => match other.strip_prefix("1:dial:") {
            Some(address) => {
                let token = Channel::token_of_stdin()?;
                Channel::dial(address, &token)?
            }
            None => return Err(io::Error::other(format!("{VARIABLE}={other} is not for this version"))),
        },
    };
    start_socket(channel)
}

/// Sets this process up and forks workers from it. Returns in the workers, with their ring's memory if they
/// have a ring.
fn be_zygote() -> io::Result<Option<OwnedFd>> {
    wear_leash();
    let mut worker = Worker::new(Channel::of_socket(sys::adopt(CHANNEL)?));
    let zygotes = Zygotes::new()?;
    worker.set_up_and(|| zygotes.check())?;
    worker.rehearse()?;
    zygotes.serve(worker.into_socket()?)
}

/// Runs a worker somewhere else, or behind a command, which talks over a channel alone.
fn start_socket(channel: Channel) -> io::Result<()> {
    watch(channel.input(), None)?;
    let mut worker = undropped(Worker::new(channel));
    worker.greet(false)?;
    worker.set_up()?;
    worker.monitor_memory()?;
    worker.run()
}

/// Runs a worker on the pool's machine, with a ring if it was given memory for that.
fn start_local(memory: Option<OwnedFd>) -> io::Result<()> {
    let pool = sys::parent();
    let guard = if wear_leash() { Guard::Leash } else { Guard::DeathSignal };
    let mut worker = Worker::new(Channel::of_socket(sys::adopt(CHANNEL)?));
    worker.watch_later(pool, guard);
    if memory.is_none() || guard == Guard::DeathSignal {
        worker.watch()?;
    }
    let Some(file) = memory else {
        let mut worker = undropped(worker);
        worker.greet(false)?;
        worker.set_up()?;
        return worker.run();
    };
    worker.greet(true)?;
    let told = |error: io::Error| io::Error::new(error.kind(), format!("mapping its ring: {error}"));
    let memory = Arc::new(Memory::map(&file, WORKER_WORDS).map_err(told)?);
    drop(file);
    let lent = Leases::new(memory.clone(), LENT_TO_POOL);
    let _blocks = undropped(Keeper::new());
    let bell = sys::Bell::adopt(BELL)?;
    let setup = worker.set_up()?;
    let start_descriptors = StartDescriptors::new()?;
    let spin = AdaptiveSpin::new(setup.busy_poll);
    let records = Vec::new();
    // The memory stays mapped as long as the process lives, so that its threads record until then.
    let words: &'static Memory = Box::leak(Box::new(memory.clone()));
    let trace = WorkerTrace::new(&words[WORDS..]).expect("the memory has that many words");
    undropped(RingWorker { worker, trace, memory, lent, bell, number: 1, spin, records, start_descriptors })
        .run()
}

/// Keeps a worker's tools until its process ends. A call may have closed the descriptors that they own.
/// Closing these again would close somebody else's, or abort where the standard library finds it out.
fn undropped<T>(tools: T) -> ManuallyDrop<T> {
    ManuallyDrop::new(tools)
}

/// Has the kernel kill this process when the pool lets it go. Returns whether it will.
fn wear_leash() -> bool {
    let worn = sys::adopt(LEASH).and_then(|leash| {
        leash::wear(&leash)?;
        // The leash holds as long as this is open.
        mem::forget(leash);
        Ok(())
    });
    worn.is_ok()
}
