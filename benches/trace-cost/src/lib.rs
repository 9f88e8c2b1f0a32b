//! Work whose time shows what tracing costs. `compare trace` runs it by turns in two processes, of which one
//! was built without the trace's calls, or of which one records.
//!
//! ```text
//!   trace-cost WORK off|on               trace-cost-compiled-out WORK off
//!     stdin    a line with a number of iterations, again and again; its end ends the process
//!     stdout   for each number a line with the nanoseconds that the iterations took
//! ```
//!
//! Both programs are the same code in two builds. A comparison with another program would measure where the
//! linker puts the code, too.

use brigade_pool::Pool;
use brigade_runtime::{Runtime, spawn};
use brigade_trace::{Domain, Id, Kind, Mode, Session, clock, record};
use std::{
    hint::black_box,
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// How many events an iteration is.
const EVENTS: usize = 10_000;
/// How many tasks an iteration spawns and joins.
const SPAWNS: usize = 10_000;
/// How many pairs of tasks an iteration runs.
const PAIRS: usize = 1000;

/// A closure that does its work so many times, and returns the time that counts.
type Work = Box<dyn FnMut(u64) -> Duration>;

/// Makes the work of this name, if there is one.
fn work(name: &str) -> io::Result<Option<Work>> {
    Ok(Some(match name {
        "event" => Box::new(events),
        "spawn_join_ct" => on_runtime(async || spawn_and_join().await)?,
        "ping_pong_ct" => on_runtime(async || ping_pong().await)?,
        "fib30_join" => fib30()?,
        _ => return Ok(None),
    }))
}

/// The time of the loop with an event, less that of the same loop without. The loops take turns, so that a
/// disturbance hits both.
fn events(iterations: u64) -> Duration {
    let worker = black_box(Id::new(Domain::Worker, 0));
    let mut sum = [Duration::ZERO; 2];
    for _ in 0..iterations {
        sum[0] += clock::timed(|| {
            for number in 0..EVENTS as u64 {
                black_box(number);
                record(Kind::QueueDepth, worker, number);
            }
        })
        .1;
        sum[1] += clock::timed(|| {
            for number in 0..EVENTS as u64 {
                black_box(number);
            }
        })
        .1;
    }
    sum[0].saturating_sub(sum[1])
}

fn on_runtime(work: impl AsyncFn() + 'static) -> io::Result<Work> {
    let runtime = Runtime::current_thread()?;
    Ok(Box::new(move |iterations| {
        let all = async {
            for _ in 0..iterations {
                work().await;
            }
        };
        clock::timed(|| runtime.block_on(all)).1
    }))
}

async fn spawn_and_join() {
    let tasks: Vec<_> = (0..SPAWNS).map(|number| spawn(async move { number })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("the task does not panic");
    }
    assert_eq!(black_box(sum), SPAWNS * (SPAWNS - 1) / 2);
}

/// Does what the bench of this name in the group `runtime` does. The channels are tokio's.
async fn ping_pong() {
    let (done, end) = oneshot::channel();
    let done = Arc::new((AtomicUsize::new(PAIRS), Mutex::new(Some(done))));
    for _ in 0..PAIRS {
        let done = done.clone();
        drop(spawn(async move {
            let (ping, pinged) = oneshot::channel();
            let (pong, ponged) = oneshot::channel();
            drop(spawn(async move {
                pinged.await.expect("the ping comes");
                pong.send(()).expect("the pong is awaited");
            }));
            ping.send(()).expect("the ping is awaited");
            ponged.await.expect("the pong comes");
            // AcqRel: the last pair's end comes after the others'.
            if done.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                let done = done.1.lock().expect("no holder panics").take();
                done.expect("there is one last pair").send(()).expect("the end is awaited");
            }
        }));
    }
    end.await.expect("the last pair ends");
}

fn fib30() -> io::Result<Work> {
    fn fib(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (one, other) = brigade_pool::join(|| fib(n - 1), || fib(n - 2));
        one + other
    }
    let pool = Pool::new()?;
    Ok(Box::new(move |iterations| {
        let all = || (0..iterations).for_each(|_| assert_eq!(fib(black_box(30)), 832_040));
        clock::timed(|| pool.install(all)).1
    }))
}

/// Reads numbers of iterations, and answers each with the time that they took, until the end of the input.
fn serve(mut work: Work) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let iterations =
            line.trim().parse().map_err(|error| io::Error::other(format!("{line:?}: {error}")))?;
        writeln!(output, "{}", work(iterations).as_nanos())?;
        output.flush()?;
    }
    Ok(())
}

/// Runs the work that the command line names.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (name, mode) = match *arguments {
        [name, mode @ ("off" | "on")] => (name, mode),
        [name] => (name, "off"),
        _ => ("", ""),
    };
    let served = work(name).and_then(|work| {
        let Some(work) = work else {
            return Err(io::Error::other(
                "usage: trace-cost event|spawn_join_ct|ping_pong_ct|fib30_join [off|on]",
            ));
        };
        // The last events are kept, so that each is written however long this runs.
        let session = Session::builder().mode(Mode::KeepLast);
        let session = (mode == "on").then(|| session.start()).transpose().map_err(io::Error::other)?;
        let served = serve(work);
        drop(session);
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
