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
    batch,
    block::{Keeper, luggage::Leases},
    channel::Channel,
    entry::{self, Name, Outcome, Run},
    exec::{BELL, CHANNEL, MEMORY},
    frame::{self, Decoder, Frame, Kind},
    image::Image,
    memory::{Memory, Original},
    panics,
    ring::{LENT_TO_POOL, WORDS},
    ring_worker::{Lifelines, Patience, RingWorker},
    setup::{Limits, Reason, Setup},
    sys,
    sys::Watch,
    usage, zygote,
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    mem,
    os::fd::{AsFd, OwnedFd},
    process,
    sync::{
        Arc, OnceLock,
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
static INDEX: OnceLock<usize> = OnceLock::new();

/// What a worker says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) fingerprint: u64,
    pub(crate) pid: u32,
    /// What it was given, if it could be anybody who says hello.
    pub(crate) token: Option<String>,
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

/// Which of its pool's workers this process is, from 0 on; None if it is no worker. One that takes another's place has its
/// number.
///
/// ```
/// assert_eq!(brigade_process::worker_index(), None);
/// ```
pub fn worker_index() -> Option<usize> {
    INDEX.get().copied()
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
    worker.set_up()?;
    zygote::serve(worker.channel.into_socket()?)
}

/// A worker that talks over a channel alone.
fn start_socket(channel: Channel, token: Option<String>) -> io::Result<()> {
    watch(channel.input())?;
    let mut worker = Worker::new(channel);
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
    watch(channel.input())?;
    let mut worker = Worker::new(channel);
    worker.greet(None)?;
    let memory = Arc::new(Memory::map(&sys::adopt(MEMORY)?, WORDS)?);
    let lent = Leases::new(memory.clone(), LENT_TO_POOL);
    let _blocks = Keeper::new();
    let bell = sys::Bell::adopt(BELL)?;
    let setup = worker.set_up()?;
    let lifelines = Lifelines::new()?;
    let patience = Patience::new(setup.busy_poll);
    let records = Vec::new();
    RingWorker { worker, memory, lent, bell, number: 1, patience, records, lifelines }.run()
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
        .map_err(|error| io::Error::new(error.kind(), format!("its watcher's thread: {error}")))
}

/// The child's end of the channel.
pub(crate) struct Worker {
    channel: Channel,
    decoder: Decoder,
    out: Vec<u8>,
    original: Original,
    limits: Limits,
    /// How many calls it has answered.
    calls: u64,
}

impl Worker {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            decoder: Decoder::default(),
            out: Vec::new(),
            original: Original::new(),
            limits: Limits::default(),
            calls: 0,
        }
    }

    fn greet(&mut self, token: Option<String>) -> io::Result<()> {
        let hello = Hello { fingerprint: Image::get().fingerprint, pid: process::id(), token };
        let waits = hello.token.is_some();
        let hello = postcard::to_stdvec(&hello).map_err(io::Error::other)?;
        // The pool sends its setup at once, unless it wants to see a token first: then both words go out together.
        self.push(Kind::Hello, 0, 0, &hello);
        if waits { self.flush() } else { Ok(()) }
    }

    /// Does what the pool wants done before the first call. Ends the process if that cannot be done.
    fn set_up(&mut self) -> io::Result<Setup> {
        let frame = self.receive()?;
        if frame.kind != Kind::Setup {
            return Err(io::Error::other(format!("the pool began with a frame of kind {:?}", frame.kind)));
        }
        let setup: Setup = postcard::from_bytes(&frame.payload).map_err(io::Error::other)?;
        if !setup.forks {
            let _ = INDEX.set(setup.index);
        }
        if setup.initializer.is_some() {
            // That may take long.
            self.flush()?;
        }
        if let Err(why) = setup.carry_out() {
            self.send(Kind::Ready, 0, 0, why.as_bytes())?;
            sys::exit_now(WITHOUT_POOL);
        }
        if setup.forks && !zygote::is_single_threaded() {
            let why = "its initializer has started a thread, and a process with threads cannot fork workers: \
                       use `Start::Exec`, or start the thread in the first call";
            self.send(Kind::Ready, 0, 0, why.as_bytes())?;
            sys::exit_now(WITHOUT_POOL);
        }
        self.limits = setup.limits;
        self.send(Kind::Ready, 0, 0, &[])?;
        Ok(setup)
    }

    /// Answers calls until told to end.
    fn run(&mut self) -> io::Result<()> {
        loop {
            let frame = self.receive()?;
            match frame.kind {
                Kind::Call => self.answer(&frame)?,
                Kind::Batch => self.answer_batch(&frame)?,
                Kind::Bye => return Ok(()),
                // About a batch that was over already.
                Kind::Stop => continue,
                other => return Err(io::Error::other(format!("the pool sent a frame of kind {other:?}"))),
            }
            if let Some(reason) = self.reason_to_leave() {
                return self.leave(reason);
            }
        }
    }

    fn answer(&mut self, frame: &Frame) -> io::Result<()> {
        self.send(Kind::Begun, frame.call, 0, &[])?;
        let mut result = Vec::new();
        let kind = self.call(lookup(frame.name), &frame.payload, &mut result)?;
        self.flush_stdout();
        self.send(kind, frame.call, 0, &result)
    }

    /// Answers item by item: each answer goes out together with the word that the next item begins.
    fn answer_batch(&mut self, frame: &Frame) -> io::Result<()> {
        let run = lookup(frame.name);
        let (mut result, mut record) = (Vec::new(), Vec::new());
        for (index, item) in (0..).zip(batch::items(&frame.payload)) {
            if index > 0 && self.reason_to_leave().is_some() {
                // The pool gives the rest to others when this process has ended.
                break;
            }
            if index > 0 && self.is_stopped(frame.call)? {
                self.push(Kind::Stop, frame.call, index, &[]);
                break;
            }
            self.push(Kind::Begun, frame.call, index, &[]);
            self.flush()?;
            result.clear();
            record.clear();
            let kind = self.call(run, item, &mut result)?;
            batch::push_record(&mut record, kind, &result);
            self.push(Kind::Records, frame.call, index, &record);
        }
        self.flush_stdout();
        self.flush()
    }

    /// Whether the pool wants this batch answered early.
    fn is_stopped(&mut self, call: u64) -> io::Result<bool> {
        let mut space = [0; 256];
        match sys::receive_at_once(self.channel.input().as_fd(), &mut space) {
            Ok(received) => self.decoder.push(&space[..received]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        // While a batch runs the pool says nothing else.
        let frame = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))?;
        Ok(frame.is_some_and(|frame| frame.kind == Kind::Stop && frame.call == call))
    }

    /// Runs a call. Its answer is appended to `out`, which must be empty.
    pub(crate) fn call(&mut self, run: Option<Run>, argument: &[u8], out: &mut Vec<u8>) -> io::Result<Kind> {
        let outcome = match run {
            Some(run) => run(argument, out),
            None => Outcome::Failed("the call names no function of this executable".into()),
        };
        if !self.original.is_this() {
            // The call forked, and this is the copy: the answer is the original's to give.
            sys::exit_now(0);
        }
        self.calls += 1;
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

    /// Lets go what calls have printed: it must not wait for a call that may never come.
    pub(crate) fn flush_stdout(&self) {
        let _ = io::stdout().flush();
    }

    /// Whether this worker has made as many calls, or takes as much memory, as it may.
    pub(crate) fn reason_to_leave(&self) -> Option<Reason> {
        if self.limits.calls.is_some_and(|most| self.calls >= most) {
            return Some(Reason::Calls);
        }
        // Where the system does not tell, there is no limit.
        let over = |most: u64| usage::resident(process::id()).is_ok_and(|bytes| bytes > most);
        self.limits.memory.filter(|&most| over(most)).map(|_| Reason::Memory)
    }

    /// Tells the pool that this process ends because of `reason`.
    pub(crate) fn leave(&mut self, reason: Reason) -> io::Result<()> {
        self.send(Kind::Leaving, 0, reason as u64, &[])
    }

    pub(crate) fn send(&mut self, kind: Kind, call: u64, name: u64, payload: &[u8]) -> io::Result<()> {
        self.push(kind, call, name, payload);
        self.flush()
    }

    fn push(&mut self, kind: Kind, call: u64, name: u64, payload: &[u8]) {
        frame::encode(&mut self.out, kind, call, name, 0, payload);
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            let sent = sys::send(self.channel.output(), rest)?;
            rest = &rest[sent..];
        }
        self.out.clear();
        self.out.shrink_to(64 << 10);
        Ok(())
    }

    pub(crate) fn receive(&mut self) -> io::Result<Frame> {
        let mut space = [0; 16 << 10];
        loop {
            if let Some(frame) = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                return Ok(frame);
            }
            match sys::receive(self.channel.input().as_fd(), &mut space)? {
                // The pool is gone without a word.
                0 => sys::exit_now(0),
                received => self.decoder.push(&space[..received]),
            }
        }
    }
}

/// The trampoline of this name.
pub(crate) fn lookup(name: u64) -> Option<Run> {
    entry::lookup(Name(name))
}
