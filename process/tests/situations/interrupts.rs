//! The terminal's interrupts, which go to the whole process group: by default workers leave them to the
//! pool's process.

use crate::{
    gate::{Gate, wait_at},
    path::{Path, launcher, pool},
    sys,
};
use brigade_process::{Argv, Builder, JoinError, Lost, ProcessPool, Start};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{self, Command, Stdio},
    sync::OnceLock,
};

const PORT: &str = "BE_INTERRUPTED";
const SOCKET: &str = "BE_INTERRUPTED_BY_SOCKET";

/// In a process that was asked to: has a pool whose calls wait, and dies of the first interrupt.
pub(crate) fn be_interrupted_if_asked() {
    let Ok(port) = std::env::var(PORT) else { return };
    if std::env::var(SOCKET).is_ok() {
        Path::Socket.choose();
    }
    sys::heed_interrupts();
    let procs = pool(2);
    let handle = procs.spawn(wait_at, port.parse().unwrap());
    println!("{:?}", procs.worker_ids());
    let _ = handle.join();
    process::exit(1);
}

static ZYGOTE: OnceLock<u32> = OnceLock::new();

/// The ways to a worker on this machine.
fn ways() -> [Builder; 3] {
    let builder = || ProcessPool::builder().workers(2);
    let note = |(): ()| _ = ZYGOTE.set(process::id());
    let zygote = builder().launcher(launcher()).start_method(Start::Zygote).initializer(note, ());
    [builder().launcher(launcher()), zygote, builder().launcher(Argv::new(["env"]))]
}

pub(crate) fn workers_leave_interrupts_to_the_pools_process() {
    for builder in ways() {
        let procs = builder.build().unwrap();
        let gate = Gate::new();
        let running: Vec<_> = (0..2).map(|_| procs.spawn(wait_at, gate.port())).collect();
        let waiting = [gate.arrival(), gate.arrival()];
        let queued: Vec<_> = (0..10).map(|n| procs.spawn(|n: u32| n, n)).collect();
        for signal in sys::INTERRUPTS {
            procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, signal));
        }
        drop(waiting);
        assert!(running.into_iter().all(|handle| handle.join().is_ok()));
        assert!((0..10).zip(queued).all(|(n, handle)| handle.join().unwrap() == n));
        assert_eq!(procs.statistics().deaths, 0);
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn a_zygote_leaves_interrupts_to_the_pools_process() {
    let [_, builder, _] = ways();
    let procs = builder.max_calls_per_worker(1).build().unwrap();
    let ask = || procs.spawn(|(): ()| *ZYGOTE.get().unwrap(), ()).join().unwrap();
    let zygote = ask();
    for signal in sys::INTERRUPTS {
        sys::send(zygote, signal);
        assert!((0..5).all(|_| ask() == zygote));
    }
}

pub(crate) fn workers_may_be_told_to_die_of_interrupts() {
    for builder in ways() {
        let procs = builder.workers_die_of_interrupt(true).build().unwrap();
        for signal in sys::INTERRUPTS {
            let gate = Gate::new();
            let running = procs.spawn(|port: u16| (wait_at(port), 0).1, gate.port());
            let _waiting = gate.arrival();
            procs.worker_ids().into_iter().for_each(|pid| sys::send(pid, signal));
            let error = running.join().unwrap_err();
            assert!(
                matches!(error, JoinError::Lost(Lost::Killed { signal: by }, _) if by == signal),
                "{error}"
            );
        }
    }
}

/// The signals that this process treats in this way: a mask from `/proc/self/status`.
fn signals(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

pub(crate) fn a_program_started_by_a_call_has_the_usual_signals() {
    for builder in ways() {
        let procs = builder.build().unwrap();
        let told = |signal: i32| {
            let stops = signals("SigIgn:") | signals("SigCgt:") | signals("SigBlk:");
            let script = format!("kill -{signal} $$; exit 7");
            let ended = Command::new("sh").args(["-c", &script]).status().unwrap();
            (stops & (1 << (sys::STOP_FROM_THE_TERMINAL - 1)) == 0, ended.signal())
        };
        for signal in sys::INTERRUPTS {
            assert_eq!(procs.spawn(told, signal).join().unwrap(), (true, Some(signal)));
        }
    }
}

pub(crate) fn handlers_of_an_initializer_stand() {
    for start in [Start::Exec, Start::Zygote] {
        let builder = ProcessPool::builder().workers(1).launcher(launcher()).start_method(start);
        let ignore = |(): ()| sys::ignore(sys::INTERRUPTS[0]);
        let procs = builder.initializer(ignore, ()).build().unwrap();
        let ignored = |signal: i32| signals("SigIgn:") & (1 << (signal - 1)) != 0;
        assert!(procs.spawn(ignored, sys::INTERRUPTS[0]).join().unwrap(), "{start:?}");
    }
}

pub(crate) fn an_interrupt_that_nobody_handles_ends_everything() {
    let gate = Gate::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    if Path::now() == Path::Socket {
        command.env(SOCKET, "1");
    }
    let command = command.env(PORT, gate.port().to_string()).stdout(Stdio::piped()).process_group(0);
    let mut parent = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let workers = line.trim().trim_matches(['[', ']']).split(", ").map(|pid| pid.parse().unwrap());
    let workers: Vec<u32> = workers.collect();
    let _computing = gate.arrival();
    sys::send_to_group(parent.id(), sys::INTERRUPTS[0]);
    assert_eq!(parent.wait().unwrap().signal(), Some(sys::INTERRUPTS[0]));
    while workers.iter().any(|&pid| sys::is_alive(pid)) {
        std::thread::yield_now();
    }
}
