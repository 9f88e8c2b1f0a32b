//! Unix sockets with abstract names.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    net::unix::{UnixDatagram, UnixListener, UnixStream, abstract_address},
    run, spawn, timeout,
};
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};
use std::{
    io::ErrorKind,
    os::{linux::net::SocketAddrExt, unix::net::SocketAddr},
    time::Duration,
};

/// An abstract name of this process, which no other test uses.
fn address(name: &str) -> SocketAddr {
    abstract_address(format!("brigade-{name}-{}", std::process::id())).unwrap()
}

#[test]
fn a_connection_by_a_name_leaves_no_file_and_frees_the_name() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let name = address("stream");
            let listener = UnixListener::bind_addr(&name).unwrap();
            let local = listener.local_addr().unwrap();
            assert_eq!(local.as_abstract_name(), name.as_abstract_name());
            assert_eq!(local.as_pathname(), None);
            assert_eq!(UnixListener::bind_addr(&name).unwrap_err().kind(), ErrorKind::AddrInUse);
            let serving = spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                text
            });
            let mut client = UnixStream::connect_addr(&name).await.unwrap();
            assert_eq!(client.peer_addr().unwrap().as_abstract_name(), name.as_abstract_name());
            client.write_all(b"soup").await.unwrap();
            client.close().await.unwrap();
            assert_eq!(serving.await.unwrap(), "soup");
            let gone = UnixStream::connect_addr(&name).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
            UnixListener::bind_addr(&name).unwrap();
        });
    }
}

#[test]
fn a_name_is_taken_as_it_is_or_refused() {
    run(async {
        let odd = abstract_address([&b"/\0\xff "[..], &std::process::id().to_le_bytes()].concat()).unwrap();
        let listener = UnixListener::bind_addr(&odd).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), odd.as_abstract_name());
        let (client, accepted) = (UnixStream::connect_addr(&odd).await, listener.accept().await);
        assert!(client.is_ok() && accepted.is_ok());
        assert!(abstract_address([7; 107]).is_ok());
        assert_eq!(abstract_address([7; 108]).unwrap_err().kind(), ErrorKind::InvalidInput);
        for name in [&b""[..], b"\0soup"] {
            assert_eq!(abstract_address(name).unwrap_err().kind(), ErrorKind::InvalidInput);
            // The standard library makes such addresses.
            let address = SocketAddr::from_abstract_name(name).unwrap();
            assert_eq!(UnixListener::bind_addr(&address).unwrap_err().kind(), ErrorKind::InvalidInput);
            let refused = UnixStream::connect_addr(&address).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn datagrams_are_answered_by_name() {
    run(async {
        let (here, there) = (address("datagram-a"), address("datagram-b"));
        let one = UnixDatagram::bind_addr(&here).unwrap();
        let other = UnixDatagram::bind_addr(&there).unwrap();
        one.send_to_addr(b"soup?", &there).await.unwrap();
        let (len, from) = other.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!((len, from.as_abstract_name()), (5, here.as_abstract_name()));
        other.connect_addr(&from).unwrap();
        other.send(b"yes").await.unwrap();
        one.readable().await.unwrap();
        assert_eq!(one.try_recv_from(&mut [0; 8]).unwrap().0, 3);
        assert_eq!(one.try_send_to_addr(b"two", &there).unwrap(), 3);
        drop(other);
        let gone = one.send_to_addr(b"thanks", &there).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    });
}

/// The receiver's queue is full, which its sender is not told of.
#[test]
fn a_send_that_is_dropped_while_it_waits_has_sent_nothing() {
    run(async {
        let name = address("full");
        let receiver = UnixDatagram::bind_addr(&name).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut queued = 0;
        while sender.try_send_to_addr(b"soup", &name).is_ok() {
            queued += 1;
        }
        let waited = timeout(Duration::from_millis(5), sender.send_to_addr(b"cake", &name)).await;
        assert!(waited.is_err(), "there is no room");
        for _ in 0..queued {
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 4);
        }
        assert!(receiver.recv(&mut [0; 8]).now_or_never().is_none());
        sender.send_to_addr(b"pie", &name).await.unwrap();
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 3);
    });
}
