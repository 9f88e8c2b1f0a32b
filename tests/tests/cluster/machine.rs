//! The machine: its commands, its processes, and pools in processes of their own.

use crate::{
    gate::Gate,
    held::{Held, arrival, wait_at},
    sshd::Sshd,
};
use brigade_process::{JoinError, Launcher, Lost, ProcessPool, Slurm};
use brigade_trace::clock;
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
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

/// How long something may take that must come by itself. It is over only if the test has failed.
const LIMIT: Duration = Duration::from_secs(180);
/// How often it is asked for: nobody tells when it has come.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until something is so, which must come by itself.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = clock::now() + LIMIT;
    while !is_so() {
        assert!(clock::now() < end, "{what} did not come");
        thread::park_timeout(ASK_INTERVAL);
    }
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

/// Asserts that the worker of this call was lost, and returns the reason.
pub(crate) fn loss(lost: Result<String, JoinError>) -> String {
    match lost {
        Err(JoinError::Lost(lost @ Lost::CommandEnded(_), _)) => lost.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Asserts that the error's text holds one of these. Which of them a command says can depend on what it hears
/// of first: that its worker has ended, or why.
pub(crate) fn assert_says_one_of(why: &str, texts: &[&str]) {
    assert!(texts.iter().any(|text| why.contains(text)), "none of {texts:?} in: {why}");
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
    pub(crate) held: [Held; 3],
}

impl Holder {
    /// `launcher` is one word: `slurm`, or the port of a server of ssh.
    pub(crate) fn start(launcher: &str) -> Self {
        let gate = Gate::new();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(HOLD, format!("{launcher} {}", gate.port())).process_group(0);
        let child = command.stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let held = [(); 3].map(|()| arrival(&gate));
        Self { child, held }
    }

    /// Sends a signal to its whole process group, as a terminal does, and waits until all has ended.
    pub(crate) fn end_by(mut self, name: &str) {
        signal(name, &format!("-{}", self.child.id()));
        assert!(!self.child.wait().unwrap().success());
        wait_for_the_end(&self.held.each_ref().map(|held| held.pid));
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
