//! Datagrams, over UDP and over Unix sockets.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::TempPath;
use brigade_runtime::{
    Runtime, gather,
    net::{UdpSocket, unix::UnixDatagram},
    run, spawn,
};
use futures_util::FutureExt;
use std::{io::ErrorKind, os::fd::AsFd, sync::Arc};

/// Sends back what comes, until it is cancelled.
async fn echo(socket: UdpSocket) {
    let mut buffer = [0; 64];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&buffer[..len], from).await.unwrap();
    }
}

async fn many_clients() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let server = spawn(echo(server));
    let client = |name: usize| async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        for round in 0..5 {
            let message = format!("client {name}, round {round}");
            socket.send(message.as_bytes()).await.unwrap();
            let mut buffer = [0; 64];
            let len = socket.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..len], message.as_bytes());
        }
    };
    // One datagram a client is under way, which the queue of the server's socket holds.
    let clients: Vec<_> = (0..50).map(|name| spawn(client(name))).collect();
    gather(clients).await.into_iter().for_each(Result::unwrap);
    server.cancel();
}

#[test]
fn many_clients_talk_to_one_udp_server_on_one_thread() {
    run(many_clients());
}

#[test]
fn many_clients_talk_to_one_udp_server_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(many_clients());
}

#[test]
fn a_peek_leaves_the_datagram() {
    run(async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.connect(other.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        one.send(b"again").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other.peek_from(&mut buffer).await.unwrap(), (5, one.local_addr().unwrap()));
        assert_eq!(other.peek(&mut buffer).await.unwrap(), 5);
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 5);
        assert!(other.recv(&mut buffer).now_or_never().is_none());
    });
}

#[test]
fn a_datagram_of_nothing_arrives() {
    run(async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.send_to(b"", other.local_addr().unwrap()).await.unwrap();
        assert_eq!(other.recv_from(&mut [0; 8]).await.unwrap().0, 0);
    });
}

#[test]
fn a_receiver_that_is_not_there_is_an_error() {
    run(async {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        socket.send(b"anybody?").await.unwrap();
        let error = socket.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

/// The error comes while a receive waits, which takes it. A receive after that waits again, instead of
/// trying for ever.
#[test]
fn a_socket_goes_on_after_an_error_that_came_while_it_waited() {
    run(async {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let mut buffer = [0; 8];
        // In this order: the receive waits when the datagram is sent.
        let both = futures_util::future::join(socket.recv(&mut buffer), socket.send(b"anybody?"));
        let (received, sent) = both.await;
        assert_eq!(sent.unwrap(), 8);
        assert_eq!(received.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(socket.recv(&mut buffer).now_or_never().is_none());
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(other.local_addr().unwrap()).await.unwrap();
        let sending = other.send_to(b"me", socket.local_addr().unwrap());
        let (received, sent) = futures_util::future::join(socket.recv(&mut buffer), sending).await;
        assert_eq!((received.unwrap(), sent.unwrap()), (2, 2));
    });
}

#[test]
fn settings_of_a_udp_socket_are_kept() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(5).unwrap();
        assert_eq!(socket.ttl().unwrap(), 5);
    });
}

#[test]
fn one_task_sends_while_another_receives_on_the_same_socket() {
    Runtime::multi_thread(2).unwrap().block_on(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let server = spawn(echo(server));
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        socket.connect(address).await.unwrap();
        let receiving = spawn({
            let socket = socket.clone();
            async move {
                let mut buffer = [0; 8];
                for round in 0..20 {
                    assert_eq!(socket.recv(&mut buffer).await.unwrap(), 1);
                    assert_eq!(buffer[0], round);
                }
            }
        });
        for round in 0..20 {
            socket.send(&[round]).await.unwrap();
        }
        receiving.await.unwrap();
        server.cancel();
    });
}

#[test]
fn a_unix_sender_waits_while_the_queue_is_full() {
    let crowd = async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sending = spawn(async move {
            for n in 0..2000_u32 {
                one.send(&n.to_le_bytes()).await.unwrap();
            }
        });
        let mut buffer = [0; 8];
        for n in 0..2000_u32 {
            assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
            assert_eq!(buffer[..4], n.to_le_bytes());
        }
        sending.await.unwrap();
    };
    Runtime::multi_thread(2).unwrap().block_on(crowd);
}

#[test]
fn unix_datagrams_are_answered_by_path() {
    let (here, there) = (TempPath::new("datagram-a"), TempPath::new("datagram-b"));
    run(async {
        let one = UnixDatagram::bind(&here.0).unwrap();
        let other = UnixDatagram::bind(&there.0).unwrap();
        one.send_to(b"hello", &there.0).await.unwrap();
        let mut buffer = [0; 8];
        let (len, from) = other.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..len], from.as_pathname()), (&b"hello"[..], Some(&*here.0)));
        other.connect(&here.0).unwrap();
        other.send(b"you too").await.unwrap();
        assert_eq!(one.recv(&mut buffer).await.unwrap(), 7);
        UnixDatagram::unbound().unwrap().send_to(b"who?", &here.0).await.unwrap();
        assert_eq!(one.recv_from(&mut buffer).await.unwrap().1.as_pathname(), None);
    });
}

/// An option that has no method here is set by the descriptor.
#[test]
fn the_descriptor_of_a_socket_is_lent() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let second = std::net::UdpSocket::from(socket.as_fd().try_clone_to_owned().unwrap());
        second.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
    });
}
