//! A CPython process that lives as long as its bench and measures when it is told to.
//!
//! `python/peer.py` is the other end, and documents the lines.

use crate::{
    bench::{Measure, Side, Skip},
    cpu,
};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// Checks whether there is a CPython to be a peer.
///
/// # Errors
///
/// Returns a [`Skip`] if there is none.
pub(crate) fn needed() -> Result<(), Skip> {
    static FOUND: OnceLock<Result<(), Skip>> = OnceLock::new();
    let look = || match Command::new("python3").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status()
    {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("python3 -V failed with {status}")),
        Err(error) => Err(format!("python3 cannot be started: {error}")),
    };
    FOUND.get_or_init(look).clone()
}

/// Checks whether CPython has loky, joblib's process pool.
///
/// # Errors
///
/// Returns a [`Skip`] if it has not, or if there is no CPython.
pub(crate) fn loky_needed() -> Result<(), Skip> {
    needed()?;
    if has("loky") { Ok(()) } else { Err("CPython has no loky: `pip install loky` brings it".into()) }
}

fn has(module: &str) -> bool {
    let look = format!("import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)");
    Command::new("python3").args(["-c", &look]).status().is_ok_and(|status| status.success())
}

/// The libraries with which CPython fetches a page here, blocking and on an event loop: `requests` and
/// `aiohttp`, or the modules of the standard library instead.
pub(crate) fn http_libraries() -> (&'static str, &'static str) {
    (if has("requests") { "requests" } else { "urllib" }, if has("aiohttp") { "aiohttp" } else { "asyncio" })
}

/// Makes a side of one of the benches of a script.
///
/// # Errors
///
/// Returns a [`Skip`] if the script cannot be started.
pub(crate) fn side(script: &str, bench: &'static str, arguments: &[String]) -> Result<Side, Skip> {
    let mut python = Python::start(script, arguments)?;
    Ok(Box::new(move |iterations| python.measure(bench, iterations)))
}

/// The process and both ends of the conversation with it.
struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start(script: &str, arguments: &[String]) -> Result<Self, Skip> {
        let path = format!("{}/python/{script}", env!("CARGO_MANIFEST_DIR"));
        if !std::path::Path::new(&path).exists() {
            return Err(format!("{path} is gone: build the benches again where their sources are now"));
        }
        // With -B it leaves no compiled files in the source tree.
        let mut command = Command::new("python3");
        command.arg("-B").arg(&path).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cpu::spawn_outsider(&mut command).map_err(|error| format!("python3: {error}"))?;
        let requests = child.stdin.take();
        let answers = child.stdout.take().ok_or("python3 has no standard output")?;
        Ok(Self { child, requests, answers: BufReader::new(answers) })
    }

    fn measure(&mut self, bench: &str, iterations: u64) -> Measure {
        let answer = self.ask(bench, iterations).expect("CPython runs its benches without an error");
        let figures: Vec<f64> = answer.split_whitespace().flat_map(str::parse).collect();
        let [ops, wall, cpu, ref extra @ ..] = figures[..] else {
            panic!("the script answered {bench} with {answer:?}, and not with three numbers at least");
        };
        let time = |nanos: f64| Duration::from_nanos(nanos as u64);
        Measure { ops: ops as u64, wall: time(wall), cpu: time(cpu), extra: extra.to_vec() }
    }

    fn ask(&mut self, bench: &str, iterations: u64) -> std::io::Result<String> {
        let mut requests = self.requests.as_ref().expect("the pipe is open until the peer is dropped");
        writeln!(requests, "{bench} {iterations}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.requests.take());
        // An error means that it is gone already.
        let _ = self.child.wait();
    }
}
