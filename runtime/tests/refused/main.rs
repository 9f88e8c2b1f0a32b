//! The operating system refuses a thread. The operations that need one fail with an error, and work again
//! when there are threads again.
//!
//! Each test runs once more in a process of its own, this test program. Threads have stacks so large there
//! that a limit on the address space has room for everything but them.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]
// Where a process may limit its memory.
#![cfg(target_os = "linux")]

// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;

use brigade_runtime::{
    JoinError, Runtime,
    command::Command,
    fs::{self, File},
    io::{copy, stdin, stdout},
    net::{TcpListener, TcpStream, lookup_host},
    run, spawn_blocking,
};
use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use std::{env, future::Future, io, os::unix::net::UnixStream, process};

/// Tells this program that it is the process of its own.
const INSIDE: &str = "BRIGADE_TEST_REFUSED";
/// The size of a thread's stack there, in bytes.
const STACK: u64 = 512 << 20;

/// Runs a test in a process of its own.
fn in_process(test: &str, inside: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        // The harness runs the test on a thread of its own, or on the main thread.
        inside();
        return;
    }
    let mut command = process::Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let status = command.env(INSIDE, "1").env("RUST_MIN_STACK", STACK.to_string()).status().unwrap();
    assert!(status.success());
}

/// Refuses new threads until it is dropped.
struct NoThreads;

impl NoThreads {
    fn begin() -> Self {
        sys::limit_memory(Some(sys::memory() + STACK / 2));
        assert!(std::thread::Builder::new().spawn(|| ()).is_err());
        Self
    }
}

impl Drop for NoThreads {
    fn drop(&mut self) {
        sys::limit_memory(None);
    }
}

#[track_caller]
fn assert_refused<T>(what: &str, result: io::Result<T>) {
    let Err(error) = result else { panic!("{what} went well") };
    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "that means to wait for readiness");
    assert!(error.to_string().contains("thread"), "{what}: {error}");
}

fn runs<T>(future: impl Future<Output = T>) -> T {
    Runtime::current_thread().unwrap().block_on(future)
}

#[test]
fn operations_that_need_a_thread_are_an_error_and_work_later() {
    in_process("operations_that_need_a_thread_are_an_error_and_work_later", || {
        let path = env::temp_dir().join(format!("brigade-refused-{}", process::id()));
        std::fs::write(&path, "text").unwrap();
        let mut file = File::from_std(std::fs::File::options().read(true).write(true).open(&path).unwrap());
        let no_threads = NoThreads::begin();
        runs(async {
            assert_refused("fs::read", fs::read(&path).await);
            assert_refused("File::open", File::open(&path).await);
            assert_refused("fs::read_dir", fs::read_dir("/").await);
            assert_refused("lookup_host", lookup_host("localhost:80").await);
            assert_refused("connect", TcpStream::connect("localhost:1").await);
            assert_refused("bind", TcpListener::bind("localhost:0").await);
            assert_refused("stdin", stdin().unwrap().read(&mut [0; 1]).await);
            assert_refused("stdout", stdout().write_all(b"x").await);
            assert_refused("read", file.read(&mut [0; 4]).await);
            assert_refused("write", file.write(b"x").await);
            assert_refused("metadata", file.metadata().await);
            assert_refused("copy", copy(&mut &b"x"[..], &mut file).await);
            let error = spawn_blocking(|| 1).await.unwrap_err();
            assert!(matches!(error, JoinError::Lost(..)), "{error}");
            drop(no_threads);
            // The same runtime works again, and does nothing of what was refused.
            assert_eq!(spawn_blocking(|| 2).await.unwrap(), 2);
            let mut text = String::new();
            file.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "text");
            assert!(!lookup_host("localhost:80").await.unwrap().is_empty());
        });
        std::fs::remove_file(path).unwrap();
    });
}

/// Neither sockets nor children need a thread.
#[test]
fn operations_that_need_no_thread_work_without_one() {
    in_process("operations_that_need_no_thread_work_without_one", || {
        let _no_threads = NoThreads::begin();
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            assert_eq!(listener.accept().await.unwrap().0.read(&mut [0; 8]).await.unwrap(), 1);
            assert!(Command::new("true").status().await.unwrap().success());
        });
        let error = Runtime::multi_thread(1).unwrap_err();
        assert!(error.to_string().contains("thread"), "{error}");
    });
}

/// The system gave one thread before it refused more: everything is queued behind that thread's work.
#[test]
fn one_thread_is_enough() {
    in_process("one_thread_is_enough", || {
        // There is room for one stack, and not for two.
        sys::limit_memory(Some(sys::memory() + STACK + STACK / 2));
        run(async {
            let calls: Vec<_> = (0..10).map(|number| spawn_blocking(move || number)).collect();
            for (number, call) in calls.into_iter().enumerate() {
                assert_eq!(call.await.unwrap(), number);
            }
            assert!(fs::try_exists("/").await.unwrap());
        });
        sys::limit_memory(None);
    });
}

/// A refused call loses none of the entries that a folder still has.
#[test]
fn a_folder_goes_on_after_a_refused_call() {
    in_process("a_folder_goes_on_after_a_refused_call", || {
        let mut entries = runs(fs::read_dir("/proc/self/task/..")).unwrap();
        let refused = NoThreads::begin();
        runs(async {
            assert_refused("next_entry", entries.next_entry().await);
            drop(refused);
            assert!(entries.count().await > 1);
        });
    });
}

/// The first read of a stream needs a thread, and is refused one. Later the same file is read.
#[test]
fn a_stream_is_read_after_a_refused_call() {
    in_process("a_stream_is_read_after_a_refused_call", || {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        io::Write::write_all(&mut theirs, b"hello").unwrap();
        let mut file = File::from_std(std::os::fd::OwnedFd::from(ours).into());
        let refused = NoThreads::begin();
        runs(async {
            let mut bytes = [0; 5];
            assert_refused("read", file.read(&mut bytes).await);
            drop(refused);
            file.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hello");
        });
    });
}
