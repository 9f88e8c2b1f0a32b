//! How late are events while other tasks compute? A timer, a byte from a socket, a spawn and a message from
//! outside, beside tasks that compute for a while and then yield.
//!
//! ```text
//!   tasks     compute ── yield ── compute ── yield …     as many, and for as long each time, as a bench says
//!   event     due ───────────────▶ seen by its task      the lateness: half (p50) and 99 of 100 (p99) are
//!                                                        seen sooner, and none is later than the max
//! ```
//!
//! In the benches `stuck_`, one task of a runtime with several workers computes for a long time, and then
//! sleeps for as long. So it is often the worker in the driver that runs it, and another one has to notice.
//!
//! A run lasts for [`RUN_LENGTH`], or for [`PAUSES`] long polls if that is more. An event that is late makes
//! room for fewer.

use super::executor::{Echo, Runtime, Spawner, Threads};
use crate::bench::{Bench, Metric, Row, Side, lateness, sides, workers};
use brigade_trace::clock;
use std::{
    hint,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::unbounded_channel;

/// How long a run lasts.
const RUN_LENGTH: Duration = Duration::from_millis(150);
/// How often a task that computes for a long time does so and pauses, in a run.
const PAUSES: u32 = 2;
/// The time from one event to the next.
const PERIOD: Duration = Duration::from_millis(1);

/// The tasks that compute.
#[derive(Debug, Clone, Copy)]
struct Load {
    tasks: usize,
    /// The time that each of them computes before it pauses.
    poll: Duration,
    pause: Pause,
    threads: Threads,
}

/// How a task that computes pauses.
#[derive(Debug, Clone, Copy)]
enum Pause {
    Yield,
    /// It sleeps for as long as it has computed.
    Sleep,
}

impl Load {
    fn run_length(self) -> Duration {
        match self.pause {
            Pause::Yield => RUN_LENGTH,
            Pause::Sleep => RUN_LENGTH.max(2 * PAUSES * self.poll),
        }
    }
}

/// The event that must not be late.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A task sleeps for a millisecond.
    Timer,
    /// A client on a thread sends a byte, and waits for it to come back.
    Echo,
    /// A thread spawns a task.
    Spawn,
    /// A thread sends a message to a task.
    Message,
}

/// The names of the rows of a bench: p50, p99, max.
type Names = [&'static str; 3];

macro_rules! rows {
    ($name:literal) => {
        [$name, concat!($name, "_p99"), concat!($name, "_max")]
    };
}

/// The benches.
pub(crate) fn benches() -> Vec<Bench> {
    let (one, all) = (Threads::Current, Threads::Workers(workers()));
    let mut benches = Vec::new();
    let mut add = |names, event, tasks, micros, threads| {
        let load = Load { tasks, poll: Duration::from_micros(micros), pause: Pause::Yield, threads };
        benches.extend(against_both(names, event, load));
    };
    add(rows!("late_ticker_4"), Event::Timer, 4, 200, all);
    add(rows!("late_ticker_4_ct"), Event::Timer, 4, 200, one);
    add(rows!("late_ticker_16"), Event::Timer, 16, 200, all);
    add(rows!("late_ticker_16_ct"), Event::Timer, 16, 200, one);
    add(rows!("late_ticker_20us"), Event::Timer, 16, 20, all);
    add(rows!("late_ticker_20us_ct"), Event::Timer, 16, 20, one);
    add(rows!("late_ticker_2ms"), Event::Timer, 4, 2000, all);
    add(rows!("late_ticker_2ms_ct"), Event::Timer, 4, 2000, one);
    add(rows!("late_echo"), Event::Echo, 4, 200, all);
    add(rows!("late_echo_ct"), Event::Echo, 4, 200, one);
    add(rows!("late_spawn"), Event::Spawn, 4, 200, all);
    add(rows!("late_spawn_ct"), Event::Spawn, 4, 200, one);
    add(rows!("late_message"), Event::Message, 4, 200, all);
    add(rows!("late_message_ct"), Event::Message, 4, 200, one);
    let mut add = |names, event, millis| {
        let poll = Duration::from_millis(millis);
        benches.extend(against_both(
            names,
            event,
            Load { tasks: 1, poll, pause: Pause::Sleep, threads: all },
        ));
    };
    add(rows!("stuck_ticker_1ms"), Event::Timer, 1);
    add(rows!("stuck_ticker_10ms"), Event::Timer, 10);
    add(rows!("stuck_ticker_100ms"), Event::Timer, 100);
    add(rows!("stuck_echo_1ms"), Event::Echo, 1);
    add(rows!("stuck_echo_10ms"), Event::Echo, 10);
    add(rows!("stuck_echo_100ms"), Event::Echo, 100);
    add(rows!("stuck_spawn_1ms"), Event::Spawn, 1);
    add(rows!("stuck_spawn_10ms"), Event::Spawn, 10);
    add(rows!("stuck_spawn_100ms"), Event::Spawn, 100);
    benches
}

fn against_both(names: Names, event: Event, load: Load) -> [Bench; 2] {
    use super::executor::{Brigade, Smol, Tokio};
    let peers = if load.threads == Threads::Current { super::SINGLE } else { super::MULTI };
    let rows = || -> Vec<Row> {
        let row = |(figure, name)| Row { name, metric: Metric::ExtraTime(figure), goal: Some(1.0) };
        names.into_iter().enumerate().map(row).collect()
    };
    let ours = move || side::<Brigade>(event, load);
    let mut tokio = Bench::new(names[0], peers[0], move || sides(ours(), side::<Tokio>(event, load)));
    let mut smol = Bench::new(names[0], peers[1], move || sides(ours(), side::<Smol>(event, load)));
    tokio.rows = rows();
    smol.rows = rows();
    [tokio, smol]
}

fn side<R: Runtime<Spawner: Echo>>(event: Event, load: Load) -> Side {
    let runtime = R::start(load.threads);
    lateness(move |_| run(&runtime, event, load))
}

/// Runs the load on a thread of its own, which drives the runtime or waits for it, and meanwhile measures
/// the events.
fn run<R: Runtime<Spawner: Echo>>(runtime: &R, event: Event, load: Load) -> Vec<Duration> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            runtime.block_on(runtime.spawn(compute_beside(runtime.spawner(), is_over.clone(), load, tell)));
        });
        told.recv().expect("the load begins");
        let length = load.run_length();
        let late = match event {
            Event::Timer => timer(runtime, length),
            Event::Echo => echo(runtime, length),
            Event::Spawn => spawn(runtime, length),
            Event::Message => message(runtime, length),
        };
        is_over.store(true, Ordering::Relaxed);
        late
    })
}

/// Runs the tasks that compute until it is over.
async fn compute_beside<I: Spawner>(
    spawner: I,
    is_over: Arc<AtomicBool>,
    load: Load,
    begun: mpsc::Sender<()>,
) {
    let compute = || {
        let is_over = is_over.clone();
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let end = clock::now() + load.poll;
                while clock::now() < end {
                    hint::spin_loop();
                }
                match load.pause {
                    Pause::Yield => I::yield_now().await,
                    Pause::Sleep => I::sleep(load.poll).await,
                }
            }
        }
    };
    let tasks: Vec<_> = (0..load.tasks).map(|_| spawner.spawn(compute())).collect();
    begun.send(()).expect("the other thread waits for the load");
    for task in tasks {
        task.await;
    }
}

fn timer<R: Runtime>(runtime: &R, length: Duration) -> Vec<Duration> {
    let (tell, told) = mpsc::channel();
    let ticker = runtime.spawn(async move {
        let mut late = Vec::new();
        let end = clock::now() + length;
        while clock::now() < end {
            let due = clock::now() + PERIOD;
            <R::Spawner as Spawner>::sleep(PERIOD).await;
            late.push(due.elapsed());
        }
        tell.send(late).expect("the other thread waits for the figures");
    });
    // smol cancels a task whose handle is dropped.
    let late = told.recv().expect("the ticker does not panic");
    drop(ticker);
    late
}

fn echo<R: Runtime<Spawner: Echo>>(runtime: &R, length: Duration) -> Vec<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the machine has a loopback");
    let address = listener.local_addr().expect("it is bound");
    let mut client = TcpStream::connect(address).expect("the listener is there");
    let (server, _) = listener.accept().expect("the client has connected");
    for end in [&client, &server] {
        end.set_nodelay(true).expect("it is a TCP connection");
    }
    server.set_nonblocking(true).expect("the descriptor is good");
    let server = runtime.spawn(<R::Spawner as Echo>::echo(server));
    let late = each_period(length, |_| {
        let sent = clock::now();
        client.write_all(&[1]).expect("the server lives");
        client.read_exact(&mut [0]).expect("the server answers");
        sent.elapsed()
    });
    drop((client, server));
    late
}

fn spawn<R: Runtime>(runtime: &R, length: Duration) -> Vec<Duration> {
    let (tell, told) = mpsc::channel();
    let tasks = each_period(length, |sent| {
        let tell = tell.clone();
        runtime.spawn(async move { tell.send(sent.elapsed()).expect("all figures are awaited") })
    });
    let late = told.iter().take(tasks.len()).collect();
    drop(tasks);
    late
}

fn message<R: Runtime>(runtime: &R, length: Duration) -> Vec<Duration> {
    let (send, mut messages) = unbounded_channel::<Instant>();
    let (tell, told) = mpsc::channel();
    let receiver = runtime.spawn(async move {
        while let Some(sent) = messages.recv().await {
            tell.send(sent.elapsed()).expect("all figures are awaited");
        }
    });
    let sent = each_period(length, |now| send.send(now).expect("the receiver lives"));
    let late = told.iter().take(sent.len()).collect();
    drop((send, receiver));
    late
}

/// Calls `f` once a period, with the time.
fn each_period<T>(length: Duration, mut f: impl FnMut(Instant) -> T) -> Vec<T> {
    let end = clock::now() + length;
    let mut results = Vec::new();
    while clock::now() < end {
        thread::sleep(PERIOD);
        results.push(f(clock::now()));
    }
    results
}
