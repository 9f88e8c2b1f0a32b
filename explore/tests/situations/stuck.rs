//! A stuck run says why it is stuck, and where.

use brigade_explore::{
    Class, Explore, Failed, Verdict,
    runtime::{
        JoinHandle, select, sleep, spawn,
        sync::{Mutex, Notify},
    },
    sync, thread,
};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};

fn check<F: Future<Output = ()> + 'static>(code: impl Fn() -> F + Send + Sync + 'static) -> Failed {
    Explore::new().schedules(2000).explore(code).expect_failure()
}

/// Two tasks lock in two orders.
fn deadlock_of_two_tasks() -> Failed {
    check(|| async {
        let locks = Arc::new((Mutex::new(0), Mutex::new(0)));
        let theirs = locks.clone();
        let one = spawn(async move {
            let _one = theirs.0.lock().await;
            let _two = theirs.1.lock().await;
        });
        let two = spawn(async move {
            let _two = locks.1.lock().await;
            let _one = locks.0.lock().await;
        });
        one.await.expect("no task panics");
        two.await.expect("no task panics");
    })
}

/// The root holds the lock that the task waits for whose end it awaits.
fn deadlock_with_the_root() -> Failed {
    check(|| async {
        let lock = Arc::new(Mutex::new(0));
        let theirs = lock.clone();
        let _held = lock.lock().await;
        spawn(async move { *theirs.lock().await += 1 }).await.expect("no task panics");
    })
}

#[test]
fn a_deadlock_is_told_with_its_holders_and_its_places() {
    let failed = deadlock_of_two_tasks();
    let failure = &failed.failure;
    assert_eq!(failure.class, Class::Deadlock, "{failed}");
    assert!(failure.message.contains("wait for each other in a circle"), "{failed}");
    assert!(failure.message.contains("held by task#"), "{failed}");
    assert_eq!(failure.sites.len(), 2, "{failed}");
    assert!(failure.sites.iter().all(|site| site.contains("stuck.rs:")), "{failed}");
}

#[test]
fn the_lanes_of_three_threads_fit_in_a_hundred_columns_and_cut_nothing() {
    let failed = deadlock_of_two_tasks();
    let report = failed.to_string();
    assert!(!report.contains("thread#") && report.contains("root waits for"), "{report}");
    let lanes: Vec<_> = report.lines().skip_while(|line| !line.starts_with("root root")).collect();
    let lanes: Vec<_> = lanes.into_iter().take_while(|line| !line.is_empty()).collect();
    assert!(lanes.len() > 5, "{report}");
    for line in lanes {
        assert!(line.chars().count() <= 100 && !line.contains('…'), "{line}\n{report}");
    }
}

#[test]
fn a_deadlock_is_written_as_a_timeline() {
    let failed = deadlock_of_two_tasks();
    for (ending, part) in
        [("html", "<!DOCTYPE html>"), ("svg", "<svg"), ("txt", "tasks"), ("brigade", "BRIGADE")]
    {
        let file = format!("brigade-explore-{}.{ending}", std::process::id());
        let path = std::env::temp_dir().join(file);
        failed.write_timeline(&path).expect("the system takes a file");
        let bytes = std::fs::read(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it was written");
        assert!(String::from_utf8_lossy(&bytes).contains(part), "{ending}");
    }
}

#[test]
fn two_deadlocks_at_other_places_are_not_the_same() {
    let (one, other) = (deadlock_of_two_tasks(), deadlock_with_the_root());
    assert_eq!(one.failure.class, other.failure.class);
    assert!(!one.failure.is_same(&other.failure), "{one}{other}");
}

#[test]
fn a_futurelock_is_told() {
    let failed = check(|| async {
        let lock = Arc::new(Mutex::new(0));
        let theirs = lock.clone();
        drop(spawn(async move {
            let _guard = theirs.lock().await;
            sleep(Duration::from_secs(5)).await;
        }));
        let mut locking = pin!(lock.lock());
        let _ = select(locking.as_mut(), sleep(Duration::from_secs(1))).await;
        *lock.lock().await += 1;
    });
    assert_eq!(failed.failure.class, Class::Futurelock, "{failed}");
}

#[test]
fn a_wait_that_nobody_ends_is_a_lost_wake_up() {
    let failed = check(|| async {
        let bell = Arc::new(Notify::new());
        let theirs = bell.clone();
        spawn(async move { theirs.notified().await }).await.unwrap();
    });
    assert_eq!(failed.failure.class, Class::LostWakeUp, "{failed}");
    assert!(failed.failure.sites.iter().any(|site| site.contains("stuck.rs:")), "{failed}");
}

#[test]
fn a_task_that_joins_itself_is_told() {
    let failed = check(|| async {
        let own: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let (theirs, held) = (own.clone(), own.lock().await);
        let task = spawn(async move {
            let own = theirs.lock().await.take();
            own.unwrap().await.unwrap();
        });
        let mut held = held;
        *held = Some(task);
        drop(held);
        sleep(Duration::from_secs(1)).await;
        drop(own.lock().await);
        std::future::pending::<()>().await;
    });
    assert_eq!(failed.failure.class, Class::JoinsItself, "{failed}");
}

#[test]
fn threads_that_wait_for_locks_are_told_with_their_places() {
    let Verdict::Failed(failed) = Explore::new().explore_threads(|| {
        let lock = Arc::new(sync::Mutex::new(0));
        let theirs = lock.clone();
        let held = lock.lock().unwrap();
        let other = thread::spawn(move || *theirs.lock().unwrap() += 1);
        other.join().unwrap();
        drop(held);
    }) else {
        panic!("it gets stuck")
    };
    // Each waits for the other one: for its lock, and for its end.
    assert_eq!(failed.failure.class, Class::Deadlock, "{failed}");
    assert!(failed.failure.message.contains("waits for a lock at"), "{failed}");
    assert!(failed.failure.message.contains("held by root (thread 0)"), "{failed}");
    assert_eq!(failed.failure.sites.len(), 2, "{failed}");
    assert!(failed.failure.sites.iter().all(|site| site.contains("stuck.rs:")), "{failed}");
}

/// Runs two threads that take the locks in these orders, each a reader or a writer.
fn take_in_two_orders(take: fn(&[sync::RwLock<u32>; 2], [usize; 2])) -> Failed {
    let Verdict::Failed(failed) = Explore::new().explore_threads(move || {
        let locks = Arc::new([const { sync::RwLock::new(0) }; 2]);
        let threads = [[0, 1], [1, 0]].map(|order| {
            let locks = locks.clone();
            thread::spawn(move || take(&locks, order))
        });
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    }) else {
        panic!("it gets stuck")
    };
    *failed
}

#[test]
fn a_circle_of_readers_and_writers_is_a_deadlock() {
    let failed = take_in_two_orders(|locks, [first, second]| {
        let _read = locks[first].read().unwrap();
        *locks[second].write().unwrap() += 1;
    });
    assert_eq!(failed.failure.class, Class::Deadlock, "{failed}");
    assert_eq!(failed.failure.sites.len(), 1, "{failed}");
    assert!(failed.to_string().contains("write #"), "{failed}");
}

#[test]
fn a_thread_that_takes_a_lock_twice_waits_for_itself() {
    let Verdict::Failed(failed) = Explore::new().explore_threads(|| {
        let lock = sync::Mutex::new(0);
        let _held = lock.lock().unwrap();
        let _again = lock.lock().unwrap();
    }) else {
        panic!("it gets stuck")
    };
    assert_eq!(failed.failure.class, Class::Deadlock, "{failed}");
    assert!(failed.failure.message.starts_with("root waits for itself"), "{failed}");
}

#[test]
fn a_lock_whose_holder_sleeps_for_ever_is_no_circle_and_is_told_with_its_holder() {
    let Verdict::Failed(failed) = Explore::new().schedules(50).explore_threads(|| {
        let lock = Arc::new(sync::Mutex::new(0));
        let (theirs, root) = (lock.clone(), thread::current());
        let cook = thread::Builder::new().name("cook".to_owned());
        let _cook = cook.spawn(move || {
            let _held = theirs.lock().unwrap();
            root.unpark();
            loop {
                thread::park();
            }
        });
        thread::park_timeout(Duration::from_secs(1));
        *lock.lock().unwrap() += 1;
    }) else {
        panic!("it gets stuck")
    };
    assert_eq!(failed.failure.class, Class::Stuck, "{failed}");
    assert!(failed.failure.message.contains("held by cook (thread 1)"), "{failed}");
}
