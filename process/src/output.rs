//! What workers print, line by line: a thread of the pool's own reads it, labels it or gives it to a sink.
//!
//! It is a thread of its own because a sink may take its time, and because whoever prints more than a pipe holds waits for it.
//! A worker's pipes are read until they end, or until the worker has: what it had printed is in them then, and a grandchild
//! that holds them open is not waited for.

use crate::sys::{self, Bell, Watch};
use std::{
    fmt,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// One line that a worker has printed. See [`Builder::captured`](crate::Builder::captured).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// Which of the pool's workers has printed it, from 0 on.
    pub worker: usize,
    /// Where to.
    pub stream: Stream,
    /// The line, without its end. Any bytes may be in it.
    pub text: &'a [u8],
}

/// One of a process's two streams of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// What takes the lines.
pub(crate) type Sink = Box<dyn FnMut(Line<'_>) + Send>;

/// A sink that prints each line where this process prints, with `[worker 3] ` in front.
pub(crate) fn labels() -> Sink {
    Box::new(|line| {
        let label = format!("[worker {}] ", line.worker);
        let whole = [label.as_bytes(), line.text, b"\n"].concat();
        // A stream that is closed takes nothing, which is its owner's wish.
        let _ = match line.stream {
            Stream::Stdout => io::stdout().write_all(&whole),
            Stream::Stderr => io::stderr().write_all(&whole),
        };
    })
}

/// The reading thread. Dropping it reads what is there, and ends it.
pub(crate) struct Output {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    bell: Bell,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Streams that the thread has not taken over.
    new: Vec<Source>,
    /// Workers that have ended, by process id.
    ended: Vec<u32>,
    closed: bool,
}

/// One stream of one worker.
struct Source {
    pid: u32,
    worker: usize,
    stream: Stream,
    pipe: OwnedFd,
    /// A line whose end has not come.
    begun: Vec<u8>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.bell.ring();
    }
}

impl Output {
    pub(crate) fn new(mut sink: Sink) -> io::Result<Self> {
        let shared = Arc::new(Shared { bell: Bell::new()?, state: Mutex::default() });
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("brigade-output".into()).spawn(move || {
            let mut give = |line: Line<'_>| {
                // Unwind safe: a sink that has panicked is not called again.
                catch_unwind(AssertUnwindSafe(|| sink(line))).is_ok()
            };
            read_all(&theirs, &mut give);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Reads a new worker's streams.
    pub(crate) fn add(&self, pid: u32, worker: usize, [out, err]: [OwnedFd; 2]) {
        let source = |stream, pipe| Source { pid, worker, stream, pipe, begun: Vec::new() };
        self.shared
            .tell(|state| state.new.extend([source(Stream::Stdout, out), source(Stream::Stderr, err)]));
    }

    /// The worker has ended.
    pub(crate) fn ended(&self, pid: u32) {
        self.shared.tell(|state| state.ended.push(pid));
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.tell(|state| state.closed = true);
        if let Some(thread) = self.thread.take() {
            // It catches what a sink does, and there is nobody to tell of anything else.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

/// The thread.
fn read_all(shared: &Shared, give: &mut dyn FnMut(Line<'_>) -> bool) {
    let mut sources: Vec<Source> = Vec::new();
    let mut wanted = true;
    let mut give = |line: Line<'_>| {
        wanted = wanted && give(line);
    };
    loop {
        let mut watched = vec![Watch::readable(shared.bell.fd())];
        watched.extend(sources.iter().map(|source| Watch::readable(source.pipe.as_fd())));
        // An error would be a bug in the list of descriptors; then each is asked in turn.
        let _ = sys::poll(&mut watched, None);
        shared.bell.silence();
        let (ended, closed) = {
            let mut state = shared.lock();
            sources.append(&mut state.new);
            (std::mem::take(&mut state.ended), state.closed)
        };
        sources.retain_mut(|source| {
            let goes_on = source.read(&mut give) && !closed && !ended.contains(&source.pid);
            if !goes_on {
                source.finish(&mut give);
            }
            goes_on
        });
        if closed {
            return;
        }
    }
}

impl Source {
    /// Reads what is there. False at the end.
    fn read(&mut self, give: &mut dyn FnMut(Line<'_>)) -> bool {
        let mut space = [0; 16 << 10];
        loop {
            match sys::read(self.pipe.as_fd(), &mut space) {
                Ok(0) => return false,
                Ok(read) => self.take(&space[..read], give),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn take(&mut self, bytes: &[u8], give: &mut dyn FnMut(Line<'_>)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.begun.extend_from_slice(part);
            if self.begun.last() == Some(&b'\n') {
                self.begun.pop();
                self.give(give);
            }
        }
    }

    fn give(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        give(Line { worker: self.worker, stream: self.stream, text: &self.begun });
        self.begun.clear();
    }

    /// A line without an end is a line, too.
    fn finish(&mut self, give: &mut dyn FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            self.give(give);
        }
    }
}
