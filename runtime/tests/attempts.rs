//! Attempts that never wait, and polls: what a library uses that waits in its own way.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    Runtime, gather,
    io::{AsyncFd, Direction},
    net::{
        TcpListener, TcpStream, UdpSocket,
        unix::{UnixDatagram, UnixStream},
    },
    run, spawn,
};
use futures_util::{AsyncReadExt, FutureExt};
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    sync::Arc,
    thread,
};

async fn udp_pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await, UdpSocket::bind("127.0.0.1:0").await);
    let (one, other) = (one.unwrap(), other.unwrap());
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

fn would_block<T: std::fmt::Debug>(attempt: io::Result<T>) -> bool {
    attempt.unwrap_err().kind() == ErrorKind::WouldBlock
}

/// Waits and tries, as a library does that has only these two.
async fn recv_by_attempts(socket: &UdpSocket, buffer: &mut [u8]) -> usize {
    loop {
        socket.readable().await.unwrap();
        match socket.try_recv(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            received => return received.unwrap(),
        }
    }
}

#[test]
fn an_attempt_never_waits_and_a_wait_is_for_the_next_report() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (one, other) = udp_pair().await;
            let mut buffer = [0; 8];
            // Another worker may report at that moment that the new socket is writable. Then this attempt
            // clears nothing, and the next one does.
            let mut clears = || {
                assert!(would_block(other.try_recv(&mut buffer)));
                other.readable().now_or_never().is_none()
            };
            assert!(clears() || clears(), "an attempt clears the readiness");
            one.send(b"soup").await.unwrap();
            assert_eq!(recv_by_attempts(&other, &mut buffer).await, 4);
            assert!(would_block(other.try_recv_from(&mut buffer)));
            one.writable().await.unwrap();
            assert_eq!(one.try_send(b"salad").unwrap(), 5);
            assert_eq!(poll_fn(|cx| other.poll_recv(cx, &mut buffer)).await.unwrap(), 5);
            let to = other.local_addr().unwrap();
            assert_eq!(poll_fn(|cx| one.poll_send_to(cx, b"cake", to)).await.unwrap(), 4);
            let received = poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await.unwrap();
            assert_eq!(received, (4, one.local_addr().unwrap()));
        });
    }
}

#[test]
fn an_attempt_in_vain_is_not_repeated_before_a_report() {
    run(async {
        let (one, other) = udp_pair().await;
        let mut calls = 0;
        let mut attempt = || {
            other.try_io(Direction::Read, || {
                calls += 1;
                io::Result::<()>::Err(ErrorKind::WouldBlock.into())
            })
        };
        assert!(would_block(attempt()));
        assert!(would_block(attempt()));
        assert_eq!(calls, 1);
        one.send(b"soup").await.unwrap();
        other.readable().await.unwrap();
        let mut signals = 2;
        let interrupted_twice = other.try_io(Direction::Read, || {
            signals -= 1;
            if signals >= 0 { Err(ErrorKind::Interrupted.into()) } else { Ok("soup") }
        });
        assert_eq!(interrupted_twice.unwrap(), "soup");
    });
}

/// The readiness is kept until an attempt would have blocked, whatever was done meanwhile.
#[test]
fn a_success_keeps_the_readiness() {
    run(async {
        let (one, other) = udp_pair().await;
        for dish in [b"soup", b"cake"] {
            one.send(dish).await.unwrap();
        }
        assert_eq!(recv_by_attempts(&other, &mut [0; 8]).await, 4);
        assert!(other.readable().now_or_never().is_some());
        assert_eq!(other.try_recv(&mut [0; 8]).unwrap(), 4);
    });
}

/// A thread answers each datagram, so that each time a readiness is cleared while the next may be reported.
async fn ping_pong(rounds: u32) {
    let (ours, theirs) = udp_pair().await;
    let theirs = theirs.into_std().unwrap();
    let answering = thread::spawn(move || {
        let mut buffer = [0; 8];
        for _ in 0..rounds {
            let len = theirs.recv(&mut buffer).unwrap();
            theirs.send(&buffer[..len]).unwrap();
        }
    });
    for round in 0..rounds {
        let mut buffer = [0; 8];
        poll_fn(|cx| ours.poll_send(cx, &round.to_le_bytes())).await.unwrap();
        let len = match round % 2 {
            0 => recv_by_attempts(&ours, &mut buffer).await,
            _ => poll_fn(|cx| ours.poll_recv(cx, &mut buffer)).await.unwrap(),
        };
        assert_eq!(buffer[..len], round.to_le_bytes());
    }
    answering.join().unwrap();
}

#[test]
fn no_report_is_lost_between_an_attempt_and_a_wait() {
    run(ping_pong(1000));
    Runtime::multi_thread(2).unwrap().block_on(async {
        let games: Vec<_> = (0..4).map(|_| spawn(ping_pong(300))).collect();
        gather(games).await.into_iter().for_each(Result::unwrap);
    });
}

#[test]
fn several_tasks_poll_one_socket_and_a_dropped_one_takes_nothing() {
    Runtime::multi_thread(2).unwrap().block_on(async {
        let (one, other) = udp_pair().await;
        let other = Arc::new(other);
        let receive = |other: Arc<UdpSocket>| async move {
            poll_fn(|cx| other.poll_recv(cx, &mut [0; 8])).await.unwrap()
        };
        let dropped = spawn(receive(other.clone()));
        let receiving: Vec<_> = (0..8).map(|_| spawn(receive(other.clone()))).collect();
        dropped.cancel();
        assert!(dropped.await.is_err());
        for _ in 0..8 {
            one.send(b"soup").await.unwrap();
        }
        assert!(gather(receiving).await.into_iter().all(|len| len.unwrap() == 4));
    });
}

#[test]
fn an_attempt_reports_an_error_once() {
    run(async {
        let (socket, gone) = udp_pair().await;
        drop(gone);
        socket.try_send(b"anybody?").unwrap();
        let refused = loop {
            socket.readable().await.unwrap();
            match socket.try_recv(&mut [0; 8]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => break received.unwrap_err(),
            }
        };
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(would_block(socket.try_recv(&mut [0; 8])));
        assert!(socket.readable().now_or_never().is_none());
    });
}

#[test]
fn after_the_end_of_the_runtime_an_attempt_is_an_error_not_a_wait() {
    let runtime = Runtime::current_thread().unwrap();
    let (socket, _other) = runtime.block_on(udp_pair());
    drop(runtime);
    assert_eq!(socket.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::Other);
    assert!(run(socket.readable()).is_err());
    assert!(run(poll_fn(|cx| socket.poll_recv(cx, &mut [0; 8]))).is_err());
}

#[test]
fn a_stream_is_filled_and_emptied_by_attempts() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (one, mut other) = UnixStream::pair().unwrap();
            assert!(would_block(other.try_read(&mut [0; 8])));
            let mut written = 0;
            while let Ok(len) = one.try_write(&[7; 4096]) {
                written += len;
            }
            assert!(one.writable().now_or_never().is_none());
            let mut bytes = vec![0; written];
            other.read_exact(&mut bytes).await.unwrap();
            assert!(would_block(other.try_read(&mut [0; 8])));
            poll_fn(|cx| one.poll_writable(cx)).await.unwrap();
            assert_eq!(one.try_write(b"more").unwrap(), 4);
            drop(one);
            poll_fn(|cx| other.poll_readable(cx)).await.unwrap();
            assert_eq!(other.try_read(&mut [0; 8]).unwrap(), 4);
            other.readable().await.unwrap();
            assert_eq!(other.try_read(&mut [0; 8]).unwrap(), 0, "the end");
        });
    }
}

#[test]
fn a_poll_to_send_waits_while_the_queue_is_full() {
    run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut queued = 0;
        while one.try_send(b"soup").is_ok() {
            queued += 1;
        }
        assert!(poll_fn(|cx| one.poll_send(cx, b"cake")).now_or_never().is_none());
        let sending = spawn(async move { poll_fn(|cx| one.poll_send(cx, b"pie")).await.unwrap() });
        let mut buffer = [0; 8];
        for _ in 0..queued {
            assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
            assert_eq!(&buffer[..4], b"soup", "the poll that was dropped has sent nothing");
        }
        assert_eq!(sending.await.unwrap(), 3);
        assert_eq!(poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await.unwrap().0, 3);
    });
}

#[test]
fn several_tasks_poll_one_listener() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listener.local_addr().unwrap();
            let accept = |listener: Arc<TcpListener>| async move {
                poll_fn(|cx| listener.poll_accept(cx)).await.unwrap().1
            };
            let accepting: Vec<_> = (0..4).map(|_| spawn(accept(listener.clone()))).collect();
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(TcpStream::connect(address).await.unwrap());
            }
            let mut peers: Vec<_> = gather(accepting).await.into_iter().map(Result::unwrap).collect();
            let mut ours: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
            peers.sort();
            ours.sort();
            assert_eq!(peers, ours);
        });
    }
}

#[test]
fn any_descriptor_is_tried_without_a_guard() {
    run(async {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = AsyncFd::new(ours).unwrap();
        let attempt = || ours.try_io(Direction::Read, |socket| socket.recv(&mut [0; 8]));
        assert!(would_block(attempt()));
        assert!(ours.readable().now_or_never().is_none());
        theirs.send(b"soup").unwrap();
        // Nobody has asked the operating system since.
        assert!(would_block(attempt()));
        drop(ours.readable().await.unwrap());
        assert_eq!(attempt().unwrap(), 4);
        assert_eq!(ours.try_io(Direction::Write, |socket| socket.send(b"thanks")).unwrap(), 6);
    });
}
