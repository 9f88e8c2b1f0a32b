//! Other ways to start workers: from a zygote, behind a command, over a connection that they make; and
//! peers that are refused.

use crate::{
    gate::{Gate, wait_at},
    path::launcher,
    ports, sys,
};
use brigade_process::{Argv, Builder, JoinError, Lost, ProcessPool, Start, worker_index};
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process,
    sync::OnceLock,
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

static RECIPE: OnceLock<(String, u32)> = OnceLock::new();

fn zygote(workers: usize) -> Builder {
    let load = |name: String| drop(RECIPE.set((name, process::id())));
    let builder = ProcessPool::builder().workers(workers).launcher(launcher());
    builder.start_method(Start::Zygote).initializer(load, "soup".to_owned())
}

fn assert_works(procs: &ProcessPool) {
    assert!((0..1_000).eq(procs.map(|n: u32| n, 0..1_000).into_iter().map(Result::unwrap)));
    assert_eq!(procs.spawn(|bytes: Vec<u8>| bytes.len(), vec![1; 300_000]).join().unwrap(), 300_000);
    let error = procs.spawn(|n: u32| if n == 1 { panic!("no flour") } else { n }, 1).join().unwrap_err();
    assert_eq!(error.panic_message(), Some("no flour"));
}

pub(crate) fn a_zygote_is_initialized_once_for_all_workers() {
    let procs = zygote(3).build().unwrap();
    assert_works(&procs);
    let gate = Gate::new();
    let told = |port: u16| {
        wait_at(port);
        (RECIPE.get().unwrap().clone(), worker_index().unwrap(), process::id())
    };
    let handles: Vec<_> = (0..3).map(|_| procs.spawn(told, gate.port())).collect();
    drop([gate.arrival(), gate.arrival(), gate.arrival()]);
    let told: Vec<_> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
    let zygotes: BTreeSet<_> = told.iter().map(|((name, pid), ..)| (name.as_str(), *pid)).collect();
    assert_eq!(zygotes.len(), 1, "{zygotes:?}");
    assert!((0..3).eq(told.iter().map(|&(_, index, _)| index).collect::<BTreeSet<_>>()));
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn workers_of_a_zygote_die_and_are_replaced() {
    let procs = zygote(2).build().unwrap();
    for signal in 0..20 {
        let ends = |how: u32| match how % 3 {
            0 => sys::kill(process::id()),
            1 => process::abort(),
            _ => process::exit(3),
        };
        let lost = procs.spawn(ends, signal).join().unwrap_err();
        let expected = [Lost::Killed { signal: 9 }, Lost::Killed { signal: 6 }, Lost::Exited { code: 3 }];
        assert!(
            matches!(&lost, JoinError::Lost(lost, _) if *lost == expected[signal as usize % 3]),
            "{lost}"
        );
    }
    assert_works(&procs);
    drop(procs);
    assert!(sys::has_no_child());
}

pub(crate) fn a_zygote_that_dies_is_replaced() {
    let procs = zygote(1).build().unwrap();
    for _ in 0..5 {
        let (_, zygote) = procs.spawn(|(): ()| RECIPE.get().unwrap().clone(), ()).join().unwrap();
        sys::kill(zygote);
        let before = procs.worker_ids();
        assert_eq!(procs.spawn(|n: u32| n, 5).join().unwrap(), 5, "workers do not need it");
        sys::kill(before[0]);
        while matches!(&procs.worker_ids()[..], ids if ids.is_empty() || ids == before) {
            std::thread::yield_now();
        }
    }
    assert_works(&procs);
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_zygote_needs_an_initializer_that_is_well_behaved() {
    let builder = || ProcessPool::builder().workers(1).launcher(launcher()).start_method(Start::Zygote);
    let error = builder().initializer(|(): ()| panic!("no oven"), ()).build().unwrap_err();
    assert!(error.to_string().contains("no oven"), "{error}");
    let threads = |(): ()| drop(std::thread::spawn(std::thread::park));
    let error = builder().initializer(threads, ()).build().unwrap_err();
    assert!(error.to_string().contains("started a thread"), "{error}");
    assert!(sys::has_no_child());
}

/// Linux lists a thread for a moment when it was joined, about once in a hundred times.
pub(crate) fn the_initializer_of_a_zygote_may_join_threads() {
    let joins = |(): ()| std::thread::spawn(|| ()).join().unwrap();
    for _ in 0..200 {
        let builder = ProcessPool::builder().workers(1).launcher(launcher()).start_method(Start::Zygote);
        builder.initializer(joins, ()).build().unwrap().shutdown();
    }
}

pub(crate) fn a_worker_of_a_zygote_may_have_threads_and_a_pool() {
    let procs = zygote(1).build().unwrap();
    let work = |n: u64| {
        let sum = std::thread::spawn(move || n + 1).join().unwrap();
        let inner = ProcessPool::new(1).unwrap();
        inner.spawn(|n: u64| n * 2, sum).join().unwrap()
    };
    assert_eq!(procs.spawn(work, 20).join().unwrap(), 42);
}

/// A pool behind a command that only runs its arguments.
fn behind(launcher: Argv) -> std::io::Result<ProcessPool> {
    // It would print what its commands say.
    ProcessPool::builder().workers(2).launcher(launcher).captured(|_| ()).build()
}

const SHELL: [&str; 4] = ["sh", "-c", "exec \"$@\"", "sh"];

pub(crate) fn a_worker_behind_a_command_talks_over_its_stdio() {
    for launcher in [
        Argv::new(SHELL),
        Argv::new(["env", "OVEN=hot"]),
        Argv::new(["sh", "-c", "cat | \"$@\" | cat", "sh"]),
    ] {
        let procs = behind(launcher).unwrap();
        assert_works(&procs);
        let chatty = |n: u32| {
            print!("{}", "x".repeat(n as usize));
            std::io::read_to_string(std::io::stdin()).unwrap().len()
        };
        assert_eq!(procs.spawn(chatty, 3).join().unwrap(), 0);
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn a_worker_behind_a_command_dials_back() {
    let procs = behind(Argv::new(SHELL).dial_back(LOCALHOST)).unwrap();
    assert_works(&procs);
    sys::kill(procs.worker_ids()[0]);
    assert_works(&procs);
    drop(procs);
    assert!(sys::has_no_child());
}

/// The reason for which there is no worker.
fn refusal(launcher: Argv) -> String {
    let procs = behind(launcher).unwrap();
    let Err(JoinError::Lost(Lost::NotStarted(why), _)) = procs.spawn(|n: u32| n, 1).join() else { panic!() };
    procs.shutdown();
    assert!(sys::has_no_child());
    why.into()
}

pub(crate) fn a_peer_without_the_token_is_refused() {
    let wrong = "0123456789abcdef0123456789abcdef";
    let guess = format!("read token; echo {wrong} | \"$@\"");
    let why = refusal(Argv::new(["sh", "-c", &guess, "sh"]).dial_back(LOCALHOST));
    assert!(why.contains("lacks the token"), "{why}");
}

pub(crate) fn strangers_do_not_keep_a_worker_out() {
    let before = ports::listening();
    let fifo = std::env::temp_dir().join(format!("brigade-strangers-{}", process::id()));
    let made = process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    // The worker comes when the fifo was opened and closed.
    let wait = format!("cat '{}' >&2 </dev/null; exec \"$@\"", fifo.display());
    let launcher = Argv::new(["sh", "-c", &wait, "sh"]).dial_back(LOCALHOST);
    let procs = ProcessPool::builder().workers(1).launcher(launcher).build().unwrap();
    let opened: Vec<_> = ports::listening().difference(&before).copied().collect();
    assert!(!opened.is_empty());
    let strangers: Vec<_> = opened
        .iter()
        .flat_map(|&port| (0..150).filter_map(move |_| TcpStream::connect((LOCALHOST, port)).ok()))
        .collect();
    assert!(strangers.len() >= 150);
    let call = procs.spawn(|n: u64| n, 1);
    drop(fs::OpenOptions::new().write(true).open(&fifo).unwrap());
    assert_eq!(call.join().unwrap(), 1);
    procs.shutdown();
    fs::remove_file(&fifo).unwrap();
    assert!(sys::has_no_child());
}

/// The public part of this process: its arguments and its environment.
fn shown() -> Vec<u8> {
    ["cmdline", "environ"].map(|name| fs::read(format!("/proc/self/{name}")).unwrap()).concat()
}

pub(crate) fn a_token_is_in_no_argument_and_no_variable() {
    let procs = behind(Argv::new(SHELL).dial_back(LOCALHOST)).unwrap();
    let (ours, theirs) = (shown(), procs.spawn(|(): ()| shown(), ()).join().unwrap());
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let is_token = |text: &&[u8]| {
        text.iter().all(is_digit) && !ours.windows(text.len()).any(|inherited| inherited == *text)
    };
    assert_eq!(theirs.windows(32).find(is_token), None, "{}", theirs.escape_ascii());
}

/// This program with another build id.
fn another_build() -> PathBuf {
    let mut bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
    let note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let at =
        bytes.windows(note.len()).position(|window| window == note).expect("the linker has made a build id");
    bytes[at + note.len()] ^= 1;
    let path = std::env::temp_dir().join(format!("brigade-another-build-{}", process::id()));
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

pub(crate) fn another_build_is_refused() {
    let path = another_build();
    let why = refusal(Argv::new(SHELL).program(&path));
    fs::remove_file(&path).unwrap();
    assert!(why.contains("another build"), "{why}");
}

pub(crate) fn a_command_that_is_no_worker_is_refused() {
    let why = refusal(Argv::new(["echo", "two", "eggs"]));
    assert!(why.contains("BRG1") || why.contains("before it was ready"), "{why}");
    assert!(why.contains("two eggs") && why.contains("--unbuffered"), "{why}");
    // A shell's startup file on the other end of an `ssh` would print so.
    let why = refusal(Argv::new(["sh", "-c", "echo Welcome to the kitchen; exec \"$@\"", "sh"]));
    assert!(why.contains("Welcome to the kitchen") && why.contains("--unbuffered"), "{why}");
    let why = refusal(Argv::new(["sh", "-c", "exit 3", "sh"]).dial_back(LOCALHOST));
    assert!(why.contains("code 3") && why.contains("nobody has connected"), "{why}");
    let error = behind(Argv::new(["no-such-command"])).unwrap_err();
    assert!(error.to_string().contains("no-such-command"), "{error}");
    assert!(sys::has_no_child());
}

pub(crate) fn a_cancel_kills_a_worker_however_it_was_started() {
    let builder = || ProcessPool::builder().workers(2);
    let ways: [&dyn Fn() -> Builder; 4] = [
        &|| builder().launcher(launcher()),
        &|| zygote(2),
        &|| builder().launcher(Argv::new(SHELL)),
        &|| builder().launcher(Argv::new(SHELL).dial_back(LOCALHOST)),
    ];
    let gate = Gate::new();
    for way in ways {
        let procs = way().build().unwrap();
        let running = procs.call(wait_at, gate.port()).kill_on_cancel().spawn();
        let _waiting = gate.arrival();
        running.cancel();
        assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
        assert_works(&procs);
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}
