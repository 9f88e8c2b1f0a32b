//! `cluster`: what a worker elsewhere costs, beside the commands and pools that others use for it.
//!
//! ```text
//! eval "$(tests/cluster/slurm-up start /tmp/ovens)"
//! cargo run --release -p brigade-benches --bin cluster -- srun brigade mpi dask
//! ```
//!
//! Each way is a row of a table: the time until four workers have answered, for a call and its answer, for
//! each of many calls that are made at once, and for each item of a map. The peers are in
//! `python/cluster.py`, and the first `python3` in PATH must have them.

use brigade_benches::report::results;
use brigade_process::{JoinHandle, ProcessPool, Slurm};
use brigade_trace::clock::timed;
use clap::{Parser, ValueEnum};
use std::{
    collections::BTreeSet,
    io,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

const WORKERS: usize = 4;
const LONE_CALLS: u32 = 500;
const CALLS_AT_ONCE: u32 = 10_000;
/// How often Brigade and `srun` are measured; the median counts.
const ROUNDS: usize = 3;

/// Measures four workers on a Slurm, which SLURM_CONF names.
#[derive(Parser)]
#[command(name = "cluster")]
struct Options {
    /// The ways to measure.
    #[arg(required = true)]
    ways: Vec<Way>,
    /// Put the rows into benches/RESULTS.md.
    #[arg(long)]
    write_results: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// `srun -n1 true`.
    Srun,
    Brigade,
    /// `mpi4py.futures`, on this machine.
    Mpi,
    /// Dask, which submits its workers as jobs.
    Dask,
}

fn main() -> ExitCode {
    // As a worker of the process pool this does not return.
    brigade_process::init();
    let options = Options::parse();
    let mut rows = Vec::new();
    for way in options.ways {
        match measure(way) {
            Ok(row) => {
                println!("{row}");
                rows.push(row);
            }
            Err(error) => {
                eprintln!("cluster: {way:?} was not measured: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if options.write_results
        && let Err(error) = results::write_cluster(&rows)
    {
        eprintln!("cluster: benches/RESULTS.md could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Measures one way. Returns its row.
fn measure(way: Way) -> io::Result<String> {
    match way {
        Way::Srun => srun(),
        Way::Brigade => brigade(),
        Way::Mpi => {
            let mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "5"];
            peer(&[&mpirun[..], &["python3", "-m", "mpi4py.futures"]].concat(), "mpi")
        }
        Way::Dask => peer(&["python3"], "dask"),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn srun() -> io::Result<String> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (status, took) = timed(|| Command::new("srun").args(["-n1", "true"]).status());
        if !status?.success() {
            return Err(io::Error::other("`srun -n1 true` fails here: does SLURM_CONF name a Slurm?"));
        }
        times.push(took);
    }
    Ok(format!("| `srun -n1 true` | {:.2} s | – | – | – |", median(times).as_secs_f64()))
}

/// The process of a worker that other calls find busy meanwhile.
fn process(_: u32) -> u32 {
    thread::sleep(Duration::from_millis(10));
    std::process::id()
}

fn same(n: u32) -> u32 {
    n
}

fn joined<T: Send>(calls: impl IntoIterator<Item = JoinHandle<T>>) -> io::Result<Vec<T>> {
    calls.into_iter().map(|call| call.join().map_err(|error| io::Error::other(error.to_string()))).collect()
}

/// A pool's times: its start, a call alone, a call of many, an item of a map.
fn round() -> io::Result<[Duration; 4]> {
    let (procs, start) = timed(|| {
        let procs =
            ProcessPool::builder().workers(WORKERS).launcher(Slurm::new()).captured(|_| ()).build()?;
        let mut heard = BTreeSet::new();
        while heard.len() < WORKERS {
            heard.extend(joined((0..WORKERS).map(|_| procs.spawn(process, 0)).collect::<Vec<_>>())?);
        }
        io::Result::Ok(procs)
    });
    let procs = procs?;
    let (alone, alone_took) =
        timed(|| (0..LONE_CALLS).map(|n| procs.spawn(same, n).join()).all(|got| got.is_ok()));
    let (flood, flood_took) =
        timed(|| joined((0..CALLS_AT_ONCE).map(|n| procs.spawn(same, n)).collect::<Vec<_>>()));
    let (map, map_took) = timed(|| procs.map(same, 0..CALLS_AT_ONCE).into_iter().all(|got| got.is_ok()));
    if !alone || !map || flood?.len() != CALLS_AT_ONCE as usize {
        return Err(io::Error::other("a call went wrong"));
    }
    procs.shutdown();
    Ok([start, alone_took / LONE_CALLS, flood_took / CALLS_AT_ONCE, map_took / CALLS_AT_ONCE])
}

fn brigade() -> io::Result<String> {
    let rounds = (0..ROUNDS).map(|_| round()).collect::<io::Result<Vec<_>>>()?;
    let [start, alone, flood, map] =
        std::array::from_fn(|at| median(rounds.iter().map(|round| round[at]).collect()));
    Ok(format!(
        "| Brigade, `Slurm` | {:.2} s | {} µs | {} µs | {:.1} µs |",
        start.as_secs_f64(),
        alone.as_micros(),
        flood.as_micros(),
        map.as_secs_f64() * 1e6
    ))
}

/// Runs the script of the peers, which prints the row without its last cell.
fn peer(command: &[&str], name: &str) -> io::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/cluster.py");
    let output = Command::new(command[0]).args(&command[1..]).args([script, name]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().find(|line| line.starts_with("| ")) {
        Some(row) => Ok(format!("{row} – |")),
        None => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
