//! A parent that is killed by SIGKILL in the middle of everything takes all its workers along: even those
//! that it has only just forked, whichever process has changed its user, and though copies of the parent
//! live on. It leaves no file.

use crate::{
    dice::Dice,
    is_long,
    ledger::Ledger,
    orders::{Order, Outcomes},
    path::{Path, launcher, pool},
    seconds,
    sys::{self, Signal},
};
use brigade_process::{Block, ProcessPool, Start};
use brigade_trace::clock;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// The number of the round, in the environment of the parent and of everything that it starts.
const ROUND: &str = "BRIGADE_CHAOS_ROUND";
const SOCKET: &str = "BRIGADE_CHAOS_SOCKET";

/// The parent's actions beside its calls, before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Nothing,
    /// It forks, and its copies live on with all that they have inherited.
    Forks,
    /// It becomes another user, whom the kernel does not let kill its workers.
    ChangesItsUser,
    /// Its workers become other users, which the kernel does not kill with their parent.
    ChangesItsWorkers,
}

const MANNERS: [Manner; 4] =
    [Manner::Nothing, Manner::Forks, Manner::ChangesItsUser, Manner::ChangesItsWorkers];

const MANNER: &str = "BRIGADE_CHAOS_MANNER";

/// In a process that was asked to: keeps a pool busy, kills its workers now and then, and never ends.
pub(crate) fn be_a_parent_if_asked() {
    let Ok(round) = std::env::var(ROUND) else { return };
    if std::env::var_os(SOCKET).is_some() {
        Path::Socket.choose();
    }
    let mut dice = Dice::new(round.parse().unwrap());
    let manner = MANNERS[std::env::var(MANNER).unwrap().parse::<usize>().unwrap()];
    let procs = match dice.below(2) {
        0 => pool(3),
        _ => ProcessPool::builder()
            .workers(3)
            .launcher(launcher())
            .start_method(Start::Zygote)
            .build()
            .unwrap(),
    };
    println!("ready");
    let ledger = std::env::var("BRIGADE_CHAOS_LEDGER").unwrap();
    let mut number = 1_000;
    loop {
        match manner {
            Manner::Nothing => _ = take_orders(&procs, &mut dice, &ledger, &mut number),
            Manner::Forks => {
                _ = take_orders(&procs, &mut dice, &ledger, &mut number);
                sys::leave_a_copy(dice.below(2) == 0);
            }
            // Another user may have no ledger.
            Manner::ChangesItsUser => {
                compute(&procs);
                if dice.below(3) == 0 {
                    sys::become_nobody();
                }
            }
            Manner::ChangesItsWorkers => {
                let change = |(): ()| sys::become_nobody();
                (0..dice.below(4)).for_each(|_| drop(procs.spawn(change, ())));
                compute(&procs);
            }
        }
        if dice.below(3) == 0 {
            procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, Signal::Kill));
        }
    }
}

fn take_orders(procs: &ProcessPool, dice: &mut Dice, ledger: &str, number: &mut u64) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let orders: Vec<_> = (0..20)
        .map(|_| {
            *number += 1_000;
            Order::place(procs, dice, ledger, *number)
        })
        .collect();
    for order in orders {
        order.collect(&mut outcomes);
    }
    outcomes
}

/// Makes calls that have a result or are lost with their workers.
fn compute(procs: &ProcessPool) {
    let block = Block::copy_of(&[7_u64; 10_000]).unwrap();
    let handles: Vec<_> = (0..5).map(|_| procs.spawn(|block: Block<u64>| block, block.clone())).collect();
    let results = procs.map(|n: u64| n, 0..100);
    assert!((0..).zip(results).all(|(n, result)| result.map_or(true, |got| got == n)));
    for handle in handles {
        assert!(handle.join().map_or(true, |block| block.iter().all(|&n| n == 7)));
    }
}

/// The processes, zombies aside, whose environment holds `mark`: copies of the parent, and others.
fn marked(mark: &str) -> (Vec<u32>, Vec<u32>) {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // A process that has ended has no environment to be read.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(pid);
        }
    }
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    found.into_iter().partition(|pid| name(pid).trim() == sys::COPY)
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
        let mut manner = round as usize % MANNERS.len();
        if !sys::is_root() && manner > 1 {
            // Only root may change its user.
            manner = 0;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROUND, number.to_string()).env(MANNER, manner.to_string());
        command.env("BRIGADE_CHAOS_LEDGER", ledger.path());
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
        let copies = loop {
            let (copies, others) = marked(&format!("{ROUND}={number}"));
            if others.is_empty() {
                break copies;
            }
            thread::yield_now();
        };
        longest = longest.max(killed.elapsed());
        copies.into_iter().for_each(|pid| sys::send(pid, Signal::Kill));
    }
    let left = fs::read_dir(&temporary).unwrap().count();
    fs::remove_dir_all(&temporary).unwrap();
    assert_eq!((left, shm()), (0, shm_before));
    if is_long() {
        eprintln!("{:?}: {rounds} parents killed; the last child was gone after {longest:?}", Path::now());
    }
}
