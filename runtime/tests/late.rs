//! Events that must not be late, beside tasks that compute for long and then yield.
//!
//! Each poll of such a task takes 100 µs or more. The tests count in polls and not in time: how many began
//! after a timer was due, a byte had been sent, or a task had been spawned from outside, and before that was
//! seen. The tasks end by themselves, so that what is never seen fails a test instead of hanging it.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime, net::unix::UnixStream, now, sleep, spawn, sync::Notify, sync::oneshot, timeout, yield_now,
};
use futures_util::AsyncReadExt as _;
use std::{
    hint,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);
const TASKS: usize = 16;
/// The polls of all tasks together. A round of 61 polls, whatever they take, would be seen.
const POLLS: usize = 300;
/// The poll in which an event comes.
const EVENT: usize = 50;

/// Computes for long, in the sense of the executor: a check is due after such a poll.
fn compute() {
    let end = now() + Duration::from_micros(100);
    while now() < end {
        hint::spin_loop();
    }
}

/// Runs the tasks that compute, and calls `at` in each poll with its number. The number of polls that have
/// begun is in `polls`.
async fn compute_beside(polls: Arc<AtomicUsize>, at: impl Fn(usize) + Send + Sync + 'static) {
    let at = Arc::new(at);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (polls, at) = (polls.clone(), at.clone());
            spawn(async move {
                loop {
                    let poll = polls.fetch_add(1, SeqCst);
                    if poll >= POLLS {
                        return;
                    }
                    compute();
                    at(poll);
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// One executor of each kind whose tasks run on one thread.
fn runtimes() -> [Runtime; 2] {
    [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap()]
}

/// Runs a future as a task, so that the tasks it spawns do not come from outside.
fn run_inside<F: Future<Output: Send> + Send + 'static>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(runtime.spawn(future)).unwrap()
}

/// Does something on a thread that is not the runtime's, within a poll.
fn outside(what: impl FnOnce() + Send) {
    thread::scope(|scope| _ = scope.spawn(what));
}

/// Checks that an event of poll [`EVENT`] was seen before `most` more polls began.
fn assert_seen(seen: &AtomicUsize, most: usize) {
    let seen = seen.load(SeqCst);
    assert!((EVENT + 1..=EVENT + 1 + most).contains(&seen), "seen after {seen} polls");
}

#[test]
fn a_task_spawned_from_outside_is_next() {
    for runtime in runtimes() {
        let (polls, seen) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let handle = runtime.handle();
        let (counted, saw) = (polls.clone(), seen.clone());
        run_inside(&runtime, async move {
            compute_beside(polls, move |poll| {
                if poll == EVENT {
                    let (counted, saw) = (counted.clone(), saw.clone());
                    outside(|| drop(handle.spawn(async move { saw.store(counted.load(SeqCst), SeqCst) })));
                }
            })
            .await;
        });
        assert_seen(&seen, 1);
    }
}

#[test]
fn a_task_woken_from_outside_is_next() {
    for runtime in runtimes() {
        let (polls, seen) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (sender, receiver) = oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let (counted, saw) = (polls.clone(), seen.clone());
        run_inside(&runtime, async move {
            let waits = spawn(async move {
                receiver.await.unwrap();
                saw.store(counted.load(SeqCst), SeqCst);
            });
            compute_beside(polls, move |poll| {
                if poll == EVENT {
                    outside(|| sender.lock().unwrap().take().unwrap().send(()).unwrap());
                }
            })
            .await;
            waits.await.unwrap();
        });
        assert_seen(&seen, 1);
    }
}

#[test]
fn a_byte_that_has_come_is_read_next() {
    for runtime in runtimes() {
        let (polls, seen) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        let (counted, saw) = (polls.clone(), seen.clone());
        run_inside(&runtime, async move {
            let reads = spawn(async move {
                let mut server = UnixStream::from_std(server).unwrap();
                server.read_exact(&mut [0]).await.unwrap();
                saw.store(counted.load(SeqCst), SeqCst);
            });
            compute_beside(polls, move |poll| {
                if poll == EVENT {
                    (&client).write_all(&[1]).unwrap();
                }
            })
            .await;
            reads.await.unwrap();
        });
        assert_seen(&seen, 1);
    }
}

/// A sleep that is under way.
struct Due {
    at: Instant,
    /// The number of polls that have begun since then.
    begun: usize,
}

#[test]
fn many_timers_that_are_due_at_once_all_go_first() {
    const TICKERS: usize = 8;
    for runtime in runtimes() {
        let polls = Arc::<AtomicUsize>::default();
        let due = Arc::<[Mutex<Option<Due>>; TICKERS]>::default();
        let most = Arc::<AtomicUsize>::default();
        let longest = most.clone();
        run_inside(&runtime, async move {
            for ticker in 0..TICKERS {
                let (due, most) = (due.clone(), longest.clone());
                drop(spawn(async move {
                    loop {
                        *due[ticker].lock().unwrap() = Some(Due { at: now() + MS, begun: 0 });
                        sleep(MS).await;
                        let Due { begun, .. } = due[ticker].lock().unwrap().take().unwrap();
                        most.fetch_max(begun, SeqCst);
                    }
                }));
            }
            compute_beside(polls, move |_| {
                for place in &*due {
                    // The first millisecond does not count: the driver's thread may wake up late.
                    match &mut *place.lock().unwrap() {
                        Some(due) if now() > due.at + MS => due.begun += 1,
                        _ => {}
                    }
                }
            })
            .await;
        });
        // The poll in which it became due, and one more if it was due just after the check.
        let most = most.load(SeqCst);
        assert!(most <= 2, "a timer waited for {most} polls");
    }
}

#[test]
fn a_main_future_that_yields_takes_turns_with_the_tasks() {
    let polls = Arc::<AtomicUsize>::default();
    let is_over = Arc::<AtomicBool>::default();
    Runtime::current_thread().unwrap().block_on(async {
        for _ in 0..4 {
            let (polls, is_over) = (polls.clone(), is_over.clone());
            drop(spawn(async move {
                while !is_over.load(SeqCst) && polls.fetch_add(1, SeqCst) < 10_000 {
                    compute();
                    yield_now().await;
                }
            }));
        }
        for _ in 0..50 {
            compute();
            yield_now().await;
        }
        is_over.store(true, SeqCst);
    });
    let polls = polls.load(SeqCst);
    assert!((150..=250).contains(&polls), "four tasks had {polls} polls beside 50 of the main future");
}

#[test]
fn a_future_that_yields_for_ever_starves_no_timer() {
    // Far more than a millisecond has room for.
    const MOST: usize = 2_000_000;
    async fn yields_before_a_timeout() -> usize {
        let mut yields = 0;
        let yield_on = async {
            while yields <= MOST {
                yields += 1;
                yield_now().await;
            }
        };
        // The count tells.
        let _ = timeout(MS, yield_on).await;
        yields
    }
    for runtime in runtimes() {
        assert!(runtime.block_on(yields_before_a_timeout()) < MOST, "the future of block_on");
        assert!(run_inside(&runtime, yields_before_a_timeout()) < MOST, "a task");
    }
}

#[test]
fn a_flood_from_outside_leaves_turns_to_the_tasks() {
    fn flood(handle: brigade_runtime::Handle, left: usize, is_over: Arc<AtomicBool>) {
        let next = handle.clone();
        drop(handle.spawn(async move {
            compute();
            if left > 0 && !is_over.load(SeqCst) {
                outside(|| flood(next, left - 1, is_over));
            } else {
                is_over.store(true, SeqCst);
            }
        }));
    }
    for runtime in runtimes() {
        let is_over = Arc::<AtomicBool>::default();
        let handle = runtime.handle();
        let polls = run_inside(&runtime, async move {
            let ends = is_over.clone();
            let task = spawn(async move {
                let mut polls = 0;
                while polls < 20 && !ends.load(SeqCst) {
                    compute();
                    polls += 1;
                    yield_now().await;
                }
                ends.store(true, SeqCst);
                polls
            });
            outside(|| flood(handle, 5000, is_over));
            task.await.unwrap()
        });
        assert_eq!(polls, 20, "beside 5000 tasks from outside");
    }
}

#[test]
fn two_tasks_that_wake_each_other_leave_half_of_the_time_to_the_rest() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let polls = Arc::<AtomicUsize>::default();
    let begun = polls.clone();
    let polls = run_inside(&runtime, async move {
        let [ping, pong] = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let player = |own: Arc<Notify>, other: Arc<Notify>| async move {
            for _ in 0..50 {
                compute();
                other.notify_one();
                own.notified().await;
            }
            other.notify_one();
        };
        let load = spawn(async move { compute_beside(begun, |_| ()).await });
        let players = [spawn(player(ping.clone(), pong.clone())), spawn(player(pong, ping))];
        for player in players {
            player.await.unwrap();
        }
        let counted = polls.load(SeqCst);
        load.await.unwrap();
        counted
    });
    assert!(polls >= 90, "the other tasks had {polls} polls beside 100 of the two");
}
