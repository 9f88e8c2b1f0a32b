//! Timers: how late they fire; set and cancelled, fired in large numbers, and outstanding in larger numbers.

use super::executor::{Brigade, Runtime, Smol, Spawner, Threads, Tokio};
use crate::bench::{Bench, Metric, Row, Side, lateness, sides, timed, workers};
use brigade_trace::clock;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

const TIMERS: u64 = 10_000;
const SLEEPS: u64 = 100_000;

/// Timers whose lateness is measured.
#[derive(Debug, Clone, Copy)]
struct Sleepers {
    tasks: u64,
    /// Each sleep has a length of its own between these two.
    shortest: Duration,
    longest: Duration,
    /// How often each task sleeps in an iteration.
    sleeps: u64,
}

/// The names of the rows: half of the timers are this late or less, 99 of 100, all; and the CPU time of a
/// sleep.
type LateNames = [&'static str; 4];

/// The names of a bench on all workers and on the current thread.
macro_rules! late_names {
    ($name:literal) => {
        [
            [$name, concat!($name, "_p99"), concat!($name, "_max"), concat!($name, "_cpu")],
            [
                concat!($name, "_ct"),
                concat!($name, "_ct_p99"),
                concat!($name, "_ct_max"),
                concat!($name, "_ct_cpu"),
            ],
        ]
    };
}

/// The benches of how late timers fire.
pub(crate) fn late_benches() -> Vec<Bench> {
    const fn one(micros: u64, sleeps: u64) -> Sleepers {
        let length = Duration::from_micros(micros);
        Sleepers { tasks: 1, shortest: length, longest: length, sleeps }
    }
    const fn many(tasks: u64, longest_millis: u64, sleeps: u64) -> Sleepers {
        let longest = Duration::from_millis(longest_millis);
        Sleepers { tasks, shortest: Duration::from_micros(100), longest, sleeps }
    }
    let benches = [
        (late_names!("timer_late_100us"), one(100, 100)),
        (late_names!("timer_late_300us"), one(300, 50)),
        (late_names!("timer_late_1ms"), one(1000, 30)),
        (late_names!("timer_late_3ms"), one(3000, 15)),
        (late_names!("timer_late_10ms"), one(10_000, 6)),
        (late_names!("timers_late_100"), many(100, 10, 10)),
        (late_names!("timers_late_10k"), many(10_000, 100, 2)),
    ];
    let with_threads = |(names, sleepers): ([LateNames; 2], Sleepers)| {
        [(names[0], sleepers, Threads::Workers(workers())), (names[1], sleepers, Threads::Current)]
    };
    let against_both = |(names, sleepers, threads): (LateNames, Sleepers, Threads)| {
        let peers = if threads == Threads::Current { super::SINGLE } else { super::MULTI };
        let ours = move || late::<Brigade>(sleepers, threads);
        let mut tokio =
            Bench::new(names[0], peers[0], move || sides(ours(), late::<Tokio>(sleepers, threads)));
        let mut smol = Bench::new(names[0], peers[1], move || sides(ours(), late::<Smol>(sleepers, threads)));
        // tokio rounds up to milliseconds: it fires many timers at once, late.
        tokio.rows = late_rows(names, None);
        smol.rows = late_rows(names, Some(0.7));
        [tokio, smol]
    };
    benches.into_iter().flat_map(with_threads).flat_map(against_both).collect()
}

fn late_rows(names: LateNames, cpu_goal: Option<f64>) -> Vec<Row> {
    let [p50, p99, max, cpu] = names;
    let late = |name, figure, goal| Row { name, metric: Metric::ExtraTime(figure), goal };
    vec![
        late(p50, 0, Some(1.0)),
        late(p99, 1, Some(1.0)),
        late(max, 2, None),
        Row { name: cpu, metric: Metric::Cpu, goal: cpu_goal },
    ]
}

/// Measures how late tasks wake up that sleep and do nothing else.
fn late<R: Runtime>(sleepers: Sleepers, threads: Threads) -> Side {
    let runtime = R::start(threads);
    lateness(move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let task = |seed| spawner.spawn(sleep_and_measure::<R::Spawner>(sleepers, seed, iterations));
            let tasks: Vec<_> = (0..sleepers.tasks).map(task).collect();
            let mut late = Vec::new();
            for task in tasks {
                late.extend(task.await);
            }
            late
        })
    })
}

async fn sleep_and_measure<I: Spawner>(sleepers: Sleepers, seed: u64, iterations: u64) -> Vec<Duration> {
    let Sleepers { shortest, longest, sleeps, .. } = sleepers;
    let range = (longest - shortest).as_nanos() as u64 + 1;
    let mut random = seed;
    let mut late = Vec::new();
    for _ in 0..sleeps * iterations {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = shortest + Duration::from_nanos((random >> 20) % range);
        let due = clock::now() + length;
        I::sleep(length).await;
        late.push(due.elapsed());
    }
    late
}

/// Polls a future once, and ignores the result.
async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

async fn set_and_take_back<I: Spawner>(count: u64) {
    for number in 0..count {
        let sleep = pin!(I::sleep(Duration::from_millis(1000 + number % 1000)));
        poll_once(sleep).await;
    }
}

/// Creates a timer, polls it once, and drops it, like a timeout that does not happen.
pub(crate) fn create_and_drop<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(TIMERS, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                set_and_take_back::<R::Spawner>(TIMERS).await;
            }
        });
    })
}

/// Runs 100,000 tasks that sleep for 1 to 50 ms, from the first spawn to the last join. The longest sleep is
/// the limit.
pub(crate) fn sleeps<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(1, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let sleeper = |number: u64| {
                    <R::Spawner as Spawner>::sleep(Duration::from_millis(1 + number * 7919 % 50))
                };
                let tasks: Vec<_> = (0..SLEEPS).map(|number| spawner.spawn(sleeper(number))).collect();
                for task in tasks {
                    task.await;
                }
            }
        });
    })
}

/// Like [`create_and_drop`], on our runtime, while this many other timers are outstanding.
pub(crate) fn among(outstanding: u64) -> Side {
    let runtime = Brigade::start(Threads::Current);
    let others = runtime.block_on(async {
        let mut others = Vec::new();
        for number in 0..outstanding {
            let long = Duration::from_millis(1_000_000 + number * 7919 % 1_000_000);
            let mut other = Box::pin(<Brigade as Runtime>::Spawner::sleep(long));
            poll_once(other.as_mut()).await;
            others.push(other);
        }
        others
    });
    timed(TIMERS, move |iterations| {
        // The other timers live as long as this closure.
        assert_eq!(others.len() as u64, outstanding);
        runtime.block_on(async {
            for _ in 0..iterations {
                set_and_take_back::<<Brigade as Runtime>::Spawner>(TIMERS).await;
            }
        });
    })
}
