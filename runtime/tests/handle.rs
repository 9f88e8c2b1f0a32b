//! Handles of a runtime: from any thread, inside of blocking calls, and after the runtime has ended.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::{OnDrop, runtimes};
use brigade_handle::panic_message;
use brigade_runtime::{
    Handle, JoinError, JoinHandle, Runtime, net::TcpListener, now, run, sleep, spawn, spawn_blocking,
    yield_now,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{
    fmt::Debug,
    future::{pending, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::mpsc,
    thread,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Ways to end a runtime.
fn ends() -> [fn(Runtime); 5] {
    [
        drop,
        Runtime::shutdown,
        Runtime::shutdown_background,
        |runtime| _ = runtime.shutdown_timeout(Duration::ZERO),
        |runtime| _ = runtime.shutdown_timeout(2 * MS),
    ]
}

fn is_cancelled<T: Debug>(handle: JoinHandle<T>) -> bool {
    matches!(handle.join(), Err(JoinError::Cancelled(_)))
}

/// The message with which `f` panics.
fn panics<R: Debug>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    panic_message(&*payload).unwrap().to_owned()
}

const ENDED: &str = "a sleep was polled after its runtime had ended";

#[test]
fn a_handle_spawns_from_threads_outside() {
    for runtime in runtimes() {
        let handle = runtime.handle();
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let handle = handle.clone();
                thread::spawn(move || (handle.spawn(async move { n }), handle.spawn_blocking(move || n)))
            })
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            let (task, call) = thread.join().unwrap();
            assert_eq!(runtime.block_on(task).unwrap(), n);
            assert_eq!(call.join().unwrap(), n);
        }
    }
}

#[test]
fn a_blocking_call_is_inside_of_its_runtime() {
    for runtime in runtimes() {
        let call = || {
            let begin = now();
            let task = spawn(async { Handle::try_current().is_some() });
            let call = spawn_blocking(|| spawn(async { 1 }).join().unwrap());
            let slept = Handle::current().block_on(async {
                sleep(2 * MS).await;
                now() - begin
            });
            assert!(slept >= 2 * MS);
            (task.join().unwrap(), call.join().unwrap())
        };
        let by_function = runtime.block_on(async move { spawn_blocking(call).await });
        assert_eq!(by_function.unwrap(), (true, 1));
        let by_handle = runtime.handle().spawn_blocking(call);
        assert_eq!(runtime.block_on(by_handle).unwrap(), (true, 1));
        assert!(Handle::try_current().is_none());
    }
}

#[test]
fn a_blocking_call_uses_sockets_of_its_runtime() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = spawn_blocking(move || {
            Handle::current().block_on(async {
                let mut stream = brigade_runtime::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(b"soup").await.unwrap();
            });
        });
        let mut order = String::new();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_to_string(&mut order).await.unwrap();
        assert_eq!(order, "soup");
        client.await.unwrap();
    });
}

#[test]
fn a_closure_that_panics_leaves_its_thread_outside_again() {
    let runtime = Runtime::builder().current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let failed = spawn_blocking(|| std::panic::resume_unwind(Box::new("as told"))).await;
        assert_eq!(failed.map(|()| 0).unwrap_err().panic_message(), Some("as told"));
        assert_eq!(spawn_blocking(|| spawn(async { 7 })).await.unwrap().await.unwrap(), 7);
    });
}

#[test]
fn a_time_that_stands_still_is_the_time_of_blocking_calls() {
    let runtime = Runtime::builder().paused_clock().build().unwrap();
    runtime.block_on(async {
        let begin = now();
        sleep(HOUR).await;
        assert_eq!(spawn_blocking(now).await.unwrap() - begin, HOUR);
    });
}

#[test]
fn a_thread_enters_runtimes_one_inside_the_other() {
    let (outer, inner) = (Runtime::multi_thread(1).unwrap(), Runtime::current_thread().unwrap());
    let by_outer = outer.enter();
    let by_inner = inner.handle().enter();
    let task = spawn(async { 1 });
    assert!(!task.is_finished(), "tasks of a current-thread runtime rest");
    drop(by_inner);
    assert_eq!(spawn(async { 2 }).join().unwrap(), 2);
    drop(by_outer);
    assert!(Handle::try_current().is_none());
    assert_eq!(inner.block_on(task).unwrap(), 1);
    // It blocks as any other thread does.
    let _inside = outer.enter();
    assert_eq!(run(async { spawn(async { 3 }).await.unwrap() }), 3);
    assert_eq!(outer.block_on(async { 4 }), 4);
    assert_eq!(spawn(async { 5 }).join().unwrap(), 5);
}

#[test]
fn an_entry_outlives_the_runtime_and_its_handle() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let inside = runtime.enter();
    drop(runtime);
    assert!(is_cancelled(spawn(async { 7 })));
    drop(inside);
    assert!(Handle::try_current().is_none());
}

#[test]
fn guards_in_the_wrong_order_are_told_and_do_no_harm() {
    let told = thread::spawn(|| {
        let (first, second) = (Runtime::multi_thread(1).unwrap(), Runtime::multi_thread(1).unwrap());
        let (outer, inner) = (first.enter(), second.enter());
        let told = panics(|| drop(outer));
        assert_eq!(spawn(async { 7 }).join().unwrap(), 7, "the thread is inside of the second still");
        drop(inner);
        // It is inside of the first for ever, also after that has ended.
        drop((first, second));
        assert!(is_cancelled(spawn(async { 7 })));
        told
    });
    assert!(told.join().unwrap().contains("reverse order"));
}

#[test]
fn a_guard_that_is_leaked_does_no_harm() {
    let leaked = thread::spawn(|| {
        let runtime = Runtime::multi_thread(1).unwrap();
        mem::forget(runtime.enter());
        drop(runtime);
        assert!(is_cancelled(spawn(async { 7 })));
        run(async { assert_eq!(spawn(async { 8 }).await.unwrap(), 8) });
    });
    leaked.join().unwrap();
}

#[test]
fn a_guard_across_an_await_is_told_and_does_no_harm() {
    let (runtime, other) = (Runtime::multi_thread(1).unwrap(), Runtime::multi_thread(1).unwrap());
    let told = panics(|| {
        runtime.block_on(async {
            let inside = other.enter();
            yield_now().await;
            drop(inside);
        });
    });
    assert!(told.contains("across an `.await`"), "{told}");
    assert_eq!(runtime.block_on(async { spawn(async { 7 }).await.unwrap() }), 7);
}

#[test]
fn a_thread_that_runs_tasks_is_inside_already_and_goes_nowhere_else() {
    let other = Runtime::multi_thread(1).unwrap();
    for runtime in runtimes() {
        let elsewhere = other.handle();
        let task = runtime.spawn(async move {
            let inside = Handle::current().enter();
            let child = spawn(async { 7 });
            drop(inside);
            (child.await.unwrap(), panics(|| elsewhere.enter()))
        });
        let (seven, told) = runtime.block_on(task).unwrap();
        assert_eq!(seven, 7);
        assert!(told.starts_with("enter would take this thread from the runtime"), "{told}");
    }
    // Across an await, in a task that stays on its thread.
    run(async {
        let inside = Handle::current().enter();
        yield_now().await;
        drop(inside);
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
    });
}

#[test]
fn a_handle_keeps_nothing_running() {
    for end in ends() {
        for runtime in runtimes() {
            let handle = runtime.handle();
            let (tell, told) = mpsc::channel::<()>();
            let held = OnDrop(move || tell.send(()).unwrap());
            let task = runtime.spawn(async move {
                let _held = held;
                7
            });
            end(runtime);
            told.recv().unwrap();
            assert!(matches!(task.join(), Ok(7) | Err(JoinError::Cancelled(_))));
            assert!(format!("{handle:?}").starts_with("Handle"));
        }
    }
}

#[test]
fn a_handle_of_a_runtime_that_has_ended_says_so() {
    for end in ends() {
        for runtime in runtimes() {
            let handle = runtime.handle();
            end(runtime);
            assert!(is_cancelled(handle.spawn(async { 7 })));
            assert!(is_cancelled(handle.spawn_blocking(|| 7)));
            assert_eq!(handle.block_on(async { 7 }), 7);
            assert!(panics(|| handle.block_on(async { sleep(MS).await })).starts_with(ENDED));
            assert!(panics(|| handle.block_on(async { sleep(HOUR).await })).starts_with(ENDED));
            assert!(handle.block_on(TcpListener::bind("127.0.0.1:0")).is_err());
            let _inside = handle.enter();
            assert!(is_cancelled(spawn(async { 7 })));
            assert!(is_cancelled(spawn_blocking(|| 7)));
        }
    }
}

/// Polls a future once, says so, and goes on.
async fn telling<F: Future>(began: mpsc::Sender<()>, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut began = Some(began);
    poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        began.take().into_iter().for_each(|began| began.send(()).unwrap());
        poll
    })
    .await
}

#[test]
fn a_thread_that_waits_by_a_handle_is_told_of_the_end() {
    for end in ends() {
        for runtime in runtimes() {
            let task = runtime.spawn(pending::<()>());
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let (begin, began) = mpsc::channel();
            let (sleeper, acceptor) = (runtime.handle(), runtime.handle());
            let (sleeping, accepting) = (begin.clone(), begin);
            let sleeper = thread::spawn(move || {
                panics(|| sleeper.block_on(telling(sleeping, async { sleep(HOUR).await })))
            });
            let acceptor = thread::spawn(move || {
                acceptor.block_on(telling(accepting, listener.accept())).map(|_| ()).unwrap_err()
            });
            (0..2).for_each(|_| began.recv().unwrap());
            task.cancel();
            end(runtime);
            assert!(sleeper.join().unwrap().starts_with(ENDED));
            acceptor.join().unwrap();
            assert!(is_cancelled(task));
        }
    }
}

#[test]
fn a_call_that_waits_for_a_timer_does_not_hold_up_the_end() {
    for runtime in runtimes() {
        let (begin, began) = mpsc::channel();
        let call = runtime
            .handle()
            .spawn_blocking(|| Handle::current().block_on(telling(begin, async { sleep(HOUR).await })));
        began.recv().unwrap();
        drop(runtime);
        let error = call.join().unwrap_err();
        assert!(error.panic_message().unwrap().starts_with(ENDED));
    }
}

#[test]
fn a_thread_that_waits_is_told_of_the_end_although_a_poll_does_not_end() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let (begin, began) = mpsc::channel();
    let polling = begin.clone();
    let stuck = runtime.spawn(async move {
        polling.send(()).unwrap();
        gate.recv().unwrap();
    });
    began.recv().unwrap();
    let handle = runtime.handle();
    let sleeper =
        thread::spawn(move || panics(|| handle.block_on(telling(begin, async { sleep(HOUR).await }))));
    began.recv().unwrap();
    runtime.shutdown_background();
    assert!(sleeper.join().unwrap().starts_with(ENDED));
    open.send(()).unwrap();
    assert!(matches!(stuck.join(), Ok(()) | Err(JoinError::Cancelled(_))));
}

#[test]
fn a_thread_that_runs_tasks_may_not_block_by_a_handle() {
    for runtime in runtimes() {
        let handle = runtime.handle();
        let task = runtime.spawn(async move { panics(|| handle.block_on(async {})) });
        let told = runtime.block_on(task).unwrap();
        assert!(told.starts_with("block_on would block this thread"), "{told}");
    }
}

#[test]
fn outside_there_is_no_current_handle() {
    assert!(panics(Handle::current).starts_with("Handle::current was called outside of a runtime"));
}
