//! Situations in which runtimes have been seen to hang, to stall or to abort, each on every kind of runtime
//! where it can occur.
//!
//! The table at the end is the list; each situation is a function, and passes by returning.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::OnDrop;
use brigade_runtime::{
    JoinError, Runtime, Sleep,
    net::{TcpListener, TcpStream},
    sleep, spawn, timeout, yield_now,
};
use futures_util::AsyncReadExt as _;
use std::{
    future::{Future, pending, poll_fn},
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// A listener, and a thread that connects to it.
async fn visited() -> (TcpListener, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let visitor = thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"knock").unwrap();
    });
    (listener, visitor)
}

/// tokio #4730 and #4941: a task blocks its worker until a timer, a descriptor and the task that it spawned
/// last were served by another.
fn a_long_poll_stops_nobody(runtime: Runtime) {
    let (done, all_done) = mpsc::channel();
    let (listener, visitor) = runtime.block_on(visited());
    let blocking = runtime.spawn(async move {
        let (timer, reader) = (done.clone(), done.clone());
        drop(spawn(async move {
            sleep(2 * MS).await;
            timer.send("timer").unwrap();
        }));
        drop(spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            read_some(stream).await;
            reader.send("descriptor").unwrap();
        }));
        drop(spawn(async move { done.send("newest").unwrap() }));
        let mut served: Vec<_> = (0..3).map(|_| all_done.recv().unwrap()).collect();
        served.sort_unstable();
        assert_eq!(served, ["descriptor", "newest", "timer"]);
    });
    blocking.join().unwrap();
    visitor.join().unwrap();
}

async fn read_some(mut stream: TcpStream) {
    assert!(stream.read(&mut [0; 8]).await.unwrap() > 0);
}

/// A task that wakes itself for ever, by the waker of its poll.
async fn spin(until: Arc<AtomicBool>) {
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if until.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn tasks_that_wake_themselves_starve_nobody(runtime: Runtime) {
    let over = Arc::new(AtomicBool::new(false));
    let spinning: Vec<_> = (0..4).map(|_| runtime.spawn(spin(over.clone()))).collect();
    runtime.block_on(async {
        let (listener, visitor) = visited().await;
        spawn(async {}).await.unwrap();
        spawn(sleep(2 * MS)).await.unwrap();
        sleep(MS).await;
        let (stream, _) = listener.accept().await.unwrap();
        read_some(stream).await;
        visitor.join().unwrap();
        over.store(true, Ordering::Relaxed);
        for task in spinning {
            task.await.unwrap();
        }
    });
}

fn the_future_of_block_on_that_wakes_itself_starves_nobody(runtime: Runtime) {
    let over = Arc::new(AtomicBool::new(false));
    let (listener, visitor) = runtime.block_on(visited());
    let told = over.clone();
    drop(runtime.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        read_some(stream).await;
        sleep(MS).await;
        told.store(true, Ordering::Relaxed);
    }));
    runtime.block_on(spin(over));
    visitor.join().unwrap();
}

fn a_source_that_is_always_ready_starves_nobody(runtime: Runtime) {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    runtime.block_on(async {
        drop(spawn(async move {
            sleep(MS).await;
            told.store(true, Ordering::Relaxed);
        }));
        let greedy = spawn(async move {
            let queue = brigade_runtime::sync::Queue::unbounded();
            while !over.load(Ordering::Relaxed) {
                // They are always ready: only the budget makes them pending.
                queue.put(1).await;
                queue.get().await;
            }
        });
        greedy.await.unwrap();
    });
}

fn a_destructor_drops_a_runtime(runtime: Runtime) {
    let inner = Runtime::multi_thread(1).unwrap();
    let lasting = inner.spawn(pending::<()>());
    let local = Runtime::current_thread().unwrap();
    let resting = local.spawn(pending::<()>());
    drop(runtime.spawn(async move {
        let _owned = (inner, local);
        pending::<()>().await;
    }));
    drop(runtime);
    for handle in [lasting, resting] {
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
    }
}

fn a_waker_is_called_when_the_runtime_is_gone(runtime: Runtime) {
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    let kept = wakers.clone();
    let task = runtime.spawn(poll_fn(move |cx| {
        kept.lock().unwrap().push(cx.waker().clone());
        Poll::<()>::Pending
    }));
    runtime.block_on(async {
        while wakers.lock().unwrap().is_empty() {
            yield_now().await;
        }
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        wakers.lock().unwrap().push(own);
    });
    drop(runtime);
    for waker in wakers.lock().unwrap().drain(..) {
        waker.wake_by_ref();
        waker.wake();
    }
    task.cancel();
    assert!(matches!(task.join(), Err(JoinError::Cancelled(_))));
}

fn destructors_wake_each_other_and_spawn(runtime: Runtime) {
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    for _ in 0..30 {
        let wakers = wakers.clone();
        drop(runtime.spawn(async move {
            let _guard = OnDrop(|| {
                let all = wakers.lock().unwrap().clone();
                all.iter().for_each(Waker::wake_by_ref);
                drop(spawn(async { unreachable!("a runtime that ends runs nothing new") }));
            });
            poll_fn(|cx| {
                wakers.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        }));
    }
    runtime.block_on(async {
        while wakers.lock().unwrap().len() < 30 {
            yield_now().await;
        }
    });
    drop(runtime);
}

/// A waker that drops all timers.
#[derive(Default)]
struct Dropper {
    timers: Mutex<Vec<Pin<Box<Sleep>>>>,
    woken: AtomicUsize,
}

impl Wake for Dropper {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let timers = std::mem::take(&mut *self.timers.lock().unwrap());
        drop(timers);
    }
}

fn a_waker_drops_all_timers_while_they_fire(runtime: Runtime) {
    runtime.block_on(async {
        spawn(async {
            let dropper = Arc::new(Dropper::default());
            let waker = Waker::from(dropper.clone());
            {
                let mut timers = dropper.timers.lock().unwrap();
                for _ in 0..100 {
                    let mut timer = Box::pin(sleep(2 * MS));
                    assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                    timers.push(timer);
                }
            }
            while dropper.woken.load(Ordering::SeqCst) == 0 {
                sleep(MS).await;
            }
        })
        .await
        .unwrap();
    });
}

fn a_destructor_panics_where_its_task_was_cancelled(runtime: Runtime) {
    let running = Arc::new(AtomicBool::new(false));
    let runs = running.clone();
    let task = runtime.spawn(async move {
        let _guard = OnDrop(|| std::panic::resume_unwind(Box::new("in the destructor")));
        runs.store(true, Ordering::SeqCst);
        pending::<()>().await;
    });
    runtime.block_on(async {
        while !running.load(Ordering::SeqCst) {
            yield_now().await;
        }
        task.cancel();
        let error = task.await.unwrap_err();
        assert_eq!(error.panic_message(), Some("in the destructor"));
        // The worker goes on.
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
    });
}

fn a_destructor_panics_while_the_runtime_is_dropped(runtime: Runtime) {
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let drops = drops.clone();
        drop(runtime.spawn(async move {
            let _guard = OnDrop(|| {
                drops.fetch_add(1, Ordering::SeqCst);
                std::panic::resume_unwind(Box::new("in the destructor"));
            });
            pending::<()>().await;
        }));
    }
    runtime.block_on(async {
        for _ in 0..20 {
            yield_now().await;
        }
    });
    // The panics are the tasks', and nobody joins them.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(runtime))).is_ok());
    assert!(drops.load(Ordering::SeqCst) <= 10);
}

fn a_stream_is_dropped_by_another_task_than_the_one_that_waits(runtime: Runtime) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_peer, _) = listener.accept().await.unwrap();
        let shared = Arc::new(stream);
        let reader = shared.clone();
        let waiting = spawn(async move { (&*reader).read(&mut [0; 8]).await });
        yield_now().await;
        waiting.cancel();
        drop(shared);
        assert!(timeout(1000 * MS, waiting).await.is_ok());
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Everywhere,
    /// Where another worker is idle.
    TwoWorkers,
}

const SITUATIONS: [(Where, fn(Runtime)); 11] = [
    (Where::TwoWorkers, a_long_poll_stops_nobody),
    (Where::Everywhere, tasks_that_wake_themselves_starve_nobody),
    (Where::Everywhere, the_future_of_block_on_that_wakes_itself_starves_nobody),
    (Where::Everywhere, a_source_that_is_always_ready_starves_nobody),
    (Where::Everywhere, a_destructor_drops_a_runtime),
    (Where::Everywhere, a_waker_is_called_when_the_runtime_is_gone),
    (Where::Everywhere, destructors_wake_each_other_and_spawn),
    (Where::Everywhere, a_waker_drops_all_timers_while_they_fire),
    (Where::Everywhere, a_destructor_panics_where_its_task_was_cancelled),
    (Where::Everywhere, a_destructor_panics_while_the_runtime_is_dropped),
    (Where::Everywhere, a_stream_is_dropped_by_another_task_than_the_one_that_waits),
];

#[test]
fn every_situation_ends_well_on_every_kind_of_runtime() {
    for (place, situation) in SITUATIONS {
        if place == Where::Everywhere {
            situation(Runtime::current_thread().unwrap());
            situation(Runtime::multi_thread(1).unwrap());
        }
        situation(Runtime::multi_thread(2).unwrap());
    }
}
