//! Sockets, pipes and files that leave the runtime, and come to it.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::{TempPath, runtimes};
use brigade_runtime::{
    Runtime,
    command::Command,
    fs::File,
    io::{AsyncFd, PipeReader, PipeWriter, pipe, stderr, stdin, stdout},
    net::{
        TcpListener, TcpStream, UdpSocket,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    run, spawn,
};
use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt};
use std::{
    io::{ErrorKind, Read, SeekFrom, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    process::Stdio,
};

/// Returns whether the operating system has the descriptor as non-blocking.
#[cfg(target_os = "linux")]
fn is_nonblocking(fd: impl AsFd) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    i64::from_str_radix(flags, 8).unwrap() & 0o4000 != 0
}

/// Takes a socket out of the runtime and brings it back, by all conversions there are.
macro_rules! there_and_back {
    ($ours:expr, $ours_type:ty, $std_type:ty) => {{
        let ours: $ours_type = $ours;
        let number = ours.as_raw_fd();
        assert_eq!(ours.as_fd().as_raw_fd(), number);
        assert!(is_nonblocking(&ours));
        let std = ours.into_std().unwrap();
        assert_eq!(std.as_raw_fd(), number, "it is the same descriptor");
        assert!(!is_nonblocking(&std), "the standard library waits by blocking");
        let ours = <$ours_type>::from_std(std).unwrap();
        let std = <$std_type>::try_from(ours).unwrap();
        let ours = <$ours_type>::try_from(std).unwrap();
        let fd = OwnedFd::try_from(ours).unwrap();
        assert!(!is_nonblocking(&fd), "a child that gets it waits by blocking");
        let ours = <$ours_type>::try_from(fd).unwrap();
        assert!(is_nonblocking(&ours));
        ours
    }};
}

#[test]
#[cfg(target_os = "linux")]
fn connections_go_and_come_with_what_is_in_them() {
    use std::{net, os::unix::net as os};
    for runtime in runtimes() {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).await.unwrap();
            // The connection waits to be accepted while the listener is away, and so do the bytes.
            let listener = there_and_back!(listener, TcpListener, net::TcpListener);
            client.write_all(b"soup").await.unwrap();
            let server = listener.accept().await.unwrap().0;
            let mut server = there_and_back!(server, TcpStream, net::TcpStream);
            client.close().await.unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "soup");

            let place = TempPath::new("conversions-listener");
            let listener = UnixListener::bind(&place.0).unwrap();
            let _client = UnixStream::connect(&place.0).await.unwrap();
            let listener = there_and_back!(listener, UnixListener, os::UnixListener);
            listener.accept().await.unwrap();

            let (mut one, other) = UnixStream::pair().unwrap();
            one.write_all(b"salad").await.unwrap();
            let mut other = there_and_back!(other, UnixStream, os::UnixStream);
            other.read_exact(&mut [0; 5]).await.unwrap();
            // The readiness of the old registration is not that of the new one.
            assert!(other.read(&mut [0; 8]).now_or_never().is_none());
            one.write_all(b"x").await.unwrap();
            assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 1);
        });
    }
}

#[test]
#[cfg(target_os = "linux")]
fn datagrams_and_pipes_go_and_come_with_what_is_in_them() {
    use std::{io, net, os::unix::net as os};
    for runtime in runtimes() {
        runtime.block_on(async {
            let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            one.send_to(b"soup", other.local_addr().unwrap()).await.unwrap();
            let other = there_and_back!(other, UdpSocket, net::UdpSocket);
            assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 4);

            let (one, other) = UnixDatagram::pair().unwrap();
            one.send(b"soup").await.unwrap();
            let other = there_and_back!(other, UnixDatagram, os::UnixDatagram);
            assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 4);

            let (reader, mut writer) = pipe().unwrap();
            writer.write_all(b"soup").await.unwrap();
            let mut reader = there_and_back!(reader, PipeReader, io::PipeReader);
            let writer = there_and_back!(writer, PipeWriter, io::PipeWriter);
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "soup");
        });
    }
}

#[test]
fn a_socket_moves_to_another_runtime_and_outlives_the_first() {
    let first = Runtime::multi_thread(1).unwrap();
    let (one, other) = first.block_on(async { UnixStream::pair().unwrap() });
    drop(first);
    let (mut one, other) = (one.into_std().unwrap(), other.into_std().unwrap());
    run(async {
        let mut other = UnixStream::from_std(other).unwrap();
        let reading = spawn(async move { other.read(&mut [0; 8]).await.unwrap() });
        one.write_all(b"soup").unwrap();
        assert_eq!(reading.await.unwrap(), 4);
    });
}

#[test]
fn children_are_joined_by_pipes_and_sockets() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut echo = Command::new("echo").arg("soup").stdout(Stdio::piped()).spawn().unwrap();
            let soup = echo.stdout.take().unwrap();
            let (mut reader, writer) = pipe().unwrap();
            let mut shout = Command::new("tr")
                .args(["a-z", "A-Z"])
                .stdin(Stdio::try_from(soup).unwrap())
                .stdout(Stdio::try_from(writer).unwrap())
                .spawn()
                .unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "SOUP\n");
            assert!(echo.wait().await.unwrap().success() && shout.wait().await.unwrap().success());

            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let mut cat = Command::new("cat")
                .stdin(Stdio::try_from(theirs).unwrap())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // `cat` waits for this: if its input were non-blocking, it would fail.
            ours.write_all(b"salad").await.unwrap();
            ours.close().await.unwrap();
            let mut text = String::new();
            cat.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "salad");
            assert!(cat.wait().await.unwrap().success());
        });
    }
}

#[test]
fn a_closed_pipe_has_nothing_to_give() {
    run(async {
        let (_reader, mut writer) = pipe().unwrap();
        writer.close().await.unwrap();
        let closed = writer.into_std().unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_is_no_such_descriptor_is_refused() {
    run(async {
        let file = || OwnedFd::from(std::fs::File::open(std::env::current_exe().unwrap()).unwrap());
        assert_eq!(PipeReader::try_from(file()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(PipeWriter::try_from(file()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(TcpStream::try_from(file()).is_err());
        assert!(UdpSocket::try_from(file()).is_err());
    });
}

#[test]
fn every_stream_lends_its_descriptor() {
    run(async {
        assert_ne!(stdin().unwrap().as_raw_fd(), 0, "a duplicate");
        assert_eq!((stdout().as_raw_fd(), stderr().as_raw_fd()), (1, 2));
        let file = File::open(std::env::current_exe().unwrap()).await.unwrap();
        assert!(file.as_raw_fd() > 2);
        let (reader, writer) = pipe().unwrap();
        assert_ne!(reader.as_raw_fd(), writer.as_raw_fd());
        let watched = AsyncFd::new(OwnedFd::try_from(reader).unwrap()).unwrap();
        assert_eq!(watched.as_raw_fd(), watched.get_ref().as_raw_fd());
    });
}

#[test]
fn a_file_leaves_with_its_writes_done_and_its_position_right() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let place = TempPath::new("conversions-file");
            let options = std::fs::OpenOptions::new().create(true).write(true).read(true).clone();
            let mut file = File::open_with(&place.0, options).await.unwrap();
            // Written, and not flushed.
            file.write_all(b"soup of the day").await.unwrap();
            let mut std = file.into_std().await.unwrap();
            assert_eq!(std::fs::read(&place.0).unwrap(), b"soup of the day");
            std.write_all(b"!").unwrap();
            let mut file = File::from_std(std);
            file.seek(SeekFrom::Start(8)).await.unwrap();
            // The read is dropped, and its bytes belong to the next read, here or there.
            let read = file.read(&mut [0; 3]).now_or_never();
            let mut rest = String::new();
            file.into_std().await.unwrap().read_to_string(&mut rest).unwrap();
            assert_eq!(rest, if read.is_none() { "the day!" } else { " day!" });
        });
    }
}

#[test]
fn a_file_leaves_with_the_error_of_its_last_write() {
    run(async {
        let mut file = File::open(std::env::current_exe().unwrap()).await.unwrap();
        // It is open for reading only, and the write is accepted before that is known.
        file.write_all(b"soup").await.unwrap();
        assert!(file.into_std().await.is_err());
    });
}

#[test]
fn a_pipe_does_not_leave_without_the_bytes_that_a_dropped_read_has_taken() {
    run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"soup").unwrap();
        let mut file = File::from_std(OwnedFd::from(reader).into());
        let read = file.read(&mut [0; 8]).now_or_never();
        let left = file.into_std().await;
        if read.is_none() {
            assert_eq!(left.unwrap_err().kind(), ErrorKind::NotSeekable);
        } else {
            assert!(left.is_ok(), "the read was quick, and nothing was taken besides");
        }
    });
}
