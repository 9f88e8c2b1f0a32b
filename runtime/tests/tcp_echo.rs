//! Many connections at once.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{Runtime, gather, net, run, spawn};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use net::{TcpListener, TcpStream};
use std::io::Write as _;

/// Accepts connections and sends back what comes on each, until it is cancelled.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        drop(spawn(async move {
            let mut buffer = [0; 256];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
        }));
    }
}

/// Sends a message of its own a few times and checks what comes back.
async fn chat(address: std::net::SocketAddr, name: usize) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for round in 0..3 {
        let message = format!("client {name}, round {round}, {}", "x".repeat(name % 100));
        stream.write_all(message.as_bytes()).await.unwrap();
        let mut answer = vec![0; message.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, message.as_bytes());
    }
    name
}

async fn thousand_echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(serve(listener));
    let clients: Vec<_> = (0..1000).map(|name| spawn(chat(address, name))).collect();
    let names: Vec<_> = gather(clients).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(names, (0..1000).collect::<Vec<_>>());
    server.cancel();
    assert!(server.await.is_err());
}

#[test]
fn a_thousand_tasks_echo_at_once_on_one_thread() {
    run(thousand_echo());
}

#[test]
fn a_thousand_tasks_echo_at_once_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(thousand_echo());
}

#[test]
fn both_halves_of_a_split_wait_in_different_tasks() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(serve(listener));
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        let sent = vec![7; 4 << 20];
        let expected = sent.len();
        let reading = spawn(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        // More than the buffers of the operating system hold: this waits for the reader.
        writer.write_all(&sent).await.unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap(), expected);
        server.cancel();
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_host_name_is_resolved() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = spawn(async move { listener.accept().await.map(|_| ()) });
        TcpStream::connect(format!("localhost:{port}")).await.unwrap();
        accepted.await.unwrap().unwrap();
        assert!(TcpStream::connect("no such host:80").await.is_err());
    });
}

#[test]
fn several_tasks_may_accept_from_one_listener() {
    run(async {
        let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let accept =
            |listener: std::sync::Arc<TcpListener>| async move { listener.accept().await.map(|_| ()) };
        let accepting: Vec<_> = (0..8).map(|_| spawn(accept(listener.clone()))).collect();
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(gather(accepting).await.into_iter().all(|accepted| accepted.unwrap().is_ok()));
    });
}

/// A read ends at the urgent byte, and nothing is told when it has: what lies behind is read all the same.
#[test]
fn bytes_behind_an_urgent_byte_are_read() {
    let sends = |mut stream: &std::net::TcpStream| {
        stream.write_all(b"abc").unwrap();
        assert_eq!(socket2::SockRef::from(&stream).send_out_of_band(b"!").unwrap(), 1);
        stream.write_all(b"def").unwrap();
    };
    let connection = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        theirs.set_nodelay(true).unwrap();
        let ours = TcpStream::from_std(listener.accept().unwrap().0).unwrap();
        (ours, theirs)
    };
    let read = async |stream: &mut TcpStream| {
        let mut six = [0; 6];
        let mut read = 0;
        // More than fits is asked for, so that each read gets less.
        while read < 6 {
            let mut buffer = [0; 64];
            let len = stream.read(&mut buffer).await.unwrap();
            six[read..read + len].copy_from_slice(&buffer[..len]);
            read += len;
        }
        assert_eq!(&six, b"abcdef");
    };
    run(async {
        let (mut ours, theirs) = connection();
        sends(&theirs);
        read(&mut ours).await;
        // Now the reader waits when they come.
        futures_util::future::join(read(&mut ours), async { sends(&theirs) }).await;
    });
}
