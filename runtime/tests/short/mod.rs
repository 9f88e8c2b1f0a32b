//! Transfers that are shorter than what was asked for, and after which there is more all the same.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]
// Elsewhere a short transfer is never taken for the last one.
#![cfg(target_os = "linux")]

// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;

use brigade_runtime::{
    io::{PipeReader, PipeWriter, pipe},
    net::{TcpListener, TcpStream, unix::UnixStream},
    run,
};
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use socket2::{Domain, Socket, Type};
use std::{
    io::{IoSlice, IoSliceMut, Write},
    os::fd::OwnedFd,
};

/// More than the operating system takes at once (`IOV_MAX`).
const SLICES: usize = 1025;

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Writes from more slices than are taken at once, and reads into as many; neither has come to an end of
/// the buffer by that.
async fn many_slices(mut reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) {
    let slices = [IoSlice::new(b"x"); SLICES];
    let mut written = writer.write_vectored(&slices).await.unwrap();
    writer.write_all(b"and more").await.unwrap();
    written += "and more".len();
    drop(writer);
    let mut bytes = [[0; 1]; SLICES];
    let mut slices: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
    let mut read = reader.read_vectored(&mut slices).await.unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    read += rest.len();
    assert_eq!(read, written);
}

#[test]
fn more_slices_than_are_taken_at_once_leave_the_direction_alive() {
    run(async {
        let (reader, writer) = tcp_pair().await;
        many_slices(reader, writer).await;
        let (one, other) = tcp_pair().await;
        let ((reader, _back), (_forth, writer)) = (one.into_split(), other.into_split());
        many_slices(reader, writer).await;
        let (reader, writer) = UnixStream::pair().unwrap();
        many_slices(reader, writer).await;
        let (reader, writer) = pipe().unwrap();
        many_slices(reader, writer).await;
    });
}

/// Reads packets into a buffer that is larger than each, and one by one.
async fn read_packets(mut reader: impl AsyncRead + Unpin) {
    let mut bytes = [0; 64];
    for packet in ["one", "two", "three"] {
        let len = reader.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..len], packet.as_bytes());
    }
}

/// The flag is one of the writing end alone.
#[test]
fn packets_of_a_pipe_are_all_read() {
    run(async {
        let (reader, writer) = sys::packet_pipe();
        let (reader, mut writer) =
            (PipeReader::from_fd(reader).unwrap(), PipeWriter::from_fd(writer).unwrap());
        for packet in ["one", "two", "three"] {
            writer.write_all(packet.as_bytes()).await.unwrap();
        }
        read_packets(reader).await;
    });
}

/// A socket of packets, with three of them to read.
fn packets() -> (OwnedFd, Socket) {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    for packet in ["one", "two", "three"] {
        assert_eq!((&theirs).write(packet.as_bytes()).unwrap(), packet.len());
    }
    (ours.into(), theirs)
}

/// The types of the standard library hold any socket.
#[test]
fn packets_of_a_socket_are_all_read() {
    run(async {
        let (ours, _theirs) = packets();
        read_packets(UnixStream::from_std(ours.into()).unwrap()).await;
        let (ours, _theirs) = packets();
        read_packets(TcpStream::from_std(ours.into()).unwrap()).await;
    });
}
