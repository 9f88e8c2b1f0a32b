//! Group `process`: the process pool against CPython's pools.
//!
//! CPython runs `python/pools.py` in a process of its own, which makes the same calls when its turn comes.
//! Each pool has one worker for each core.

use crate::{
    bench::{Bench, Measure, Metric, Side, Sides, Skip, limit, sides, timed, timed_with_children, workers},
    cpu, python,
};
use brigade_process::{Block, BlockMut, JoinHandle, ProcessPool, Start};
use brigade_trace::clock;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    env, fs,
    hint::black_box,
    io::{self, Read, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

const LARGE_BYTES: usize = 64 << 20;
const CALLS: u64 = 2000;
const MAPPED_CALLS: u64 = 200_000;

fn same(n: u64) -> u64 {
    n
}

fn size(data: Block<u8>) -> usize {
    data.len()
}

fn zeroes(count: usize) -> Block<u8> {
    let mut data = BlockMut::recycled(count).expect("there is memory for a block");
    data.fill(0);
    data.freeze()
}

/// The sum of i² for i < `n`. The black box keeps the optimiser from finding the formula. The function is
/// never inlined, so that each side runs the same code.
#[inline(never)]
fn sum_of_squares(n: u64) -> u64 {
    (0..n).fold(0, |sum, i| black_box(sum + i * i))
}

/// The group.
pub(crate) fn benches() -> Vec<Bench> {
    // 64 MiB at 8 GiB/s.
    const TRANSFER_NANOS: u64 = 7_812_500;
    vec![
        against("start", "fork", start, "start_fork").goal(0.5),
        against("start", "spawn", start, "start_spawn").goal(0.05),
        // The peer shows which part of a start is the kernel's and the loader's.
        Bench::new("start", "exec alone", || sides(start(), exec_alone())),
        Bench::new("zygote_worker", "0.3 ms", || sides(zygote_worker(), limit(300_000))).goal(1.0),
        against("calls", "Pool", calls, "calls").reads(Metric::Rate).goal(1.0 / 15.0),
        against("calls", "Executor", calls, "executor_calls").reads(Metric::Rate).goal(1.0 / 50.0),
        against("map", "Pool", map, "map").reads(Metric::Rate).goal(0.5),
        against("imap", "Pool", imap, "imap").reads(Metric::Rate),
        against("round_trip_idle", "Pool", round_trip, "round_trip").goal(0.3),
        against("round_trip_busy", "Pool", round_trip_busy, "round_trip").goal(0.05),
        Bench::new("argument_64mib", "8 GiB/s", || sides(argument(), limit(TRANSFER_NANOS))).goal(1.0),
        against("argument_64mib", "Pool", argument, "argument"),
        Bench::new("result_64mib", "8 GiB/s", || sides(result(), limit(TRANSFER_NANOS))).goal(1.0),
        against("result_64mib", "Pool", result, "result"),
        against("bytes_1mb", "Pool", || echo(bytes), "bytes").goal(0.6),
        against_loky("bytes_1mb", || echo(bytes), "loky_bytes").goal(0.6),
        against("doubles_1mb", "Pool", || echo(doubles), "doubles").goal(0.6),
        against_loky("doubles_1mb", || echo(doubles), "loky_doubles").goal(0.6),
        against("integers_1mb", "Pool", || echo(integers), "doubles").goal(0.6),
        against("text_1mb", "Pool", || echo(text), "text").goal(0.6),
        against_loky("text_1mb", || echo(text), "loky_text").goal(0.6),
        against("struct_1mb", "Pool", || echo(image), "image").goal(0.6),
        against_loky("struct_1mb", || echo(image), "loky_image").goal(0.6),
        against("bytes_64kb", "Pool", || echo(fewer_bytes), "fewer_bytes").goal(0.6),
        against("bytes_16mb", "Pool", || echo(more_bytes), "more_bytes").goal(0.6),
        Bench::new("cpu_bound", "sequential", || sides(cpu_bound(), cpu_bound_sequential())).goal(1.0 / 1.95),
        // The peer shows how much two cores give on this machine at that time.
        Bench::new("cpu_bound", "threads", || sides(cpu_bound(), cpu_bound_threads())).goal(1.03),
        against("idle_worker", "Pool", memory, "memory").reads(Metric::ExtraBytes(0)).goal(0.25),
    ]
}

/// A bench against a bench of CPython's script.
fn against(name: &'static str, peer: &'static str, ours: fn() -> Side, theirs: &'static str) -> Bench {
    let sides = move || -> Result<Sides, Skip> { Ok(sides(ours(), python::side("pools.py", theirs, &[])?)) };
    Bench::needing(python::needed, name, peer, sides)
}

/// The same against joblib's pool, if it is installed.
fn against_loky(name: &'static str, ours: fn() -> Side, theirs: &'static str) -> Bench {
    let sides = move || -> Result<Sides, Skip> { Ok(sides(ours(), python::side("pools.py", theirs, &[])?)) };
    Bench::needing(python::loky_needed, name, "loky", sides)
}

fn pool() -> ProcessPool {
    ProcessPool::new(workers()).expect("the machine lets us start a process a core")
}

/// Makes this many calls, each in a message of its own, and checks the results.
fn call_each(pool: &ProcessPool, calls: u64) {
    let handles: Vec<_> = (0..calls).map(|n| pool.spawn(same, n)).collect();
    let results: Vec<_> = handles.into_iter().map(JoinHandle::join).collect();
    assert!(
        (0..).zip(results).all(|(n, result)| result.is_ok_and(|result| result == n)),
        "a call went wrong"
    );
}

/// Starts a pool and waits until each worker has answered. The end of the pool is not timed, but its CPU time
/// counts.
fn start() -> Side {
    Box::new(|iterations| {
        let before = cpu::with_children();
        let mut wall = Duration::ZERO;
        for _ in 0..iterations {
            let (pool, took) = clock::timed(|| {
                let pool = pool();
                call_each(&pool, workers() as u64);
                pool
            });
            wall += took;
            pool.shutdown();
        }
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops: iterations, wall, cpu, extra: Vec::new() }
    })
}

/// The role of a process that answers with a byte, and ends.
pub(crate) const ROLE: &str = "answer-and-end";

/// Plays that role.
pub(crate) fn answer_and_end() {
    // If the other end is gone, nobody waits for the byte.
    _ = io::stdout().write_all(&[1]);
}

/// Starts as many processes of this executable as a pool has workers, and waits for a byte of each.
fn exec_alone() -> Side {
    let start = || {
        let executable = env::current_exe().expect("the system knows this executable");
        let mut command = Command::new(executable);
        let child = command.arg(ROLE).stdout(Stdio::piped()).spawn();
        child.expect("the machine lets us start a process a core")
    };
    Box::new(move |iterations| {
        let before = cpu::with_children();
        let mut wall = Duration::ZERO;
        for _ in 0..iterations {
            let (children, took) = clock::timed(|| {
                let mut children: Vec<_> = (0..workers()).map(|_| start()).collect();
                for child in &mut children {
                    let answers = child.stdout.as_mut().expect("it is a pipe");
                    answers.read_exact(&mut [0]).expect("the process answers");
                }
                children
            });
            wall += took;
            children.into_iter().for_each(|mut child| _ = child.wait().expect("the process ends"));
        }
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops: iterations, wall, cpu, extra: Vec::new() }
    })
}

/// How many workers more than one a zygote forks.
const EXTRA_WORKERS: usize = 16;

/// Starts one more worker from a zygote, with its first call. The time is how much longer a pool of seventeen
/// takes than a pool of one until each worker has answered, divided by sixteen.
fn zygote_worker() -> Side {
    Box::new(|iterations| {
        let before = cpu::with_children();
        let mut wall = Duration::ZERO;
        for _ in 0..iterations {
            let (one, few) = clock::timed(|| from_zygote(1));
            drop(one);
            let (all, many) = clock::timed(|| from_zygote(1 + EXTRA_WORKERS));
            drop(all);
            wall += many.saturating_sub(few);
        }
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops: iterations * EXTRA_WORKERS as u64, wall, cpu, extra: Vec::new() }
    })
}

/// Starts a pool from a zygote, and waits until each worker has answered.
fn from_zygote(workers: usize) -> ProcessPool {
    let builder = ProcessPool::builder().workers(workers).start_method(Start::Zygote);
    let pool = builder.build().expect("the machine lets us start a few processes");
    while pool.statistics().workers.iter().any(|worker| worker.calls == 0) {
        call_each(&pool, workers as u64);
    }
    pool
}

/// Makes many calls at once, each in a frame of its own.
fn calls() -> Side {
    let pool = pool();
    timed_with_children(CALLS, move |iterations| (0..iterations).for_each(|_| call_each(&pool, CALLS)))
}

/// Makes many trivial calls, in batches that the pool chooses.
fn map() -> Side {
    let pool = pool();
    timed_with_children(MAPPED_CALLS, move |iterations| {
        for _ in 0..iterations {
            let results = pool.map(same, 0..MAPPED_CALLS);
            assert!((0..).zip(results).all(|(n, result)| result.is_ok_and(|result| result == n)));
        }
    })
}

/// Makes the same calls lazily, one in each message.
fn imap() -> Side {
    let pool = pool();
    timed_with_children(CALLS, move |iterations| {
        for _ in 0..iterations {
            let results = pool.imap(same, 0..CALLS);
            assert!((0..).zip(results).all(|(n, result)| result.is_ok_and(|result| result == n)));
        }
    })
}

/// Makes one call to a worker that has been idle for a millisecond. The pauses are not timed.
fn round_trip() -> Side {
    round_trip_with(pool())
}

/// Makes the same call to one worker that polls for its next call all the time.
fn round_trip_busy() -> Side {
    let busy = ProcessPool::builder().workers(1).busy_poll(Duration::from_millis(20));
    round_trip_with(busy.build().expect("the machine lets us start a process"))
}

fn round_trip_with(pool: ProcessPool) -> Side {
    Box::new(move |iterations| {
        let before = cpu::with_children();
        let mut wall = Duration::ZERO;
        for _ in 0..iterations {
            thread::sleep(Duration::from_millis(1));
            wall += clock::timed(|| pool.spawn(same, 1).join().expect("the call does not fail")).1;
        }
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops: iterations, wall, cpu, extra: Vec::new() }
    })
}

/// Sends 64 MiB to a worker.
fn argument() -> Side {
    let (pool, data) = (pool(), vec![7_u8; LARGE_BYTES]);
    timed_with_children(1, move |iterations| {
        for _ in 0..iterations {
            // CPython copies the argument of a call several times. Ours is copied once, into the block, and
            // that is timed.
            let block = Block::copy_of(&data).expect("there is memory for a block");
            let length = pool.spawn(size, block).join().expect("the call does not fail");
            assert_eq!(length, LARGE_BYTES);
        }
    })
}

/// Gets 64 MiB from a worker.
fn result() -> Side {
    let pool = pool();
    timed_with_children(1, move |iterations| {
        for _ in 0..iterations {
            let data = pool.spawn(zeroes, LARGE_BYTES).join().expect("the call does not fail");
            assert_eq!(data.len(), LARGE_BYTES);
        }
    })
}

/// A megabyte of each kind of value that is carried without a special type.
fn bytes() -> Vec<u8> {
    (0..1 << 20).map(|n: u32| n as u8).collect()
}

fn fewer_bytes() -> Vec<u8> {
    vec![7; 64 << 10]
}

fn more_bytes() -> Vec<u8> {
    vec![7; 16 << 20]
}

fn doubles() -> Vec<f64> {
    (0..1 << 17).map(f64::from).collect()
}

fn integers() -> Vec<u64> {
    (0..1 << 17).map(|n: u64| n << 20).collect()
}

fn text() -> String {
    "a line of words\n".repeat(1 << 16)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Image {
    name: String,
    width: u32,
    pixels: Vec<u8>,
    weights: Vec<f64>,
}

fn image() -> Image {
    let (mut pixels, mut weights) = (bytes(), doubles());
    pixels.truncate(1 << 19);
    weights.truncate(1 << 16);
    Image { name: "a picture".into(), width: 1024, pixels, weights }
}

/// Sends a value to a worker, and gets it back.
fn echo<T>(value: fn() -> T) -> Side
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static,
{
    let (pool, value) = (pool(), value());
    timed_with_children(1, move |iterations| {
        for _ in 0..iterations {
            let back = pool.spawn(|value: T| value, value.clone()).join().expect("the call does not fail");
            assert!(back == value);
        }
    })
}

/// How many sums there are. The document's five sums of squares do not divide by two cores. These hundred
/// sums take as long as ten of the document's, and no core waits long for the last one.
const SUMS: u64 = 100;

/// The number below which each sum goes.
const SUM_END: u64 = 1_000_000;

fn cpu_bound() -> Side {
    let pool = pool();
    timed_with_children(SUMS, move |iterations| {
        for _ in 0..iterations {
            let results = pool.map(sum_of_squares, (0..SUMS).map(|_| SUM_END));
            assert!(results.iter().all(Result::is_ok), "a call went wrong");
        }
    })
}

fn cpu_bound_sequential() -> Side {
    timed(SUMS, |iterations| (0..iterations * SUMS).for_each(|_| _ = black_box(sum_of_squares(SUM_END))))
}

/// Computes the sums on one thread for each core, each with its share.
fn cpu_bound_threads() -> Side {
    let share = || (0..SUMS / workers() as u64).for_each(|_| _ = black_box(sum_of_squares(SUM_END)));
    let ops = SUMS / workers() as u64 * workers() as u64;
    timed(ops, move |iterations| {
        for _ in 0..iterations {
            thread::scope(|scope| (0..workers()).for_each(|_| drop(scope.spawn(share))));
        }
    })
}

/// Reads the proportional share of memory of an idle worker, in bytes. The share divides pages that several
/// processes map among these processes.
fn memory() -> Side {
    let pool = pool();
    call_each(&pool, workers() as u64);
    Box::new(move |_| {
        let shares: Vec<_> = pool.worker_ids().into_iter().map(proportional_bytes).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        Measure { ops: 1, extra: vec![mean], ..Measure::default() }
    })
}

fn proportional_bytes(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib =
        rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(f64::NAN, |kib: f64| kib * 1024.0)
}
