//! A trace shows of each wait the waiter, the resource, the line that waits, what would end the wait and
//! what ended it. A process has one session at a time, so the tests take turns.
//!
//! Long: one test for each kind of wait.

use brigade_pool::Pool;
use brigade_runtime::{
    Runtime, interval, run, sleep, spawn,
    sync::{
        Barrier, Condition, Event, Mutex, Notify, OnceCell, Queue, RwLock, Semaphore, broadcast, mpsc,
        oneshot, watch,
    },
    task_group, timeout, yield_now,
};
use brigade_trace::{Cause, Domain, Event as Recorded, Id, Kind, Session, Trace};
use futures_io::AsyncRead;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn recorded(body: impl FnOnce()) -> Trace {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let session = Session::start(1 << 14).expect("the tests take turns");
    body();
    session.stop()
}

/// A wait as a trace shows it.
#[derive(Debug)]
struct Seen {
    waiter: Id,
    resource: Id,
    site: String,
    begin: Cause,
    end: Option<Cause>,
}

/// The waits for resources of this kind, in order.
fn waits(trace: &Trace, domain: Domain) -> Vec<Seen> {
    let mut events: Vec<_> = trace.events().copied().collect();
    events.sort_by_key(|event| event.at);
    let mut seen: Vec<Seen> = Vec::new();
    for event in events {
        match event.kind {
            Kind::WaitBegin if event.by.domain() == domain => seen.push(Seen {
                waiter: event.subject,
                resource: event.by,
                site: trace.site(&event).unwrap_or_default().to_owned(),
                begin: event.cause,
                end: None,
            }),
            Kind::WaitEnd if event.by.domain() == domain => {
                let is_its_begin = |wait: &&mut Seen| {
                    (wait.waiter, wait.resource, wait.end) == (event.subject, event.by, None)
                };
                let begin = seen.iter_mut().rev().find(is_its_begin);
                begin.expect("a wait that ends has begun").end = Some(event.cause);
            }
            _ => {}
        }
    }
    seen
}

/// Asserts that there is one wait of this kind, by a task and at a line of this file, and returns it.
#[track_caller]
fn the_wait(trace: &Trace, domain: Domain, begin: Cause, end: Cause) -> Seen {
    let mut all = waits(trace, domain);
    assert_eq!(all.len(), 1, "{all:?}\n{trace}");
    let wait = all.remove(0);
    assert_eq!((wait.begin, wait.end), (begin, Some(end)), "{wait:?}");
    assert!(wait.site.contains("tests/waits.rs:"), "{wait:?}");
    assert_eq!(wait.waiter.domain(), Domain::Task, "{wait:?}");
    wait
}

/// Runs a task that waits, then what ends its wait, and returns the trace.
fn with_waiter<F>(waits: F, ends: impl FnOnce()) -> Trace
where
    F: Future<Output: Send> + Send + 'static,
{
    recorded(|| {
        run(async {
            let waiter = spawn(waits);
            yield_now().await;
            assert!(!waiter.is_finished());
            ends();
            waiter.await.expect("the waiter ends");
        });
    })
}

#[test]
fn a_wait_for_a_mutex_names_the_holder_and_its_name() {
    let mutex = Arc::new(Mutex::new(0));
    mutex.set_name("menu");
    let ours = mutex.clone();
    let (mut holder, mut waiter, mut line) = (Id::NONE, Id::NONE, 0);
    let trace = recorded(|| {
        run(async {
            let holds = mutex.clone();
            let holding = spawn(async move {
                let guard = holds.lock().await;
                yield_now().await;
                yield_now().await;
                drop(guard);
            });
            yield_now().await;
            line = line!() + 1;
            let waiting = spawn(async move { *ours.lock().await += 1 });
            (holder, waiter) = (holding.id(), waiting.id());
            waiting.await.unwrap();
        });
    });
    let wait = the_wait(&trace, Domain::Lock, Cause::Unlock, Cause::Unlock);
    assert_eq!(wait.waiter, waiter);
    assert!(wait.site.contains(&format!("waits.rs:{line}:")), "{wait:?} {line}");
    assert_eq!(trace.labels[&wait.resource], "menu");
    let of_lock = |kind| {
        let all = trace.events().filter(move |event| event.kind == kind && event.subject == wait.resource);
        all.map(|event| event.by).collect::<Vec<_>>()
    };
    // Once when it was taken, once more when the other began to wait, and then by the other.
    assert_eq!(of_lock(Kind::Held), [holder, holder, waiter]);
    assert_eq!(of_lock(Kind::Released), [holder, waiter]);
    let wake = trace.events().find(|event| event.kind == Kind::Wake && event.cause == Cause::Unlock).unwrap();
    assert_eq!((wake.subject, wake.by), (waiter, holder));
}

#[test]
fn a_wait_that_is_given_up_ends_by_cancel() {
    let mutex = Mutex::new(0);
    let trace = recorded(|| {
        let guard = mutex.try_lock().unwrap();
        {
            let mut lock = pin!(mutex.lock());
            assert!(lock.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(guard);
    });
    let all = waits(&trace, Domain::Lock);
    assert_eq!((all.len(), all[0].end, all[0].waiter.domain()), (1, Some(Cause::Cancel), Domain::Thread));
}

#[test]
fn a_lock_for_reading_is_waited_for() {
    let lock = Arc::new(RwLock::new(0));
    let (ours, guard) = (lock.clone(), lock.try_write());
    let trace = with_waiter(async move { *ours.read().await }, || drop(guard));
    the_wait(&trace, Domain::Lock, Cause::Unlock, Cause::Unlock);
}

#[test]
fn a_writer_that_downgrades_still_holds_the_lock() {
    let lock = Arc::new(RwLock::new(0));
    let trace = recorded(|| {
        drop(lock.try_write().unwrap().downgrade());
        drop(run(lock.clone().write_owned()).downgrade());
    });
    let is_of_lock = |event: &&Recorded| matches!(event.kind, Kind::Held | Kind::Released);
    // The permits of a writer are more than an event can count.
    let of_lock = trace.events().filter(is_of_lock).map(|event| (event.kind, event.detail == 1));
    let once = [(Kind::Held, false), (Kind::Released, false), (Kind::Held, true), (Kind::Released, true)];
    assert_eq!(of_lock.collect::<Vec<_>>(), [once, once].concat(), "{trace}");
}

#[test]
fn a_permit_is_waited_for_until_it_is_free_or_the_semaphore_is_closed() {
    let semaphore = Arc::new(Semaphore::new(0));
    let ours = semaphore.clone();
    let trace = with_waiter(async move { ours.acquire().await.is_ok() }, || semaphore.add_permits(1));
    the_wait(&trace, Domain::Semaphore, Cause::Permit, Cause::Permit);

    let semaphore = Arc::new(Semaphore::new(0));
    let ours = semaphore.clone();
    let trace = with_waiter(async move { ours.acquire().await.is_ok() }, || semaphore.close());
    the_wait(&trace, Domain::Semaphore, Cause::Permit, Cause::Close);
}

#[test]
fn a_permit_that_is_forgotten_is_held_no_longer() {
    let semaphore = Arc::new(Semaphore::new(2));
    let trace = recorded(|| {
        semaphore.try_acquire().unwrap().forget();
        semaphore.clone().try_acquire_many_owned(1).unwrap().forget();
    });
    let kinds = trace.events().map(|event| event.kind).filter(|kind| *kind != Kind::Cpu);
    let once = [Kind::Held, Kind::Released];
    assert_eq!(kinds.collect::<Vec<_>>(), [once, once].concat(), "{trace}");
}

#[test]
fn a_hold_that_another_task_gives_up_was_its_first_holders() {
    let (semaphore, lock) = (Arc::new(Semaphore::new(2)), Arc::new(RwLock::new(0)));
    let (mut taker, mut dropper) = (Id::NONE, Id::NONE);
    let trace = recorded(|| {
        run(async {
            let (semaphore, reads) = (semaphore.clone(), lock.clone());
            let takes = spawn(async move {
                let permits = semaphore.acquire_many_owned(2).await.unwrap();
                (permits, reads.read_owned().await)
            });
            taker = takes.id();
            let both = takes.await.unwrap();
            let drops = spawn(async move { drop(both) });
            dropper = drops.id();
            drops.await.unwrap();
            let takes = spawn(lock.write_owned());
            let writing = takes.await.unwrap();
            spawn(async move { drop(writing.downgrade()) }).await.unwrap();
        });
    });
    let of_both = |kind| trace.events().filter(move |event| event.kind == kind).collect::<Vec<_>>();
    let (held, released) = (of_both(Kind::Held), of_both(Kind::Released));
    assert_eq!((held[0].by, held[0].detail, held[1].by), (taker, 2, taker), "{trace}");
    let told = |event: &&Recorded| (event.subject, event.by, event.detail);
    assert!(held.iter().map(told).eq(released.iter().map(told)), "{trace}");
    assert!(released.iter().all(|event| event.by != dropper));
}

#[test]
fn no_permits_are_no_hold() {
    let semaphore = Arc::new(Semaphore::new(1));
    let trace = recorded(|| {
        run(async {
            drop(semaphore.acquire_many(0).await);
            drop(semaphore.clone().acquire_many_owned(0).await);
            drop(semaphore.try_acquire_many(0));
            drop(semaphore.clone().try_acquire_many_owned(0));
        });
    });
    assert!(trace.events().all(|event| event.kind != Kind::Held), "{trace}");
}

#[test]
fn a_hold_that_no_session_saw_begin_is_of_nobody() {
    let (mutex, semaphore) = (Mutex::new(0), Semaphore::new(1));
    let mut guard = None;
    recorded(|| guard = mutex.try_lock());
    drop(guard);
    let (guard, permit) = (mutex.try_lock(), semaphore.try_acquire());
    let trace = recorded(|| {
        assert!(pin!(mutex.lock()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop((guard, permit));
    });
    let is_hold = |event: &&Recorded| matches!(event.kind, Kind::Held | Kind::Released);
    assert_eq!(trace.events().filter(is_hold).count(), 0, "{trace}");
}

#[test]
fn a_channel_is_waited_for_when_it_is_empty_and_when_it_is_full() {
    let (sender, mut receiver) = mpsc::channel(1);
    let trace = with_waiter(async move { receiver.recv().await }, || sender.try_send(1).unwrap());
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Item);

    let (sender, mut receiver) = mpsc::channel::<i32>(1);
    let trace = with_waiter(async move { receiver.recv().await }, || drop(sender));
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Close);

    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let takes = || assert_eq!(receiver.try_recv(), Ok(1));
    let trace = with_waiter(async move { sender.send(2).await.is_ok() }, takes);
    the_wait(&trace, Domain::Channel, Cause::Room, Cause::Room);
}

#[test]
fn the_other_channels_are_waited_for() {
    let (sender, receiver) = oneshot::channel();
    let trace = with_waiter(async move { receiver.await.is_ok() }, || sender.send(1).unwrap());
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Item);

    let (sender, mut receiver) = oneshot::channel();
    let polls_then_tries = async move {
        poll_fn(|cx| {
            let sent = receiver.try_recv();
            // A first poll begins the wait, and no other poll takes the value.
            sent.map_or_else(|_| Pin::new(&mut receiver).poll(cx).map(Result::unwrap), Poll::Ready)
        })
        .await
    };
    let trace = with_waiter(polls_then_tries, || sender.send(1).unwrap());
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Item);

    let (mut sender, receiver) = oneshot::channel::<i32>();
    let trace = with_waiter(async move { sender.closed().await }, || drop(receiver));
    the_wait(&trace, Domain::Channel, Cause::Close, Cause::Close);

    let (sender, mut receiver) = broadcast::channel(1);
    let trace = with_waiter(async move { receiver.recv().await.is_ok() }, || {
        sender.send(1).unwrap();
    });
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Item);

    let (sender, mut receiver) = watch::channel(0);
    let trace = with_waiter(async move { receiver.changed().await.is_ok() }, || sender.send(1).unwrap());
    the_wait(&trace, Domain::Channel, Cause::Item, Cause::Item);
}

#[test]
fn notifications_events_and_conditions_are_waited_for() {
    let notify = Arc::new(Notify::new());
    let ours = notify.clone();
    let trace = with_waiter(async move { ours.notified().await }, || notify.notify_one());
    the_wait(&trace, Domain::Notify, Cause::Notify, Cause::Notify);

    let event = Arc::new(Event::new());
    let ours = event.clone();
    let trace = with_waiter(async move { ours.wait().await }, || event.set());
    the_wait(&trace, Domain::Notify, Cause::Notify, Cause::Notify);

    let shared = Arc::new((Mutex::new(0), Condition::new()));
    let ours = shared.clone();
    let waits = async move { drop(ours.1.wait(ours.0.lock().await).await) };
    let trace = with_waiter(waits, || shared.1.notify_all());
    the_wait(&trace, Domain::Notify, Cause::Notify, Cause::Notify);
}

#[test]
fn a_barrier_is_waited_for_until_the_last_party_comes() {
    let barrier = Arc::new(Barrier::new(2));
    let ours = barrier.clone();
    let trace = with_waiter(async move { ours.wait().await.is_ok() }, || {
        let mut last = pin!(barrier.wait());
        assert!(last.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    });
    the_wait(&trace, Domain::Barrier, Cause::Barrier, Cause::Barrier);
}

#[test]
fn a_queue_is_waited_for_when_it_is_empty_full_or_unfinished() {
    let queue = Arc::new(Queue::bounded(1));
    let ours = queue.clone();
    let trace = with_waiter(async move { ours.get().await }, || queue.try_put(1).unwrap());
    the_wait(&trace, Domain::Queue, Cause::Item, Cause::Item);
    let ours = queue.clone();
    let trace = with_waiter(async move { ours.join().await }, || queue.task_done());
    the_wait(&trace, Domain::Queue, Cause::Queue, Cause::Queue);
    queue.try_put(2).unwrap();
    let ours = queue.clone();
    let trace = with_waiter(async move { ours.put(3).await }, || {
        queue.try_get().unwrap();
    });
    the_wait(&trace, Domain::Queue, Cause::Room, Cause::Room);
}

#[test]
fn a_cell_that_another_task_fills_is_waited_for() {
    let cell = Arc::new(OnceCell::new());
    let trace = recorded(|| {
        run(async {
            let fills = cell.clone();
            let filling = spawn(async move {
                fills
                    .get_or_init(async || {
                        yield_now().await;
                        yield_now().await;
                        7
                    })
                    .await
                    .to_owned()
            });
            yield_now().await;
            assert_eq!(*cell.get_or_init(async || 8).await, 7);
            filling.await.unwrap();
        });
    });
    let all = waits(&trace, Domain::Lock);
    assert_eq!((all.len(), all[0].begin, all[0].end), (1, Cause::Unlock, Some(Cause::Unlock)));
    assert!(all[0].site.contains("tests/waits.rs:"));
}

#[test]
fn a_join_waits_for_the_task_itself() {
    let (mut inner, mut outer) = (Id::NONE, Id::NONE);
    let (sender, receiver) = oneshot::channel();
    let trace = recorded(|| {
        run(async {
            let awaited = spawn(async move { receiver.await.unwrap() });
            inner = awaited.id();
            let waiter = spawn(async move { awaited.await.unwrap() });
            outer = waiter.id();
            yield_now().await;
            sender.send(7).unwrap();
            assert_eq!(waiter.await.unwrap(), 7);
        });
    });
    let all = waits(&trace, Domain::Task);
    let wait = all.iter().find(|wait| wait.resource == inner).unwrap();
    assert_eq!((wait.waiter, wait.begin, wait.end), (outer, Cause::Join, Some(Cause::Join)));
    assert!(wait.site.contains("tests/waits.rs:"), "{wait:?}");
}

#[test]
fn a_thread_that_joins_waits_as_a_thread() {
    let runtime = Runtime::builder().build().unwrap();
    let (sender, receiver) = oneshot::channel();
    let trace = recorded(|| {
        let handle = runtime.spawn(async move { receiver.await.unwrap() });
        std::thread::scope(|scope| {
            let joins = scope.spawn(|| handle.join().unwrap());
            sender.send(7).unwrap();
            assert_eq!(joins.join().unwrap(), 7);
        });
    });
    // The task may have ended before the thread came to wait.
    for wait in waits(&trace, Domain::Task) {
        assert_eq!((wait.waiter.domain(), wait.end), (Domain::Thread, Some(Cause::Join)));
        assert!(wait.site.contains("tests/waits.rs:"), "{wait:?}");
    }
}

#[test]
fn groups_and_scopes_wait_for_their_tasks() {
    let trace = recorded(|| {
        run(async {
            let group = spawn(async {
                task_group(async |group| {
                    drop(group.spawn(async {
                        yield_now().await;
                        yield_now().await;
                    }));
                })
                .await
            });
            group.await.unwrap();
        });
    });
    the_wait(&trace, Domain::Scope, Cause::Scope, Cause::Scope);

    let runtime = Runtime::builder().build().unwrap();
    let trace = recorded(|| runtime.scope(|scope| scope.spawn(async { yield_now().await })));
    let all = waits(&trace, Domain::Scope);
    assert_eq!((all.len(), all[0].end), (1, Some(Cause::Scope)));
    assert!(all[0].site.contains("tests/waits.rs:"), "{all:?}");
}

#[test]
fn a_sleep_waits_for_its_timer_and_a_timeout_gives_it_up() {
    let trace = recorded(|| {
        run(async { spawn(async { sleep(Duration::from_micros(1)).await }).await.unwrap() });
    });
    the_wait(&trace, Domain::Timer, Cause::Timer, Cause::Timer);

    let trace = recorded(|| {
        run(async {
            let waiter = spawn(async { timeout(Duration::from_secs(60), yield_now()).await });
            waiter.await.unwrap().unwrap();
        });
    });
    the_wait(&trace, Domain::Timer, Cause::Timer, Cause::Cancel);

    let trace = recorded(|| {
        run(async {
            let ticks = spawn(async {
                let mut interval = interval(Duration::from_micros(1));
                interval.tick().await;
                interval.tick().await
            });
            ticks.await.unwrap();
        });
    });
    for wait in waits(&trace, Domain::Timer) {
        assert_eq!((wait.begin, wait.end), (Cause::Timer, Some(Cause::Timer)));
        assert!(wait.site.contains("tests/waits.rs:"), "{wait:?}");
    }
}

#[test]
fn a_descriptor_is_waited_for_until_it_is_ready() {
    use brigade_runtime::net::{TcpListener, TcpStream};
    let trace = recorded(|| {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let accepts = spawn(async move { listener.accept().await.unwrap().1 });
            yield_now().await;
            let stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(accepts.await.unwrap(), stream.local_addr().unwrap());
        });
    });
    let all = waits(&trace, Domain::Source);
    let is_accept =
        |wait: &&Seen| wait.site.contains("tests/waits.rs:") && wait.waiter.domain() == Domain::Task;
    let accept = all.iter().find(is_accept).unwrap();
    assert_eq!((accept.begin, accept.end), (Cause::Readiness, Some(Cause::Readiness)), "{all:?}");
}

#[test]
fn a_poll_that_waits_names_the_line_that_spawned_its_task() {
    use brigade_runtime::net::unix::UnixStream;
    let mut line = 0;
    let trace = recorded(|| {
        run(async {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            line = line!() + 1;
            let reads = spawn(async move {
                poll_fn(|cx| Pin::new(&mut ours).poll_read(cx, &mut [0; 8])).await.unwrap()
            });
            yield_now().await;
            drop(theirs);
            assert_eq!(reads.await.unwrap(), 0);
        });
    });
    let wait = the_wait(&trace, Domain::Source, Cause::Readiness, Cause::Readiness);
    assert!(wait.site.contains(&format!("waits.rs:{line}:")), "{wait:?} {line}");
}

#[test]
fn every_task_has_its_line_and_its_parent() {
    let (mut parent, mut line) = (Id::NONE, 0);
    let trace = recorded(|| {
        run(async {
            line = line!() + 1;
            let outer = spawn(async { spawn(async {}).await.unwrap() });
            parent = outer.id();
            outer.await.unwrap();
        });
    });
    let spawns: Vec<_> = trace.events().filter(|event| event.kind == Kind::Spawn).collect();
    let child = spawns.iter().find(|event| event.by == parent).expect("the inner task has a parent");
    assert!(trace.site(child).unwrap().contains(&format!("waits.rs:{line}:")));
}

#[test]
fn jobs_of_a_pool_wait_for_its_locks_and_queues() {
    use brigade_pool::{lock::Lock, queue::Queue};
    let pool = Pool::builder().threads(2).build().unwrap();
    let (lock, queue) = (Arc::new(Lock::new("oven", 0)), Arc::new(Queue::unbounded()));
    let trace = recorded(|| {
        let ours = queue.clone();
        let gets = pool.spawn(move || ours.get());
        queue.put(7);
        assert_eq!(gets.join().unwrap(), 7);
        let guard = lock.lock().unwrap();
        let ours = lock.clone();
        let locks = pool.spawn(move || *ours.lock().unwrap());
        drop(guard);
        locks.join().unwrap();
    });
    for (domain, cause) in [(Domain::Queue, Cause::Item), (Domain::Lock, Cause::Unlock)] {
        for wait in waits(&trace, domain) {
            assert_eq!((wait.waiter.domain(), wait.begin, wait.end), (Domain::Job, cause, Some(cause)));
            assert!(wait.site.contains("tests/waits.rs:"), "{wait:?}");
        }
    }
    let of_lock: Vec<_> = trace.events().filter(|event| event.kind == Kind::Held).collect();
    assert!(of_lock.len() >= 2, "both have held the lock");
    let spawns: Vec<_> = trace.events().filter(|event| event.kind == Kind::Spawn).collect();
    assert!(spawns.iter().all(|event| trace.site(event).unwrap().contains("tests/waits.rs:")), "{trace}");
}
