//! Pipes within one process.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime,
    io::{PipeReader, PipeWriter, copy, pipe},
    run, spawn,
};
use futures_util::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt,
    io::{BufReader, BufWriter},
};
use std::io::{ErrorKind, Write};

async fn more_than_fits() {
    let (mut reader, mut writer) = pipe().unwrap();
    let writing = spawn(async move {
        let all: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        writer.write_all(&all).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // It is closed though it lives.
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
fn what_is_copied_goes_on_before_the_end() {
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
        // This would not come back if the copy held the thread.
        spawn(async {}).await.unwrap();
        endless.cancel();
        assert!(endless.await.is_err());
    });
}
