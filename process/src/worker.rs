//! The child's side: from the first line of `main` to the loop that answers calls.
//!
//! A process is a worker if it was started with [`VARIABLE`] in its environment. [`init`] sees that, and then never returns:
//! it greets the pool, answers calls until it is told to end, and exits. In every other process it only notes that it was
//! called, so that a pool can refuse to start where it was not: without `init`, a child would run the program's `main`
//! from the start, start a pool there, and so on for ever.
//!
//! # A worker never outlives its pool
//!
//! The kernel kills it when the parent's supervising thread ends (`exec.rs`), and where that does not reach (other systems,
//! a worker behind a launcher), the *watcher* does: a thread that waits for nothing but the end of the channel, and
//! ends the process at once, even while a call computes.

use crate::{
    entry::{self, Name, Outcome},
    exec::{BELL, CHANNEL, MEMORY},
    frame::{self, Decoder, Frame, Kind},
    image::Image,
    memory::Memory,
    panics,
    ring::WORDS,
    ring_worker::{Lifelines, Patience, RingWorker},
    sys,
    sys::Watch,
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    mem,
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
const WITHOUT_POOL: i32 = 70;

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// What a worker says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) fingerprint: u64,
    pub(crate) pid: u32,
}

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
    if variable != WITHOUT_RING && variable != WITH_RING {
        return Err(io::Error::other(format!("{VARIABLE}={variable} is not for this version")));
    }
    let channel = sys::adopt(CHANNEL)?;
    panics::install_hook();
    let channel = Arc::new(channel);
    watch(channel.clone())?;
    let mut worker = Worker { channel, decoder: Decoder::default(), out: Vec::new(), pid: process::id() };
    if variable == WITHOUT_RING {
        worker.greet()?;
        return worker.run();
    }
    let memory = Memory::map(&sys::adopt(MEMORY)?, WORDS)?;
    let bell = sys::Bell::adopt(BELL)?;
    worker.greet()?;
    let lifelines = Lifelines::new()?;
    RingWorker { worker, memory: &memory, bell, number: 1, patience: Patience::new(), lifelines }.run()
}

/// Starts the watcher.
fn watch(channel: Arc<OwnedFd>) -> io::Result<()> {
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
}

/// The child's end of the channel.
pub(crate) struct Worker {
    channel: Arc<OwnedFd>,
    decoder: Decoder,
    out: Vec<u8>,
    pid: u32,
}

impl Worker {
    /// Answers calls until told to end.
    fn run(&mut self) -> io::Result<()> {
        loop {
            let frame = self.receive()?;
            match frame.kind {
                Kind::Call => self.answer(&frame)?,
                Kind::Bye => return Ok(()),
                other => return Err(io::Error::other(format!("the pool sent a frame of kind {other:?}"))),
            }
        }
    }

    fn greet(&mut self) -> io::Result<()> {
        let hello = Hello { fingerprint: Image::get().fingerprint, pid: self.pid };
        let hello = postcard::to_stdvec(&hello).map_err(io::Error::other)?;
        self.send(Kind::Hello, 0, &hello)
    }

    fn answer(&mut self, frame: &Frame) -> io::Result<()> {
        self.send(Kind::Begun, frame.call, &[])?;
        let mut result = Vec::new();
        let kind = self.call(frame.name, &frame.payload, &mut result)?;
        self.send(kind, frame.call, &result)
    }

    /// Runs a call. Its answer is appended to `out`.
    pub(crate) fn call(&self, name: u64, argument: &[u8], out: &mut Vec<u8>) -> io::Result<Kind> {
        let outcome = match entry::lookup(Name(name)) {
            Some(run) => run(argument, out),
            None => Outcome::Failed(format!("{name:#x} names no function of this executable")),
        };
        if process::id() != self.pid {
            // The call forked, and this is the copy: the answer is the original's to give.
            sys::exit_now(0);
        }
        // What the call printed must not wait for a call that may never come.
        let _ = io::stdout().flush();
        match outcome {
            Outcome::Value => Ok(Kind::Value),
            Outcome::Failed(why) => {
                out.clear();
                out.extend_from_slice(why.as_bytes());
                Ok(Kind::Failed)
            }
            Outcome::Panicked(report) => {
                out.clear();
                *out = postcard::to_extend(&report, mem::take(out)).map_err(io::Error::other)?;
                Ok(Kind::Panicked)
            }
        }
    }

    pub(crate) fn send(&mut self, kind: Kind, call: u64, payload: &[u8]) -> io::Result<()> {
        self.out.clear();
        frame::encode(&mut self.out, kind, call, 0, 0, payload);
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            let sent = sys::send(self.channel.as_fd(), rest)?;
            rest = &rest[sent..];
        }
        Ok(())
    }

    pub(crate) fn receive(&mut self) -> io::Result<Frame> {
        let mut space = [0; 16 << 10];
        loop {
            if let Some(frame) = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                return Ok(frame);
            }
            match sys::receive(self.channel.as_fd(), &mut space)? {
                // The pool is gone without a word.
                0 => sys::exit_now(0),
                received => self.decoder.push(&space[..received]),
            }
        }
    }
}
