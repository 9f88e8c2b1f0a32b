//! Workers never outlive the pool's process, whatever they have done to themselves, and whatever the pool's
//! process has done: users that were changed, processes that are stopped, forks that hold the other ends of
//! everything.

// Unsafe: users, and forks that go on.
#[allow(unsafe_code)]
pub(crate) mod sys;

use crate::{
    gate::{Gate, wait_at},
    path::{Path, launcher},
};
use brigade_process::{Argv, ProcessPool, Start};
use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    process::{self, Command, Stdio},
    thread,
};

const CASE: &str = "BE_LET_GO";
const SOCKET: &str = "BE_LET_GO_BY_SOCKET";
const PORT: &str = "BE_LET_GO_PORT";

/// The processes that have changed their user when the pool's process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Nobody,
    /// Workers, in their first call, which runs.
    FirstCall,
    /// Workers, in their second call.
    SecondCall,
    /// The initializer of each worker, or of the zygote.
    Initializer,
    /// The pool's process, when its workers run calls.
    Parent,
}

const CHANGES: [Changed; 5] =
    [Changed::Nobody, Changed::FirstCall, Changed::SecondCall, Changed::Initializer, Changed::Parent];

/// How workers are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Exec,
    Zygote,
    Command,
}

const WAYS: [Way; 3] = [Way::Exec, Way::Zygote, Way::Command];

/// The further events of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// The workers and the zygote are stopped.
    Stopped,
    /// The pool's process has forked, and that process lives on.
    Forked,
    /// The pool's process is not killed but drops its pool.
    Dropped,
}

/// The initializer: prints that this process is there, if it has the stdout for that.
fn tell_and_change((tells, changes): (bool, bool)) {
    if tells {
        println!("goes {}", process::id());
    }
    if changes {
        sys::become_nobody();
    }
}

/// In a process that was asked to: has a pool whose two workers run calls, and prints the process ids of
/// those that must not outlive it.
pub(crate) fn be_let_go_if_asked() {
    let Ok(case) = env::var(CASE) else { return };
    if env::var(SOCKET).is_ok() {
        Path::Socket.choose();
    }
    let case: Vec<usize> = case.split(',').map(|number| number.parse().unwrap()).collect();
    let [way, changed, besides] = case[..] else { panic!() };
    let (way, changed) = (WAYS[way], CHANGES[changed]);
    let port: u16 = env::var(PORT).unwrap().parse().unwrap();
    let builder = ProcessPool::builder().workers(2);
    let builder = match way {
        Way::Exec => builder.launcher(launcher()),
        Way::Zygote => builder.launcher(launcher()).start_method(Start::Zygote),
        Way::Command => builder.launcher(Argv::new(["env"])),
    };
    let procs = builder
        .initializer(tell_and_change, (way == Way::Zygote, changed == Changed::Initializer))
        .build()
        .unwrap();
    if changed == Changed::SecondCall {
        let handles: Vec<_> = (0..2).map(|_| procs.spawn(wait_at, port)).collect();
        handles.into_iter().for_each(|handle| _ = handle.join().unwrap());
    }
    let change = |port: u16| {
        sys::become_nobody();
        wait_at(port)
    };
    let is_in_call = matches!(changed, Changed::FirstCall | Changed::SecondCall);
    let _running: Vec<_> = (0..2)
        .map(|_| if is_in_call { procs.spawn(change, port) } else { procs.spawn(wait_at, port) })
        .collect();
    procs.worker_ids().into_iter().for_each(|pid| println!("goes {pid}"));
    // The other side has seen by then that the calls run.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    if changed == Changed::Parent {
        sys::become_nobody();
    }
    if besides == Besides::Forked as usize {
        println!("stays {}", crate::sys::leak_a_grandchild());
    }
    println!("ready");
    // The other side is ready by then, too.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    if besides == Besides::Dropped as usize {
        drop(procs);
        assert!(crate::sys::has_no_child());
        process::exit(0);
    }
    loop {
        thread::park();
    }
}

/// Stops the process and waits until it is stopped.
fn stop(pid: u32) {
    crate::sys::send(pid, sys::STOP);
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") T ")) {
        thread::yield_now();
    }
}

/// Goes through the ways to start workers, one after the other, with these changes and further events.
fn let_go(ways: &[Way], changes: &[Changed], besides: Besides) {
    if changes.iter().any(|&changed| changed != Changed::Nobody) && !sys::is_root() {
        return println!("skipped: only root may change its user");
    }
    for &way in ways {
        for &changed in changes {
            one_is_let_go(way, changed, besides);
        }
    }
}

fn one_is_let_go(way: Way, changed: Changed, besides: Besides) {
    let gate = Gate::new();
    let mut command = Command::new(env::current_exe().unwrap());
    if Path::now() == Path::Socket {
        command.env(SOCKET, "1");
    }
    let number = CHANGES.iter().position(|&other| other == changed).unwrap();
    let case = format!("{},{number},{}", way as usize, besides as usize);
    command.env(CASE, case).env(PORT, gate.port().to_string());
    let mut parent = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut go_on = parent.stdin.take().unwrap();
    if changed == Changed::SecondCall {
        drop([gate.arrival(), gate.arrival()]);
    }
    let _running = [gate.arrival(), gate.arrival()];
    writeln!(go_on).unwrap();
    let (mut goes, mut stays) = (BTreeSet::new(), BTreeSet::new());
    for line in BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap) {
        match line.split_once(' ') {
            Some(("goes", pid)) => _ = goes.insert(pid.parse::<u32>().unwrap()),
            Some((_, pid)) => _ = stays.insert(pid.parse::<u32>().unwrap()),
            None => break,
        }
    }
    assert_eq!(goes.len(), if way == Way::Zygote { 3 } else { 2 });
    if besides == Besides::Stopped {
        goes.iter().for_each(|&pid| stop(pid));
    }
    if besides != Besides::Dropped {
        parent.kill().unwrap();
    }
    drop(go_on);
    let ended = parent.wait().unwrap();
    assert!(ended.success() || besides != Besides::Dropped, "{ended}");
    while goes.iter().any(|&pid| crate::sys::is_alive(pid)) {
        thread::yield_now();
    }
    assert!(stays.iter().all(|&pid| crate::sys::is_alive(pid)));
    stays.into_iter().for_each(crate::sys::kill);
}

pub(crate) fn none_outlives_a_killed_parent_whoever_has_changed_its_user() {
    let_go(&WAYS, &CHANGES, Besides::Nothing);
}

pub(crate) fn none_outlives_a_killed_parent_if_it_is_stopped() {
    let_go(&[Way::Exec, Way::Zygote], &CHANGES, Besides::Stopped);
}

pub(crate) fn none_outlives_a_killed_parent_that_has_forked() {
    let changes = [Changed::Nobody, Changed::SecondCall, Changed::Initializer];
    let_go(&[Way::Exec, Way::Zygote], &changes, Besides::Forked);
}

pub(crate) fn a_pool_ends_its_workers_whoever_has_changed_its_user() {
    let_go(&WAYS, &CHANGES, Besides::Dropped);
}
