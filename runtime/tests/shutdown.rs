//! Ends of a runtime that keep to their time, or take none: whatever its blocking calls and its polls do.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    Elapsed, JoinError, JoinHandle, Runtime, fs::File, run, sleep, spawn, spawn_blocking, spawn_local,
    yield_now,
};
use futures_util::AsyncWriteExt;
use std::{
    cell::RefCell,
    env,
    fmt::Debug,
    fs,
    future::pending,
    io,
    process::{Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// Ways to end that do not wait for what blocks.
fn ends() -> [fn(Runtime); 3] {
    [
        Runtime::shutdown_background,
        |runtime| assert_eq!(runtime.shutdown_timeout(Duration::ZERO), Err(Elapsed)),
        |runtime| assert_eq!(runtime.shutdown_timeout(2 * MS), Err(Elapsed)),
    ]
}

fn is_cancelled<T: Debug>(handle: JoinHandle<T>) -> bool {
    matches!(handle.join(), Err(JoinError::Cancelled(_)))
}

/// A gate that keeps whoever passes it until it is opened, and says when somebody has come.
fn gate() -> (mpsc::Sender<()>, impl FnOnce() + Send, mpsc::Receiver<()>) {
    let (open, closed) = mpsc::channel();
    let (comes, come) = mpsc::channel();
    let pass = move || {
        comes.send(()).unwrap();
        closed.recv().unwrap();
    };
    (open, pass, come)
}

/// Says when its thread ends.
struct ThreadEnd(#[allow(dead_code)] mpsc::Sender<()>);

thread_local! {
    static END: RefCell<Vec<ThreadEnd>> = const { RefCell::new(Vec::new()) };
}

/// Waits until all threads have ended that have a sender.
fn wait_for_threads(ended: &mpsc::Receiver<()>) {
    assert!(ended.recv().is_err(), "all senders are gone");
}

fn call<T: Send + 'static>(runtime: &Runtime, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let mut handle = None;
    runtime.block_on(async { handle = Some(spawn_blocking(f)) });
    handle.unwrap()
}

#[test]
fn a_blocking_call_that_does_not_end_is_left_behind() {
    for end in ends() {
        for runtime in runtimes() {
            let (open, pass, come) = gate();
            let (tell, ended) = mpsc::channel();
            let blocks = call(&runtime, move || {
                END.with_borrow_mut(|ends| ends.push(ThreadEnd(tell)));
                pass();
                7
            });
            come.recv().unwrap();
            let waits = runtime.spawn(pending::<()>());
            end(runtime);
            assert!(is_cancelled(waits));
            assert!(!blocks.is_finished());
            open.send(()).unwrap();
            assert_eq!(blocks.join().unwrap(), 7);
            wait_for_threads(&ended);
        }
    }
}

#[test]
fn calls_that_are_queued_are_cancelled_although_no_thread_is_free() {
    for end in ends() {
        for workers in 0..2 {
            let runtime = Runtime::builder().workers(workers).max_blocking_threads(1).build().unwrap();
            let (open, pass, come) = gate();
            let blocks = call(&runtime, pass);
            come.recv().unwrap();
            let queued: Vec<_> = (0..20).map(|n| call(&runtime, move || n)).collect();
            end(runtime);
            assert!(queued.into_iter().all(is_cancelled));
            open.send(()).unwrap();
            blocks.join().unwrap();
        }
    }
}

#[test]
fn a_poll_that_does_not_end_is_left_behind() {
    for end in ends() {
        for workers in 1..3 {
            let runtime = Runtime::multi_thread(workers).unwrap();
            let (open, pass, come) = gate();
            let (tell, ended) = mpsc::channel();
            let sleeps = runtime.spawn(async { sleep(Duration::MAX).await });
            let spins = runtime.spawn(async {
                loop {
                    yield_now().await;
                }
            });
            let stuck = runtime.spawn(async move {
                END.with_borrow_mut(|ends| ends.push(ThreadEnd(tell)));
                // The tasks that it spawns before it is stuck are queued behind it, and those that it
                // spawns later are refused.
                let before = spawn(pending::<()>());
                pass();
                assert!(spawn(pending::<()>()).is_finished());
                while !before.is_finished() {
                    thread::yield_now();
                }
                pending::<()>().await;
            });
            come.recv().unwrap();
            // Its worker, which polls for ever, has this one in its queue, if it is the only one.
            let queued = runtime.spawn(pending::<()>());
            end(runtime);
            assert!(is_cancelled(sleeps) && is_cancelled::<()>(spins) && is_cancelled(queued));
            open.send(()).unwrap();
            assert!(is_cancelled(stuck));
            wait_for_threads(&ended);
        }
    }
}

#[test]
fn a_future_that_ends_in_time_has_ended() {
    for runtime in runtimes() {
        let (tell, ended) = mpsc::channel();
        let task = runtime.spawn(async {
            sleep(MS).await;
            spawn_blocking(move || END.with_borrow_mut(|ends| ends.push(ThreadEnd(tell)))).await.unwrap();
            7
        });
        assert_eq!(runtime.shutdown_timeout(Duration::MAX), Ok(()));
        assert_eq!(task.join().unwrap(), 7);
        assert!(matches!(ended.try_recv(), Err(mpsc::TryRecvError::Disconnected)), "its thread has ended");
    }
}

#[test]
fn the_time_of_a_paused_clock_is_up_at_once() {
    let runtime = Runtime::builder().paused_clock().build().unwrap();
    let task = runtime.spawn(async { sleep(Duration::from_secs(1_000_000)).await });
    assert_eq!(runtime.shutdown_timeout(Duration::from_secs(1000)), Err(Elapsed));
    assert!(is_cancelled(task));
}

#[test]
fn a_runtime_may_be_left_inside_another() {
    run(async {
        for runtime in runtimes() {
            let (open, pass, come) = gate();
            let waits = runtime.spawn(pending::<()>());
            drop(runtime.spawn(async move { drop(spawn_blocking(pass)) }));
            if !format!("{runtime:?}").contains("current") {
                come.recv().unwrap();
            }
            runtime.shutdown_background();
            assert!(matches!(waits.await, Err(JoinError::Cancelled(_))));
            drop(open);
        }
    });
}

#[test]
fn a_runtime_may_be_left_by_its_own_task_and_its_own_call() {
    let own = || {
        let runtime = Arc::new(Mutex::new(None));
        let kept = runtime.clone();
        (
            move |made| *kept.lock().unwrap() = Some(made),
            move || {
                let runtime: Runtime = runtime.lock().unwrap().take().unwrap();
                runtime.shutdown_background();
            },
        )
    };
    for runtime in runtimes() {
        let (keep, leave) = own();
        let (open, pass, _come) = gate();
        let left = call(&runtime, move || {
            pass();
            leave();
        });
        keep(runtime);
        open.send(()).unwrap();
        left.join().unwrap();
    }
    for workers in 1..3 {
        let runtime = Runtime::multi_thread(workers).unwrap();
        let (keep, leave) = own();
        let (open, pass, come) = gate();
        let waits = runtime.spawn(pending::<()>());
        let left = runtime.spawn(async move {
            pass();
            leave();
            7
        });
        come.recv().unwrap();
        keep(runtime);
        open.send(()).unwrap();
        assert_eq!(left.join().unwrap(), 7, "a poll that is under way gives its result");
        assert!(is_cancelled(waits));
    }
}

#[test]
fn local_tasks_of_a_runtime_that_is_left_are_dropped_on_this_thread() {
    let runtime = Runtime::current_thread().unwrap();
    let dropped = Arc::new(Mutex::new(None));
    struct Told(Arc<Mutex<Option<thread::ThreadId>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }
    let told = Told(dropped.clone());
    drop(runtime.spawn(async move {
        let _told = told;
        drop(spawn_local(pending::<()>()));
        pending::<()>().await;
    }));
    runtime.shutdown_background();
    assert_eq!(*dropped.lock().unwrap(), Some(thread::current().id()));
}

#[test]
fn a_write_that_was_acknowledged_is_made_behind_the_back() {
    for (number, runtime) in runtimes().into_iter().enumerate() {
        let path = std::env::temp_dir().join(format!("brigade-shutdown-{}-{number}", std::process::id()));
        runtime.block_on(async {
            let mut file = File::create(&path).await.unwrap();
            file.write_all(b"acknowledged").await.unwrap();
        });
        runtime.shutdown_background();
        while fs::read(&path).unwrap() != b"acknowledged" {
            thread::yield_now();
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn every_handle_is_told_whatever_the_tasks_do_when_they_are_left() {
    for round in 0..100 {
        for runtime in runtimes() {
            let handles: Vec<_> = (0..20)
                .map(|n| {
                    runtime.spawn(async move {
                        match n % 4 {
                            0 => sleep(Duration::from_micros(n)).await,
                            1 => pending().await,
                            2 => _ = spawn(yield_now()).await,
                            _ => {
                                for _ in 0..50 {
                                    yield_now().await;
                                }
                            }
                        }
                    })
                })
                .collect();
            if round % 2 == 0 {
                runtime.block_on(yield_now());
            }
            runtime.shutdown_background();
            for handle in handles {
                assert!(matches!(handle.join(), Ok(()) | Err(JoinError::Cancelled(_))));
            }
        }
    }
}

/// Runs the test of this name in a process of its own, whose standard input is never ready. Returns the exit
/// code.
fn exit_code(test: &str) -> Option<i32> {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(IS_CHILD, "1");
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let held_open = child.stdin.take();
    let (tell, told) = mpsc::channel();
    let waiting = thread::spawn(move || tell.send(child.wait().unwrap().code()));
    let code = told.recv_timeout(Duration::from_secs(60));
    // The child's read ends now, if the child has not.
    drop(held_open);
    waiting.join().unwrap().unwrap();
    code.expect("the process ends although a call is stuck")
}

const IS_CHILD: &str = "BRIGADE_TEST_SHUTDOWN_CHILD";

/// A call that is stuck, and has begun.
async fn stuck() -> JoinHandle<io::Result<usize>> {
    let (begin, begun) = brigade_runtime::sync::oneshot::channel();
    let call = spawn_blocking(move || {
        begin.send(()).unwrap();
        io::stdin().read_line(&mut String::new())
    });
    begun.await.unwrap();
    call
}

#[test]
fn a_process_ends_when_main_returns_although_a_call_is_stuck() {
    if env::var_os(IS_CHILD).is_none() {
        let name = "shutdown::a_process_ends_when_main_returns_although_a_call_is_stuck";
        return assert_eq!(exit_code(name), Some(0));
    }
    for runtime in runtimes() {
        drop(runtime.block_on(stuck()));
        runtime.shutdown_background();
    }
    let runtime = Runtime::multi_thread(1).unwrap();
    drop(runtime.block_on(stuck()));
    assert_eq!(runtime.shutdown_timeout(MS), Err(Elapsed));
}

#[test]
fn a_process_exits_inside_of_run_although_a_call_is_stuck() {
    if env::var_os(IS_CHILD).is_none() {
        return assert_eq!(
            exit_code("shutdown::a_process_exits_inside_of_run_although_a_call_is_stuck"),
            Some(7)
        );
    }
    run(async {
        drop(stuck().await);
        std::process::exit(7)
    })
}
