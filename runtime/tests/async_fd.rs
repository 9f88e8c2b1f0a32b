//! Any descriptor, awaited.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime, gather,
    io::{AsyncFd, WouldBlock},
    run, spawn,
};
use futures_util::FutureExt;
use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
};

fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    (one, other)
}

/// Reads one byte by guards, as an owner of a foreign descriptor does.
async fn read_byte(fd: &AsyncFd<UnixStream>) -> u8 {
    let mut byte = [0];
    loop {
        let mut guard = fd.readable().await.unwrap();
        if let Ok(read) = guard.try_io(|mut stream| stream.read(&mut byte)) {
            assert_eq!(read.unwrap(), 1);
            return byte[0];
        }
    }
}

/// A thread answers each byte, so that each time the readiness is cleared while the next may be reported.
async fn ping_pong(rounds: u32) {
    let (ours, mut theirs) = pair();
    let answering = thread::spawn(move || {
        let mut byte = [0];
        while theirs.read(&mut byte).unwrap() == 1 {
            theirs.write_all(&byte).unwrap();
        }
    });
    let ours = AsyncFd::new(ours).unwrap();
    for round in 0..rounds {
        let byte = round as u8;
        ours.write_with(|mut stream| stream.write(&[byte])).await.unwrap();
        assert_eq!(read_byte(&ours).await, byte);
    }
    drop(ours);
    answering.join().unwrap();
}

#[test]
fn no_readiness_is_lost_to_a_clearing_on_one_thread() {
    run(ping_pong(2000));
}

#[test]
fn no_readiness_is_lost_to_a_clearing_across_threads() {
    let runtime = Runtime::multi_thread(2).unwrap();
    runtime.block_on(async {
        let games: Vec<_> = (0..4).map(|_| spawn(ping_pong(500))).collect();
        gather(games).await.into_iter().for_each(Result::unwrap);
    });
}

#[test]
fn a_guard_from_before_a_report_clears_nothing_after_it() {
    run(async {
        let (ours, mut theirs) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        let mut stale = ours.readable().await.unwrap();
        theirs.write_all(b"x").unwrap();
        // A task that waits for a later report has turned the reactor, which tells both.
        let (later, mut writer) = pair();
        let later = AsyncFd::new(later).unwrap();
        writer.write_all(b"y").unwrap();
        later.readable().await.unwrap().clear_ready();
        assert_eq!(read_byte(&later).await, b'y');
        stale.clear_ready();
        assert!(ours.readable().now_or_never().is_some());
        assert_eq!(read_byte(&ours).await, b'x');
    });
}

#[test]
fn a_cleared_readiness_waits_for_the_next_report() {
    run(async {
        let (ours, mut theirs) = pair();
        let ours = AsyncFd::new(ours).unwrap();
        let mut guard = ours.readable().await.unwrap();
        assert_eq!(guard.try_io(|mut stream| stream.read(&mut [0])).unwrap_err(), WouldBlock);
        assert!(ours.readable().now_or_never().is_none());
        theirs.write_all(b"x").unwrap();
        assert_eq!(read_byte(&ours).await, b'x');
    });
}

/// Another call has taken the error that was told.
#[test]
fn an_error_that_is_none_any_more_is_tried_once() {
    run(async {
        let bind = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (socket, gone) = (bind(), bind());
        socket.connect(gone.local_addr().unwrap()).unwrap();
        drop(gone);
        socket.set_nonblocking(true).unwrap();
        let socket = AsyncFd::new(socket).unwrap();
        socket.readable().await.unwrap().clear_ready();
        socket.get_ref().send(b"anybody?").unwrap();
        drop(socket.readable().await.unwrap());
        assert_eq!(socket.get_ref().take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionRefused);
        let mut tries = 0;
        let reading = socket.read_with(|socket| {
            tries += 1;
            assert!(tries < 10, "it is tried over and over");
            socket.recv(&mut [0; 8])
        });
        assert!(reading.now_or_never().is_none());
        assert_eq!(tries, 1);
        // Also where the attempt is made elsewhere.
        socket.get_ref().send(b"anybody?").unwrap();
        let mut guard = socket.readable().await.unwrap();
        assert!(socket.get_ref().take_error().unwrap().is_some());
        guard.clear_ready();
        assert!(socket.readable().now_or_never().is_none());
    });
}

#[test]
fn several_tasks_wait_for_one_descriptor() {
    Runtime::multi_thread(2).unwrap().block_on(async {
        let (ours, mut theirs) = pair();
        let ours = Arc::new(AsyncFd::new(ours).unwrap());
        let reading: Vec<_> = (0..8)
            .map(|_| {
                let ours = ours.clone();
                spawn(async move { ours.read_with(|mut stream| stream.read(&mut [0])).await.unwrap() })
            })
            .collect();
        for _ in 0..8 {
            theirs.write_all(b"x").unwrap();
        }
        assert!(gather(reading).await.into_iter().all(|read| read.unwrap() == 1));
    });
}

#[test]
fn a_regular_file_is_refused_with_advice() {
    run(async {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let error = AsyncFd::new(file).unwrap_err();
        if cfg!(target_os = "linux") {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("spawn_blocking"), "{error}");
        }
    });
}

#[test]
fn a_descriptor_that_was_taken_out_can_be_registered_again() {
    run(async {
        let (ours, mut theirs) = pair();
        let ours = AsyncFd::new(ours).unwrap().into_inner();
        let ours = AsyncFd::new(ours).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(read_byte(&ours).await, b'x');
    });
}

#[test]
fn the_end_of_the_runtime_is_an_error_not_a_wait_for_ever() {
    let runtime = Runtime::current_thread().unwrap();
    let (ours, _theirs) = pair();
    let ours = runtime.block_on(async { AsyncFd::new(ours).unwrap() });
    runtime.block_on(async { ours.readable().await.unwrap().clear_ready() });
    drop(runtime);
    assert!(run(ours.readable()).is_err());
}
