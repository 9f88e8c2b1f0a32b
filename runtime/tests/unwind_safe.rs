//! Types that may cross a `catch_unwind`: a panic leaves none of them in a state that a later user could not
//! bear. The assertions are made when this file is compiled.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    AsCompleted, Builder, CancelHandle, Either, Elapsed, ExponentialBackoff, Handle, Interval, JoinError,
    JoinHandle, JoinSet, MissedTicks, Runtime, Shield, Sleep, TaskGroup, TaskLocal, Until, Waited, YieldNow,
    command::Child,
    fs::{File, ReadDir},
    io::{AsyncFd, PipeReader, PipeWriter, Stderr, Stdin, Stdout},
    net::{
        OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpListener, TcpStream, UdpSocket, WriteHalf,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    signal::{Signal, SignalKind},
    sync::{
        Arrival, Barrier, Broken, Closed, Condition, Event, Fifo, Full, Lifo, LifoQueue, Notify, OnceCell,
        OwnedPermit, Permit, PriorityQueue, Queue, Semaphore, SetError, TryAcquireError, broadcast, mpsc,
        oneshot, watch,
    },
};
use std::{
    cell::Cell,
    os::fd::OwnedFd,
    panic::{RefUnwindSafe, UnwindSafe, catch_unwind},
};

const fn survives<T: UnwindSafe + RefUnwindSafe>() {}

/// A value that is not unwind-safe itself: those that carry it do not touch it.
type Fragile = Cell<u32>;

/// Executors, handles, and what makes them.
const _: () = {
    survives::<Builder>();
    survives::<CancelHandle>();
    survives::<Handle>();
    survives::<JoinError>();
    survives::<JoinHandle<Fragile>>();
    survives::<JoinSet<Fragile>>();
    survives::<Runtime>();
    survives::<Shield<Fragile>>();
    survives::<TaskGroup>();
    survives::<TaskLocal<Fragile>>();
    survives::<Until>();
    survives::<Waited<u32>>();
    survives::<Either<u32, u32>>();
    survives::<AsCompleted<std::future::Ready<u32>>>();
    survives::<YieldNow>();
};

/// Time.
const _: () = {
    survives::<Elapsed>();
    survives::<ExponentialBackoff>();
    survives::<Interval>();
    survives::<MissedTicks>();
    survives::<Sleep>();
};

/// Channels, and what waits. `Mutex` and `RwLock` are not among them: a panic under the lock opens it, and
/// the next task would see a value that may be half changed.
const _: () = {
    survives::<Arrival>();
    survives::<Barrier>();
    survives::<Broken>();
    survives::<Closed>();
    survives::<Condition>();
    survives::<Event>();
    survives::<Fifo<u32>>();
    survives::<Full<u32>>();
    survives::<Lifo<u32>>();
    survives::<LifoQueue<Fragile>>();
    survives::<Notify>();
    survives::<OnceCell<u32>>();
    survives::<OwnedPermit>();
    survives::<Permit<'_>>();
    survives::<PriorityQueue<u32>>();
    survives::<Queue<Fragile>>();
    survives::<Semaphore>();
    survives::<SetError<u32>>();
    survives::<TryAcquireError>();
    survives::<broadcast::Receiver<Fragile>>();
    survives::<broadcast::RecvError>();
    survives::<broadcast::Sender<Fragile>>();
    survives::<mpsc::Receiver<Fragile>>();
    survives::<mpsc::SendError<u32>>();
    survives::<mpsc::Sender<Fragile>>();
    survives::<mpsc::TryRecvError>();
    survives::<mpsc::TrySendError<u32>>();
    survives::<mpsc::UnboundedSender<Fragile>>();
    survives::<oneshot::Receiver<Fragile>>();
    survives::<oneshot::RecvError>();
    survives::<oneshot::Sender<Fragile>>();
    survives::<watch::Receiver<u32>>();
    survives::<watch::RecvError>();
    survives::<watch::Sender<u32>>();
};

/// Descriptors. `Command` is as the standard library's, which is not: it holds closures of the program.
const _: () = {
    survives::<AsyncFd<OwnedFd>>();
    survives::<Child>();
    survives::<File>();
    survives::<OwnedReadHalf>();
    survives::<OwnedWriteHalf>();
    survives::<PipeReader>();
    survives::<PipeWriter>();
    survives::<ReadDir>();
    survives::<ReadHalf<'_>>();
    survives::<Signal>();
    survives::<SignalKind>();
    survives::<Stderr>();
    survives::<Stdin>();
    survives::<Stdout>();
    survives::<TcpListener>();
    survives::<TcpStream>();
    survives::<UdpSocket>();
    survives::<UnixDatagram>();
    survives::<UnixListener>();
    survives::<UnixStream>();
    survives::<WriteHalf<'_>>();
};

#[test]
fn a_runtime_is_as_good_after_a_caught_panic_as_before() {
    let runtime = Runtime::current_thread().unwrap();
    let (sender, receiver) = oneshot::channel();
    let caught = catch_unwind(|| runtime.block_on(async { std::panic::resume_unwind(Box::new("as told")) }));
    assert!(caught.is_err());
    let sent = catch_unwind(|| sender.send(Cell::new(7)).is_ok());
    assert!(sent.unwrap());
    let received = catch_unwind(|| runtime.block_on(async { receiver.await.unwrap().get() }));
    assert_eq!(received.unwrap(), 7);
}
