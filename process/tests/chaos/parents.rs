//! A parent that is killed by SIGKILL in the middle of everything takes all its workers along, even those that it has only
//! just forked, and leaves no file.

use crate::{
    dice::Dice,
    is_long,
    ledger::Ledger,
    orders::{Order, Outcomes},
    path::{Path, pool},
    seconds,
    sys::{self, Signal},
};
use brigade_trace::clock;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Which round it is, in the environment of the parent and of everything that it starts.
const ROUND: &str = "BRIGADE_CHAOS_ROUND";
const SOCKET: &str = "BRIGADE_CHAOS_SOCKET";

/// In a process that was asked to: keeps a pool busy, kills its workers now and then, and never ends.
pub(crate) fn be_a_parent_if_asked() {
    let Ok(round) = std::env::var(ROUND) else { return };
    if std::env::var_os(SOCKET).is_some() {
        Path::Socket.choose();
    }
    let mut dice = Dice::new(round.parse().unwrap());
    let procs = pool(3);
    println!("ready");
    let mut outcomes = Outcomes::default();
    let ledger = std::env::var("BRIGADE_CHAOS_LEDGER").unwrap();
    let mut number = 1_000;
    loop {
        let orders: Vec<_> = (0..20)
            .map(|_| {
                number += 1_000;
                Order::place(&procs, &mut dice, &ledger, number)
            })
            .collect();
        if dice.below(3) == 0 {
            procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, Signal::Kill));
        }
        for order in orders {
            order.collect(&mut outcomes);
        }
    }
}

/// The processes, zombies aside, whose environment holds `mark`.
fn marked(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // A process that has ended has no environment to be read.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

pub(crate) fn a_parent_killed_at_random_leaves_nothing() {
    let rounds = if is_long() { 5 * seconds(0) } else { 8 };
    let mut dice = Dice::new(7);
    let shm = || fs::read_dir("/dev/shm").map_or(0, Iterator::count);
    let shm_before = shm();
    let mut longest = Duration::ZERO;
    let ledger = Ledger::new("parents");
    let temporary = PathBuf::from(ledger.path() + "-folder");
    fs::create_dir(&temporary).unwrap();
    for round in 0..rounds {
        let number = u64::from(std::process::id()) << 32 | round;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROUND, number.to_string()).env("BRIGADE_CHAOS_LEDGER", ledger.path());
        if Path::now() == Path::Socket {
            command.env(SOCKET, "1");
        }
        let mut parent = command.env("TMPDIR", &temporary).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(parent.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        thread::park_timeout(Duration::from_micros(dice.below(60_000)));
        parent.kill().unwrap();
        let killed = clock::now();
        parent.wait().unwrap();
        while !marked(&format!("{ROUND}={number}")).is_empty() {
            thread::yield_now();
        }
        longest = longest.max(killed.elapsed());
    }
    let left = fs::read_dir(&temporary).unwrap().count();
    fs::remove_dir_all(&temporary).unwrap();
    assert_eq!((left, shm()), (0, shm_before));
    if is_long() {
        eprintln!("{:?}: {rounds} parents killed; the last child was gone after {longest:?}", Path::now());
    }
}
