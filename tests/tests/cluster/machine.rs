//! The machine: its commands, its processes, and pools in processes of their own.

use crate::{
    gate::{Gate, Waiting, wait_at},
    sshd::Sshd,
};
use brigade_process::{JoinError, JoinHandle, Launcher, Lost, ProcessPool, Slurm};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

/// Whether the machine has the engine that the test with this name needs.
pub(crate) fn has_engine(test: &str) -> bool {
    match test.split("::").next() {
        Some("slurm" | "slurm_ends") => std::env::var_os("SLURM_CONF").is_some(),
        Some("ssh") => Path::new(Sshd::PROGRAM).exists(),
        Some("mpi") => {
            ["/usr/bin/mpirun", "/usr/local/bin/mpirun"].iter().any(|path| Path::new(path).exists())
        }
        _ => true,
    }
}

/// Runs a command of the machine and returns what it prints.
pub(crate) fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sends a signal to a process, or with a minus sign to a group. It may have ended.
pub(crate) fn signal(name: &str, process: &str) {
    let told = Command::new("kill").args(["-s", name, "--", process]).stderr(Stdio::null()).status();
    told.unwrap();
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> u32 {
    run(&["ps", "-o", "ppid=", "-p", &pid.to_string()]).parse().unwrap()
}

/// Whether a process runs. A zombie does not.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Waits until something is so, which must come by itself.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    // Each look takes a process, so this is a bound of some minutes.
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        thread::yield_now();
        run(&["true"]);
    }
    panic!("{what} did not come");
}

pub(crate) fn wait_for_the_end(pids: &[u32]) {
    wait_until("the end of the workers", || !pids.iter().any(|&pid| is_running(pid)));
}

/// Waits until Slurm has no jobs and no steps.
pub(crate) fn assert_no_job_is_left() {
    let is_idle =
        || run(&["squeue", "--noheader"]).is_empty() && run(&["squeue", "--noheader", "--steps"]).is_empty();
    wait_until("the end of all jobs", is_idle);
}

pub(crate) fn pool(workers: usize, launcher: impl Launcher + 'static) -> ProcessPool {
    // It would print what its commands say.
    ProcessPool::builder().workers(workers).launcher(launcher).captured(|_| ()).build().unwrap()
}

/// Has this many calls wait at a gate, each with a worker of its own.
pub(crate) fn hold<const N: usize>(procs: &ProcessPool, gate: &Gate) -> [(JoinHandle<String>, Waiting); N] {
    // One after the other, so that it is known which call has arrived.
    std::array::from_fn(|_| (procs.spawn(wait_at, gate.port()), gate.arrival()))
}

/// Asserts that the worker of this call was lost, and returns the reason.
pub(crate) fn loss(lost: Result<String, JoinError>) -> String {
    match lost {
        Err(JoinError::Lost(lost @ Lost::CommandEnded(_), _)) => lost.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The reason for which there is no worker.
pub(crate) fn refusal(launcher: impl Launcher + 'static) -> String {
    let procs = pool(1, launcher);
    match procs.spawn(|n: u32| n, 1).join() {
        Err(JoinError::Lost(Lost::NotStarted(why), _)) => why.into(),
        other => panic!("{other:?}"),
    }
}

/// The variable by which this program is a process whose pool's calls are held.
const HOLD: &str = "BRIGADE_CLUSTER_HOLD";

/// This program as another process, whose pool has three workers that wait at the gate.
pub(crate) struct Holder {
    child: Child,
    pub(crate) waiting: [Waiting; 3],
}

impl Holder {
    /// `launcher` is one word: `slurm`, or the port of a server of ssh.
    pub(crate) fn start(launcher: &str) -> Self {
        let gate = Gate::new();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(HOLD, format!("{launcher} {}", gate.port())).process_group(0);
        let child = command.stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let waiting = [(); 3].map(|()| gate.arrival());
        Self { child, waiting }
    }

    /// Sends a signal to its whole process group, as a terminal does, and waits until all has ended.
    pub(crate) fn end_by(mut self, name: &str) {
        signal(name, &format!("-{}", self.child.id()));
        assert!(!self.child.wait().unwrap().success());
        wait_for_the_end(&self.waiting.each_ref().map(|waiting| waiting.pid));
        let mut said = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "", "no call was lost before its pool");
    }
}

/// In a process that was asked to: holds three calls.
pub(crate) fn hold_calls_if_asked() {
    let Ok(asked) = std::env::var(HOLD) else { return };
    let (launcher, port) = asked.split_once(' ').unwrap();
    let procs = match launcher {
        "slurm" => pool(3, Slurm::new()),
        folder => pool(3, Sshd::launcher_of(Path::new(folder))),
    };
    let port: u16 = port.parse().unwrap();
    let calls: Vec<_> = (0..3).map(|_| procs.spawn(wait_at, port)).collect();
    for call in calls {
        println!("{:?}", call.join());
    }
    std::process::exit(0);
}
