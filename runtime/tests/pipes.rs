//! Pipes within one process, with and without a name, and copying.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime,
    command::Command,
    io::{PipeReader, PipeWriter, copy, copy_bidirectional, pipe},
    net::unix::UnixStream,
    run, spawn, yield_now,
};
use futures_util::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt,
    future::{Either, join, select},
    io::{BufReader, BufWriter},
};
use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    pin::pin,
};

async fn more_than_fits() {
    let (mut reader, mut writer) = pipe().unwrap();
    let writing = spawn(async move {
        let all: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        writer.write_all(&all).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // The writer is closed although it was not dropped.
        writer
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), 1_000_000);
    assert!(all.iter().enumerate().all(|(n, byte)| n as u8 == *byte));
    drop(writing.await.unwrap());
}

#[test]
fn more_than_fits_is_written_while_it_is_read_on_one_thread() {
    run(more_than_fits());
}

#[test]
fn more_than_fits_is_written_while_it_is_read_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(more_than_fits());
}

#[test]
fn a_pipe_that_nobody_reads_is_an_error() {
    run(async {
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn lines_come_as_a_stream() {
    run(async {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"one\ntwo\nthree").await.unwrap();
        drop(writer);
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).collect().await;
        assert_eq!(lines, ["one", "two", "three"]);
    });
}

#[test]
fn the_ends_of_a_pipe_of_the_standard_library_are_taken_over() {
    run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        PipeReader::from_fd(reader.into()).unwrap().read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello");
        let mut writer = PipeWriter::from_fd(writer.into()).unwrap();
        assert!(writer.write(b"nobody").await.is_err());
    });
}

/// Without a flush while the reader has nothing, the bytes would lie in the writer's buffer for ever.
#[test]
fn copied_bytes_are_passed_on_before_the_end() {
    run(async {
        let ((mut from, mut start), (mut end, to)) = (pipe().unwrap(), pipe().unwrap());
        let copying = spawn(async move {
            let mut to = BufWriter::new(to);
            copy(&mut from, &mut to).await
        });
        for round in 0..10 {
            start.write_all(&[round]).await.unwrap();
            let mut byte = [0];
            end.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [round]);
        }
        drop(start);
        assert_eq!(copying.await.unwrap().unwrap(), 10);
        assert_eq!(end.read(&mut [0]).await.unwrap(), 0);
    });
}

/// Neither side of this copy ever waits.
#[test]
fn a_copy_that_never_waits_lets_others_run() {
    run(async {
        let endless =
            spawn(async { copy(&mut futures_util::io::repeat(0), &mut futures_util::io::sink()).await });
        // This would not return if the copy kept the thread.
        spawn(async {}).await.unwrap();
        endless.cancel();
        assert!(endless.await.is_err());
    });
}

/// A named pipe, which is removed in the end.
struct Fifo(PathBuf);

impl Fifo {
    async fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("brigade-pipes-{}-{name}", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().await.unwrap().success());
        Self(path)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn write_once(path: &Path, bytes: &[u8]) {
    PipeWriter::open(path).unwrap().write_all(bytes).await.unwrap();
}

#[test]
fn a_reader_of_a_named_pipe_waits_for_a_writer_and_ends_with_the_last() {
    run(async {
        let fifo = Fifo::new("ends").await;
        let mut reader = PipeReader::open(&fifo.0).unwrap();
        let reading = spawn(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            all
        });
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!reading.is_finished(), "there was no writer yet");
        let mut first = PipeWriter::open(&fifo.0).unwrap();
        write_once(&fifo.0, b"hel").await;
        first.write_all(b"lo").await.unwrap();
        drop(first);
        assert_eq!(reading.await.unwrap(), b"hello");
    });
}

/// After an end of the pipe there is a writer again, and the read waits for its bytes instead of polling.
#[test]
fn a_reader_of_a_named_pipe_goes_on_with_a_writer_that_comes_after_the_last_has_left() {
    run(async {
        let fifo = Fifo::new("again").await;
        let mut reader = PipeReader::open(&fifo.0).unwrap();
        let mut buffer = [0; 8];
        for _ in 0..3 {
            let mut writer = PipeWriter::open(&fifo.0).unwrap();
            assert!(reader.read(&mut buffer).now_or_never().is_none(), "nothing was written yet");
            let (read, written) = join(reader.read(&mut buffer), writer.write(b"hello")).await;
            assert_eq!((read.unwrap(), written.unwrap()), (5, 5));
            let (read, ()) = join(reader.read(&mut buffer), async { drop(writer) }).await;
            assert_eq!(read.unwrap(), 0, "the last writer has left");
        }
    });
}

/// The reader is told of an end of the pipe when there is a writer again.
#[test]
fn a_reader_of_a_named_pipe_waits_on_if_a_writer_comes_just_after_the_last_has_left() {
    run(async {
        let fifo = Fifo::new("between").await;
        let mut reader = PipeReader::open(&fifo.0).unwrap();
        let writer = PipeWriter::open(&fifo.0).unwrap();
        let mut buffer = [0; 8];
        let change = async {
            drop(writer);
            PipeWriter::open(&fifo.0).unwrap()
        };
        let mut reading = Box::pin(reader.read(&mut buffer));
        let second = match select(&mut reading, pin!(change)).await {
            Either::Left((read, _)) => panic!("there is always a writer, but the read has ended: {read:?}"),
            Either::Right((second, _)) => second,
        };
        // The end of a third pipe's writer is told after that of the first writer.
        let (mut later, end) = pipe().unwrap();
        let (read, ()) = join(later.read(&mut [0; 1]), async { drop(end) }).await;
        assert_eq!(read.unwrap(), 0);
        assert!((&mut reading).now_or_never().is_none());
        drop(second);
        assert_eq!(reading.await.unwrap(), 0);
    });
}

#[test]
fn a_reader_that_lasts_reads_what_one_writer_after_the_other_writes() {
    run(async {
        let fifo = Fifo::new("lasts").await;
        let mut reader = PipeReader::open_lasting(&fifo.0).unwrap();
        for round in 0..3 {
            write_once(&fifo.0, &[round]).await;
            let mut byte = [9];
            reader.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [round]);
        }
    });
}

#[test]
fn a_writer_without_a_reader_and_what_is_no_pipe_are_refused() {
    run(async {
        let fifo = Fifo::new("nobody").await;
        let error = PipeWriter::open(&fifo.0).unwrap_err();
        assert!(error.to_string().contains("No such device or address"), "{error}");
        assert_eq!(PipeReader::open("/dev/null").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(PipeReader::open("/nowhere").unwrap_err().kind(), ErrorKind::NotFound);
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(PipeWriter::from_fd(one.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// A client, a server, and a proxy between them that copies.
async fn through_a_proxy() {
    let pairs = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let ((mut client, mut front), (mut back, mut server)) = pairs;
    let proxy = spawn(async move { copy_bidirectional(&mut front, &mut back).await });
    let all: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
    let sent = all.clone();
    let serving = spawn(async move {
        let mut asked = vec![0; sent.len()];
        server.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, sent);
        // The client has not ended yet, and the other direction works.
        server.write_all(&sent).await.unwrap();
        server.close().await.unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        rest
    });
    client.write_all(&all).await.unwrap();
    let mut answered = Vec::new();
    client.read_to_end(&mut answered).await.unwrap();
    assert_eq!(answered, all);
    // One direction has ended, and the other goes on.
    client.write_all(b"bye").await.unwrap();
    assert!(!proxy.is_finished());
    drop(client);
    assert_eq!(serving.await.unwrap(), b"bye");
    assert_eq!(proxy.await.unwrap().unwrap(), (1_000_003, 1_000_000));
}

#[test]
fn a_copy_both_ways_lets_each_way_end_by_itself() {
    run(through_a_proxy());
    Runtime::multi_thread(2).unwrap().block_on(through_a_proxy());
}

#[test]
fn a_copy_both_ways_ends_with_the_first_error() {
    run(async {
        let ((client, mut front), (mut back, server)) =
            (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        drop(server);
        let mut client = client;
        client.write_all(b"nobody reads this").await.unwrap();
        let error = copy_bidirectional(&mut front, &mut back).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}
