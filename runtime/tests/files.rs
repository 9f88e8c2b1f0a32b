//! Files and folders.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime,
    fs::{self, File},
    gather,
    io::copy,
    run, spawn, spawn_blocking, timeout, yield_now,
};
use futures_util::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt, StreamExt, TryStreamExt,
    io::BufReader,
};
use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read, SeekFrom, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
};

/// A folder for one case, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("brigade-files-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens a file to read and write, and creates it if it does not exist.
fn both() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).clone()
}

#[test]
fn written_bytes_are_read() {
    let folder = Folder::new("whole");
    run(async {
        let all: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut file = File::create(folder.at("a")).await.unwrap();
        file.write_all(&all).await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 1_000_000);
        assert!(fs::read(folder.at("a")).await.unwrap() == all);
        let mut read = Vec::new();
        File::open(folder.at("a")).await.unwrap().read_to_end(&mut read).await.unwrap();
        assert!(read == all);
    });
}

#[test]
fn reads_writes_and_seeks_keep_their_order() {
    let folder = Folder::new("order");
    Runtime::multi_thread(2).unwrap().block_on(async {
        let mut file = File::open_with(folder.at("a"), both()).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        // No flush between: the seek waits for the write.
        assert_eq!(file.seek(SeekFrom::Start(2)).await.unwrap(), 2);
        let mut two = [0; 2];
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"23");
        file.write_all(b"ab").await.unwrap();
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"67");
        assert_eq!(file.stream_position().await.unwrap(), 8);
        file.set_len(9).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(fs::read_to_string(folder.at("a")).await.unwrap(), "0123ab678");
    });
}

/// Begins to read four bytes, and drops the read. If the read was done at once, seeks back instead.
async fn drop_a_read(file: &mut File) {
    if let Some(read) = file.read(&mut [0; 4]).now_or_never() {
        let back = -i64::try_from(read.unwrap()).unwrap();
        file.seek(std::io::SeekFrom::Current(back)).await.unwrap();
    }
}

#[test]
fn a_dropped_read_loses_no_bytes() {
    let folder = Folder::new("dropped");
    run(async {
        fs::write(folder.at("a"), "0123456789").await.unwrap();
        let mut file = File::open_with(folder.at("a"), both()).await.unwrap();
        drop_a_read(&mut file).await;
        let mut three = [0; 3];
        file.read_exact(&mut three).await.unwrap();
        assert_eq!(&three, b"012");
        // One byte more was read ahead: it is given back before the write.
        file.write_all(b"x").await.unwrap();
        drop_a_read(&mut file).await;
        assert_eq!(file.stream_position().await.unwrap(), 4);
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "456789");
        file.flush().await.unwrap();
        assert_eq!(fs::read_to_string(folder.at("a")).await.unwrap(), "012x456789");
    });
}

#[test]
fn a_write_that_fails_says_so_at_the_latest_in_the_flush() {
    let folder = Folder::new("fails");
    run(async {
        fs::write(folder.at("a"), "text").await.unwrap();
        let mut file = File::open(folder.at("a")).await.unwrap();
        let error = match file.write_all(b"x").await {
            Ok(()) => file.flush().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.raw_os_error().is_some(), "{error}");
        // The error is told once; the file can be used further.
        file.flush().await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "text");
    });
}

#[test]
fn lines_of_a_file_come_as_a_stream() {
    let folder = Folder::new("lines");
    run(async {
        fs::write(folder.at("a"), "one\ntwo\nthree\n").await.unwrap();
        let file = File::open(folder.at("a")).await.unwrap();
        let lines: Vec<_> = BufReader::new(file).lines().try_collect().await.unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
    });
}

#[test]
fn a_file_is_copied_through_tasks() {
    let folder = Folder::new("copy");
    run(async {
        let copies = (0..8).map(|n| {
            let (from, to) = (folder.at(&format!("from-{n}")), folder.at(&format!("to-{n}")));
            spawn(async move {
                fs::write(&from, vec![n; 300_000]).await?;
                let (mut from, mut to) = (File::open(from).await?, File::create(&to).await?);
                copy(&mut from, &mut to).await
            })
        });
        for copied in gather(copies).await {
            assert_eq!(copied.unwrap().unwrap(), 300_000);
        }
        assert_eq!(fs::read(folder.at("to-7")).await.unwrap(), vec![7; 300_000]);
    });
}

#[test]
fn folders_are_made_listed_and_removed() {
    let folder = Folder::new("folders");
    run(async {
        let deep = folder.at("a/b/c");
        fs::create_dir_all(&deep).await.unwrap();
        assert_eq!(fs::create_dir(&deep).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        for n in 0..200 {
            fs::write(deep.join(format!("{n}")), "").await.unwrap();
        }
        let names: Vec<_> = fs::read_dir(&deep).await.unwrap().collect().await;
        let mut numbers: Vec<u32> = names
            .into_iter()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..200));
        assert!(fs::remove_dir(&deep).await.is_err());
        fs::remove_dir_all(folder.at("a")).await.unwrap();
        assert!(!fs::try_exists(&deep).await.unwrap());
        assert_eq!(fs::read_dir(&deep).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn names_are_changed_and_linked() {
    let folder = Folder::new("names");
    run(async {
        let (one, other, link) = (folder.at("one"), folder.at("other"), folder.at("link"));
        fs::write(&one, "soup").await.unwrap();
        fs::rename(&one, &other).await.unwrap();
        assert_eq!(fs::metadata(&one).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::symlink(&other, &link).await.unwrap();
        assert_eq!(fs::read_link(&link).await.unwrap(), other);
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
        assert_eq!(fs::canonicalize(&link).await.unwrap(), fs::canonicalize(&other).await.unwrap());
        fs::hard_link(&other, &one).await.unwrap();
        assert_eq!(fs::copy(&one, folder.at("third")).await.unwrap(), 4);
        let mut permissions = fs::metadata(&one).await.unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&one, permissions).await.unwrap();
        assert!(fs::metadata(&other).await.unwrap().permissions().readonly());
        fs::remove_file(&one).await.unwrap();
    });
}

/// An open file whose read may wait for another party, and that party.
fn streams() -> [(OwnedFd, OwnedFd); 3] {
    let (reader, writer) = std::io::pipe().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    [(reader.into(), writer.into()), (one.into(), other.into()), (ours.into(), theirs.into())]
}

/// Nobody writes, so a thread that blocked in a read would keep the runtime from ending.
#[test]
fn the_end_of_the_runtime_waits_for_no_read_of_a_pipe() {
    for (ours, theirs) in streams() {
        run(async {
            let mut file = File::from_std(ours.into());
            let reading = spawn(async move { file.read(&mut [0; 8]).await });
            yield_now().await;
            assert!(!reading.is_finished());
        });
        drop(theirs);
    }
}

#[test]
fn a_pipe_is_read_as_a_file_when_somebody_writes_also_in_another_runtime() {
    for (ours, theirs) in streams() {
        let (mut file, mut other) = (File::from_std(ours.into()), std::fs::File::from(theirs));
        let mut bytes = [0; 5];
        for _ in 0..2 {
            run(async {
                assert!(file.read(&mut bytes).now_or_never().is_none());
                // The reactor of this runtime watches it from here on.
                for _ in 0..10 {
                    yield_now().await;
                    assert!(file.read(&mut bytes).now_or_never().is_none());
                }
                other.write_all(b"hello").unwrap();
                file.read_exact(&mut bytes).await.unwrap();
                assert_eq!(&bytes, b"hello");
            });
        }
        drop(other);
        assert_eq!(run(file.read(&mut bytes)).unwrap(), 0);
    }
}

#[test]
fn a_write_to_a_full_pipe_that_does_not_block_waits_for_room() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    const MUCH: usize = 4 << 20;
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all.len()
    });
    run(async {
        let mut file = File::from_std(OwnedFd::from(ours).into());
        file.write_all(&vec![7; MUCH]).await.unwrap();
    });
    assert_eq!(reading.join().unwrap(), MUCH);
}

/// A named pipe.
fn named_pipe(folder: &Folder) -> PathBuf {
    let path = folder.at("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Nobody ever opens the other end, so a thread that waited for that would keep the runtime from ending.
#[test]
fn opening_a_named_pipe_can_be_given_up() {
    let folder = Folder::new("fifo-given-up");
    let path = named_pipe(&folder);
    run(async {
        let limit = std::time::Duration::from_millis(3);
        let mut reader = File::open(&path).await.unwrap();
        assert!(
            timeout(limit, reader.read(&mut [0; 8])).await.is_err(),
            "that is no end: there was no writer"
        );
        drop(reader);
        let write = OpenOptions::new().write(true).clone();
        assert!(timeout(limit, File::open_with(&path, write)).await.is_err());
        drop(spawn(File::create(path.clone())));
        yield_now().await;
    });
}

#[test]
fn both_ends_of_a_named_pipe_are_opened_in_either_order() {
    let folder = Folder::new("fifo");
    let path = named_pipe(&folder);
    for is_reader_first in [true, false] {
        run(async {
            let reading = async {
                let mut text = String::new();
                File::open(&path).await.unwrap().read_to_string(&mut text).await.unwrap();
                text
            };
            let writing = async {
                let mut file = File::create(&path).await.unwrap();
                file.write_all(&vec![b'x'; 300_000]).await.unwrap();
                file.flush().await.unwrap();
            };
            let text = if is_reader_first {
                futures_util::future::join(reading, writing).await.0
            } else {
                futures_util::future::join(writing, reading).await.1
            };
            assert_eq!(text.len(), 300_000);
        });
    }
}

/// The calls of the standard library wait for the other end, here on a thread of ours.
#[test]
fn a_named_pipe_is_shared_with_those_who_wait_on_their_thread() {
    let folder = Folder::new("fifo-blocking");
    let path = named_pipe(&folder);
    run(async {
        let theirs = path.clone();
        let writing = spawn_blocking(move || std::fs::write(theirs, "hello"));
        let mut text = String::new();
        File::open(&path).await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        writing.await.unwrap().unwrap();
        let theirs = path.clone();
        let reading = spawn_blocking(move || std::fs::read_to_string(theirs));
        File::create(&path).await.unwrap().write_all(b"hello").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), "hello");
    });
}

/// A stream that has no position, as a terminal has none.
#[test]
fn a_write_keeps_what_was_read_ahead_of_a_stream_that_cannot_seek() {
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut file = File::from_std(OwnedFd::from(ours).into());
        Write::write_all(&mut theirs, b"soup").unwrap();
        // Dropped, so that the bytes stay in the buffer once the job has read them.
        let dropped = file.read(&mut [0; 4]).now_or_never();
        file.flush().await.unwrap();
        file.write_all(b"more").await.unwrap();
        file.flush().await.unwrap();
        // With unread bytes the end of the connection would be an error.
        Read::read_exact(&mut theirs, &mut [0; 4]).unwrap();
        drop(theirs);
        let mut read = Vec::new();
        file.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, if dropped.is_none() { &b"soup"[..] } else { b"" });
    });
}

#[test]
fn a_seek_that_fails_keeps_what_was_read_ahead() {
    run(async {
        let folder = Folder::new("failed-seek");
        fs::write(folder.at("menu"), "soup").await.unwrap();
        let mut file = File::open(folder.at("menu")).await.unwrap();
        let read = file.read(&mut [0; 4]).now_or_never();
        file.flush().await.unwrap();
        file.seek(SeekFrom::Current(-9)).await.unwrap_err();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, if read.is_none() { &b"soup"[..] } else { b"" });
    });
}
