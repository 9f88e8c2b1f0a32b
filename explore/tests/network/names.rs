//! Host names, and the calls that a run refuses.

use crate::coarse;
use brigade_explore::runtime::{
    net::{TcpListener, TcpStream, UdpSocket, lookup_host, unix::UnixDatagram},
    spawn,
};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr},
};

#[test]
fn localhost_is_known_without_the_system() {
    coarse(200)
        .explore(|| async {
            let loopback: [SocketAddr; 2] =
                [(Ipv4Addr::LOCALHOST, 80).into(), (Ipv6Addr::LOCALHOST, 80).into()];
            assert_eq!(lookup_host("localhost:80").await.unwrap(), loopback);
            assert_eq!(lookup_host(("LocalHost", 80)).await.unwrap(), loopback);
            let listener = TcpListener::bind("localhost:80").await.unwrap();
            let client = spawn(TcpStream::connect("localhost:80"));
            listener.accept().await.unwrap();
            client.await.unwrap().unwrap();
        })
        .expect_pass();
}

#[test]
fn other_names_are_refused_with_words_that_name_them() {
    coarse(10)
        .explore(|| async {
            for error in [
                lookup_host("cook.example:80").await.unwrap_err(),
                lookup_host(("cook.example", 80)).await.unwrap_err(),
                TcpStream::connect("cook.example:80").await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                let words = error.to_string();
                assert!(words.contains("\"cook.example\"") && words.contains("127.0.0.1:80"), "{words}");
            }
            for text in ["localhost", "localhost:soup"] {
                assert_eq!(lookup_host(text).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
            }
        })
        .expect_pass();
}

#[test]
fn calls_that_are_not_simulated_are_refused_by_name() {
    coarse(10)
        .explore(|| async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.set_ttl(8).unwrap();
            socket.set_broadcast(true).unwrap();
            let (datagrams, _peer) = UnixDatagram::pair().unwrap();
            let refused = [
                (socket.ttl().map(|_| ()), "UdpSocket::ttl"),
                (socket.broadcast().map(|_| ()), "UdpSocket::broadcast"),
                (datagrams.shutdown(Shutdown::Both), "UnixDatagram::shutdown"),
            ];
            for (result, name) in refused {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(error.to_string(), format!("an explored run does not simulate {name}"));
            }
        })
        .expect_pass();
}
