//! The harness's own executor, its tasks, and the other ends of the streams.

use super::{Note, Source, Stream};
use crate::log::{Log, demand};
use brigade_explore::{
    handle::explore,
    mio::net::UnixStream,
    thread::{Thread, current, park},
};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// The bytes that the simulated network keeps for a peer that does not read.
pub(super) const BUFFER: usize = 64 << 10;

/// A task that waits on its thread.
struct Signal {
    task: &'static str,
    log: Log<Note>,
    was_woken: AtomicBool,
    thread: Thread,
    /// Foreign code that the first wake-up runs.
    besides: Mutex<Option<Besides>>,
}

/// Foreign code in a waker.
pub(super) type Besides = Box<dyn FnOnce() + Send>;

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.log.note(Note::Wake(self.task));
        let besides = self.besides.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(besides) = besides {
            besides();
        }
        explore::point();
        self.was_woken.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Signal {
    fn new(log: &Log<Note>, task: &'static str, besides: Option<Besides>) -> Arc<Self> {
        let (was_woken, besides) = (AtomicBool::new(false), Mutex::new(besides));
        Arc::new(Self { task, log: log.clone(), was_woken, thread: current(), besides })
    }

    fn wait(&self) {
        explore::point();
        while !self.was_woken.swap(false, SeqCst) {
            park();
        }
    }
}

/// Polls until the task is ready, and sleeps in between.
pub(super) fn block_on<T>(
    log: &Log<Note>,
    task: &'static str,
    poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    drive(log, &Signal::new(log, task, None), poll)
}

/// As [`block_on`]. The first wake-up runs foreign code.
pub(super) fn block_on_and<T>(
    log: &Log<Note>,
    task: &'static str,
    besides: Besides,
    poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    drive(log, &Signal::new(log, task, Some(besides)), poll)
}

fn drive<T>(log: &Log<Note>, signal: &Arc<Signal>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        log.note(Note::Poll(signal.task));
        if let Poll::Ready(value) = poll(&mut context) {
            return value;
        }
        signal.wait();
    }
}

/// Polls once, with the waker of a task that nobody waits for afterwards.
pub(super) fn poll_once<T>(
    log: &Log<Note>,
    task: &'static str,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) {
    let waker = Waker::from(Signal::new(log, task, None));
    log.note(Note::Poll(task));
    let is_pending = poll(&mut Context::from_waker(&waker)).is_pending();
    demand(is_pending, "bytes", "a task waits while there is nothing to read", || "it is ready".to_owned());
}

/// Reads once, at most so many bytes.
pub(super) fn read(source: &impl Source, context: &mut Context<'_>, most: usize) -> Poll<Vec<u8>> {
    let mut place = vec![0; most];
    source.poll_read(context, &mut place).map(|result| {
        let count = result.unwrap_or_else(|error| fail_with("read", &error));
        place.truncate(count);
        place
    })
}

/// Reads until the end, in pieces of at most so many bytes.
pub(super) fn read_to_end(log: &Log<Note>, task: &'static str, source: &impl Source, most: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let piece = block_on(log, task, |context| read(source, context, most));
        if piece.is_empty() {
            return all;
        }
        all.extend(piece);
    }
}

/// Writes all of the bytes.
pub(super) fn write_all(log: &Log<Note>, task: &'static str, source: &impl Source, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let result = block_on(log, task, |context| source.poll_write(context, rest));
        rest = &rest[result.unwrap_or_else(|error| fail_with("write", &error))..];
    }
}

fn fail_with(call: &str, error: &io::Error) -> ! {
    crate::log::broken(
        "half-close",
        "a direction that is open can be used",
        &format!("poll_{call} returns an error: {error}"),
    )
}

/// The other end of a stream. Its calls never wait.
pub(super) struct Peer {
    name: &'static str,
    log: Log<Note>,
    os: UnixStream,
}

/// Makes a stream and its other end.
pub(super) fn pair(log: &Log<Note>, name: &'static str) -> (Stream, Peer) {
    let (ours, theirs) = UnixStream::pair().expect("the system gives sockets");
    (Stream::new(log, name, ours), Peer { name, log: log.clone(), os: theirs })
}

impl Peer {
    /// Sends few bytes, for which there is room.
    pub(super) fn send(&self, bytes: &[u8]) {
        self.log.note(Note::Send(self.name, bytes.len()));
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&self.os).write(rest) {
                Ok(count) => rest = &rest[count..],
                // A simulated buffer may say so although it has room. It will have some in a moment.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    crate::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(error) => panic!("the harness cannot write: {error}"),
            }
        }
    }

    /// Ends the direction to the stream.
    pub(super) fn close_write(&self) {
        self.log.note(Note::End(self.name));
        self.os.shutdown(Shutdown::Write).expect("the direction is open");
    }

    /// Reads what is there, and returns its length.
    pub(super) fn read_now(&self) -> usize {
        self.read_all(|error| error.kind() == io::ErrorKind::WouldBlock).len()
    }

    /// Reads to the end, which must be there.
    pub(super) fn read_to_end(&self) -> Vec<u8> {
        self.read_all(|_| false)
    }

    fn read_all(&self, is_end: impl Fn(&io::Error) -> bool) -> Vec<u8> {
        let (mut all, mut place) = (Vec::new(), vec![0; BUFFER]);
        loop {
            match (&self.os).read(&mut place) {
                Ok(0) => return all,
                Ok(count) => all.extend_from_slice(&place[..count]),
                Err(error) if is_end(&error) => return all,
                Err(error) => crate::log::broken(
                    "half-close",
                    "the peer reads what was written, and the end",
                    &format!("it gets an error: {error}"),
                ),
            }
        }
    }
}
