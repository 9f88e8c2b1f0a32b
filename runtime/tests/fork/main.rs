//! A runtime in a forked child: its use there panics with a clear text, and the parent's runtime goes on
//! undisturbed.
//!
//! One thread runs all cases in turn, since a fork copies only the thread that calls it.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// Unsafe: a signal to this thread.
#[allow(unsafe_code)]
mod sys;
// Unsafe: fork and what goes with it.
#[allow(unsafe_code)]
#[path = "../../../handle/tests/fork/sys.rs"]
mod fork;

use brigade_runtime::{
    JoinError, Runtime,
    io::{PipeReader, pipe},
    net::unix::UnixStream,
    run,
    signal::{SignalKind, signal},
    spawn, spawn_blocking, spawn_local, yield_now,
};
use fork::Way;
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};
use std::{
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// Runs `inside` in a forked child, which must panic with the advice.
fn must_refuse(way: Way, inside: impl FnOnce()) {
    way.in_child(|| {
        std::panic::set_hook(Box::new(|_| {}));
        let panic = catch_unwind(AssertUnwindSafe(inside)).unwrap_err();
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
        message.is_some_and(|message| message.contains("make a new Runtime in the child"))
    });
}

/// Sends bytes through a connection that was made before the fork.
async fn talk(one: &mut UnixStream, other: &mut UnixStream) {
    let mut buffer = [0; 5];
    let both = futures_util::future::join(one.write_all(b"hello"), other.read_exact(&mut buffer));
    let (sent, read) = both.await;
    sent.unwrap();
    read.unwrap();
    assert_eq!(&buffer, b"hello");
}

fn block_on_refuses(way: Way, runtime: &Runtime) {
    must_refuse(way, || runtime.block_on(async {}));
}

fn spawn_refuses(way: Way, runtime: &Runtime) {
    must_refuse(way, || drop(runtime.spawn(async {})));
}

fn map_and_scope_refuse(way: Way, runtime: &Runtime) {
    must_refuse(way, || drop(runtime.map(|n: u32| async move { n }, [1])));
    must_refuse(way, || runtime.scope(|_| ()));
}

/// Dropping a stream in the child closes the child's copy, and must not end the parent's registration.
fn the_parent_is_not_disturbed(way: Way, runtime: &Runtime) {
    let (mut one, mut other) = runtime.block_on(async { UnixStream::pair().unwrap() });
    runtime.block_on(talk(&mut one, &mut other));
    let mut held = Some((one, other));
    way.in_child(|| {
        drop(held.take());
        true
    });
    let (mut one, mut other) = held.unwrap();
    runtime.block_on(talk(&mut one, &mut other));
    // Only a wait needs the registration.
    let reading = runtime.spawn(async move { other.read(&mut [0; 8]).await });
    runtime.block_on(async move { one.write_all(b"x").await }).unwrap();
    assert_eq!(runtime.block_on(reading).unwrap().unwrap(), 1);
}

/// The child can take everything that is available already, and is told that everything it would have to
/// wait for is lost. It does not cancel the parent's task.
fn handles_from_before_do_not_wait(way: Way, runtime: &Runtime) {
    let (finished, waiting) = (runtime.spawn(async { 7 }), runtime.spawn(std::future::pending::<()>()));
    runtime.block_on(async {
        while !finished.is_finished() {
            yield_now().await;
        }
    });
    let mut all = Some((finished, waiting));
    way.in_child(|| {
        let (finished, waiting) = all.take().unwrap();
        finished.join().is_ok_and(|seven| seven == 7)
            && matches!(waiting.join(), Err(JoinError::Lost(brigade_handle::Lost::Forked, _)))
    });
    let (finished, waiting) = all.unwrap();
    assert_eq!(runtime.block_on(finished).unwrap(), 7);
    assert!(!waiting.is_finished());
    waiting.cancel();
    assert!(matches!(runtime.block_on(waiting), Err(JoinError::Cancelled(_))));
}

fn dropping_it_in_the_child_ends(way: Way) {
    for runtime in [Runtime::current_thread().unwrap(), Runtime::multi_thread(2).unwrap()] {
        drop(runtime.spawn(std::future::pending::<()>()));
        let mut runtime = Some(runtime);
        way.in_child(|| {
            drop(runtime.take());
            true
        });
        // In the parent the task still works, and ends.
        runtime.unwrap().block_on(async { spawn(async {}).await }).unwrap();
    }
}

fn shutdown_refuses(way: Way) {
    let mut runtime = Some(Runtime::multi_thread(1).unwrap());
    must_refuse(way, || runtime.take().unwrap().shutdown());
    runtime.unwrap().shutdown();
}

fn a_task_that_forks_is_refused_when_it_waits(way: Way) {
    must_refuse(way, || {
        run(async {
            // The child comes back from this in a copy of a runtime that drives.
            let Some(status) = way.fork_and_wait() else {
                brigade_runtime::sleep(std::time::Duration::from_secs(3600)).await;
                unreachable!("the copy of the runtime must not wait");
            };
            assert_eq!(status, 0);
            // In the parent of that fork nothing is refused, so this panics with the same text itself.
            panic!("make a new Runtime in the child");
        });
    });
}

/// A runtime of the child does not wait for sources that are registered with the parent's runtime, and
/// receives what they have already.
fn sockets_and_sleeps_from_before_do_not_wait(way: Way, runtime: &Runtime) {
    let (mut one, mut other) = runtime.block_on(async { UnixStream::pair().unwrap() });
    let mut sleep = runtime.block_on(async {
        let mut sleep = Box::pin(brigade_runtime::sleep(Duration::from_secs(3600)));
        assert!((&mut sleep).now_or_never().is_none());
        Some(sleep)
    });
    runtime.block_on(one.write_all(b"x")).unwrap();
    way.in_child(|| {
        run(async {
            let mut byte = [0];
            let first = other.read(&mut byte).await.is_ok_and(|read| read == 1);
            let second = other.read(&mut byte).await.unwrap_err();
            first && second.to_string().contains("before the process forked")
        })
    });
    must_refuse(way, || run(sleep.take().unwrap()));
    runtime.block_on(one.write_all(b"x")).unwrap();
    // The byte from before is gone: both processes have the same socket.
    assert_eq!(runtime.block_on(other.read(&mut [0])).unwrap(), 1);
}

/// The future of `block_on` may fork, and end in the child, but not wait.
fn a_future_that_forks_is_refused_when_it_waits(way: Way, runtime: &Runtime) {
    runtime.block_on(async { way.in_child(|| true) });
    must_refuse(way, || {
        // The first child is the copy; it forks again, to come back from that in a `block_on`.
        let runtime = Runtime::multi_thread(1).unwrap();
        runtime.block_on(async {
            let Some(status) = way.fork_and_wait() else { return std::future::pending::<()>().await };
            assert_eq!(status, 0);
            panic!("make a new Runtime in the child");
        });
    });
}

/// In the child no other task runs, and local tasks are left as they are.
fn a_task_that_forks_ends_the_copy_of_its_thread(way: Way) {
    must_refuse(way, || {
        run(async {
            let local = spawn_local(std::future::pending::<()>());
            let forks = spawn(async move { way.fork_and_wait() });
            let parent = std::process::id();
            let other = spawn(async move { assert_eq!(std::process::id(), parent) });
            assert_eq!(forks.await.unwrap(), Some(0));
            other.await.unwrap();
            drop(local);
            panic!("make a new Runtime in the child");
        });
    });
}

/// Whether the child, in which this task is a copy, was aborted.
fn forks_and_goes_on(way: Way) -> bool {
    match way.fork_and_wait() {
        Some(status) => fork::is_abort(status),
        None => {
            std::panic::set_hook(Box::new(|_| {}));
            false
        }
    }
}

fn the_copy_of_a_worker_is_aborted(way: Way) {
    let runtime = Runtime::multi_thread(2).unwrap();
    assert!(runtime.block_on(async { spawn(async move { forks_and_goes_on(way) }).await }).unwrap());
    let waits = async move {
        let aborted = forks_and_goes_on(way);
        yield_now().await;
        aborted
    };
    assert!(runtime.block_on(async { spawn(waits).await }).unwrap());
    assert!(runtime.block_on(async { spawn_blocking(move || forks_and_goes_on(way)).await }).unwrap());
}

fn a_new_runtime_works_in_the_child(way: Way) {
    way.in_child(|| {
        run(async {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            spawn(async move { talk(&mut one, &mut other).await }).await.is_ok()
        })
    });
}

/// The parent has listeners too. It turns its reactor when the signal has come in the child, and before the
/// child turns its own: what the signal left there is for the child.
fn a_signal_in_the_child_is_for_the_child(way: Way) {
    let runtime = Runtime::current_thread().unwrap();
    let mut hears = runtime.block_on(async { signal(SignalKind::USER_1).unwrap() });
    let (mut parent_hears, mut parent_says) = std::io::pipe().unwrap();
    let (child_hears, mut child_says) = std::io::pipe().unwrap();
    let child = way.beside_child(|| {
        run(async {
            let mut listener = signal(SignalKind::USER_1).unwrap();
            let hearing = spawn(async move {
                listener.recv().await.unwrap();
                listener
            });
            yield_now().await;
            sys::raise_user_1();
            child_says.write_all(b"x").unwrap();
            parent_hears.read_exact(&mut [0]).unwrap();
            turn_the_reactor().await;
            assert!(hearing.is_finished(), "the signal was not told");
            // Nothing of the first signal is left, and the next one is seen as well.
            let mut listener = hearing.await.unwrap();
            assert!(listener.recv().now_or_never().is_none());
            sys::raise_user_1();
            listener.recv().await.is_ok()
        })
    });
    // The copy is closed, so that the parent reads the end instead of waiting for ever if the child dies.
    drop(child_says);
    runtime.block_on(async {
        assert_eq!(PipeReader::from_fd(child_hears.into()).unwrap().read(&mut [0]).await.unwrap(), 1);
    });
    parent_says.write_all(b"x").unwrap();
    child.join();
    assert!(hears.recv().now_or_never().is_none(), "the signal of the child was heard in the parent");
    sys::raise_user_1();
    runtime.block_on(hears.recv()).unwrap();
}

/// Returns when everything that was reported before has been handled.
async fn turn_the_reactor() {
    let (mut reader, writer) = pipe().unwrap();
    let mut byte = [0];
    let (read, ()) = futures_util::future::join(reader.read(&mut byte), async { drop(writer) }).await;
    assert_eq!(read.unwrap(), 0);
    for _ in 0..3 {
        yield_now().await;
    }
}

fn main() {
    let (one, two) = (Runtime::current_thread().unwrap(), Runtime::multi_thread(2).unwrap());
    for &way in Way::ALL {
        for runtime in [&one, &two] {
            block_on_refuses(way, runtime);
            spawn_refuses(way, runtime);
            map_and_scope_refuse(way, runtime);
            the_parent_is_not_disturbed(way, runtime);
            handles_from_before_do_not_wait(way, runtime);
            sockets_and_sleeps_from_before_do_not_wait(way, runtime);
            a_future_that_forks_is_refused_when_it_waits(way, runtime);
        }
        dropping_it_in_the_child_ends(way);
        shutdown_refuses(way);
        a_task_that_forks_is_refused_when_it_waits(way);
        a_task_that_forks_ends_the_copy_of_its_thread(way);
        the_copy_of_a_worker_is_aborted(way);
        a_new_runtime_works_in_the_child(way);
        a_signal_in_the_child_is_for_the_child(way);
    }
    println!("a forked child is refused, and its parent goes on: ok");
}
