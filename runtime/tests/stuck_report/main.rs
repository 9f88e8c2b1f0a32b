//! The report on what is stuck, as a program prints it. Each case is a process of its own, so that nobody
//! else is there who could act. With `BRIGADE_STUCK=exit` a process that is stuck ends after its report.

// A case fails by panicking.
#![allow(clippy::unwrap_used)]

use brigade_pool::{Pool, lock::Lock};
use brigade_runtime::{
    JoinHandle, Runtime, run, sleep, spawn, spawn_blocking,
    sync::{Mutex, Semaphore, mpsc, oneshot},
    timeout,
};
use std::{
    env, fs,
    io::Read,
    path::PathBuf,
    process::{self, Command, ExitCode, Stdio},
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};

/// Far more than the time in which a watch looks twice.
const WATCHED: Duration = Duration::from_millis(200);

struct Case {
    name: &'static str,
    run: fn(),
    /// Parts of the report. A case that is not stuck has nothing here: it ends, and prints nothing.
    report: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "two tasks and two locks",
        run: || run(two_locks(false)),
        report: &[
            "deadlock: two of them wait for each other",
            "\"salt\"",
            "\"pepper\"",
            "stuck_report/main.rs:",
        ],
    },
    Case { name: "two tasks and two locks in one order", run: || run(two_locks(true)), report: &[] },
    Case {
        name: "two tasks and two locks on two workers",
        run: || Runtime::multi_thread(2).unwrap().block_on(two_locks(false)),
        report: &["deadlock: two of them"],
    },
    Case {
        name: "a receiver whose sender is its own",
        run: receive_from_oneself,
        report: &["nobody left: "],
    },
    Case {
        name: "a root whose sender is its own",
        run: || run(receive_here()),
        report: &["nobody left: ", "\"main\""],
    },
    Case {
        name: "a root that nothing can wake",
        run: || run(std::future::pending()),
        report: &["lost waker: "],
    },
    Case {
        name: "a receiver beside a pool",
        run: || {
            let pool = Pool::builder().threads(2).build().unwrap();
            pool.spawn(|| ()).join().unwrap();
            receive_from_oneself();
        },
        report: &["nobody left: "],
    },
    Case {
        name: "a receiver beside a blocking call that is over",
        run: || {
            run(async {
                spawn_blocking(|| ()).await.unwrap();
                receive_here().await;
            });
        },
        report: &["nobody left: "],
    },
    Case {
        name: "a receiver in a program that is recorded",
        run: || {
            let _recording = brigade_trace::record_to(recording_of(process::id())).unwrap();
            receive_from_oneself();
        },
        report: &["nobody left: "],
    },
    Case { name: "a sender in another thread", run: sender_in_a_thread, report: &[] },
    Case {
        name: "permits that the task has itself",
        run: own_permits,
        report: &["nobody left: ", "semaphore"],
    },
    Case { name: "a timeout around a lock", run: timeout_around_a_lock, report: &[] },
    Case { name: "a holder that sleeps", run: holder_sleeps, report: &[] },
    Case { name: "an abort later", run: abort_later, report: &[] },
    Case { name: "a blocking call that sends", run: blocking_call_sends, report: &[] },
    Case {
        name: "two jobs that join each other",
        run: || jobs_join(true),
        report: &["deadlock: two of them", "job#"],
    },
    Case { name: "a job that joins another", run: || jobs_join(false), report: &[] },
    Case { name: "a scope that waits for itself", run: scope_in_itself, report: &["deadlock: ", "job#"] },
    Case { name: "a lock of the pool", run: pool_lock, report: &[] },
    Case {
        name: "a job that waits for a task that waits for it",
        run: job_and_task,
        report: &["deadlock: "],
    },
];

async fn two_locks(in_order: bool) {
    let [salt, pepper] = ["salt", "pepper"].map(|name| {
        let lock = Arc::new(Mutex::new(()));
        lock.set_name(name);
        lock
    });
    let (one, other) = if in_order { (&salt, &pepper) } else { (&pepper, &salt) };
    let meet = Arc::new(brigade_runtime::sync::Barrier::new(if in_order { 1 } else { 2 }));
    let take = |first: &Arc<Mutex<()>>, second: &Arc<Mutex<()>>| {
        let (first, second, meet) = (first.clone(), second.clone(), meet.clone());
        spawn(async move {
            let _first = first.lock().await;
            let _met = meet.wait().await;
            let _second = second.lock().await;
        })
    };
    let tasks = [take(&salt, &pepper), take(one, other)];
    for task in tasks {
        task.await.unwrap();
    }
}

fn receive_from_oneself() {
    run(async {
        let (_sender, mut receiver) = mpsc::channel::<u32>(1);
        let task = spawn(async move { receiver.recv().await });
        task.await.unwrap();
    });
}

async fn receive_here() {
    let (_sender, mut receiver) = mpsc::channel::<u32>(1);
    receiver.recv().await;
}

/// The recording of the process with this number.
fn recording_of(process: u32) -> PathBuf {
    env::temp_dir().join(format!("stuck-{process}.txt"))
}

fn sender_in_a_thread() {
    let (sender, receiver) = oneshot::channel();
    let thread = thread::spawn(move || {
        thread::sleep(WATCHED); // the work itself
        sender.send(7).unwrap();
    });
    assert_eq!(run(receiver), Ok(7));
    thread.join().unwrap();
}

fn own_permits() {
    run(async {
        let semaphore = Semaphore::new(1);
        let _one = semaphore.acquire().await;
        let _other = semaphore.acquire().await;
    });
}

fn timeout_around_a_lock() {
    run(async {
        let lock = Mutex::new(());
        let _held = lock.lock().await;
        assert!(timeout(WATCHED, lock.lock()).await.is_err());
    });
}

fn holder_sleeps() {
    run(async {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.clone().lock_owned().await;
        let holder = spawn(async move {
            sleep(WATCHED).await;
            drop(held);
        });
        drop(lock.lock().await);
        holder.await.unwrap();
    });
}

fn abort_later() {
    run(async {
        let stuck = spawn(std::future::pending::<()>());
        let cancel = stuck.cancel_handle();
        let aborts = spawn(async move {
            sleep(WATCHED).await;
            cancel.cancel();
        });
        assert!(stuck.await.is_err());
        aborts.await.unwrap();
    });
}

fn blocking_call_sends() {
    run(async {
        let (sender, receiver) = oneshot::channel();
        drop(spawn_blocking(move || {
            thread::sleep(WATCHED); // the work itself
            sender.send(7).unwrap();
        }));
        assert_eq!(receiver.await, Ok(7));
    });
}

/// Two jobs, of which one joins the other, which joins it as well or not.
fn jobs_join(both: bool) {
    let pool = Pool::builder().threads(2).build().unwrap();
    let (to_one, one_gets) = std_mpsc::channel::<JoinHandle<()>>();
    let (to_other, other_gets) = std_mpsc::channel::<JoinHandle<()>>();
    let join = |gets: std_mpsc::Receiver<JoinHandle<()>>| {
        move || gets.recv().into_iter().for_each(|handle| handle.join().unwrap())
    };
    let (one, other) = (pool.spawn(join(one_gets)), pool.spawn(join(other_gets)));
    if both {
        to_other.send(one).unwrap();
    }
    drop(to_other);
    to_one.send(other).unwrap();
    drop(to_one);
    pool.shutdown();
}

/// A child of a scope joins the job that has opened the scope.
fn scope_in_itself() {
    let pool = Arc::new(Pool::builder().threads(2).build().unwrap());
    let theirs = pool.clone();
    let (send, get) = std_mpsc::channel::<JoinHandle<()>>();
    let job = pool.spawn(move || {
        theirs.scope(|scope| scope.spawn(move |_| get.recv().unwrap().join().unwrap()));
    });
    send.send(job).unwrap();
    let done = pool.spawn(|| ());
    done.join().unwrap();
    thread::park();
}

/// The lock reports its own deadlocks, and the watch has nothing to add.
fn pool_lock() {
    let lock = Arc::new(Lock::new("salt", ()));
    let pool = Pool::builder().threads(2).build().unwrap();
    let held = lock.lock().unwrap();
    let theirs = lock.clone();
    let job = pool.spawn(move || drop(theirs.lock().unwrap()));
    thread::sleep(WATCHED); // the work itself
    drop(held);
    job.join().unwrap();
}

fn job_and_task() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let pool = Pool::builder().threads(1).build().unwrap();
    let (send, get) = std_mpsc::channel::<JoinHandle<()>>();
    let job = pool.spawn(move || get.recv().unwrap().join().unwrap());
    let task = runtime.spawn(async move { job.await.unwrap() });
    send.send(task).unwrap();
    thread::park();
}

/// Runs a case in a process of its own. Returns the complaint, if there is one.
fn check(case: &Case) -> Result<(), String> {
    let mut child = Command::new(env::current_exe().unwrap());
    child.arg(case.name).env("BRIGADE_STUCK", "exit").stderr(Stdio::piped());
    let mut child = child.spawn().map_err(|error| error.to_string())?;
    let mut stderr = child.stderr.take().expect("it is piped");
    let (done, ended) = std_mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        drop(done);
        text
    });
    // A case that is neither reported nor over must not hold up the suite.
    let is_late = ended.recv_timeout(Duration::from_secs(60)) == Err(std_mpsc::RecvTimeoutError::Timeout);
    if is_late {
        child.kill().map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let _ = fs::remove_file(recording_of(child.id()));
    let text = reader.join().expect("the reader is done");
    let is_right = match case.report {
        [] => status.success() && text.is_empty(),
        parts => status.code() == Some(70) && parts.iter().all(|part| text.contains(part)),
    };
    if is_right { Ok(()) } else { Err(format!("{status}, late: {is_late}, printed:\n{text}")) }
}

fn main() -> ExitCode {
    let wanted: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if env::var_os("BRIGADE_STUCK").is_some_and(|value| value == "exit") && wanted.len() == 1 {
        let case = CASES.iter().find(|case| case.name == wanted[0]);
        case.into_iter().for_each(|case| (case.run)());
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for case in CASES.iter().filter(|case| wanted.iter().all(|word| case.name.contains(&**word))) {
        match check(case) {
            Ok(()) => println!("test {} ... ok", case.name),
            Err(complaint) => {
                failed += 1;
                println!("test {} ... FAILED\n{complaint}", case.name);
            }
        }
    }
    ExitCode::from(u8::from(failed > 0))
}
