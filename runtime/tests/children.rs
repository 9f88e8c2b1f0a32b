//! Child processes.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime,
    command::{Child, Command},
    gather, run,
    signal::SignalKind,
    spawn, timeout,
};
use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt, io::BufReader};
use std::{
    io::{ErrorKind, Read},
    os::unix::process::ExitStatusExt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command as Std, Stdio},
    time::Duration,
};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Whether there is a process with that number, also if it is a zombie.
fn exists(pid: u32) -> bool {
    Std::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// Waits until the process is reaped. A child that was left behind would hang here.
async fn reaped(pid: u32) {
    while exists(pid) {
        brigade_runtime::yield_now().await;
    }
}

/// A child that runs until its input ends, and a moment at which it does run.
async fn started(kill_on_drop: bool) -> Child {
    let mut command = shell("echo ready; read line");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(kill_on_drop);
    let mut child = command.spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).await.unwrap();
    child
}

#[test]
fn the_status_is_told() {
    run(async {
        assert!(shell("true").status().await.unwrap().success());
        assert_eq!(shell("exit 7").status().await.unwrap().code(), Some(7));
        assert_eq!(shell("kill -9 $$").status().await.unwrap().signal(), Some(9));
    });
}

#[test]
fn a_child_that_nobody_could_watch_is_not_started() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = shell("echo started");
    command.stdout(writer);
    assert!(catch_unwind(AssertUnwindSafe(|| command.spawn())).is_err(), "this is outside of a runtime");
    drop(command);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(output, "");
}

#[test]
fn output_takes_in_both_streams_however_much_there_is() {
    run(async {
        let script = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; echo end";
        let output = shell(script).output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_004, 300_000));
        assert!(output.status.success());
    });
}

#[test]
fn lines_go_in_and_come_out() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for n in 0..10 {
            stdin.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), format!("line {n}"));
        }
        stdin.close().await.unwrap();
        assert!(lines.next().await.is_none());
        assert!(child.wait().await.unwrap().success());
    });
}

async fn many() {
    let children: Vec<_> = (0..30)
        .map(|n| spawn(async move { shell(&format!("exit {n}")).status().await.unwrap().code() }))
        .collect();
    for (n, code) in gather(children).await.into_iter().enumerate() {
        assert_eq!(code.unwrap(), Some(n as i32));
    }
}

#[test]
fn many_at_once_on_one_thread() {
    run(many());
}

#[test]
fn many_at_once_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(many());
}

#[test]
fn a_dropped_wait_loses_no_exit() {
    run(async {
        let mut child = started(false).await;
        let mut stdin = child.stdin.take().unwrap();
        assert!(child.wait().now_or_never().is_none());
        assert_eq!(child.try_wait().unwrap(), None);
        stdin.write_all(b"\n").await.unwrap();
        assert!(child.wait().await.unwrap().success());
        assert!(child.wait().await.unwrap().success());
        assert_eq!(child.id(), None);
    });
}

#[test]
fn wait_closes_the_input() {
    run(async {
        let mut child = started(false).await;
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
    });
}

#[test]
fn a_killed_child_is_told_as_killed() {
    run(async {
        let mut child = started(false).await;
        let stdin = child.stdin.take();
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        child.kill().unwrap();
        drop(stdin);
        let mut child = started(false).await;
        let _stdin = child.stdin.take();
        child.signal(SignalKind::TERMINATE).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(SignalKind::TERMINATE.as_raw()));
    });
}

#[test]
fn a_dropped_child_runs_on_and_is_reaped_at_its_end() {
    run(async {
        let mut child = started(false).await;
        let (pid, mut stdin) = (child.id().unwrap(), child.stdin.take().unwrap());
        drop(child);
        assert!(exists(pid));
        stdin.write_all(b"\n").await.unwrap();
        reaped(pid).await;
    });
}

#[test]
fn a_child_dropped_with_kill_on_drop_ends() {
    run(async {
        let mut child = started(true).await;
        let (pid, _stdin) = (child.id().unwrap(), child.stdin.take());
        drop(child);
        reaped(pid).await;
    });
}

#[test]
fn a_timeout_around_output_kills_it() {
    run(async {
        let mut command = shell("echo $$ >&2; exec sleep 3600");
        let (reader, writer) = std::io::pipe().unwrap();
        command.kill_on_drop(true).stderr(writer);
        let late = timeout(Duration::from_millis(20), command.output()).await;
        assert!(late.is_err());
        // The other copy of this end, which the command keeps for its next child.
        drop(command);
        let mut said = String::new();
        let mut reader = brigade_runtime::io::PipeReader::from_fd(reader.into()).unwrap();
        reader.read_to_string(&mut said).await.unwrap();
        // It may have been killed before it said who it is.
        if let Ok(pid) = said.trim().parse() {
            reaped(pid).await;
        }
    });
}

#[test]
fn a_child_that_outlives_its_runtime_is_reaped_later() {
    let runtime = Runtime::current_thread().unwrap();
    let (pid, stdin) = runtime.block_on(async {
        let mut child = started(false).await;
        (child.id().unwrap(), child.stdin.take().unwrap())
    });
    drop(runtime);
    assert!(exists(pid));
    drop(stdin);
    run(async {
        while exists(pid) {
            // Each start sweeps.
            shell("true").status().await.unwrap();
        }
    });
}

#[test]
fn a_killed_child_is_gone_when_its_runtime_is() {
    let runtime = Runtime::current_thread().unwrap();
    let pid = runtime.block_on(async {
        let child = started(true).await;
        child.id().unwrap()
    });
    drop(runtime);
    assert!(!exists(pid));
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    run(async {
        let error = Command::new("/no/such/program").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_environment_and_the_folder_are_the_ones_given() {
    run(async {
        let mut command = shell("echo $DISH; pwd");
        let output = command.env("DISH", "soup").current_dir("/").output().await.unwrap();
        assert_eq!(output.stdout, b"soup\n/\n");
    });
}
