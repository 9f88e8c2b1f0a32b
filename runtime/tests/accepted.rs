//! Work that a future has acknowledged is carried out, whichever way the runtime ends.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{JoinHandle, Runtime, fs::File, io::copy, run, spawn, spawn_blocking, yield_now};
use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt};
use std::{
    fs::{self, OpenOptions},
    future::{Future, pending},
    io::SeekFrom,
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

/// Enough files that their writes do not all begin before the runtime ends.
const FILES: usize = 64;

/// Files for one case, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("brigade-accepted-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, number: usize) -> PathBuf {
        self.0.join(number.to_string())
    }

    /// An empty file, to read and write.
    fn file(&self, number: usize) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.at(number))
            .unwrap()
            .into()
    }

    /// The number of files that do not hold this content.
    fn lacking(&self, text: &str) -> usize {
        (0..FILES).filter(|&number| fs::read_to_string(self.at(number)).unwrap() != text).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runtimes that make one blocking call at a time.
fn narrow_runtimes() -> [Runtime; 3] {
    [0, 1, 2].map(|workers| Runtime::builder().workers(workers).max_blocking_threads(1).build().unwrap())
}

/// The ends of a runtime that cancel its tasks.
fn ends() -> [fn(Runtime); 3] {
    [
        drop,
        |runtime| _ = runtime.shutdown_timeout(Duration::ZERO),
        |runtime| thread::spawn(move || drop(runtime)).join().unwrap(),
    ]
}

/// Keeps the one thread for blocking calls busy until a task is cancelled, so that calls queued meanwhile
/// are still queued when the runtime ends.
fn block_the_thread() {
    let (let_go, gate) = mpsc::channel::<()>();
    // Ends when the sender is dropped.
    drop(spawn_blocking(move || _ = gate.recv()));
    drop(spawn(async move {
        let _let_go = let_go;
        pending::<()>().await;
    }));
}

/// For each way to end a runtime: runs a future for each file, behind a blocking call that does not end by
/// itself, and ends the runtime.
fn behind_a_blocked_thread<F: Future>(name: &str, work: impl Fn(File) -> F, expected: &str) {
    for end in ends() {
        for runtime in narrow_runtimes() {
            let folder = Folder::new(name);
            runtime.block_on(async {
                block_the_thread();
                for number in 0..FILES {
                    work(folder.file(number)).await;
                    // The next poll has a new budget.
                    yield_now().await;
                }
            });
            end(runtime);
            assert_eq!(folder.lacking(expected), 0);
        }
    }
}

#[test]
fn a_write_that_is_queued_when_the_runtime_ends_is_made() {
    let write = |mut file: File| async move { file.write_all(b"some bytes").await.unwrap() };
    behind_a_blocked_thread("write", write, "some bytes");
}

#[test]
fn a_write_of_a_task_that_is_cancelled_is_made() {
    let write = |mut file: File| async {
        let (wrote, told) = mpsc::channel();
        drop(spawn(async move {
            file.write_all(b"some bytes").await.unwrap();
            wrote.send(()).unwrap();
            pending::<()>().await;
        }));
        while told.try_recv().is_err() {
            yield_now().await;
        }
    };
    behind_a_blocked_thread("cancelled", write, "some bytes");
}

#[test]
fn a_call_whose_future_was_dropped_is_made() {
    let cut = |mut file: File| async move { assert!(file.set_len(2).now_or_never().is_none()) };
    behind_a_blocked_thread("cut", cut, "\0\0");
}

#[test]
fn run_makes_all_writes() {
    let folder = Folder::new("run");
    run(async {
        for number in 0..FILES {
            File::create(folder.at(number)).await.unwrap().write_all(b"some bytes").await.unwrap();
        }
    });
    assert_eq!(folder.lacking("some bytes"), 0);
}

#[test]
fn shutdown_makes_all_writes() {
    for runtime in narrow_runtimes() {
        let folder = Folder::new("shutdown");
        let files: Vec<_> = (0..FILES).map(|number| folder.file(number)).collect();
        for mut file in files {
            drop(runtime.spawn(async move { file.write_all(b"some bytes").await.unwrap() }));
        }
        runtime.shutdown();
        assert_eq!(folder.lacking("some bytes"), 0);
    }
}

#[test]
fn a_copy_that_is_done_is_in_the_file() {
    let copied = |mut file: File| async move {
        assert!(copy(&mut &b"some bytes"[..], &mut file).now_or_never().is_none(), "it waits for the flush");
    };
    behind_a_blocked_thread("copy", copied, "some bytes");
}

/// The file lives on, and reports in the next runtime how its write went.
#[test]
fn a_file_goes_on_in_another_runtime() {
    for (first, second) in narrow_runtimes().into_iter().zip(narrow_runtimes()) {
        let folder = Folder::new("moved");
        let mut file = folder.file(0);
        first.block_on(async {
            block_the_thread();
            file.write_all(b"some bytes").await.unwrap();
        });
        drop(first);
        second.block_on(async {
            file.flush().await.unwrap();
            assert_eq!(fs::read_to_string(folder.at(0)).unwrap(), "some bytes");
            file.seek(SeekFrom::Start(5)).await.unwrap();
            let mut rest = String::new();
            file.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "bytes");
        });
    }
}

/// A read may be cancelled, since nobody was told that it was done. The file loses no bytes by that.
#[test]
fn a_read_that_was_cancelled_by_the_end_begins_anew() {
    for (first, second) in narrow_runtimes().into_iter().zip(narrow_runtimes()) {
        let folder = Folder::new("reread");
        let mut file = folder.file(0);
        fs::write(folder.at(0), "some bytes").unwrap();
        first.block_on(async {
            block_the_thread();
            assert!(file.read(&mut [0; 4]).now_or_never().is_none());
        });
        drop(first);
        let mut text = String::new();
        second.block_on(file.read_to_string(&mut text)).unwrap();
        assert_eq!(text, "some bytes");
    }
}

/// Work that was not acknowledged may be dropped: a queued closure is cancelled, and its handle says so.
#[test]
fn a_closure_that_is_queued_when_the_runtime_is_dropped_is_cancelled() {
    for runtime in narrow_runtimes() {
        let queued: Vec<JoinHandle<()>> = runtime.block_on(async {
            block_the_thread();
            (0..FILES).map(|_| spawn_blocking(|| ())).collect()
        });
        drop(runtime);
        for handle in queued {
            // The last ones may have begun when the thread was free, and before the pool was closed.
            assert!(matches!(handle.join(), Ok(()) | Err(brigade_runtime::JoinError::Cancelled(_))));
        }
    }
}
