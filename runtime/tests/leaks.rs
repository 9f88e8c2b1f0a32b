//! A runtime leaves nothing behind: no descriptor, no child, no thread. This test is alone in its process,
//! so that it can count.
#![cfg(target_os = "linux")]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime,
    command::Command,
    fs,
    io::{AsyncFd, pipe},
    net::{
        TcpListener, TcpStream, UdpSocket,
        unix::{UnixDatagram, UnixStream},
    },
    signal::{SignalKind, signal},
    spawn,
};
use futures_util::{AsyncReadExt, FutureExt};
use std::{process::Stdio, sync::mpsc, thread};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many threads run. Linux still lists a thread for a moment when `join` has returned.
fn threads() -> usize {
    // PF_EXITING, which Linux sets before it tells the one that joins. It is in no header of user space.
    const EXITING: u64 = 0x4;
    let is_ending = |stat: &String| {
        // The name stands in brackets and may hold anything. Seven fields on are the flags.
        let flags = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(6).unwrap();
        flags.parse::<u64>().unwrap() & EXITING != 0
    };
    let listed = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread without the file has ended since it was listed.
    let stats = listed.flatten().flat_map(|thread| std::fs::read_to_string(thread.path().join("stat")));
    stats.filter(|stat| !is_ending(stat)).count()
}

/// The children of this process, zombies among them.
fn children() -> String {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread without the file has ended since it was listed.
    threads.flatten().flat_map(|thread| std::fs::read_to_string(thread.path().join("children"))).collect()
}

/// Uses one of everything; some of it is in the middle of something at the end.
async fn use_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = spawn(async move { listener.accept().await.unwrap() });
    let (mut reader, _writer) = TcpStream::connect(address).await.unwrap().into_split();
    let waiting = spawn(async move { reader.read(&mut [0; 8]).await });
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert!(udp.recv(&mut [0; 8]).now_or_never().is_none());
    let _unix = (UnixStream::pair().unwrap(), UnixDatagram::pair().unwrap(), pipe().unwrap());
    let _any = AsyncFd::new(std::os::unix::net::UnixStream::pair().unwrap().0).unwrap();
    let mut hangups = signal(SignalKind::HANGUP).unwrap();
    assert!(hangups.recv().now_or_never().is_none());
    fs::read("/proc/self/status").await.unwrap();
    assert!(Command::new("true").status().await.unwrap().success());
    let mut command = Command::new("cat");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    // This one is waited for when the runtime ends, by a task that is cancelled then.
    let forgotten = spawn(async move { { child }.wait_with_output().await });
    brigade_runtime::yield_now().await;
    drop((accepting.await.unwrap(), waiting, forgotten));
    // And this one is dropped while it runs.
    drop(command.spawn().unwrap());
}

#[test]
fn nothing_is_left_behind() {
    let round = || {
        Runtime::current_thread().unwrap().block_on(use_everything());
        Runtime::multi_thread(2).unwrap().block_on(use_everything());
    };
    // The bell of signals is made once and stays.
    round();
    let (open, running) = (descriptors(), threads());
    for _ in 0..10 {
        round();
        assert_eq!(descriptors(), open);
        assert_eq!(threads(), running);
        assert_eq!(children(), "");
    }
    // A thread that was inside of a runtime and spawned there keeps nothing of it, though it lives on.
    let (go, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let runtime = Runtime::multi_thread(1).unwrap();
    let handle = runtime.handle();
    let guest = thread::spawn(move || {
        let inside = handle.enter();
        spawn(async {}).join().unwrap();
        drop(inside);
        drop(handle);
        tell.send(()).unwrap();
        gate.recv().unwrap_err();
    });
    told.recv().unwrap();
    drop(runtime);
    assert_eq!(descriptors(), open, "the executor is gone");
    drop(go);
    guest.join().unwrap();
}
