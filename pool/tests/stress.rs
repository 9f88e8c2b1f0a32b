//! All features at once, for half a second, or for as many seconds as `BRIGADE_STRESS_SECONDS` says. Work
//! that is lost, run twice or never woken shows as a wrong sum or a hang.
#![cfg(not(loom))]

use brigade_pool::{JoinError, Pool, blocking, join, scope, spawn};
use brigade_trace::clock;
use std::{
    env,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn joins(pool: &Pool, turn: u64) {
    assert_eq!(
        pool.install(|| fib(10 + (turn % 8) as u32)),
        [55, 89, 144, 233, 377, 610, 987, 1597][turn as usize % 8]
    );
}

fn scopes(pool: &Pool, turn: u64) {
    let count = AtomicU64::new(0);
    pool.scope(|s| {
        for _ in 0..turn % 50 {
            s.spawn(|s| {
                s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
                scope(|s| s.spawn(|_| _ = count.fetch_add(fib(5), Ordering::Relaxed)));
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), turn % 50 * 6);
}

/// Nested scopes, so that waiting workers help one another, with unrelated jobs between the children.
fn actors(pool: &Pool, turn: u64) {
    fn actor(first: u64, count: u64) -> u64 {
        if count == 1 {
            return first;
        }
        let mut answers = [0; 6];
        scope(|s| {
            for (child, answer) in answers.iter_mut().enumerate() {
                if child == 3 {
                    drop(spawn(move || first));
                }
                s.spawn(move |_| *answer = actor(first + child as u64 * (count / 6), count / 6));
            }
        });
        answers.iter().sum()
    }
    let count = 6_u64.pow(turn as u32 / 3 % 5);
    assert_eq!(pool.install(|| actor(0, count)), count * (count - 1) / 2);
}

fn spawns(pool: &Pool, turn: u64) {
    let handles: Vec<_> =
        (0..turn % 100).map(|n| pool.spawn(move || spawn(move || n).join().unwrap_or(0))).collect();
    let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap_or(0)).sum();
    assert_eq!(sum, (0..turn % 100).sum());
}

fn cancels(pool: &Pool, turn: u64) {
    let handles: Vec<_> = (0..20).map(|n| pool.spawn(move || n)).collect();
    handles.iter().skip(turn as usize % 20).for_each(|handle| handle.cancel());
    for (n, handle) in handles.into_iter().enumerate() {
        assert!(matches!(handle.join(), Ok(m) if m == n) || n >= turn as usize % 20);
    }
}

fn panics(pool: &Pool, turn: u64) {
    let half = |panics: bool| if panics { panic::resume_unwind(Box::new("meant")) } else { fib(8) };
    let both = || pool.join(|| half(turn & 1 != 0), || half(turn & 2 != 0));
    assert_eq!(panic::catch_unwind(AssertUnwindSafe(both)).is_err(), turn & 3 != 0);
    let job = pool.spawn(move || half(true));
    assert!(matches!(job.join(), Err(JoinError::Panicked(..))));
}

fn locks(pool: &Pool, turn: u64) {
    let total = Mutex::new(0);
    pool.scope(|s| {
        for _ in 0..turn % 10 {
            s.spawn(|_| *blocking(|| total.lock().expect("nobody panics")) += fib(7));
        }
    });
    assert_eq!(total.into_inner().expect("nobody panics"), turn % 10 * 13);
}

fn lives(turn: u64) {
    let pool = Pool::builder().threads(1 + turn as usize % 3).build().expect("the threads start");
    let handles: Vec<_> = (0..10).map(|n| pool.spawn(move || n)).collect();
    if turn.is_multiple_of(2) {
        pool.shutdown()
    } else {
        drop(pool)
    }
    for handle in handles {
        assert!(matches!(handle.join(), Ok(_) | Err(JoinError::Cancelled(_))));
    }
}

#[test]
fn everything_at_once_goes_well() {
    let seconds = env::var("BRIGADE_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    let (begin, time) = (clock::now(), Duration::from_secs_f64(seconds));
    let pools = [1, 2, 3].map(|threads| Pool::builder().threads(threads).build().expect("the threads start"));
    thread::scope(|threads| {
        for number in 0..4 {
            let pools = &pools;
            threads.spawn(move || {
                let mut turn = number;
                while begin.elapsed() < time {
                    let pool = &pools[turn as usize % 3];
                    let other = &pools[(turn as usize + 1) % 3];
                    match turn / 3 % 9 {
                        0 => joins(pool, turn),
                        1 => scopes(pool, turn),
                        2 => spawns(pool, turn),
                        3 => cancels(pool, turn),
                        4 => panics(pool, turn),
                        5 => locks(pool, turn),
                        6 => actors(pool, turn),
                        7 => pool.install(|| other.install(|| pool.install(|| _ = fib(6)))),
                        _ => lives(turn),
                    }
                    turn += 1;
                    // From time to time all workers fall asleep.
                    if turn.is_multiple_of(64) {
                        thread::park_timeout(Duration::from_micros(turn % 700));
                    }
                }
            });
        }
    });
}
