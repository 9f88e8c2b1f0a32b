//! Memory, measured in a process that has done nothing else. Each run starts this executable again.

use super::{
    executor::{Brigade, Runtime, Smol, Spawner, Threads, Tokio},
    gate::Gate,
    net::{Serve, Server, brigade_server, smol_server, tokio_server},
};
use crate::{
    bench::{Measure, Side, workers},
    cpu,
    load::{Load, Traffic},
    sys,
};
use brigade_trace::clock;
use std::{
    env, fs,
    process::{self, Command},
    time::Duration,
};

/// The first argument of a process that measures its own memory.
pub(crate) const ROLE: &str = "measure-memory";

/// A thing whose cost in bytes is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// A spawned task that waits.
    Task,
    /// An accepted connection, served by a task that waits for input.
    Connection,
    /// A million spawned tasks that wait and are then all woken. Their time is measured, too.
    Million,
}

/// The runtime that the process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeName {
    Brigade,
    Tokio,
    Smol,
}

const MEASURED: [(&str, Measured); 3] =
    [("task", Measured::Task), ("connection", Measured::Connection), ("million", Measured::Million)];
const RUNTIMES: [(&str, RuntimeName); 3] =
    [("brigade", RuntimeName::Brigade), ("tokio", RuntimeName::Tokio), ("smol", RuntimeName::Smol)];

/// Finds the word for `value` in a table.
fn word<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|row| row.1 == value).expect("each value has its word").0
}

/// Finds the value of a word in a table.
fn value<T: Copy>(table: &[(&'static str, T)], word: &str) -> T {
    table.iter().find(|row| row.0 == word).expect("the parent says a word of the table").1
}

/// Makes a side that starts a process for each run. Its first extra figure is the bytes of one thing.
pub(crate) fn side(measured: Measured, runtime_name: RuntimeName) -> Side {
    Box::new(move |_| {
        let executable = env::current_exe().expect("the system knows what it runs");
        let mut command = Command::new(executable);
        command.args([ROLE, word(&MEASURED, measured), word(&RUNTIMES, runtime_name)]);
        let output = command.output().expect("the machine lets us start a process");
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> = text.split_whitespace().flat_map(str::parse).collect();
        let [ops, wall, cpu, bytes] = numbers[..] else { panic!("a fresh process said {output:?}") };
        let [wall, cpu] = [wall, cpu].map(Duration::from_nanos);
        Measure { ops, wall, cpu, extra: vec![bytes as f64] }
    })
}

/// Runs in the fresh process: measures, and prints the figures.
pub(crate) fn main(arguments: &[&str]) {
    let [measured, runtime_name] = arguments else { panic!("two arguments, not {arguments:?}") };
    let measure = match (value(&MEASURED, measured), value(&RUNTIMES, runtime_name)) {
        (Measured::Task, RuntimeName::Brigade) => tasks::<Brigade>(100_000),
        (Measured::Task, RuntimeName::Tokio) => tasks::<Tokio>(100_000),
        (Measured::Task, RuntimeName::Smol) => tasks::<Smol>(100_000),
        (Measured::Million, RuntimeName::Brigade) => tasks::<Brigade>(1_000_000),
        (Measured::Million, RuntimeName::Tokio) => tasks::<Tokio>(1_000_000),
        (Measured::Million, RuntimeName::Smol) => tasks::<Smol>(1_000_000),
        (Measured::Connection, RuntimeName::Brigade) => connections(brigade_server),
        (Measured::Connection, RuntimeName::Tokio) => connections(tokio_server),
        (Measured::Connection, RuntimeName::Smol) => connections(smol_server),
    };
    let Measure { ops, wall, cpu, extra } = measure;
    println!("{ops} {} {} {}", wall.as_nanos(), cpu.as_nanos(), extra[0].max(0.0).round());
}

/// Spawns tasks that wait at a gate, measures the memory, opens the gate, and awaits them all.
fn tasks<R: Runtime>(count: usize) -> Measure {
    let runtime = R::start(Threads::Workers(workers()));
    let spawner = runtime.spawner();
    let gate = Gate::default();
    let mut handles = Vec::with_capacity(count);
    // The list of handles is touched before, so that it does not count.
    handles.resize_with(count, || None);
    let before = resident();
    let start = clock::now();
    let mut bytes = 0.0;
    runtime.block_on(async {
        for handle in &mut handles {
            *handle = Some(spawner.spawn(gate.clone().wait()));
        }
        gate.arrived(count).await;
        bytes = (resident() - before) / count as f64;
        gate.open();
        for handle in handles.drain(..) {
            handle.expect("each place got its handle").await;
        }
    });
    Measure { ops: count as u64, wall: start.elapsed(), cpu: cpu::own(), extra: vec![bytes] }
}

/// Accepts connections that are silent after the first message.
fn connections(serve: Serve) -> Measure {
    const CONNECTIONS: usize = 1000;
    sys::raise_descriptor_limit();
    let server = Server::start(Traffic::Echo, serve);
    // One connection comes first, so that the memory that the first one sets up for all does not count.
    let mut first = Load::start(Traffic::Echo, server.address, 1);
    first.run(Duration::from_millis(1));
    let before = resident();
    let (load, wall) = clock::timed(|| {
        let mut load = Load::start(Traffic::Echo, server.address, CONNECTIONS);
        load.run(Duration::from_millis(1));
        load
    });
    let bytes = (resident() - before) / CONNECTIONS as f64;
    drop((first, load));
    Measure { ops: CONNECTIONS as u64, wall, cpu: cpu::own(), extra: vec![bytes] }
}

/// The memory of this process that is resident now, in bytes.
fn resident() -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process::id())).unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(f64::NAN, |kib: f64| kib * 1024.0)
}
