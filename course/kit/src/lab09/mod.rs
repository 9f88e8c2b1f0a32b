//! Lab 9: a reactor over mio.
//!
//! The harness sees the reports of the selector and the attempts on the sockets, because both go through its
//! own types, and the wake-ups, because the wakers are its own.

use crate::{
    Case,
    log::{Log, demand},
    real,
    runner::{self, Code},
    thread::{self, HOUR},
};
use std::{
    io::{self, Read, Write},
    process::ExitCode,
    sync::{
        Arc,
        // No thread waits for it: a notification ends the wait.
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

mod note;
mod sheet;
mod system;
mod tasks;

use note::Note;
pub use sheet::LAB;
pub use system::{Events, Interest, Poll as Selector, Registry, Stream, Token, Waker};
use tasks::{Peer, block_on, pair, read, read_to_end, write_all};

/// A reactor: it hears from the operating system which sources are ready, and wakes the tasks that wait.
pub trait Reactor: Send + Sync + Sized + 'static {
    /// A source of this reactor.
    type Source: Source;

    /// Makes a reactor.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    fn new() -> io::Result<Self>;

    /// Begins to watch a stream.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    fn register(&self, stream: Stream) -> io::Result<Self::Source>;

    /// Waits for events once, and wakes the tasks whose sources are ready. One thread calls this in a loop.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    fn turn(&self) -> io::Result<()>;

    /// Ends the wait of the thread in [`turn`](Self::turn), or its next wait.
    fn notify(&self);
}

/// A stream that a reactor watches. Two tasks may use it at once, one for each direction. When it is dropped,
/// the reactor forgets it.
pub trait Source: Send + Sync + 'static {
    /// Reads what is there. If nothing is, the task is woken when an attempt is worthwhile.
    fn poll_read(&self, context: &mut Context<'_>, place: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes as much as there is room for. If there is none, the task is woken when an attempt is
    /// worthwhile.
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Closes the direction in which this side writes.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    fn close_write(&self) -> io::Result<()>;
}

/// A reactor whose turns a thread makes, until it is dropped.
struct Running<S> {
    reactor: Arc<S>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<S: Reactor> Running<S> {
    fn start() -> Self {
        let reactor = Arc::new(S::new().expect("the system gives a selector"));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (theirs, stop) = (reactor.clone(), is_stopped.clone());
        let thread = thread::spawn_named("reactor", move || {
            while !stop.load(SeqCst) {
                theirs.turn().expect("the selector works");
            }
        });
        Self { reactor, is_stopped, thread: Some(thread) }
    }

    fn register(&self, stream: Stream) -> Arc<S::Source> {
        Arc::new(self.reactor.register(stream).expect("the selector takes the stream"))
    }

    fn stop(mut self) {
        self.is_stopped.store(true, SeqCst);
        self.reactor.notify();
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("turns do not panic");
    }
}

/// Sends the bytes after a pause, from a thread.
fn cook(peer: Peer, pause: Duration, pieces: Vec<&'static [u8]>) -> thread::JoinHandle<Peer> {
    thread::spawn_named("cook", move || {
        for piece in pieces {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            peer.send(piece);
        }
        peer
    })
}

fn expect_bytes(got: &[u8], expected: &[u8]) {
    demand(got == expected, "bytes", "a task reads the bytes that its peer has written, in order", || {
        format!("it reads {:?}, not {:?}", String::from_utf8_lossy(got), String::from_utf8_lossy(expected))
    });
}

/// The bytes are there before the task looks.
fn reads<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    peer.send(b"salt");
    let running = Running::<S>::start();
    let source = running.register(ours);
    expect_bytes(&block_on(&log, "guest", |context| read(&*source, context, 4)), b"salt");
    running.stop();
}

/// The bytes come an hour later, twice.
fn waits<S: Reactor>(case: &mut Case) {
    let rounds = case.number(2, 3);
    wait_for_pieces::<S>(HOUR, rounds);
}

/// The bytes come at any time.
fn every_interleaving<S: Reactor>(case: &mut Case) {
    let rounds = case.number(1, 2);
    wait_for_pieces::<S>(Duration::ZERO, rounds);
}

fn wait_for_pieces<S: Reactor>(pause: Duration, rounds: u64) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    let cook = cook(peer, pause, vec![&b"x"[..]; rounds as usize]);
    for _ in 0..rounds {
        expect_bytes(&block_on(&log, "guest", |context| read(&*source, context, 1)), b"x");
    }
    cook.join().expect("the harness does not panic");
    running.stop();
}

/// The task reads in small pieces, and the end lies behind the bytes.
fn short_reads<S: Reactor>(case: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    let cook = thread::spawn_named("cook", move || {
        peer.send(b"salt");
        peer.close_write();
        peer
    });
    let size = case.number(2, 8) as usize;
    expect_bytes(&read_to_end(&log, "guest", &*source, size), b"salt");
    drop(cook.join().expect("the harness does not panic"));
    running.stop();
}

/// The peer has no more bytes to send, and still reads.
fn half_close<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    let cook = thread::spawn_named("cook", move || {
        peer.send(b"bill?");
        peer.close_write();
        peer
    });
    expect_bytes(&read_to_end(&log, "guest", &*source, 8), b"bill?");
    let peer = cook.join().expect("the harness does not panic");
    write_all(&log, "guest", &*source, b"12 francs");
    source.close_write().expect("the direction is open");
    let answer = peer.read_to_end();
    demand(
        answer == b"12 francs",
        "half-close",
        "a stream whose peer writes no more can be written to",
        || format!("the peer reads {:?}", String::from_utf8_lossy(&answer)),
    );
    running.stop();
}

/// We have no more bytes to send, and still read.
fn half_close_ours<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    source.close_write().expect("the direction is open");
    let cook = cook(peer, HOUR, vec![b"x"]);
    expect_bytes(&block_on(&log, "guest", |context| read(&*source, context, 1)), b"x");
    cook.join().expect("the harness does not panic");
    running.stop();
}

/// One task reads and another one writes, and both wait at the same time.
fn two_directions<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    let (theirs, of_reader) = (source.clone(), log.clone());
    let reader = thread::spawn_named("reader", move || {
        expect_bytes(&block_on(&of_reader, "reader", |context| read(&*theirs, context, 1)), b"x");
    });
    let of_writer = log.clone();
    let writer = thread::spawn_named("writer", move || {
        // More than the kernel keeps for a peer that does not read.
        write_all(&of_writer, "writer", &*source, &vec![0; tasks::BUFFER + 1]);
    });
    thread::sleep(HOUR);
    let drained = peer.read_now();
    thread::sleep(HOUR);
    peer.send(b"x");
    reader.join().expect("the harness does not panic");
    writer.join().expect("the harness does not panic");
    let all = drained + peer.read_now();
    demand(all == tasks::BUFFER + 1, "bytes", "each byte is written once", || {
        format!("the peer reads {all}")
    });
    running.stop();
}

/// A source is polled by one task and then by another one, which waits.
fn moved<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let (ours, peer) = pair(&log, "soup");
    let running = Running::<S>::start();
    let source = running.register(ours);
    tasks::poll_once(&log, "first", |context| read(&*source, context, 1));
    let cook = cook(peer, HOUR, vec![b"x"]);
    expect_bytes(&block_on(&log, "second", |context| read(&*source, context, 1)), b"x");
    cook.join().expect("the harness does not panic");
    running.stop();
}

/// A task waits for two sources, and one of them is silent.
fn asks_the_flag<S: Reactor>(case: &mut Case) {
    let (log, rounds) = (Log::new(), case.number(2, 4) as usize);
    note::demand_no_attempt_in_vain(&log, "rice");
    let ((soup, peer), (rice, silent)) = (pair(&log, "soup"), pair(&log, "rice"));
    let running = Running::<S>::start();
    let (soup, rice) = (running.register(soup), running.register(rice));
    let cook = cook(peer, HOUR, vec![b"x"; rounds]);
    for _ in 0..rounds {
        let got = block_on(&log, "guest", |context| {
            let _ = read(&*rice, context, 1);
            read(&*soup, context, 1)
        });
        expect_bytes(&got, b"x");
    }
    cook.join().expect("the harness does not panic");
    running.stop();
    drop(silent);
}

/// Streams come and go. Each is registered once, and its registration ends before it is closed.
fn one_registration<S: Reactor>(case: &mut Case) {
    let log = Log::new();
    for name in ["soup", "rice"] {
        note::demand_one_registration(&log, name);
    }
    let running = Running::<S>::start();
    for name in ["soup", "rice"] {
        let (ours, peer) = pair(&log, name);
        let source = running.register(ours);
        let rounds = case.number(1, 3) as usize;
        let cook = cook(peer, HOUR, vec![b"x"; rounds]);
        for _ in 0..rounds {
            expect_bytes(&block_on(&log, "guest", |context| read(&*source, context, 1)), b"x");
        }
        drop(source);
        let closed = log.count(|note| *note == Note::Close(name));
        demand(closed == 1, "registration", "a stream is closed when its source is dropped", || {
            "something still holds the stream".to_owned()
        });
        cook.join().expect("the harness does not panic");
    }
    running.stop();
}

/// A waker is foreign code: this one drops a source of the same reactor.
fn calls_back<S: Reactor>(_: &mut Case) {
    let log = Log::new();
    let ((soup, peer), (rice, other)) = (pair(&log, "soup"), pair(&log, "rice"));
    let running = Running::<S>::start();
    let (soup, rice) = (running.register(soup), running.register(rice));
    let cook = cook(peer, HOUR, vec![b"x"]);
    let got =
        tasks::block_on_and(&log, "guest", Box::new(move || drop(rice)), |context| read(&*soup, context, 1));
    expect_bytes(&got, b"x");
    cook.join().expect("the harness does not panic");
    running.stop();
    drop(other);
}

/// The same on the operating system: some clients ask, and read the answer.
fn on_the_real_system<S: Reactor>(case: &mut Case) {
    const NAMES: [&str; 4] = ["soup", "rice", "bread", "tea"];
    let log = Log::new();
    let running = Running::<S>::start();
    let waiters = NAMES.map(|name| {
        let (ours, mut peer) = real::stream_pair();
        let source = running.register(Stream::new(&log, name, ours));
        // More than one read takes, and at times more than the kernel keeps.
        let (log, length) = (log.clone(), case.number(50_000, 500_000) as usize);
        let client = thread::spawn(move || {
            peer.write_all(&vec![b'x'; length]).expect("the other end reads");
            let mut answer = String::new();
            peer.read_to_string(&mut answer).expect("the other end writes text");
            demand(answer == length.to_string(), "bytes", "a client gets its answer", || {
                format!("a client that has sent {length} bytes gets {answer:?}")
            });
        });
        let waiter = thread::spawn(move || {
            let mut left = length;
            while left > 0 {
                let got = block_on(&log, name, |context| read(&*source, context, 4000)).len();
                demand(got > 0, "bytes", "a read before the end returns bytes", || "it returns 0".to_owned());
                left -= got;
            }
            write_all(&log, name, &*source, length.to_string().as_bytes());
            source.close_write().expect("the direction is open");
        });
        (client, waiter)
    });
    for (client, waiter) in waiters {
        client.join().expect("the harness does not panic");
        waiter.join().expect("the harness does not panic");
    }
    running.stop();
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Reactor>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Reactor>() -> Vec<(&'static str, Code)> {
    vec![
        ("reads", reads::<S>),
        ("waits", waits::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("short-reads", short_reads::<S>),
        ("half-close", half_close::<S>),
        ("half-close-ours", half_close_ours::<S>),
        ("two-directions", two_directions::<S>),
        ("moved", moved::<S>),
        ("asks-the-flag", asks_the_flag::<S>),
        ("one-registration", one_registration::<S>),
        ("calls-back", calls_back::<S>),
        ("real", on_the_real_system::<S>),
    ]
}
