//! The same shapes on the real runtime and the real pool.

use super::{
    shape::{Shape, Size},
    simulate::LEAF,
};
use crate::{cpu, group::pool::small::work, run::Spread, sys};
use brigade_pool::Pool;
use brigade_runtime::{Runtime, net::unix::UnixStream, sleep, spawn, yield_now};
use brigade_trace::clock;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, Thread},
    time::Duration,
};

/// The measurement of one run.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The time of the run, in nanoseconds.
    pub wall: f64,
    /// The CPU time of all threads meanwhile.
    pub cpu: f64,
}

/// A shape that is ready to run on so many workers and cores.
pub struct Real {
    orders: mpsc::Sender<()>,
    answers: mpsc::Receiver<Measured>,
}

impl Real {
    /// Starts the threads. On one core they all stay there. On more, each worker stays on a core of its
    /// own: the model leaves out how the kernel chooses cores.
    ///
    /// # Errors
    ///
    /// Returns the error of the system, if it refuses a thread, a socket or the core.
    pub fn start(shape: Shape, cores: usize) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel::<()>();
        let (answer, answers) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            let prepared = prepare(shape, cores);
            let mut run = match prepared {
                Ok(run) => run,
                Err(error) => {
                    _ = tell.send(Err(error));
                    return;
                }
            };
            // An error means that nobody waits any more.
            _ = tell.send(Ok(()));
            for () in ordered {
                if answer.send(run()).is_err() {
                    break;
                }
            }
        })?;
        told.recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that runs the shape has panicked")))?;
        Ok(Self { orders, answers })
    }

    /// Runs the shape once.
    ///
    /// # Panics
    ///
    /// Panics if the thread that runs the shape has panicked.
    pub fn run(&self) -> Measured {
        self.orders.send(()).expect("the thread waits for orders");
        self.answers.recv().expect("the thread answers each order")
    }
}

type Run = Box<dyn FnMut() -> Measured>;

fn prepare(shape: Shape, cores: usize) -> io::Result<Run> {
    let workers = shape.workers(cores);
    let size = shape.size(workers);
    // A thread outside that makes the work has the first core.
    let first = cores - workers;
    if cores == 1 {
        sys::pin(0)?;
    }
    if shape.is_of_runtime() {
        let runtime = Runtime::multi_thread(workers)?;
        pin_workers(&runtime, workers, first);
        if shape.is_from_outside() {
            sys::pin(0)?;
        }
        return Ok(Box::new(move || on_runtime(&runtime, shape, size)));
    }
    let pool = Pool::builder().threads(workers).build()?;
    pool.broadcast(|index| sys::pin(first + index)).into_iter().for_each(drop);
    if shape.is_from_outside() {
        sys::pin(0)?;
    }
    let leaf = rounds(LEAF as usize);
    Ok(match shape {
        Shape::Tree => Box::new(move || {
            measure(|| pool.install(|| (0..size.times).for_each(|_| tree(size.count, leaf))))
        }),
        Shape::Scope(length) => {
            let length = rounds(length as usize);
            Box::new(move || {
                measure(|| pool.install(|| (0..size.times).for_each(|_| scope(size.count, length))))
            })
        }
        Shape::LoopsOutside => Box::new(move || {
            measure(|| (0..size.times).for_each(|_| pool.install(|| tree(size.count, leaf))))
        }),
        _ => Box::new(move || {
            let submit = |end: Arc<Countdown>| {
                pool.spawn_detached(move || {
                    work(leaf);
                    end.end_one();
                });
            };
            measure(|| _ = outside(size.count, submit))
        }),
    })
}

/// Keeps each worker on a core. A task holds its worker until each worker has one.
fn pin_workers(runtime: &Runtime, workers: usize, first: usize) {
    let held = Arc::new(AtomicUsize::new(0));
    let hold = |_| {
        let held = held.clone();
        runtime.spawn(async move {
            let number = held.fetch_add(1, Ordering::Relaxed);
            while held.load(Ordering::Relaxed) < workers {
                thread::yield_now();
            }
            // If it is refused, the worker runs anywhere, and the comparison shows it.
            _ = sys::pin(first + number);
        })
    };
    let tasks: Vec<_> = (0..workers).map(hold).collect();
    runtime.block_on(join(tasks));
}

fn measure(run: impl FnOnce()) -> Measured {
    let before = cpu::own();
    let ((), wall) = clock::timed(run);
    // The workers come to rest. A thread that runs has not yet been charged for all of its time.
    thread::sleep(Duration::from_millis(2));
    let cpu = cpu::own().saturating_sub(before);
    Measured { wall: wall.as_nanos() as f64, cpu: cpu.as_nanos() as f64 }
}

fn on_runtime(runtime: &Runtime, shape: Shape, Size { count, times }: Size) -> Measured {
    let streams = if let Shape::Echo = shape { runtime.block_on(connect(count)) } else { Vec::new() };
    let root = |future: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        measure(|| runtime.block_on(async { runtime.spawn(future).await.expect("the shape does not panic") }))
    };
    match shape {
        Shape::SpawnJoin => root(Box::pin(async move {
            for _ in 0..times {
                join((0..count).map(|_| spawn(async {})).collect()).await;
            }
        })),
        Shape::Yields => root(Box::pin(async move {
            let yielder = || async move {
                for _ in 0..times {
                    yield_now().await;
                }
            };
            join((0..count).map(|_| spawn(yielder())).collect()).await;
        })),
        Shape::Echo => root(Box::pin(echo(streams, times))),
        Shape::Ticks => root(Box::pin(async move {
            let ticker = || async move {
                for _ in 0..times {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            join((0..count).map(|_| spawn(ticker())).collect()).await;
        })),
        _ => measure(|| _ = outside(count, |end| drop(runtime.spawn(async move { end.end_one() })))),
    }
}

async fn join(tasks: Vec<brigade_runtime::JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("the task does not panic");
    }
}

pub(crate) async fn connect(count: usize) -> Vec<(UnixStream, UnixStream)> {
    (0..count).map(|_| UnixStream::pair().expect("the limit on descriptors allows it")).collect()
}

pub(crate) async fn echo(streams: Vec<(UnixStream, UnixStream)>, times: usize) {
    let mut tasks = Vec::new();
    for (mut ours, mut theirs) in streams {
        tasks.push(spawn(async move {
            let mut bytes = [0; 128];
            for _ in 0..times {
                ours.write_all(&[7; 64]).await.expect("the server reads");
                assert_eq!(ours.read(&mut bytes).await.expect("the server answers"), 64);
            }
        }));
        tasks.push(spawn(async move {
            let mut bytes = [0; 128];
            while let Ok(64) = theirs.read(&mut bytes).await {
                theirs.write_all(&bytes[..64]).await.expect("the client reads");
            }
        }));
    }
    join(tasks).await;
}

/// How many rounds of [`work`] take this long, by CPU time, which other load changes least.
fn rounds(nanos: usize) -> u32 {
    static NANOS_PER_ROUND: OnceLock<f64> = OnceLock::new();
    let nanos_per_round = NANOS_PER_ROUND.get_or_init(|| Spread::of((0..99).map(|_| nanos_per_round())).low);
    (nanos as f64 / nanos_per_round).round() as u32
}

fn nanos_per_round() -> f64 {
    const ROUNDS: u32 = 20_000;
    let before = sys::cpu_time_of_this_thread();
    work(ROUNDS);
    sys::cpu_time_of_this_thread().saturating_sub(before).as_nanos() as f64 / f64::from(ROUNDS)
}

/// How long the work of a leaf takes now: less, if it was measured while the processor was slower.
pub(super) fn leaf_length() -> f64 {
    f64::from(rounds(LEAF as usize)) * nanos_per_round()
}

fn tree(leaves: usize, length: u32) {
    if leaves == 1 {
        return work(length);
    }
    let left = leaves / 2;
    brigade_pool::join(|| tree(left, length), || tree(leaves - left, length));
}

fn scope(count: usize, length: u32) {
    brigade_pool::scope(|scope| (0..count).for_each(|_| scope.spawn(move |_| work(length))));
}

/// The count of the pieces of work that have not ended, and the thread that waits for the last.
pub(crate) struct Countdown {
    left: AtomicUsize,
    waiting: Thread,
}

impl Countdown {
    pub(crate) fn end_one(&self) {
        // AcqRel: the end of the last comes after those of the others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }
}

/// Starts `count` pieces of work, each of which counts down at its end, and waits for the last. Returns the
/// CPU time that it took to start them.
pub(crate) fn outside(count: usize, start: impl Fn(Arc<Countdown>)) -> Duration {
    let countdown = Arc::new(Countdown { left: AtomicUsize::new(count), waiting: thread::current() });
    let before = sys::cpu_time_of_this_thread();
    (0..count).for_each(|_| start(countdown.clone()));
    let started = sys::cpu_time_of_this_thread().saturating_sub(before);
    while countdown.left.load(Ordering::Acquire) > 0 {
        thread::park();
    }
    started
}
