//! Several tasks wait for one direction of one descriptor: all are served.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    JoinHandle, Runtime, gather,
    io::{AsyncFd, pipe},
    net::{
        TcpListener, TcpStream, UdpSocket,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    run, select, spawn, yield_now,
};
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::{
    future::poll_fn,
    io::{Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

/// Reads a byte from a stream that others read as well, or comes to its end.
async fn read_byte<T>(stream: Arc<T>) -> usize
where
    for<'a> &'a T: AsyncRead,
{
    (&*stream).read(&mut [0; 1]).await.unwrap()
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

fn runtimes() -> [Runtime; 3] {
    [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap(), Runtime::multi_thread(2).unwrap()]
}

/// Lets all tasks come to wait, on a current-thread runtime; elsewhere most of them.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Reads a byte in each of `count` tasks.
fn spawn_readers<T>(stream: &Arc<T>, count: usize) -> Vec<JoinHandle<usize>>
where
    T: Send + Sync + 'static,
    for<'a> &'a T: AsyncRead,
{
    (0..count).map(|_| spawn(read_byte(stream.clone()))).collect()
}

/// Half of the tasks get a byte, the others the end; before that some are cancelled.
async fn read_together<R>(reader: R, mut writer: impl AsyncWrite + Unpin)
where
    R: Send + Sync + 'static,
    for<'a> &'a R: AsyncRead,
{
    let reader = Arc::new(reader);
    for count in [2, 3, 60] {
        let readers = spawn_readers(&reader, count);
        settle().await;
        writer.write_all(&vec![7; count]).await.unwrap();
        assert!(gather(readers).await.into_iter().all(|read| read.unwrap() == 1));
    }
    let (gone, readers) = (spawn_readers(&reader, 3), spawn_readers(&reader, 4));
    settle().await;
    for reader in gone {
        reader.cancel();
        assert!(reader.await.is_err());
    }
    writer.write_all(b"ab").await.unwrap();
    settle().await;
    drop(writer);
    let read: usize = gather(readers).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(read, 2);
}

#[test]
fn tasks_that_read_one_connection_are_all_served_also_by_its_end() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (reader, writer) = tcp_pair().await;
            read_together(reader, writer).await;
            let (reader, writer) = UnixStream::pair().unwrap();
            read_together(reader, writer).await;
            let (reader, writer) = pipe().unwrap();
            read_together(reader, writer).await;
        });
    }
}

/// Five tasks write more than fits, and all of it arrives.
async fn write_together<W>(writer: W, mut reader: impl AsyncRead + Unpin)
where
    W: Send + Sync + 'static,
    for<'a> &'a W: AsyncWrite,
{
    const EACH: usize = 256 << 10;
    let writer = Arc::new(writer);
    let write = |byte| {
        let writer = writer.clone();
        spawn(async move { (&*writer).write_all(&vec![byte; EACH]).await.unwrap() })
    };
    let writers: Vec<_> = (0..5).map(write).collect();
    drop(writer);
    settle().await;
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    gather(writers).await.into_iter().for_each(Result::unwrap);
    for byte in 0..5 {
        assert_eq!(all.iter().filter(|&&read| read == byte).count(), EACH);
    }
}

#[test]
fn tasks_that_write_to_one_connection_are_all_served() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (writer, reader) = tcp_pair().await;
            write_together(writer, reader).await;
            let (writer, reader) = UnixStream::pair().unwrap();
            write_together(writer, reader).await;
        });
    }
}

/// Each child of `gather` has a waker of its own, the two of `select` have one together.
#[test]
fn one_task_may_wait_twice() {
    run(async {
        let (reader, mut writer) = tcp_pair().await;
        let reader = Arc::new(reader);
        let reading = {
            let reader = reader.clone();
            spawn(async move { gather((0..3).map(|_| read_byte(reader.clone()))).await })
        };
        settle().await;
        for byte in [b"a", b"b", b"c"] {
            writer.write_all(byte).await.unwrap();
            settle().await;
        }
        assert_eq!(reading.await.unwrap(), [1, 1, 1]);
        let reading = spawn(async move { select(read_byte(reader.clone()), read_byte(reader)).await });
        settle().await;
        writer.write_all(b"d").await.unwrap();
        let _ = reading.await.unwrap();
    });
}

#[test]
fn tasks_that_accept_from_one_listener_are_all_served() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listener.local_addr().unwrap();
            let accept = |_| {
                let listener = listener.clone();
                spawn(async move { listener.accept().await.unwrap() })
            };
            let accepting: Vec<_> = (0..10).map(accept).collect();
            settle().await;
            let clients = gather((0..10).map(|_| TcpStream::connect(address))).await;
            assert!(clients.iter().all(Result::is_ok));
            gather(accepting).await.into_iter().for_each(|accepted| drop(accepted.unwrap()));

            let path = std::env::temp_dir().join(format!("brigade-waiters-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let listener = Arc::new(UnixListener::bind(&path).unwrap());
            let accept = |_| {
                let listener = listener.clone();
                spawn(async move { drop(listener.accept().await.unwrap()) })
            };
            let accepting: Vec<_> = (0..10).map(accept).collect();
            settle().await;
            let clients = gather((0..10).map(|_| UnixStream::connect(&path))).await;
            assert!(clients.iter().all(Result::is_ok));
            gather(accepting).await.into_iter().for_each(Result::unwrap);
            std::fs::remove_file(path).unwrap();
        });
    }
}

#[test]
fn tasks_that_receive_from_one_socket_are_all_served() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let receiver = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            let receive = |_| {
                let receiver = receiver.clone();
                spawn(async move { receiver.recv_from(&mut [0; 8]).await.unwrap().0 })
            };
            let receiving: Vec<_> = (0..10).map(receive).collect();
            settle().await;
            let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            for _ in 0..10 {
                sender.send_to(b"hello", receiver.local_addr().unwrap()).await.unwrap();
            }
            assert!(gather(receiving).await.into_iter().all(|received| received.unwrap() == 5));

            let (receiver, sender) = UnixDatagram::pair().unwrap();
            let receiver = Arc::new(receiver);
            let receive = |_| {
                let receiver = receiver.clone();
                spawn(async move { receiver.recv(&mut [0; 8]).await.unwrap() })
            };
            let receiving: Vec<_> = (0..10).map(receive).collect();
            settle().await;
            for _ in 0..10 {
                sender.send(b"hello").await.unwrap();
            }
            assert!(gather(receiving).await.into_iter().all(|received| received.unwrap() == 5));
        });
    }
}

#[test]
fn tasks_that_wait_for_any_descriptor_are_all_woken_however_they_wait() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let ours = Arc::new(AsyncFd::new(ours).unwrap());
            let read = |polls: bool| {
                let ours = ours.clone();
                spawn(async move {
                    loop {
                        let mut ready = match polls {
                            true => poll_fn(|cx| ours.poll_readable(cx)).await.unwrap(),
                            false => ours.readable().await.unwrap(),
                        };
                        if let Ok(read) = ready.try_io(|mut stream| stream.read(&mut [0; 1])) {
                            return read.unwrap();
                        }
                    }
                })
            };
            let readers: Vec<_> = [true, false, true, true, false].map(read).into();
            settle().await;
            theirs.write_all(b"abcde").unwrap();
            assert!(gather(readers).await.into_iter().all(|read| read.unwrap() == 1));
        });
    }
}

/// The task of a poll that was dropped does not say that it has lost interest. Its waker may hold much.
#[test]
fn waiters_that_lost_interest_do_not_pile_up() {
    struct Gone;
    impl Wake for Gone {
        fn wake(self: Arc<Self>) {}
    }
    const MOST: usize = 2000;
    run(async {
        let (reader, _writer) = tcp_pair().await;
        let wakers: Vec<_> = (0..5 * MOST).map(|_| Arc::new(Gone)).collect();
        for gone in &wakers {
            let waker = Waker::from(gone.clone());
            let mut bytes = [0; 1];
            let read = Pin::new(&mut &reader).poll_read(&mut Context::from_waker(&waker), &mut bytes);
            assert!(read.is_pending());
        }
        assert!(wakers.iter().filter(|gone| Arc::strong_count(gone) > 1).count() < MOST);
    });
}
