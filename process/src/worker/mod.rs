//! The child's side: a worker, which greets the pool, sets itself up, and answers the calls that come over
//! its channel. A worker with a ring goes on in `worker/ring_loop.rs`. `worker/init.rs` tells how a process
//! becomes a worker.

// Unsafe: removes a variable from the environment while the process has one thread.
#[allow(unsafe_code)]
mod init;
mod initialize;
mod memory_monitor;
mod pass_blocks;
mod ring_loop;
mod thread;
mod watcher;
mod zygote;

pub use self::init::init;
pub(crate) use self::init::is_initialized;

use self::{
    memory_monitor::MemoryMonitor,
    watcher::{Guard, Unwatched},
};
use crate::{
    call::{
        batch,
        block::attachments,
        entry::{self, Name, Outcome, Run},
    },
    image::Image,
    sys::{self, Watch},
    system::stream,
    usage,
    wire::{
        channel::Channel,
        frame::{self, Decoder, Frame, Kind, LARGE_PAYLOAD_BYTES},
        handover::WITHOUT_POOL,
        hello::Hello,
        setup::{Limits, Reason, Setup},
    },
};
use brigade_handle::fork::Generation;
use brigade_trace::clock;
use std::{
    collections::VecDeque,
    io::{self, Write},
    mem,
    os::fd::{AsFd, OwnedFd},
    process,
    sync::OnceLock,
};

/// How many bytes are received at once at most.
const MAX_RECEIVE_BYTES: usize = 128 << 10;

static INDEX: OnceLock<usize> = OnceLock::new();

/// The number of this worker in its pool, from 0 on; None if this process is not a worker. A worker that
/// takes another's place has its number.
///
/// ```
/// assert_eq!(brigade_process::worker_index(), None);
/// ```
#[doc(alias = "current_process")]
pub fn worker_index() -> Option<usize> {
    INDEX.get().copied()
}

/// The child's end of the channel.
pub(crate) struct Worker {
    channel: Channel,
    decoder: Decoder,
    /// Frames that came while another one was awaited.
    others: VecDeque<Frame>,
    /// Where bytes are received. It grows as messages need it, since a new worker pays for each page that
    /// it touches.
    space: Vec<u8>,
    out: Vec<u8>,
    /// The process that the pool knows.
    generation: Generation,
    /// The things that the watcher will watch, until it begins.
    unwatched: Option<Unwatched>,
    limits: Limits,
    /// Present if the pool cannot check this worker's memory.
    memory_monitor: Option<MemoryMonitor>,
    /// How many calls it has answered.
    calls: u64,
}

impl Worker {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            channel,
            decoder: Decoder::default(),
            others: VecDeque::new(),
            space: vec![0; 512],
            out: Vec::new(),
            generation: Generation::current(),
            unwatched: None,
            limits: Limits::default(),
            memory_monitor: None,
            calls: 0,
        }
    }

    pub(crate) fn greet(&mut self, has_ring: bool) -> io::Result<()> {
        let hello = Hello { fingerprint: Image::get().fingerprint, pid: process::id(), has_ring };
        let hello = postcard::to_stdvec(&hello).map_err(io::Error::other)?;
        // The pool sends its setup at once, so both frames go out together.
        self.push(Kind::Hello, 0, 0, &hello);
        Ok(())
    }

    /// Carries out the pool's setup before the first call. Ends the process if that cannot be done.
    pub(crate) fn set_up(&mut self) -> io::Result<Setup> {
        self.set_up_and(|| Ok(()))
    }

    /// Does what [`set_up`](Self::set_up) does, and then checks whether it has gone well.
    pub(crate) fn set_up_and(&mut self, check: impl FnOnce() -> Result<(), String>) -> io::Result<Setup> {
        // Mostly the setup is there already, and the hello goes out with the answer to it. If it is not,
        // the pool may want the hello first: it does not know of this process if its zygote died right
        // after the fork.
        if !sys::wait_for_input(self.channel.input().as_fd(), clock::now())? {
            self.flush()?;
        }
        let frame = self.receive()?;
        if frame.kind != Kind::Setup {
            return Err(io::Error::other(format!("the pool began with a frame of kind {:?}", frame.kind)));
        }
        let setup: Setup = postcard::from_bytes(&frame.payload).map_err(io::Error::other)?;
        if !setup.forks {
            let _ = INDEX.set(setup.index);
        }
        if setup.initializer.is_some() {
            // The initializer may take long, and do anything.
            self.flush()?;
            self.watch()?;
        }
        if let Err(why) = setup.carry_out().and_then(|()| check()) {
            self.send(Kind::Ready, 0, 0, why.as_bytes())?;
            sys::exit_now(WITHOUT_POOL);
        }
        self.limits = setup.limits;
        self.send(Kind::Ready, 0, 0, &[])?;
        Ok(setup)
    }

    /// Checks this process's memory while calls run, if it has a limit: the pool may not be able to.
    pub(crate) fn monitor_memory(&mut self) -> io::Result<()> {
        if let Some(limit) = self.limits.memory {
            self.memory_monitor =
                Some(MemoryMonitor::new(limit, self.channel.output().try_clone_to_owned()?)?);
        }
        Ok(())
    }

    /// Does once what a worker's first call does, so that forked workers find symbols bound and pages
    /// touched.
    pub(crate) fn rehearse(&mut self) -> io::Result<()> {
        let run: Run = |_, _| Outcome::Value;
        attachments::packing(0, || self.call(Some(run), &[], &mut Vec::new())).0?;
        self.flush_stdout();
        Ok(())
    }

    /// Answers calls until told to end.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        loop {
            let frame = self.receive()?;
            match frame.kind {
                Kind::Call => self.answer(&frame)?,
                Kind::Batch => self.answer_batch(&frame)?,
                Kind::Bye => return Ok(()),
                // It is about a batch that was over already.
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

    /// Answers item by item: each answer goes out together with the frame that says that the next item
    /// begins.
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
            if record.len() > LARGE_PAYLOAD_BYTES {
                self.send(Kind::Records, frame.call, index, &record)?;
            } else {
                self.push(Kind::Records, frame.call, index, &record);
            }
        }
        self.flush_stdout();
        self.flush()
    }

    /// Whether the pool wants this batch answered early.
    fn is_stopped(&mut self, call: u64) -> io::Result<bool> {
        let mut space = [0; 256];
        match stream::receive_at_once(self.channel.input().as_fd(), &mut space) {
            Ok(received) => self.decoder.push(&space[..received]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        // While a batch runs the pool sends nothing else.
        let frame = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))?;
        Ok(frame.is_some_and(|frame| frame.kind == Kind::Stop && frame.call == call))
    }

    /// Notes what to watch. The watcher does not begin before [`watch`](Self::watch).
    pub(crate) fn watch_later(&mut self, pool: i32, guard: Guard) {
        self.unwatched = Some(Unwatched { channel: self.channel.input(), pool, guard });
    }

    /// Starts the watcher, if it is to begin and has not.
    pub(crate) fn watch(&mut self) -> io::Result<()> {
        let Some(Unwatched { channel, pool, guard }) = &self.unwatched else { return Ok(()) };
        match watcher::watch(channel.clone(), Some(*pool)) {
            Ok(()) => self.unwatched = None,
            // If there is no thread to be had, the kernel's promise must do. The next call tries again.
            Err(_) if *guard == Guard::Leash || sys::dies_with_parent() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The socket of this worker's channel.
    pub(crate) fn into_socket(self) -> io::Result<OwnedFd> {
        self.channel.into_socket()
    }

    /// How many calls it has answered.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Runs a call. Its answer is appended to `out`, which must be empty.
    pub(crate) fn call(&mut self, run: Option<Run>, argument: &[u8], out: &mut Vec<u8>) -> io::Result<Kind> {
        self.memory_monitor.iter().for_each(MemoryMonitor::begin);
        let outcome = match run {
            Some(run) => run(argument, out),
            None => Outcome::Failed("the call names no function of this executable".into()),
        };
        if !self.generation.is_current() {
            // The call forked, and this is the copy: the answer is the original's to give.
            sys::exit_now(0);
        }
        self.memory_monitor.iter().for_each(MemoryMonitor::end);
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

    /// Flushes the output of calls: it must not wait for a call that may never come.
    pub(crate) fn flush_stdout(&self) {
        let _ = io::stdout().flush();
    }

    /// Whether this worker has made as many calls, or takes as much memory, as it may.
    pub(crate) fn reason_to_leave(&self) -> Option<Reason> {
        if self.limits.calls.is_some_and(|most| self.calls >= most) {
            return Some(Reason::Calls);
        }
        // Where the system does not tell, there is no limit.
        let over = |most: u64| usage::own_resident().is_ok_and(|bytes| bytes > most);
        self.limits.memory.filter(|&most| over(most)).map(|_| Reason::Memory)
    }

    /// Tells the pool that this process ends because of `reason`, and waits until the pool has taken over
    /// all answers: blocks in them are this process's memory, and bytes that a connection has not delivered
    /// may be lost when this end closes it.
    pub(crate) fn leave(&mut self, reason: Reason) -> io::Result<()> {
        self.send(Kind::Leaving, 0, reason as u64, &[])?;
        // Calls that come meanwhile go to others. The end of the channel ends this process.
        while self.receive()?.kind != Kind::Bye {}
        Ok(())
    }

    pub(crate) fn send(&mut self, kind: Kind, call: u64, name: u64, payload: &[u8]) -> io::Result<()> {
        if payload.len() > LARGE_PAYLOAD_BYTES {
            frame::encode_header(&mut self.out, kind, call, name, 0, payload);
            self.flush()?;
            return self.send_all(payload);
        }
        self.push(kind, call, name, payload);
        self.flush()
    }

    fn push(&mut self, kind: Kind, call: u64, name: u64, payload: &[u8]) {
        frame::encode(&mut self.out, kind, call, name, 0, payload);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_all(&self.out)?;
        self.out.clear();
        self.out.shrink_to(LARGE_PAYLOAD_BYTES);
        Ok(())
    }

    fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match stream::send(self.channel.output(), bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                // Another process has the same open file, and does not want to wait for it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sys::poll(&mut [Watch::writable(self.channel.output())], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn receive(&mut self) -> io::Result<Frame> {
        if let Some(frame) = self.others.pop_front() {
            return Ok(frame);
        }
        loop {
            if let Some(frame) = self.decoder.next().map_err(|bad| io::Error::other(bad.to_string()))? {
                return Ok(frame);
            }
            let received = match stream::receive(self.channel.input().as_fd(), &mut self.space) {
                Ok(received) => received,
                // As in `send_all`.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sys::poll(&mut [Watch::readable(self.channel.input().as_fd())], None)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.take_in(received);
        }
    }

    /// Takes in the bytes that were received.
    fn take_in(&mut self, received: usize) {
        if received == 0 {
            // The pool is gone without a word.
            sys::exit_now(0);
        }
        self.decoder.push(&self.space[..received]);
        if received == self.space.len() && received < MAX_RECEIVE_BYTES {
            self.space = vec![0; received * 4];
        }
    }
}

/// The trampoline of this name.
pub(crate) fn lookup(name: u64) -> Option<Run> {
    entry::lookup(Name(name))
}
