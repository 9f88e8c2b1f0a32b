//! `docs/from-python.md` is true: every piece of code in its column for Brigade is a piece of this file,
//! which compiles.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

use brigade_handle::{Until, as_completed, wait_for};
use brigade_pool::{Pool, lock::Deadlock};
use brigade_process::{Block, Lost, ProcessPool, Start};
use brigade_runtime::{
    JoinError, command, gather, generator, net, next, run, signal, signal::SignalKind, sleep, spawn,
    spawn_blocking, spawn_local, sync, timeout, yield_now,
};
use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeSet,
    error::Error,
    io,
    pin::pin,
    process::{Command, Stdio},
    time::Duration,
};

const PAGE: &str = include_str!("../../docs/from-python.md");
const THIS: &str = include_str!("from_python.rs");

async fn f() -> u32 {
    7
}

#[test]
fn asyncio_tasks() {
    async fn main() {
        let late = timeout(Duration::ZERO, sleep(Duration::from_secs(1))).await;
        assert!(late.is_err());
        for handle in [spawn(f()), spawn_local(f())] {
            assert!(matches!(handle.await, Ok(value) if value == 7));
        }
        let handle = spawn_local(sleep(Duration::from_secs(1)));
        handle.cancel();
        let from_elsewhere = handle.cancel_handle();
        from_elsewhere.cancel();
        assert!(matches!(handle.await, Err(JoinError::Cancelled(_))));
        let futures = [f(), f()];
        assert_eq!(gather(futures).await, [7, 7]);
        let f = f();
        assert_eq!(timeout(Duration::from_secs(3), f).await.ok(), Some(7));
        let f = || 7;
        assert_eq!(spawn_blocking(f).await.unwrap(), 7);
        yield_now().await;
    }
    brigade_runtime::run(main());
}

#[test]
fn asyncio_groups() {
    use brigade_runtime::{
        JoinSet, TaskLocal, as_completed, named, shield, spawn_named, task_group, task_name, timeout_at,
        try_task_group, wait_for,
    };
    static V: TaskLocal<u32> = TaskLocal::new();
    run(async {
        let handle = task_group(async |group| group.spawn(f())).await;
        assert_eq!(handle.await.unwrap(), 7);
        let handle = task_group(async |group| group.spawn(named("x", f()))).await;
        assert_eq!(handle.await.unwrap(), 7);
        let failed: Result<(), &str> = try_task_group(async |group| {
            drop(group.try_spawn(async { Err::<(), _>("burnt") }));
            Ok(())
        })
        .await;
        assert_eq!(failed, Err("burnt"));
        let futures = [f(), f()];
        assert_eq!(as_completed(futures).next().await.map(|(_, value)| value), Some(7));
        let handles = [spawn(f()), spawn(f())];
        assert!(!wait_for(handles, Until::FirstCompleted).await.done.is_empty());
        let mut set = JoinSet::new();
        set.spawn(f());
        assert_eq!(set.join_next().await.unwrap().unwrap(), 7);
        assert_eq!(shield(f()).await, 7);
        assert_eq!(spawn_named("x", f()).await.unwrap(), 7);
        assert_eq!(task_name(), None);
        V.scope(7, f()).await;
        assert_eq!(V.scope(7, async { V.get() }).await, Some(7));
        let when = brigade_runtime::now() + Duration::from_secs(3);
        assert_eq!(timeout_at(when, f()).await, Ok(7));
    });
}

#[test]
fn asyncio_loops_and_times() {
    use brigade_runtime::{ExponentialBackoff, Handle, Runtime, retry, retry_if, wait_for_timeout};
    async fn ask() -> Result<u32, &'static str> {
        Ok(7)
    }
    assert!(Handle::try_current().is_none());
    let runtime = Runtime::multi_thread(1).unwrap();
    let handle_of_runtime = runtime.handle();
    assert_eq!(handle_of_runtime.spawn(f()).join().unwrap(), 7);
    run(async {
        let handles = [Handle::current().spawn(f())];
        let waited = wait_for_timeout(handles, Until::All, Duration::from_secs(3)).await;
        assert_eq!(waited.done.len(), 1);
        let f = ask;
        let answer = retry(ExponentialBackoff::new(Duration::from_millis(10)).max_tries(5), f).await;
        assert_eq!(answer, Ok(7));
        let transient = |error: &&str| *error == "busy";
        assert_eq!(retry_if(ExponentialBackoff::new(Duration::ZERO), transient, f).await, Ok(7));
    });
}

#[test]
fn futures_with_a_timeout() {
    use brigade_handle::{clock, wait_for_timeout};
    let pool = Pool::builder().threads(2).build().unwrap();
    let handle = pool.spawn(|| 7);
    let result = handle.join_timeout(Duration::from_secs(3));
    assert_eq!(result.expect("it has ended").unwrap(), 7);
    let handles = [1, 2].map(|n| pool.spawn(move || n));
    assert_eq!(wait_for_timeout(handles, Until::All, Duration::from_secs(3)).done.len(), 2);
    let deadline = clock::now() + Duration::from_secs(3);
    let mut results = as_completed([pool.spawn(|| 7)]);
    assert!(results.next_deadline(deadline).is_some());
    assert!(results.into_waited().pending.is_empty());
}

#[test]
fn asyncio_queue_event_and_lock() {
    run(async {
        let (n, x, value) = (2, 'x', 0);
        for q in [sync::Queue::bounded(n), sync::Queue::unbounded()] {
            q.put(x).await;
            assert_eq!(q.get().await, x);
            q.task_done();
            q.join().await;
            q.try_put(x).unwrap();
            assert_eq!(q.try_get(), Some(x));
        }
        let event = sync::Event::new();
        event.set();
        event.wait().await;
        event.clear();
        let mutex = sync::Mutex::new(value);
        *mutex.lock().await += 1;
        assert_eq!(*mutex.lock().await, 1);
    });
}

#[test]
fn asyncio_where_tasks_meet() {
    run(async {
        let (n, p) = (1, |value: &mut i32| *value == 0);
        for q in [sync::Queue::bounded_priority(n), sync::Queue::priority()] {
            q.put(1).await;
        }
        for q in [sync::Queue::bounded_lifo(n), sync::Queue::lifo()] {
            q.put(1).await;
        }
        let semaphore = sync::Semaphore::new(n);
        drop(semaphore.acquire().await);
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 2);
        let (mutex, condition) = (sync::Mutex::new(0), sync::Condition::new());
        let guard = mutex.lock().await;
        let guard = condition.wait_for(guard, p).await;
        let notified = async {
            let guard = mutex.lock().await;
            condition.notify(n);
            condition.notify_all();
            drop(guard);
        };
        let waits = async { drop(condition.wait(guard).await) };
        let both: [std::pin::Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(waits), Box::pin(notified)];
        gather(both).await;
        let barrier = sync::Barrier::new(n);
        assert!(barrier.wait().await.is_ok());
        barrier.abort();
        assert!(barrier.wait().await.is_err());
        barrier.reset();
    });
}

#[test]
fn asyncio_generators() {
    async fn sum(s: impl Stream<Item = u32>) -> u32 {
        let mut s = pin!(s);
        let mut sum = 0;
        while let Some(n) = next(&mut s).await {
            sum += n;
        }
        sum
    }
    run(async {
        let n = 3;
        let mut s = generator(|mut y| async move { y.yield_(n).await });
        while let Some(n) = s.next().await {
            assert_eq!(n, 3);
        }
        assert_eq!(sum(generator(|mut y| async move { y.yield_(n).await })).await, 3);
    });
    // hyper's client and server are given this.
    let _ = brigade_runtime::hyper::Io::<brigade_runtime::net::TcpStream>::new;
}

#[test]
fn asyncio_streams_and_datagrams() -> io::Result<()> {
    run(async {
        let (host, port) = ("127.0.0.1", 0);
        let listener = net::TcpListener::bind((host, port)).await?;
        let port = listener.local_addr()?.port();
        let server = spawn(async move { listener.accept().await });
        let stream = net::TcpStream::connect((host, port)).await?;
        let (_reader, _writer) = stream.into_split();
        assert!(server.await.is_ok_and(|accepted| accepted.is_ok()));
        let path = "/no such socket";
        assert!(net::unix::UnixStream::connect(path).await.is_err());
        let (address, bytes, mut buffer) = ("127.0.0.1:0", b"soup", [0; 8]);
        let socket = net::UdpSocket::bind(address).await?;
        let peer = socket.local_addr()?;
        socket.send_to(bytes, peer).await?;
        assert_eq!(socket.recv_from(&mut buffer).await?, (4, peer));
        Ok(())
    })
}

#[test]
fn asyncio_children_and_signals() -> io::Result<()> {
    run(async {
        let (program, arg) = ("echo", "soup");
        let mut child = command::Command::new(program).arg(arg).stdout(Stdio::piped()).spawn()?;
        assert!(child.wait().await?.success());
        assert_eq!(child.wait_with_output().await?.stdout, b"soup\n");
        drop(signal::signal(SignalKind::TERMINATE)?);
        let ctrl_c = timeout(Duration::ZERO, async { signal::ctrl_c().await });
        assert!(ctrl_c.await.is_err());
        Ok(())
    })
}

#[test]
fn threading_and_queue() {
    let (pool, n, x) = (Pool::global(), 2, 'x');
    let f = || 7;
    let handle = pool.spawn(f);
    assert_eq!(handle.join().unwrap(), 7);
    let lock = brigade_pool::lock::Lock::new("lock", 0);
    *lock.lock().unwrap() += 1;
    let held = lock.lock();
    let Err(Deadlock { links }) = lock.lock() else { panic!("it is held by this thread") };
    assert_eq!(links.len(), 1);
    drop(held);
    let q = brigade_pool::queue::Queue::bounded(n);
    q.put(x);
    assert_eq!(q.get(), x);
    q.task_done();
    q.join();
}

#[test]
fn thread_pool_executor() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().threads(2).build()?;
    let (f, inputs) = (|n: u32| n + 1, 0..4);
    let results: Vec<Result<u32, JoinError>> = pool.map(f, inputs);
    assert_eq!(results.into_iter().flatten().collect::<Vec<_>>(), [1, 2, 3, 4]);
    pool.shutdown();
    let pool = Pool::builder().threads(2).build()?;
    drop(pool);
    Ok(())
}

#[test]
fn several_futures() {
    let pool = Pool::global();
    for until in [Until::All, Until::FirstCompleted, Until::FirstFailed] {
        let handles = [pool.spawn(|| 1), pool.spawn(|| 2)];
        assert_eq!(as_completed(handles).map(|(_, result)| result.unwrap()).sum::<u32>(), 3);
        let handles = [pool.spawn(|| 1), pool.spawn(|| 2)];
        assert!(!wait_for(handles, until).done.is_empty());
    }
    let handles = [pool.spawn(|| 1)];
    assert!(wait_for(handles, Until::All).pending.is_empty());
}

/// This is compiled and not run: the workers of a pool would be this program again, and its `main` does not
/// begin with `init`.
fn multiprocessing() -> io::Result<()> {
    fn sent<A: Serialize, R: DeserializeOwned>(_: fn(A) -> R) {}
    brigade_process::init();
    let procs = ProcessPool::new(5)?;
    let (f, inputs) = (|n: u32| n + 1, 0..4);
    sent::<u32, u32>(f);
    for result in procs.map(f, inputs) {
        if let Err(JoinError::Lost(why, _)) = result {
            let _: Lost = why;
        }
    }
    procs.shutdown();
    Ok(())
}

const _: fn() -> io::Result<()> = multiprocessing;

/// This is compiled and not run, for the same reason.
fn multiprocessing_in_depth() -> io::Result<()> {
    let procs = ProcessPool::new(5)?;
    let f = |n: u32| n;
    let g = |a: u32, b: u32| a + b;
    let x = 7;
    let inputs = [1, 2, 3];
    let pairs = [(1, 2), (3, 4)];
    let numbers = [0.5, 0.25];
    let load = |_: u32| ();
    let _ = procs.map_chunked(f, inputs, 100);
    let _ = procs.starmap(g, pairs);
    let _ = procs.imap(f, inputs).count();
    let _ = procs.imap_unordered(f, inputs).count();
    let _ = procs.spawn_map(f, inputs).join();
    let _ = procs.call(f, x).timeout(Duration::from_secs(3)).spawn().join();
    let _ = procs.spawn(|block: Block<f64>| block.len(), Block::copy_of(&numbers)?).join();
    procs.close();
    procs.join();
    for builder in [
        ProcessPool::builder().initializer(load, x),
        ProcessPool::builder().max_calls_per_worker(100),
        ProcessPool::builder().start_method(Start::Zygote),
    ] {
        let procs = builder.build()?;
        procs.terminate();
    }
    Ok(())
}

const _: fn() -> io::Result<()> = multiprocessing_in_depth;

#[test]
fn a_test_under_every_interleaving() {
    let test = || async {
        assert_eq!(brigade_explore::runtime::spawn(async { 7 }).await.unwrap(), 7);
    };
    brigade_explore::Explore::new().check(test);
}

/// The pieces of code in a column of the page's tables, each with the left cell of its row.
fn column(number: usize) -> Vec<(String, String)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Python |"));
    let rows = rows.map(|row| row.replace("\\|", "\0"));
    let cells = |row: String| row.split('|').map(|cell| cell.replace('\0', "|")).collect::<Vec<_>>();
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(cells)
        .flat_map(|cells| code(&cells[number]).into_iter().map(move |code| (cells[1].clone(), code)))
        .collect()
}

#[test]
fn every_name_of_ours_on_the_page_is_used_here() {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let code: String = THIS.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = dense(&code);
    let names = column(2);
    assert!(names.len() > 30, "{names:?}");
    for (python, name) in names {
        assert!(code.contains(&dense(&name)), "{python}: `{name}` is not in this file");
    }
}

#[test]
fn every_command_on_the_page_is_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_brigade")).arg("--help").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for (python, command) in column(3) {
        let name = command.strip_prefix("brigade ").and_then(|rest| rest.split_whitespace().next());
        assert!(name.is_some_and(|name| known.contains(name)), "{python}: `{command}` is no command");
    }
}
