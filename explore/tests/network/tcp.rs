//! TCP connections.

use crate::coarse;
use brigade_explore::{
    Class,
    handle::{clock, explore::Kind},
    runtime::{
        gather,
        net::{TcpListener, TcpStream},
        sleep, spawn, timeout,
    },
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

/// A client and the server's end of its connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = spawn(async move { TcpStream::connect(address).await.unwrap() });
    let (server, peer) = listener.accept().await.unwrap();
    let client = client.await.unwrap();
    assert_eq!((client.local_addr().unwrap(), client.peer_addr().unwrap()), (peer, address));
    (client, server)
}

/// Sends all back that comes, until the other side closes its direction.
async fn echo(mut server: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 3];
    loop {
        let count = server.read(&mut bytes).await?;
        if count == 0 {
            return server.close().await;
        }
        server.write_all(&bytes[..count]).await?;
    }
}

async fn echo_with_half_close() {
    let (mut client, server) = connected().await;
    let echo = spawn(echo(server));
    client.write_all(b"soup").await.unwrap();
    client.close().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"soup");
    echo.await.unwrap().unwrap();
}

#[test]
fn an_echo_with_a_half_close_passes_all_schedules() {
    let coverage = coarse(3_000).explore(echo_with_half_close).expect_pass();
    assert!(coverage.all_deviations >= 1, "{coverage:?}");
    coarse(500).workers(0).explore(echo_with_half_close).expect_pass();
}

#[test]
fn two_writers_share_a_connection_and_lose_nothing() {
    coarse(1_000)
        .explore(|| async {
            let (client, mut server) = connected().await;
            let client = Arc::new(client);
            let write = |byte: u8| {
                let client = client.clone();
                spawn(async move { (&*client).write_all(&[byte; 5]).await })
            };
            let writers = [write(b'a'), write(b'b')];
            drop(client);
            for writer in writers {
                writer.await.unwrap().unwrap();
            }
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            all.sort_unstable();
            assert_eq!(all, b"aaaaabbbbb");
        })
        .expect_pass();
}

#[test]
fn a_buffer_that_is_full_holds_the_writer_back() {
    coarse(50)
        .explore(|| async {
            let (client, mut server) = connected().await;
            let (reading, mut writing) = client.into_split();
            drop(reading);
            let bytes: Vec<u8> = (0..70_000_u32).map(|n| (n % 251) as u8).collect();
            let theirs = bytes.clone();
            let writer = spawn(async move { writing.write_all(&theirs).await });
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            assert!(all == bytes);
            writer.await.unwrap().unwrap();
        })
        .expect_pass();
}

#[test]
fn nobody_listens_and_the_connection_is_refused() {
    coarse(300)
        .explore(|| async {
            let error = TcpStream::connect("127.0.0.1:7").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind("[::1]:7").await.unwrap();
            let taken = TcpListener::bind("[::]:7").await.unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            drop(listener);
            TcpListener::bind("[::]:7").await.unwrap();
        })
        .expect_pass();
}

#[test]
fn a_connection_that_nobody_accepts_is_reset_with_its_listener() {
    coarse(300)
        .explore(|| async {
            let listener = TcpListener::bind("localhost:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            drop(listener);
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        })
        .expect_pass();
}

/// A server that accepts until it is told to stop, and serves all that it has accepted.
async fn accept_against_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        let mut served = 0;
        while let Ok(accepted) = timeout(Duration::from_secs(1), listener.accept()).await {
            let (mut stream, _) = accepted.unwrap();
            if stream.write_all(b"soup").await.is_ok() {
                served += 1;
            }
        }
        served
    });
    let client = spawn(async move {
        let mut stream = TcpStream::connect(address).await?;
        let mut order = Vec::new();
        stream.read_to_end(&mut order).await?;
        io::Result::Ok(order)
    });
    let order = client.await.unwrap().unwrap();
    assert_eq!((order.as_slice(), server.await.unwrap()), (&b"soup"[..], 1));
}

#[test]
fn accepting_ends_with_the_server_and_serves_who_came() {
    coarse(1_000).explore(accept_against_shutdown).expect_pass();
}

#[test]
fn a_timeout_and_a_read_meet_in_both_orders() {
    // The answer takes as long as the timeout. Whichever comes first, the bytes are not lost.
    let program = |may_be_late: bool| {
        move || async move {
            let (mut client, mut server) = connected().await;
            let cook = spawn(async move {
                sleep(Duration::from_millis(50)).await;
                server.write_all(b"soup").await
            });
            let mut order = [0; 4];
            let first = timeout(Duration::from_millis(50), client.read_exact(&mut order)).await;
            assert!(may_be_late || first.is_err(), "in time");
            if first.is_err() {
                let mut rest = Vec::new();
                client.read_to_end(&mut rest).await.unwrap();
            }
            cook.await.unwrap().unwrap();
        }
    };
    coarse(1_000).explore(program(true)).expect_pass();
    let early = coarse(1_000).explore(program(false)).expect_failure();
    assert_eq!(early.failure.class, Class::Panic, "{early}");
}

#[test]
fn time_passes_while_bytes_are_under_way() {
    let late = coarse(1_000)
        .explore(|| async {
            let (mut client, mut server) = connected().await;
            let before = clock::now();
            server.write_all(b"s").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            assert!(clock::now() - before < Duration::from_millis(100), "late");
        })
        .expect_failure();
    assert_eq!(late.schedule.to_string().matches("arrival").count(), 1, "{late}");
    assert_eq!((late.schedule.deviations().len(), late.schedule.count(Kind::Arrival)), (1, 1), "{late}");
}

/// Reads with one call, as if a message were one read.
async fn one_read_is_one_message() {
    let (mut client, mut server) = connected().await;
    let cook = spawn(async move { server.write_all(b"soup").await });
    let mut order = [0; 16];
    let count = client.read(&mut order).await.unwrap();
    cook.await.unwrap().unwrap();
    assert_eq!(&order[..count], b"soup");
}

#[test]
fn a_program_that_takes_one_read_for_a_message_is_found() {
    let short = coarse(1_000).explore(one_read_is_one_message).expect_failure();
    assert_eq!((short.schedule.deviations().len(), short.schedule.count(Kind::Length)), (1, 1), "{short}");
}

#[test]
fn ends_and_errors_are_those_of_linux() {
    coarse(300)
        .explore(|| async {
            let (client, mut server) = connected().await;
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!((&client).write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
            // The bytes in the buffer of a side that closes are lost, which its peer is told.
            server.write_all(b"soup").await.unwrap();
            client.peek(&mut [0; 8]).await.unwrap();
            drop(client);
            let mut results = Vec::new();
            while results.last().is_none_or(Result::is_ok) {
                results.push(server.write(b"x").await);
                sleep(Duration::from_secs(1)).await;
            }
            let kind = results.pop().unwrap().unwrap_err().kind();
            assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&kind), "{kind:?}");
        })
        .expect_pass();
}

#[test]
fn calls_for_a_descriptor_are_refused_by_name() {
    coarse(10)
        .explore(|| async {
            let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let error = TcpListener::from_std(theirs).unwrap_err();
            assert!(error.to_string().contains("TcpListener"), "{error}");
        })
        .expect_pass();
    let as_fd = coarse(10)
        .explore(|| async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _ = std::os::fd::AsFd::as_fd(&listener);
        })
        .expect_failure();
    assert!(as_fd.failure.message.contains("as_fd of a TcpListener"), "{as_fd}");
    let into_std = coarse(10)
        .explore(|| async {
            let _ = TcpListener::bind("127.0.0.1:0").await.unwrap().into_std();
        })
        .expect_failure();
    assert!(into_std.failure.message.contains("into_std of a TcpListener"), "{into_std}");
}

#[test]
fn many_connections_at_once_are_all_served() {
    coarse(200)
        .explore(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let server = spawn(async move {
                for _ in 0..3 {
                    let (stream, _) = listener.accept().await.unwrap();
                    drop(spawn(echo(stream)));
                }
            });
            let clients = (0..3_u8).map(|number| {
                spawn(async move {
                    let mut stream = TcpStream::connect("127.0.0.1:80").await.unwrap();
                    stream.write_all(&[number; 2]).await.unwrap();
                    stream.close().await.unwrap();
                    let mut back = Vec::new();
                    stream.read_to_end(&mut back).await.unwrap();
                    assert_eq!(back, [number; 2]);
                })
            });
            for client in gather(clients).await {
                client.unwrap();
            }
            server.await.unwrap();
        })
        .expect_pass();
}
