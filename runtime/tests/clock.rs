//! Time by a clock that is paused: nothing here waits, and nothing depends on how busy the machine is.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]
// Sleeps that outlive their runtime are what some of these tests are about.
#![allow(clippy::async_yields_async)]

use crate::common::WakeCount;
use brigade_runtime::{
    Handle, MissedTicks, Runtime, Sleep, gather, interval, interval_at, net::TcpListener, net::TcpStream,
    now, sleep, sleep_until, spawn, spawn_blocking, timeout, timeout_at, yield_now,
};
use std::{
    cell::RefCell,
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{Arc, mpsc},
    task::{Context, Waker},
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn paused<F: Future>(future: F) -> F::Output {
    Runtime::builder().paused_clock().build().unwrap().block_on(future)
}

fn ms_since(begin: Instant) -> u128 {
    (now() - begin).as_millis()
}

#[test]
fn time_jumps_from_timer_to_timer_when_all_tasks_wait() {
    let seen = RefCell::new(Vec::new());
    paused(async {
        let begin = now();
        let task = spawn(async move {
            sleep(2 * DAY).await;
            now() - begin
        });
        gather([3, 1, 2].map(|days| {
            let seen = &seen;
            async move {
                sleep(days * DAY).await;
                seen.borrow_mut().push((days, now() - begin));
            }
        }))
        .await;
        assert_eq!(task.await.unwrap(), 2 * DAY);
    });
    assert_eq!(seen.into_inner(), [(1, DAY), (2, 2 * DAY), (3, 3 * DAY)]);
}

#[test]
fn time_stands_still_while_a_task_is_ready() {
    paused(async {
        let begin = now();
        for _ in 0..1000 {
            yield_now().await;
            spawn(async {}).await.unwrap();
        }
        assert_eq!(now(), begin);
    });
}

#[test]
fn time_stands_still_while_blocking_work_is_under_way() {
    paused(async {
        let begin = now();
        let (go, gone) = mpsc::channel();
        let nap = spawn(sleep(DAY));
        let blocking = spawn_blocking(move || gone.recv().unwrap());
        let other = std::thread::spawn(move || go.send(7).unwrap());
        assert_eq!(blocking.await.unwrap(), 7);
        assert_eq!(now(), begin);
        // Nobody waits for this one, and its end lets the clock go on.
        drop(spawn_blocking(|| ()));
        nap.await.unwrap();
        assert_eq!(now() - begin, DAY);
        let panicked = spawn_blocking(|| panic!("meant")).await.unwrap_err();
        assert_eq!(panicked.panic_message(), Some("meant"));
        other.join().unwrap();
    });
}

#[test]
fn descriptors_are_looked_at_before_time_jumps() {
    paused(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let greeting = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        });
        let stream = TcpStream::connect(address).await.unwrap();
        greeting.await.unwrap();
        drop(stream);
    });
}

#[test]
fn a_paused_clock_wants_no_workers() {
    let error = Runtime::builder().workers(2).paused_clock().build().unwrap_err();
    assert!(error.to_string().contains("current-thread"), "{error}");
    assert!(Runtime::builder().paused_clock().current_thread().build().is_ok());
}

/// When ticks come, in milliseconds from the start, of an interval of 10 whose third tick is asked for when
/// it is `late`.
fn ticks(missed: MissedTicks, late: u32) -> Vec<(u128, u128)> {
    paused(async move {
        let begin = now();
        let mut interval = interval(10 * MS).missed(missed);
        let mut ticks = Vec::new();
        for turn in 0..8 {
            let due = interval.tick().await;
            ticks.push(((due - begin).as_millis(), ms_since(begin)));
            if turn == 1 {
                sleep(late * MS).await;
            }
        }
        ticks
    })
}

#[test]
fn missed_ticks_come_at_once_or_later_or_not_at_all() {
    let on_time: Vec<_> = (0..8).map(|n| (10 * n, 10 * n)).collect();
    for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
        assert_eq!(ticks(missed, 7), on_time, "{missed:?}");
    }
    // From 10 to 47 nobody asks.
    let burst = [(0, 0), (10, 10), (20, 47), (30, 47), (40, 47), (50, 50), (60, 60), (70, 70)];
    assert_eq!(ticks(MissedTicks::Burst, 37), burst);
    let delay = [(0, 0), (10, 10), (20, 47), (57, 57), (67, 67), (77, 77), (87, 87), (97, 97)];
    assert_eq!(ticks(MissedTicks::Delay, 37), delay);
    let skip = [(0, 0), (10, 10), (20, 47), (50, 50), (60, 60), (70, 70), (80, 80), (90, 90)];
    assert_eq!(ticks(MissedTicks::Skip, 37), skip);
}

#[test]
fn an_interval_begins_when_it_is_told_and_anew_when_it_is_reset() {
    paused(async {
        let begin = now();
        let mut ticks = interval_at(begin + DAY, 3 * MS);
        assert_eq!(ticks.tick().await, begin + DAY);
        assert_eq!(ticks.tick().await, begin + DAY + 3 * MS);
        sleep(2 * MS).await;
        ticks.reset();
        assert_eq!(ticks.tick().await, begin + DAY + 8 * MS);
    });
}

#[test]
fn spans_without_end_are_safe() {
    paused(async {
        let begin = now();
        let mut rare = interval(Duration::MAX);
        assert_eq!(rare.tick().await, begin);
        assert!(timeout(DAY, rare.tick()).await.is_err());
        rare.reset();
        assert!(timeout(DAY, rare.tick()).await.is_err());
        assert!(timeout(DAY, sleep(Duration::MAX)).await.is_err());
        let far = begin + Duration::from_secs(1 << 40);
        assert!(timeout(DAY, sleep_until(far)).await.is_err());
        assert!(timeout_at(begin + 5 * DAY, timeout_at(far, pending::<()>())).await.is_err());
        assert_eq!(now() - begin, 5 * DAY);
        assert_eq!(timeout(Duration::MAX, sleep(400 * DAY)).await, Ok(()));
    });
}

#[test]
fn a_thousand_years_pass_in_no_time() {
    paused(async {
        for years in [1000, 10_000] {
            let (begin, long) = (now(), 365 * years * DAY);
            sleep(long).await;
            assert_eq!(now() - begin, long);
        }
    });
}

#[test]
fn the_clock_jumps_for_a_blocking_call_that_waits_for_it() {
    for _ in 0..50 {
        paused(async {
            let begin = now();
            // Timers before and after those of the call: the clock may pass none of them too early.
            let ticks = spawn(async {
                let mut ticks = interval(MS);
                for _ in 0..100 {
                    ticks.tick().await;
                }
            });
            let passed = spawn_blocking(move || {
                let inside = Handle::current();
                let sleep_for = |span| {
                    inside.block_on(async move {
                        sleep(span).await;
                        now() - begin
                    })
                };
                [7 * MS, 20 * MS, MS].map(sleep_for)
            });
            assert_eq!(passed.await.unwrap(), [7 * MS, 27 * MS, 28 * MS]);
            ticks.await.unwrap();
            // The call waits for a task that sleeps.
            let task = spawn_blocking(|| Handle::current().block_on(spawn(sleep(DAY))));
            task.await.unwrap().unwrap();
            assert!(now() - begin >= DAY);
        });
    }
}

#[test]
fn a_deadline_that_cannot_be_represented_never_comes() {
    let spans = (40..64).map(|bits| Duration::from_secs(1 << bits));
    let spans: Vec<_> = spans.chain([Duration::MAX, Duration::MAX - Duration::from_nanos(1)]).collect();
    let runtimes = [Runtime::builder().paused_clock().build().unwrap(), Runtime::multi_thread(1).unwrap()];
    for runtime in runtimes {
        let spans = spans.clone();
        let task = runtime.spawn(async move {
            let begin = now();
            let later = |span: Duration| begin.checked_add(span);
            let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
            for span in spans {
                waits.push(Box::pin(sleep(span)));
                waits.push(Box::pin(async move { _ = timeout(span, pending::<()>()).await }));
                let mut ticks = interval(span);
                ticks.tick().await;
                ticks.reset();
                waits.push(Box::pin(async move { _ = ticks.tick().await }));
                if let Some(deadline) = later(span) {
                    waits.push(Box::pin(sleep_until(deadline)));
                    waits.push(Box::pin(async move { _ = timeout_at(deadline, pending::<()>()).await }));
                    let mut reset = sleep(MS);
                    reset.reset(deadline);
                    waits.push(Box::pin(reset));
                    let mut ticks = interval_at(deadline, span).missed(MissedTicks::Skip);
                    waits.push(Box::pin(async move { _ = ticks.tick().await }));
                }
            }
            let count = waits.len();
            let all = gather(waits);
            // The near timer fires all the same.
            assert!(timeout(MS, all).await.is_err());
            count
        });
        let task = async move { task.await.unwrap() };
        assert!(runtime.block_on(task) > 50);
    }
}

#[test]
fn a_sleep_may_be_set_to_another_time_before_and_after_it_is_ready() {
    paused(async {
        let begin = now();
        let mut nap = pin!(sleep(10 * MS));
        assert!(timeout(5 * MS, &mut nap).await.is_err());
        nap.reset(begin + 20 * MS);
        nap.as_mut().await;
        assert_eq!(ms_since(begin), 20);
        nap.reset(begin + 30 * MS);
        assert!(!nap.is_elapsed());
        nap.as_mut().await;
        assert_eq!(ms_since(begin), 30);
    });
}

/// A sleep that is set on a runtime which has since ended, `after` that much time.
fn sleep_of_an_ended_runtime(duration: Duration, after: Duration) -> Pin<Box<Sleep>> {
    paused(async {
        let mut set = Box::pin(sleep(duration));
        assert!(set.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        sleep(after).await;
        set
    })
}

#[test]
#[should_panic(expected = "a sleep was polled after its runtime had ended")]
fn a_sleep_is_not_early_if_its_runtime_ends() {
    paused(sleep_of_an_ended_runtime(2 * MS, MS));
}

#[test]
#[should_panic(expected = "a sleep was polled after its runtime had ended")]
fn a_timeout_is_not_over_early_if_its_runtime_ends() {
    let mut timeout = paused(async {
        let mut timeout = Box::pin(timeout(MS, pending::<()>()));
        assert!(timeout.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timeout
    });
    let _over = timeout.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn a_sleep_reports_the_end_of_its_runtime() {
    let woken = Arc::new(WakeCount::default());
    let held = paused(async {
        let mut held = Box::pin(sleep(DAY));
        let waker = Waker::from(woken.clone());
        assert!(held.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        held
    });
    assert!(woken.times() > 0);
    assert!(!held.is_elapsed());
}

#[test]
fn a_sleep_whose_time_came_before_the_end_is_ready_after_it() {
    paused(sleep_of_an_ended_runtime(MS, MS));
}

#[test]
fn timers_of_all_distances_fire_in_order_and_on_time() {
    paused(async {
        let begin = now();
        let ends = RefCell::new(Vec::new());
        let naps = (0..300_u64).map(|n| {
            let span = MS * ((n * n * n * 7919) % 300_000_007) as u32;
            let ends = &ends;
            async move {
                sleep(span).await;
                assert_eq!(now() - begin, span);
                ends.borrow_mut().push(span);
            }
        });
        gather(naps).await;
        assert!(ends.borrow().is_sorted());
    });
}
