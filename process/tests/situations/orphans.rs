//! A parent that is killed by SIGKILL takes its workers along.

use crate::{
    gate::{Gate, wait_at},
    path::{Path, launcher, pool},
    sys,
};
use brigade_process::{ProcessPool, Start};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

const PORT: &str = "BE_A_PARENT";
const SOCKET: &str = "BY_SOCKET";
const ZYGOTE: &str = "BY_ZYGOTE";

/// In a process that was asked to: has a pool with one worker idle and one computing, and prints their ids.
pub(crate) fn be_a_parent_if_asked() {
    let Ok(port) = std::env::var(PORT) else { return };
    if std::env::var(SOCKET).is_ok() {
        Path::Socket.choose();
    }
    let procs = match std::env::var(ZYGOTE) {
        Ok(_) => ProcessPool::builder()
            .workers(2)
            .launcher(launcher())
            .start_method(Start::Zygote)
            .build()
            .unwrap(),
        Err(_) => pool(2),
    };
    let handle = procs.spawn(wait_at, port.parse().unwrap());
    println!("{:?}", procs.worker_ids());
    let _ = handle.join();
    std::process::exit(1);
}

pub(crate) fn workers_die_with_a_killed_parent() {
    die_with_a_killed_parent(Start::Exec);
}

pub(crate) fn workers_of_a_zygote_die_with_a_killed_parent() {
    die_with_a_killed_parent(Start::Zygote);
}

fn die_with_a_killed_parent(start: Start) {
    for _ in 0..10 {
        let gate = Gate::new();
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new(this);
        if Path::now() == Path::Socket {
            command.env(SOCKET, "1");
        }
        if start == Start::Zygote {
            command.env(ZYGOTE, "1");
        }
        let mut parent = command.env(PORT, gate.port().to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let workers = line.trim().trim_matches(['[', ']']).split(", ").map(|pid| pid.parse().unwrap());
        let workers: Vec<u32> = workers.collect();
        assert_eq!(workers.len(), 2);
        let _computing = gate.arrival();
        parent.kill().unwrap();
        parent.wait().unwrap();
        while workers.iter().any(|&pid| sys::is_alive(pid)) {
            std::thread::yield_now();
        }
    }
}
