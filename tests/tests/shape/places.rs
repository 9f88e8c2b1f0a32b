//! A panic by the caller's fault names the caller's line: each public function that can panic so is called
//! here once, on the line of its row. A panic in the caller's own closure keeps its line, too.

use brigade_handle::{JoinHandle, Until, as_completed, pair, wait, wait_for, wait_for_timeout};
use brigade_pool::{self as pool, Pool, lock::Lock, queue};
use brigade_process::ProcessPool;
use brigade_runtime::{self as runtime, Runtime, net, run, signal, sync};
use libtest_mimic::{Failed, Trial};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    panic::{self, Location, PanicHookInfo, catch_unwind},
    sync::{Mutex, Once},
    task::{Poll, Waker},
    time::Duration,
};

/// A call that panics, and the line on which it stands.
struct Row {
    name: &'static str,
    line: u32,
    call: fn(),
}

#[track_caller]
fn row(name: &'static str, call: fn()) -> Row {
    Row { name, line: Location::caller().line(), call }
}

fn one_thread() -> Pool {
    Pool::builder().threads(1).build().unwrap()
}

fn two_threads() -> Runtime {
    Runtime::multi_thread(2).unwrap()
}

fn done() -> JoinHandle<u8> {
    let (completer, handle) = pair();
    completer.complete(Ok(1));
    handle
}

/// A handle whose result is taken already.
fn taken() -> JoinHandle<u8> {
    let mut handle = done();
    ignore(handle.poll_join(Waker::noop()));
    handle
}

/// Takes a result that nobody wants.
fn ignore<T>(_: T) {}

fn double(n: u8) -> u8 {
    2 * n
}

/// On a thread that runs tasks, these would block it.
#[rustfmt::skip]
fn blocking() -> Vec<Row> {
    vec![
        row("JoinHandle::join", || ignore(done().join())),
        row("as_completed().next", || ignore(as_completed([done()]).next())),
        row("JoinHandle::join_timeout", || ignore(done().join_timeout(Duration::ZERO))),
        row("as_completed().next_timeout", || ignore(as_completed([done()]).next_timeout(Duration::ZERO))),
        row("wait_for_timeout", || ignore(wait_for_timeout([done()], Until::All, Duration::ZERO))),
        row("wait_for", || ignore(wait_for([done()], Until::All))),
        row("wait::block", || wait::block("a test", |_| Poll::Ready(()))),
        row("wait::assert_allowed", || wait::assert_allowed("a test")),
        row("pool::join", || ignore(pool::join(|| 1, || 2))),
        row("pool::join3", || ignore(pool::join3(|| 1, || 2, || 3))),
        row("pool::join4", || ignore(pool::join4(|| 1, || 2, || 3, || 4))),
        row("pool::scope", || pool::scope(|_| ())),
        row("pool::for_each", || pool::for_each(&mut [1, 2], |n| *n += 1)),
        row("pool::for_each_in", || pool::for_each_in(0..2, drop)),
        row("pool::map_reduce", || ignore(pool::map_reduce(&[1, 2], 0, |n| *n, |a, b| a + b))),
        row("pool::map_reduce_in", || ignore(pool::map_reduce_in(0..2, 0, |n| n, |a, b| a + b))),
        row("Pool::install", || one_thread().install(|| ())),
        row("Pool::broadcast", || ignore(one_thread().broadcast(|_| ()))),
        row("Pool::join", || ignore(one_thread().join(|| 1, || 2))),
        row("Pool::scope", || one_thread().scope(|_| ())),
        row("Pool::map", || ignore(one_thread().map(|n: u8| n, [1, 2]))),
        row("Pool::map_chunked", || ignore(one_thread().map_chunked(|n: u8| n, [1, 2], 2))),
        row("Pool::map_timeout", || ignore(one_thread().map_timeout(|n: u8| n, [1], Duration::MAX))),
        row("Pool::shutdown", || one_thread().shutdown()),
        row("Pool::shutdown_now", || ignore(one_thread().shutdown_now())),
        row("Pool::shutdown_timeout", || ignore(one_thread().shutdown_timeout(Duration::MAX))),
        row("Lock::lock", || ignore(Lock::new("soup", ()).lock())),
        row("pool Queue::put", || queue::Queue::bounded(1).put(1)),
        row("pool Queue::get", || ignore(queue::Queue::<u8>::unbounded().get())),
        row("pool Queue::join", || queue::Queue::<u8>::unbounded().join()),
        row("run", || run(async {})),
        row("Runtime::block_on", || two_threads().block_on(async {})),
        row("Runtime::block_on on its thread", || Runtime::current_thread().unwrap().block_on(async {})),
        row("Runtime::map", || ignore(two_threads().map(async |n: u8| n, [1, 2]))),
        row("Runtime::scope", || two_threads().scope(|_| ())),
        row("ProcessPool::map", || ignore(ProcessPool::new(1).unwrap().map(double, [1, 2]))),
        row("ProcessPool::map_chunked", || ignore(ProcessPool::new(1).unwrap().map_chunked(double, [1], 1))),
        row("ProcessPool::imap", || ignore(ProcessPool::new(1).unwrap().imap(double, [1, 2]).next())),
    ]
}

/// Outside of a runtime, these have none.
#[rustfmt::skip]
fn outside() -> Vec<Row> {
    vec![
        row("spawn", || ignore(runtime::spawn(async {}))),
        row("spawn_local", || ignore(runtime::spawn_local(async {}))),
        row("spawn_blocking", || ignore(runtime::spawn_blocking(|| ()))),
        row("sleep", || ignore(runtime::sleep(Duration::ZERO))),
        row("timeout", || ignore(runtime::timeout(Duration::ZERO, async {}))),
        row("now", || ignore(runtime::now())),
        row("interval", || ignore(runtime::interval(Duration::MAX))),
        row("JoinSet::spawn", || ignore(runtime::JoinSet::new().spawn(async {}))),
        row("UnixDatagram::unbound", || ignore(net::unix::UnixDatagram::unbound())),
        row("UnixStream::pair", || ignore(net::unix::UnixStream::pair())),
        row("TcpListener::from_std", || ignore(net::TcpListener::from_std(listener()))),
        row("signal", || ignore(signal::signal(signal::SignalKind::USER_1))),
        row("Command::spawn", || ignore(runtime::command::Command::new("true").spawn())),
    ]
}

fn listener() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Anywhere, these are given what they cannot do.
#[rustfmt::skip]
fn anywhere() -> Vec<Row> {
    vec![
        row("JoinHandle::join, taken", || ignore(taken().join())),
        row("JoinHandle::join_timeout, taken", || ignore(taken().join_timeout(Duration::MAX))),
        row("JoinHandle::poll_join, taken", || ignore(taken().poll_join(Waker::noop()))),
        row("JoinHandle, awaited and taken", || run(async { ignore(taken().await) })),
        row("as_completed, taken", || ignore(as_completed([taken()]))),
        row("wait_for, taken", || ignore(wait_for([taken()], Until::All))),
        row("JoinError::resume", || { runtime::JoinError::cancelled().resume(); }),
        row("Pool::map_chunked, 0", || ignore(Pool::global().map_chunked(|n: u8| n, [1, 2], 0))),
        row("Pool::broadcast from inside", || Pool::global().install(|| ignore(Pool::global().broadcast(|_| ())))),
        row("pool Queue::bounded, 0", || ignore(queue::Queue::<u8>::bounded(0))),
        row("pool Queue::task_done", || queue::Queue::<u8>::unbounded().task_done()),
        row("Queue::bounded, 0", || ignore(sync::Queue::<u8>::bounded(0))),
        row("Queue::task_done", || sync::Queue::<u8>::unbounded().task_done()),
        row("mpsc::channel, 0", || ignore(sync::mpsc::channel::<u8>(0))),
        row("broadcast::channel, 0", || ignore(sync::broadcast::channel::<u8>(0))),
        row("Semaphore::new", || ignore(sync::Semaphore::new(usize::MAX))),
        row("Semaphore::add_permits", || sync::Semaphore::new(0).add_permits(usize::MAX)),
        row("Barrier::new, 0", || ignore(sync::Barrier::new(0))),
        row("interval, 0", || run(async { ignore(runtime::interval(Duration::ZERO)) })),
        // The caller's own closure panics.
        row("run's future", || run(async { panic!("mine") })),
        row("Pool::install's closure", || Pool::global().install(|| panic!("mine"))),
        row("pool::join's closure", || ignore(pool::join(|| (), || panic!("mine")))),
        row("pool::scope's closure", || pool::scope(|_| panic!("mine"))),
        row("pool::for_each's closure", || pool::for_each(&mut [1, 2], |_| panic!("mine"))),
    ]
}

/// The tests of this file: one for each row.
pub(crate) fn trials() -> Vec<Trial> {
    let in_a_task =
        |row: Row| Trial::test(format!("places::{}", row.name), move || run(async { check(&row) }));
    let here = |row: Row| Trial::test(format!("places::{}", row.name), move || check(&row));
    let blocking = blocking().into_iter().map(in_a_task);
    blocking.chain(outside().into_iter().chain(anywhere()).map(here)).collect()
}

thread_local! {
    /// The places of the panics on this thread while it makes a call of a row.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The lines of this file that panics have named, on any thread.
static NAMED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Notes where a panic happens. Prints it if no row expects it.
fn note(info: &PanicHookInfo<'_>, print: &dyn Fn(&PanicHookInfo<'_>)) {
    let place = info.location().expect("a panic has a place");
    let is_here = place.file() == file!();
    if is_here {
        NAMED.lock().unwrap().insert(place.line());
    }
    let is_seen =
        SEEN.with_borrow_mut(|seen| seen.as_mut().map(|seen| seen.push(place.to_string())).is_some());
    if !is_here && !is_seen {
        print(info);
    }
}

/// Checks that the call of a row panics, and that the panic names the line of the row.
fn check(row: &Row) -> Result<(), Failed> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| note(info, &usual)));
    });
    SEEN.set(Some(Vec::new()));
    let result = catch_unwind(row.call);
    let seen = SEEN.take().unwrap_or_default();
    if result.is_ok() {
        return Err("it did not panic".into());
    }
    if NAMED.lock().unwrap().contains(&row.line) {
        return Ok(());
    }
    Err(format!("the panic names {seen:?} and not {}:{}", file!(), row.line).into())
}
