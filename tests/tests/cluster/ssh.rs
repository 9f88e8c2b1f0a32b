//! Work, and ends, over a real ssh.

use crate::{
    gate::Gate,
    held::hold,
    machine::{Holder, assert_says_one_of, loss, parent, pool, refusal, signal, wait_for_the_end},
    sshd::Sshd,
};
use brigade_process::{ProcessPool, Ssh};

pub(crate) fn workers_are_dealt_to_the_hosts() {
    let sshd = Sshd::start("");
    let procs = pool(2, sshd.launcher());
    let squares = procs.map(|n: u64| n * n, 0..1_000);
    assert!(squares.into_iter().map(Result::unwrap).eq((0..1_000).map(|n| n * n)));
    let text = "soup".repeat(4 << 20);
    assert_eq!(procs.spawn(|text: String| text.len(), text).join().unwrap(), 16 << 20);
    let gate = Gate::new();
    let held = hold::<2>(&procs, &gate);
    let workers = held.each_ref().map(|(_, waiting)| waiting.pid);
    drop(held);
    procs.shutdown();
    wait_for_the_end(&workers);
}

pub(crate) fn environment_and_directory_arrive() {
    let sshd = Sshd::start("");
    let odd = "it's \"late\" $HOME \\ `winter`\nand * cold";
    let builder = ProcessPool::builder().workers(1).launcher(sshd.launcher());
    let procs = builder.env("SEASON", odd).current_dir("/usr/share").build().unwrap();
    let shown = |(): ()| (std::env::var("SEASON").unwrap(), std::env::current_dir().unwrap());
    let (season, directory) = procs.spawn(shown, ()).join().unwrap();
    assert_eq!((season.as_str(), directory.to_str()), (odd, Some("/usr/share")));
    // Without a word about it, workers begin where this process is.
    let procs = pool(1, sshd.launcher());
    let directory = procs.spawn(|(): ()| std::env::current_dir().unwrap(), ()).join().unwrap();
    assert_eq!(directory, std::env::current_dir().unwrap());
}

/// The server's process that carries a worker: it forks the login shell, which becomes the worker.
fn session_of(worker: u32) -> String {
    parent(worker).to_string()
}

pub(crate) fn a_connection_that_is_cut_loses_one_call() {
    let sshd = Sshd::start("");
    let procs = pool(2, sshd.launcher());
    let gate = Gate::new();
    let [(call, waiting), (other, other_waiting)] = hold(&procs, &gate);
    signal("KILL", &session_of(waiting.pid));
    let why = loss(call.join());
    assert!(why.contains("`ssh`"), "{why}");
    // It depends on whether `ssh` reads, writes, or has unread bytes when the server goes.
    assert_says_one_of(&why, &["closed by remote host", "Connection reset", "Broken pipe", "closed by 127"]);
    wait_for_the_end(&[waiting.pid]);
    drop(other_waiting);
    assert_eq!(other.join().unwrap(), "-");
    assert!(procs.map(|n: u32| n, 0..100).into_iter().map(Result::unwrap).eq(0..100));
}

pub(crate) fn a_host_that_does_not_answer_any_more_is_told() {
    let sshd = Sshd::start("");
    // With the usual interval: a shorter one would take a loaded machine for one that is gone.
    let procs = pool(2, sshd.launcher());
    let gate = Gate::new();
    let [(call, waiting), (other, other_waiting)] = hold(&procs, &gate);
    let session = session_of(waiting.pid);
    // It neither answers nor closes the connection, as if a cable were cut.
    signal("STOP", &session);
    let why = loss(call.join());
    signal("KILL", &session);
    assert!(why.contains("`ssh`") && why.contains("not responding"), "{why}");
    drop(other_waiting);
    assert_eq!(other.join().unwrap(), "-");
}

pub(crate) fn a_host_that_cannot_be_reached_is_told() {
    let sshd = Sshd::start("");
    let port = format!("-p{}", sshd.port());
    let why = refusal(
        Ssh::new(["127.0.0.1"]).option("-F/dev/null").option(&port).option("-oUserKnownHostsFile=/dev/null"),
    );
    assert!(why.contains("`ssh` said") && why.contains("Host key verification failed"), "{why}");
    let stranger =
        Ssh::new(["127.0.0.1"]).option("-F/dev/null").option(&port).option("-oStrictHostKeyChecking=no");
    let why = refusal(stranger.option("-oUserKnownHostsFile=/dev/null").option("-i/no/such/key"));
    assert!(why.contains("Permission denied"), "{why}");
    let launcher = sshd.launcher();
    let folder = sshd.folder.clone();
    drop(sshd);
    assert!(!folder.exists());
    let why = refusal(launcher);
    assert!(why.contains("Connection refused"), "{why}");
}

pub(crate) fn a_startup_file_that_prints_is_told() {
    let sshd = Sshd::start("ForceCommand echo Welcome to the kitchen; eval \"$SSH_ORIGINAL_COMMAND\"");
    let why = refusal(sshd.launcher());
    assert!(why.contains("Welcome to the kitchen") && why.contains("startup file"), "{why}");
}

pub(crate) fn a_killed_pool_leaves_no_worker() {
    let sshd = Sshd::start("");
    for name in ["KILL", "INT"] {
        Holder::start(sshd.folder.to_str().unwrap()).end_by(name);
    }
}
