//! The lines that workers print: a thread of the pool's own reads them, and labels them or gives them to a
//! sink.
//!
//! This needs a thread of its own because a sink may take its time, and because a worker that prints more
//! than a pipe holds waits for its reader. No other thread of the pool waits for this one until the pool
//! has ended.
//!
//! # Bounds
//!
//! A grandchild may hold a worker's pipe open and write faster than the sink takes lines. So each turn
//! reads a share of each pipe and then looks up. When a worker ends, everything it has printed lies in its
//! pipes: the thread reads as much as they hold at that moment, and then closes them
//! (`parent/output/source.rs`). A line is kept in memory only up to [`MAX_LINE_BYTES`].

mod labels;
mod last_words;
mod source;

pub(crate) use self::labels::{labels, plain};
pub(crate) use self::last_words::LastWords;
use self::source::Source;
use crate::{
    parent::WorkerKey,
    sys::{self, Bell, Watch},
};
use brigade_handle::{contain, forget_panic, refused_thread};
use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

/// The longest piece of a line that a sink is given, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 10;
/// How long a pool that has ended waits for a sink to take one line.
const SINK_TIMEOUT: Duration = Duration::from_secs(5);

/// One line that a worker has printed, or a piece of a long one. See
/// [`Builder::captured`](crate::Builder::captured).
///
/// ```
/// use std::sync::mpsc;
///
/// brigade_process::init();
/// let (sink, lines) = mpsc::channel();
/// let procs = brigade_process::ProcessPool::builder()
///     .workers(1)
///     .captured(move |line| sink.send(String::from_utf8_lossy(line.text).into_owned()).unwrap())
///     .build()
///     .unwrap();
/// procs.spawn(|(): ()| println!("the soup is ready"), ()).join().unwrap();
/// assert_eq!(lines.recv().unwrap(), "the soup is ready");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The number of the worker that has printed it, from 0 on.
    pub worker: usize,
    /// The stream on which it was printed.
    pub stream: Stream,
    /// The line, without its end. Any bytes may be in it.
    pub text: &'a [u8],
    /// Whether the line is longer than 64 KiB and goes on in the next piece from this stream of this
    /// worker. The pieces of a line are 64 KiB long, but for the last.
    pub continues: bool,
}

/// One of a process's two streams of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// A function that takes the lines.
pub(crate) type Sink = Box<dyn FnMut(Line<'_>) + Send>;

/// The reading thread. Dropping this gives the sink the lines that are there, and ends the thread.
pub(crate) struct Output {
    shared: Arc<SinkQueue>,
    thread: Option<thread::JoinHandle<()>>,
}

struct SinkQueue {
    bell: Bell,
    state: Mutex<State>,
    /// Notified when the thread is done with the sink.
    done: Condvar,
    /// How many lines the sink has taken.
    taken: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Streams that the thread has not taken over.
    new: Vec<Source>,
    /// Workers that have ended.
    ended: Vec<WorkerKey>,
    closed: bool,
    is_done: bool,
}

impl SinkQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.bell.ring();
    }

    /// Waits until the thread is done with the sink. False if the sink takes no line for too long.
    fn wait_for_sink(&self) -> bool {
        // Relaxed: the number is only compared with itself.
        let taken = || self.taken.load(Ordering::Relaxed);
        let (mut state, mut before) = (self.lock(), taken());
        while !state.is_done {
            let waited = self.done.wait_timeout(state, SINK_TIMEOUT).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && !state.is_done && before == taken() {
                return false;
            }
            before = taken();
        }
        true
    }
}

impl Output {
    pub(crate) fn new(sink: Sink) -> io::Result<Self> {
        let shared = Arc::new(SinkQueue {
            bell: Bell::new()?,
            state: Mutex::default(),
            done: Condvar::new(),
            taken: AtomicU64::new(0),
        });
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("brigade-output".into()).spawn(move || {
            let mut sink = Some(sink);
            read_all(&theirs, &mut |line| give(&mut sink, line, &theirs.taken));
            // The sink is foreign code to the very end.
            contain(|| drop(sink));
            theirs.lock().is_done = true;
            theirs.done.notify_all();
        });
        let thread = thread.map_err(|error| refused_thread("brigade-output", error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The thread on which the sink is called.
    pub(crate) fn thread(&self) -> Option<ThreadId> {
        self.thread.as_ref().map(|thread| thread.thread().id())
    }

    /// Reads a new worker's streams from now on, and notes the last words on its stderr.
    pub(crate) fn add(
        &self,
        key: WorkerKey,
        worker: usize,
        [out, err]: [OwnedFd; 2],
        words: Option<Arc<LastWords>>,
    ) {
        let out = Source::new(key, worker, Stream::Stdout, out, None);
        let err = Source::new(key, worker, Stream::Stderr, err, words);
        self.shared.tell(|state| state.new.extend([out, err]));
    }

    /// Notes that the worker has ended.
    pub(crate) fn ended(&self, key: WorkerKey) {
        self.shared.tell(|state| state.ended.push(key));
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.tell(|state| state.closed = true);
        // A thread whose sink does not come back ends by itself when the sink does.
        if self.shared.wait_for_sink()
            && let Some(thread) = self.thread.take()
        {
            // The thread catches a sink's panic, and there is nobody to tell of anything else.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

/// Gives the sink a line. A sink that panics is dropped: lines are read on, so that no worker waits, and
/// thrown away.
fn give(sink: &mut Option<Sink>, line: Line<'_>, taken: &AtomicU64) {
    let Some(function) = sink else { return };
    // Unwind safe: a sink that has panicked is not called again.
    let given = catch_unwind(AssertUnwindSafe(|| function(line)));
    taken.fetch_add(1, Ordering::Relaxed);
    if given.is_err() {
        contain(|| drop(sink.take()));
    }
    forget_panic(given);
}

/// Runs the thread.
fn read_all(shared: &SinkQueue, give: &mut dyn FnMut(Line<'_>)) {
    let mut sources: Vec<Source> = Vec::new();
    loop {
        let mut watched = vec![Watch::readable(shared.bell.fd())];
        watched.extend(sources.iter().map(|source| Watch::readable(source.pipe.as_fd())));
        // An error would be a bug in the list of descriptors. Then each stream is asked in turn.
        let all = sys::poll(&mut watched, None).is_err();
        shared.bell.silence();
        let mut ready = watched.into_iter().skip(1).map(|watch| all || watch.is_ready());
        let (ended, closed) = {
            let mut state = shared.lock();
            sources.append(&mut state.new);
            (std::mem::take(&mut state.ended), state.closed)
        };
        sources.retain_mut(|source| {
            let is_ready = ready.next().unwrap_or(true);
            if closed || ended.contains(&source.key) {
                source.read_rest(give);
            } else if !is_ready || source.read_share(give) {
                return true;
            }
            source.finish(give);
            false
        });
        if closed {
            return;
        }
    }
}
