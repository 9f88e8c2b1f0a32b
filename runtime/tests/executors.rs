//! The sync types and handles between tasks of ours and tasks of another executor: both executors of this
//! crate, with both of tokio's, and with smol's on one thread and on two.
//!
//! The table at the end lists the cases. Each is work that neither side can do alone, so a wake-up that does
//! not reach the other side shows as a hang.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    JoinError, Runtime, spawn,
    sync::{Mutex, Notify, Queue, Semaphore, mpsc, oneshot},
};
use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
};

const TIMES: usize = 100;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The work of each side: futures that are spawned there and must all end.
#[derive(Default)]
struct Case {
    ours: Vec<Work>,
    theirs: Vec<Work>,
}

impl Case {
    fn ours(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.ours.push(Box::pin(work));
    }

    fn theirs(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.theirs.push(Box::pin(work));
    }

    /// The same work on both sides.
    fn both<F: Future<Output = ()> + Send + 'static>(&mut self, mut work: impl FnMut() -> F) {
        self.ours(work());
        self.theirs(work());
    }
}

/// Lets the other tasks run, whichever executor this runs on.
async fn step_aside() {
    let mut aside = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut aside, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Four tasks count under one lock, so that no step comes in the middle of another's.
fn mutex(_: &Runtime) -> Case {
    let (mut case, count) = (Case::default(), Arc::new(Mutex::new(0)));
    let left = Arc::new(AtomicUsize::new(4));
    for _ in 0..2 {
        case.both(|| {
            let (count, left) = (count.clone(), left.clone());
            async move {
                for _ in 0..TIMES {
                    let mut count = count.lock().await;
                    let before = *count;
                    step_aside().await;
                    *count = before + 1;
                }
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    assert_eq!(*count.lock().await, 4 * TIMES);
                }
            }
        });
    }
    case
}

/// Six tasks compete for two permits, which one side adds one at a time.
fn semaphore(_: &Runtime) -> Case {
    let (mut case, permits) = (Case::default(), Arc::new(Semaphore::new(0)));
    let inside = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        case.both(|| {
            let (permits, inside) = (permits.clone(), inside.clone());
            async move {
                for _ in 0..TIMES {
                    let _permit = permits.acquire().await.unwrap();
                    assert!(
                        inside.fetch_add(1, Ordering::Relaxed) < 2,
                        "more are inside than there are permits"
                    );
                    step_aside().await;
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
    }
    case.both(|| {
        let permits = permits.clone();
        async move { permits.add_permits(1) }
    });
    case
}

/// Each side waits for a notification from the other before it notifies in turn. Then one notifies all
/// waiters of the other.
fn notify(_: &Runtime) -> Case {
    let mut case = Case::default();
    let [ping, pong, all] = [(); 3].map(|()| Arc::new(Notify::new()));
    let (ready, mut arrived) = mpsc::unbounded();
    for _ in 0..3 {
        let (all, ready) = (all.clone(), ready.clone());
        case.theirs(async move {
            let notified = all.notified();
            ready.send(()).unwrap();
            notified.await;
        });
    }
    let (heard, answer) = (ping.clone(), pong.clone());
    case.theirs(async move {
        for _ in 0..TIMES {
            heard.notified().await;
            answer.notify_one();
        }
    });
    case.ours(async move {
        for _ in 0..TIMES {
            ping.notify_one();
            pong.notified().await;
        }
        for _ in 0..3 {
            arrived.recv().await.unwrap();
        }
        all.notify_waiters();
    });
    case
}

/// Each side sends to the other over a channel with room for one value, until the receiver is dropped.
fn values(_: &Runtime) -> Case {
    async fn send(sender: mpsc::Sender<usize>) {
        for n in 0..TIMES {
            sender.send(n).await.unwrap();
        }
    }
    async fn receive(mut receiver: mpsc::Receiver<usize>) {
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        assert_eq!(sum, 2 * (0..TIMES).sum::<usize>());
    }

    let mut case = Case::default();
    let [(to_ours, ours), (to_theirs, theirs)] = [(); 2].map(|()| mpsc::channel(1));
    case.ours(receive(ours));
    case.theirs(receive(theirs));
    case.ours(send(to_theirs.clone()));
    case.ours(send(to_theirs));
    case.theirs(send(to_ours.clone()));
    case.theirs(send(to_ours));
    case
}

/// Each side sends the other a question and waits for the answer. A question that is dropped is an error for
/// the side that waits.
fn questions(_: &Runtime) -> Case {
    type Question = (usize, oneshot::Sender<usize>);
    async fn ask(questions: mpsc::UnboundedSender<Question>) {
        for n in 0..TIMES {
            let (sender, answer) = oneshot::channel();
            questions.send((n, sender)).unwrap();
            assert_eq!(answer.await.ok(), (n % 10 > 0).then_some(n * n));
        }
    }
    async fn reply(mut questions: mpsc::Receiver<Question>) {
        while let Some((n, answer)) = questions.recv().await {
            if n % 10 > 0 {
                answer.send(n * n).unwrap();
            }
        }
    }

    let mut case = Case::default();
    let [(to_ours, ours), (to_theirs, theirs)] = [(); 2].map(|()| mpsc::unbounded());
    case.ours(reply(ours));
    case.theirs(reply(theirs));
    case.ours(ask(to_theirs));
    case.theirs(ask(to_ours));
    case
}

/// Each side does the work that the other puts into a queue, and waits until its own is done.
fn queue(_: &Runtime) -> Case {
    async fn put(queue: Arc<Queue<Option<usize>>>, done: Arc<AtomicUsize>) {
        for n in 0..TIMES {
            queue.put(Some(n)).await;
        }
        queue.join().await;
        assert_eq!(done.load(Ordering::Relaxed), (0..TIMES).sum::<usize>());
        for _ in 0..2 {
            queue.put(None).await;
        }
    }
    async fn work(queue: Arc<Queue<Option<usize>>>, done: Arc<AtomicUsize>) {
        while let Some(n) = queue.get().await {
            step_aside().await;
            done.fetch_add(n, Ordering::Relaxed);
            queue.task_done();
        }
    }

    let mut case = Case::default();
    let [ours, theirs] = [(); 2].map(|()| (Arc::new(Queue::bounded(2)), Arc::new(AtomicUsize::new(0))));
    case.theirs(put(ours.0.clone(), ours.1.clone()));
    case.ours(put(theirs.0.clone(), theirs.1.clone()));
    for _ in 0..2 {
        case.ours(work(ours.0.clone(), ours.1.clone()));
        case.theirs(work(theirs.0.clone(), theirs.1.clone()));
    }
    case
}

/// Tasks of the other executor await ours: one that waits for them, one that panics, one that they cancel,
/// and one that spawns.
fn handles(runtime: &Runtime) -> Case {
    let mut case = Case::default();
    for n in 0..10 {
        let (sender, receiver) = oneshot::channel();
        let waiting = runtime.spawn(async move { receiver.await.unwrap() });
        let panicking = runtime.spawn(async move { std::panic::resume_unwind(Box::new(n)) });
        let cancelled = runtime.spawn(pending::<()>());
        let spawning = runtime.spawn(async move { spawn(async move { n }).await.unwrap() });
        case.theirs(async move {
            assert_eq!(waiting.await.unwrap(), n);
            cancelled.cancel();
            assert!(matches!(cancelled.await, Err(JoinError::Cancelled(_))));
        });
        case.theirs(async move {
            let failed: Result<(), _> = panicking.await;
            assert!(matches!(failed, Err(JoinError::Panicked(..))));
            assert_eq!(spawning.await.unwrap(), n);
            sender.send(n).unwrap();
        });
    }
    case
}

fn tokio(builder: &mut tokio::runtime::Builder, work: Vec<Work>) {
    builder.build().unwrap().block_on(async {
        for task in work.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

fn tokio_current_thread(work: Vec<Work>) {
    tokio(&mut tokio::runtime::Builder::new_current_thread(), work);
}

fn tokio_multi_thread(work: Vec<Work>) {
    tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(2), work);
}

async fn smol(executor: &smol::Executor<'_>, work: Vec<Work>) {
    for task in work.into_iter().map(|work| executor.spawn(work)).collect::<Vec<_>>() {
        task.await;
    }
}

fn smol_on_one_thread(work: Vec<Work>) {
    let executor = smol::Executor::new();
    smol::block_on(executor.run(smol(&executor, work)));
}

fn smol_on_two_threads(work: Vec<Work>) {
    let executor = smol::Executor::new();
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    thread::scope(|threads| {
        // Dropped when this closure ends, also by a panic.
        let _stop = stop;
        for _ in 0..2 {
            threads.spawn(|| smol::block_on(executor.run(stopped.recv())));
        }
        smol::block_on(smol(&executor, work));
    });
}

fn current_thread() -> Runtime {
    Runtime::current_thread().unwrap()
}

fn multi_thread() -> Runtime {
    Runtime::multi_thread(2).unwrap()
}

/// Runs a case: our side on a thread of its own, theirs on this one. Our runtime goes on until both are
/// done, for the sake of tasks that the other side awaits.
fn meet(case: fn(&Runtime) -> Case, ours: &Runtime, theirs: fn(Vec<Work>)) {
    let case = case(ours);
    let (done, theirs_are_done) = oneshot::channel::<()>();
    thread::scope(|threads| {
        threads.spawn(|| {
            ours.block_on(async {
                for task in case.ours.into_iter().map(spawn).collect::<Vec<_>>() {
                    task.await.unwrap();
                }
                let _ = theirs_are_done.await;
            });
        });
        // Dropped when the other side is done, also by a panic.
        let _done = done;
        theirs(case.theirs);
    });
}

/// A case, under its name.
type Named = (&'static str, fn(&Runtime) -> Case);
const CASES: [Named; 7] = [
    ("a mutex", mutex),
    ("a semaphore", semaphore),
    ("a notification", notify),
    ("values over mpsc", values),
    ("questions over mpsc, answers over oneshot", questions),
    ("a queue", queue),
    ("handles", handles),
];
const OURS: [fn() -> Runtime; 2] = [current_thread, multi_thread];

/// Every case, with a runtime of each kind.
fn meets_ours(theirs: fn(Vec<Work>)) {
    for (name, case) in CASES {
        println!("{name}");
        for ours in OURS {
            meet(case, &ours(), theirs);
        }
    }
}

#[test]
fn tokio_on_one_thread_meets_ours() {
    meets_ours(tokio_current_thread);
}

#[test]
fn tokio_on_two_workers_meets_ours() {
    meets_ours(tokio_multi_thread);
}

#[test]
fn smol_on_one_thread_meets_ours() {
    meets_ours(smol_on_one_thread);
}

#[test]
fn smol_on_two_threads_meets_ours() {
    meets_ours(smol_on_two_threads);
}
