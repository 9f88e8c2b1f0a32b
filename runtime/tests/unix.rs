//! Connections over Unix sockets.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::TempPath;
use brigade_runtime::{
    Runtime, gather,
    net::unix::{UnixDatagram, UnixListener, UnixStream},
    run, spawn, timeout, yield_now,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{io::ErrorKind, time::Duration};

/// Accepts connections and sends back what comes on each, until it is cancelled.
async fn serve(listener: UnixListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        drop(spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
        }));
    }
}

async fn many_clients(name: &str) {
    let place = TempPath::new(name);
    let server = spawn(serve(UnixListener::bind(&place.0).unwrap()));
    let path = &place.0;
    let chat = |name: usize| {
        let path = path.clone();
        async move {
            let mut stream = UnixStream::connect(path).await.unwrap();
            let message = format!("client {name}");
            stream.write_all(message.as_bytes()).await.unwrap();
            stream.close().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, message);
        }
    };
    let clients: Vec<_> = (0..200).map(|name| spawn(chat(name))).collect();
    gather(clients).await.into_iter().for_each(Result::unwrap);
    server.cancel();
    assert!(server.await.is_err());
}

#[test]
fn many_connections_on_one_thread() {
    run(many_clients("unix-one"));
}

#[test]
fn many_connections_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(many_clients("unix-two"));
}

#[test]
fn a_connection_waits_while_the_queue_of_the_listener_is_full() {
    let place = TempPath::new("unix-full");
    run(async {
        // The queue of a listener from the standard library is short enough to be filled.
        let listener = std::os::unix::net::UnixListener::bind(&place.0).unwrap();
        let path = place.0.clone();
        let clients: Vec<_> = (0..300).map(|_| spawn(UnixStream::connect(path.clone()))).collect();
        // The first ones fill the queue before anybody accepts.
        while clients.iter().filter(|client| client.is_finished()).count() < 100 {
            yield_now().await;
        }
        let listener = UnixListener::from_std(listener).unwrap();
        let mut accepted = Vec::new();
        for _ in 0..300 {
            accepted.push(listener.accept().await.unwrap());
        }
        assert!(gather(clients).await.into_iter().all(|client| client.unwrap().is_ok()));
    });
}

/// Connects until the queue of the listener is full.
fn fill_queue(path: &std::path::Path) -> Vec<socket2::Socket> {
    let address = socket2::SockAddr::unix(path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return waiting;
            }
        }
    }
}

/// Nobody ever accepts. The end of the runtime waits for nobody either, so this ends.
#[test]
fn a_connection_that_waits_for_room_in_a_queue_can_be_given_up() {
    let place = TempPath::new("unix-given-up");
    let _listener = std::os::unix::net::UnixListener::bind(&place.0).unwrap();
    let _waiting = fill_queue(&place.0);
    run(async {
        assert!(timeout(Duration::from_millis(3), UnixStream::connect(&place.0)).await.is_err());
        let connecting = spawn(UnixStream::connect(place.0.clone()));
        yield_now().await;
        assert!(!connecting.is_finished());
        connecting.cancel();
        assert!(connecting.await.is_err());
        // Cancelled by the end.
        drop(spawn(UnixStream::connect(place.0.clone())));
        yield_now().await;
    });
    Runtime::multi_thread(1).unwrap().block_on(async {
        assert!(timeout(Duration::from_millis(3), UnixStream::connect(&place.0)).await.is_err());
    });
}

/// A pause is as long as the clock says, so this takes no time.
#[test]
fn a_connection_is_made_as_soon_as_there_is_room_in_the_queue() {
    let place = TempPath::new("unix-room");
    let listener = std::os::unix::net::UnixListener::bind(&place.0).unwrap();
    let waiting = fill_queue(&place.0).len();
    Runtime::builder().paused_clock().build().unwrap().block_on(async {
        let connecting = spawn(UnixStream::connect(place.0.clone()));
        brigade_runtime::sleep(Duration::from_secs(60)).await;
        assert!(!connecting.is_finished());
        let accepted: Vec<_> = (0..waiting).map(|_| listener.accept().unwrap()).collect();
        let mut stream = connecting.await.unwrap().unwrap();
        stream.write_all(b"hello").await.unwrap();
        drop(accepted);
    });
}

/// The queue is full of what others have sent, and no descriptor of the sender says that there is room again.
#[test]
fn a_datagram_is_sent_when_a_queue_that_others_filled_has_room() {
    let place = TempPath::new("unix-datagrams");
    run(async {
        let receiver = UnixDatagram::bind(&place.0).unwrap();
        let filler = std::os::unix::net::UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let mut queued = 0;
        while filler.send_to(b"other", &place.0).is_ok() {
            queued += 1;
        }
        let connected = UnixDatagram::unbound().unwrap();
        connected.connect(&place.0).unwrap();
        let path = place.0.clone();
        let sending = [
            spawn(async move { UnixDatagram::unbound()?.send_to(b"ours!", &path).await }),
            spawn(async move { connected.send(b"ours!").await }),
        ];
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!sending.iter().any(|sending| sending.is_finished()));
        for number in 0..queued + 2 {
            let mut bytes = [0; 8];
            assert_eq!(receiver.recv(&mut bytes).await.unwrap(), 5);
            assert_eq!(&bytes[..5] == b"ours!", number >= queued);
        }
        assert!(gather(sending).await.into_iter().all(|sent| sent.unwrap().unwrap() == 5));
    });
}

#[test]
fn both_halves_wait_in_different_tasks() {
    Runtime::multi_thread(2).unwrap().block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = one.into_split();
        let (mut back, mut forth) = other.into_split();
        let sent = vec![7; 4 << 20];
        let expected = sent.len();
        let echoing = spawn(async move { futures_util::io::copy(&mut back, &mut forth).await });
        let reading = spawn(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        writer.write_all(&sent).await.unwrap();
        drop(writer);
        assert_eq!(echoing.await.unwrap().unwrap(), expected as u64);
        assert_eq!(reading.await.unwrap(), expected);
    });
}

#[test]
fn the_peer_is_this_process() {
    run(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = one.peer_cred().unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(peer.pid, Some(std::process::id() as i32));
        }
        let own = std::fs::metadata("/proc/self").map(|it| std::os::unix::fs::MetadataExt::uid(&it));
        assert!(own.is_err() || own.unwrap() == peer.uid);
    });
}

#[test]
fn nobody_at_the_path_is_an_error() {
    let place = TempPath::new("unix-nobody");
    run(async {
        let error = UnixStream::connect(&place.0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        drop(UnixListener::bind(&place.0).unwrap());
        let error = UnixStream::connect(&place.0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(UnixListener::bind(&place.0).unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn bytes_written_in_pieces_are_read_in_pieces() {
    run(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let pieces = [std::io::IoSlice::new(b"hel"), std::io::IoSlice::new(b"lo")];
        assert_eq!(one.write_vectored(&pieces).await.unwrap(), 5);
        let (mut first, mut second) = ([0; 2], [0; 8]);
        let mut into = [std::io::IoSliceMut::new(&mut first), std::io::IoSliceMut::new(&mut second)];
        assert_eq!(other.read_vectored(&mut into).await.unwrap(), 5);
        assert_eq!((&first, &second[..3]), (b"he", &b"llo"[..]));
    });
}
