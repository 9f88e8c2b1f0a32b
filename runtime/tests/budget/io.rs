//! The operations on descriptors, names, files and children.

use super::{BUDGET, check, check_poll, check_stream};
use crate::common::TempPath;
use brigade_runtime::{
    command::Command,
    fs::{self, File},
    io::{AsyncFd, copy, copy_bidirectional, pipe},
    net::{
        TcpListener, TcpStream, UdpSocket, lookup_host,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    run,
};
use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use std::{
    future::poll_fn,
    io::{self, SeekFrom},
};

/// Enough bytes that one byte at a time is always available.
const ENOUGH: usize = 4 * BUDGET as usize;

#[test]
fn connections() {
    run(async {
        let any = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
        check("net/resolve.rs lookup_host", async || _ = lookup_host(any).await).await;
        check("the address in a text", async || _ = lookup_host("127.0.0.1:0").await).await;
        check("net/tcp_listener.rs bind", async || drop(TcpListener::bind(any).await)).await;
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        check("net/tcp_stream.rs connect", async || _ = TcpStream::connect(address).await.unwrap()).await;
        check("net/tcp_listener.rs accept", async || {
            let _client = std::net::TcpStream::connect(address).unwrap();
            listener.accept().await.unwrap();
        })
        .await;
        check("net/tcp_listener.rs poll_accept", async || {
            let _client = std::net::TcpStream::connect(address).unwrap();
            poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        })
        .await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        check("a write to a connection", async || _ = stream.write(b"x").await).await;

        let listener = TcpListener::bind(any).await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(&[7; ENOUGH]).await.unwrap();
        let mut byte = [0; 1];
        check("net/tcp_stream.rs peek", async || _ = stream.peek(&mut byte).await.unwrap()).await;
        check("a read of a connection", async || _ = stream.read(&mut byte).await.unwrap()).await;
    });
}

#[test]
fn datagrams() {
    run(async {
        let any = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
        check("net/udp_socket.rs bind", async || drop(UdpSocket::bind(any).await.unwrap())).await;
        let (one, other) = (UdpSocket::bind(any).await.unwrap(), UdpSocket::bind(any).await.unwrap());
        let (to, from) = (other.local_addr().unwrap(), one.local_addr().unwrap());
        check("net/udp_socket.rs connect", async || one.connect(to).await.unwrap()).await;
        other.connect(from).await.unwrap();
        let mut bytes = [0; 8];
        check("net/udp_socket.rs send_to", async || _ = one.send_to(b"x", to).await.unwrap()).await;
        check("net/udp_socket.rs send", async || _ = one.send(b"x").await.unwrap()).await;
        check("net/udp_socket.rs peek", async || _ = other.peek(&mut bytes).await.unwrap()).await;
        check("net/udp_socket.rs peek_from", async || _ = other.peek_from(&mut bytes).await.unwrap()).await;
        check("net/udp_socket.rs recv", async || {
            one.send(b"x").await.unwrap();
            other.recv(&mut bytes).await.unwrap();
        })
        .await;
        check("net/udp_socket.rs recv_from", async || {
            one.send(b"x").await.unwrap();
            other.recv_from(&mut bytes).await.unwrap();
        })
        .await;
    });
}

#[test]
fn polls_of_datagrams() {
    run(async {
        let any = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
        let (one, other) = (UdpSocket::bind(any).await.unwrap(), UdpSocket::bind(any).await.unwrap());
        let (to, from) = (other.local_addr().unwrap(), one.local_addr().unwrap());
        one.connect(to).await.unwrap();
        other.connect(from).await.unwrap();
        let std = std::net::UdpSocket::bind(any).unwrap();
        let third = UdpSocket::bind(any).await.unwrap();
        let address = third.local_addr().unwrap();
        let mut bytes = [0; 8];
        check("net/attempts.rs readable", async || {
            std.send_to(b"x", address).unwrap();
            third.readable().await.unwrap();
        })
        .await;
        check("net/attempts.rs writable", async || one.writable().await.unwrap()).await;
        check_poll("net/attempts.rs poll_readable", |cx| third.poll_readable(cx)).await;
        check_poll("net/attempts.rs poll_writable", |cx| one.poll_writable(cx)).await;
        check_poll("net/datagrams.rs poll_send", |cx| one.poll_send(cx, b"x")).await;
        check_poll("net/udp_attempts.rs poll_send_to", |cx| one.poll_send_to(cx, b"x", to)).await;
        check("net/datagrams.rs poll_recv", async || {
            std.send_to(b"x", address).unwrap();
            poll_fn(|cx| third.poll_recv(cx, &mut bytes)).await.unwrap();
        })
        .await;
        check("net/udp_attempts.rs poll_recv_from", async || {
            std.send_to(b"x", address).unwrap();
            poll_fn(|cx| third.poll_recv_from(cx, &mut bytes)).await.unwrap();
        })
        .await;
    });
}

#[test]
fn unix_sockets() {
    run(async {
        let place = TempPath::new("budget-stream");
        let listener = UnixListener::bind(&place.0).unwrap();
        let mut streams = Vec::new();
        check("net/unix/stream.rs connect", async || {
            streams.push(UnixStream::connect(&place.0).await.unwrap());
            std::mem::drop(listener.accept().await);
        })
        .await;
        check("net/unix/listener.rs accept", async || {
            let _client = std::os::unix::net::UnixStream::connect(&place.0).unwrap();
            listener.accept().await.unwrap();
        })
        .await;
        let address = listener.local_addr().unwrap();
        check("net/unix/stream.rs connect_addr", async || {
            streams.push(UnixStream::connect_addr(&address).await.unwrap());
            std::mem::drop(listener.accept().await);
        })
        .await;
        check("net/unix/listener.rs poll_accept", async || {
            let _client = std::os::unix::net::UnixStream::connect(&place.0).unwrap();
            poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        })
        .await;
    });
}

#[test]
fn unix_datagrams() {
    run(async {
        let other = TempPath::new("budget-datagram");
        let receiver = UnixDatagram::bind(&other.0).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut bytes = [0; 8];
        check("net/unix/datagram.rs send_to", async || {
            sender.send_to(b"x", &other.0).await.unwrap();
            receiver.recv(&mut bytes).await.unwrap();
        })
        .await;
        let address = receiver.local_addr().unwrap();
        check("net/unix/datagram.rs send_to_addr", async || {
            sender.send_to_addr(b"x", &address).await.unwrap();
            receiver.recv(&mut bytes).await.unwrap();
        })
        .await;
        sender.connect(&other.0).unwrap();
        let std = std::os::unix::net::UnixDatagram::unbound().unwrap();
        check("net/unix/datagram.rs send", async || {
            sender.send(b"x").await.unwrap();
            receiver.recv_from(&mut bytes).await.unwrap();
        })
        .await;
        check("net/unix/datagram.rs recv", async || {
            std.send_to(b"x", &other.0).unwrap();
            receiver.recv(&mut bytes).await.unwrap();
        })
        .await;
        check("net/unix/datagram.rs recv_from", async || {
            std.send_to(b"x", &other.0).unwrap();
            receiver.recv_from(&mut bytes).await.unwrap();
        })
        .await;
        check("net/unix/datagram_attempts.rs poll_recv_from", async || {
            std.send_to(b"x", &other.0).unwrap();
            poll_fn(|cx| receiver.poll_recv_from(cx, &mut bytes)).await.unwrap();
        })
        .await;
    });
}

#[test]
fn any_descriptor() {
    run(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        io::Write::write_all(&mut theirs, &[7; ENOUGH]).unwrap();
        let fd = AsyncFd::new(ours).unwrap();
        check("io/async_fd.rs readable", async || drop(fd.readable().await)).await;
        check("io/async_fd.rs writable", async || drop(fd.writable().await)).await;
        check_poll("io/async_fd.rs poll_readable", |cx| fd.poll_readable(cx).map(drop)).await;
        check_poll("io/async_fd.rs poll_writable", |cx| fd.poll_writable(cx).map(drop)).await;
        check("io/async_fd.rs read_with", async || fd.read_with(|_| Ok(())).await.unwrap()).await;
        check("io/async_fd.rs write_with", async || fd.write_with(|_| Ok(())).await.unwrap()).await;
        let (mut reader, mut writer) = pipe().unwrap();
        check("a write to a pipe", async || _ = writer.write(b"x").await.unwrap()).await;
        writer.write_all(&[7; ENOUGH]).await.unwrap();
        check("a read of a pipe", async || _ = reader.read(&mut [0; 1]).await.unwrap()).await;
    });
}

#[test]
fn copies() {
    type Stream = futures_util::io::Cursor<Vec<u8>>;
    run(async {
        check("io/copy.rs copy", async || _ = copy(&mut &b"x"[..], &mut Vec::new()).await.unwrap()).await;
        let (mut one, mut other) = (Stream::default(), Stream::default());
        check("io/copy.rs copy_bidirectional", async || {
            copy_bidirectional(&mut one, &mut other).await.unwrap();
        })
        .await;
        let endless = async || copy(&mut futures_util::io::repeat(7), &mut futures_util::io::sink()).await;
        let limit = std::time::Duration::from_millis(1);
        assert!(brigade_runtime::timeout(limit, endless()).await.is_err());
    });
}

#[test]
fn files() {
    run(async {
        let place = TempPath::new("budget-file");
        fs::write(&place.0, vec![7; ENOUGH]).await.unwrap();
        check("fs::metadata", async || _ = fs::metadata(&place.0).await.unwrap()).await;
        let options = std::fs::OpenOptions::new().read(true).write(true).clone();
        let mut file = File::open_with(&place.0, options).await.unwrap();
        // A byte at a time, of those that were read at once.
        let mut large = vec![0; ENOUGH];
        drop(futures_util::FutureExt::now_or_never(file.read(&mut large)));
        check("a read of a file", async || _ = file.read(&mut [0; 1]).await.unwrap()).await;
        check("a write to a file", async || _ = file.write(b"x").await.unwrap()).await;
        check("a flush of a file", async || file.flush().await.unwrap()).await;
        check("a seek of a file", async || _ = file.seek(SeekFrom::Start(1)).await.unwrap()).await;
        check("fs/file.rs metadata", async || _ = file.metadata().await.unwrap()).await;
        check_stream("fs/read_dir.rs ReadDir", fs::read_dir("/proc/self").await.unwrap()).await;
        let mut entries = fs::read_dir("/proc/self").await.unwrap();
        check("fs/read_dir.rs next_entry", async || _ = entries.next_entry().await.unwrap()).await;
    });
}

#[test]
fn children() {
    run(async {
        let mut child = Command::new("true").spawn().unwrap();
        check("command/child.rs wait", async || assert!(child.wait().await.unwrap().success())).await;
    });
}
