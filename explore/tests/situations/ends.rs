//! A run ends, whatever the checked code does, and says how.

use crate::check_threads;
use brigade_explore::{
    Class, Explore, Failed,
    pool::Pool,
    runtime::{
        self,
        command::Command,
        io::AsyncFd,
        net::unix::UnixStream,
        signal::{SignalKind, signal},
        sync::mpsc,
    },
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
};
use std::{
    process,
    sync::{Arc, Mutex},
    time::Duration,
};

#[test]
fn a_panic_is_told_with_its_place() {
    let failed = check_threads(|| panic!("no flour")).expect_failure();
    assert_eq!((failed.failure.class, failed.failure.message.as_str()), (Class::Panic, "no flour"));
    assert!(failed.failure.sites[0].contains("ends.rs"), "{failed}");
    assert!(failed.schedule.deviations().is_empty(), "{failed}");
}

#[test]
fn a_panic_of_a_thread_that_nobody_joins_is_told_with_its_place() {
    let failed = check_threads(|| {
        let cook = thread::Builder::new().name("cook".to_owned());
        drop(cook.spawn(|| panic!("no salt")));
    })
    .expect_failure();
    assert_eq!(failed.failure.class, Class::UnseenPanic, "{failed}");
    assert!(
        failed.failure.message.contains("cook") && failed.failure.message.contains("no salt"),
        "{failed}"
    );
    assert!(failed.failure.sites[0].contains("ends.rs"), "{failed}");
}

/// Asserts that a panic of work was told with the name of the work and its place.
fn assert_unseen(failed: &Failed, work: &str) {
    assert_eq!(failed.failure.class, Class::UnseenPanic, "{failed}");
    let message = &failed.failure.message;
    assert!(message.starts_with(work) && message.ends_with("no salt"), "{failed}");
    assert!(failed.failure.sites[0].contains("ends.rs"), "{failed}");
}

#[test]
fn a_panic_of_a_task_whose_handle_is_dropped_is_told_with_the_name_of_the_task() {
    for is_late in [false, true] {
        let failed = Explore::new()
            .schedules(50)
            .explore(move || async move {
                let cook = runtime::spawn_named("cook", async { panic!("no salt") });
                if is_late {
                    runtime::sleep(Duration::from_secs(1)).await;
                }
                drop::<runtime::JoinHandle<()>>(cook);
                runtime::sleep(Duration::from_secs(1)).await;
            })
            .expect_failure();
        assert_unseen(&failed, "task#1 (`cook`) has panicked");
    }
}

#[test]
fn a_panic_of_a_job_without_a_handle_is_told() {
    let detached: fn(&Pool) = |pool| pool.spawn_detached(|| panic!("no salt"));
    let dropped: fn(&Pool) = |pool| drop(pool.spawn(|| panic!("no salt")));
    for spawn in [detached, dropped] {
        let failed = check_threads(move || {
            let pool = Pool::builder().threads(1).build().unwrap();
            spawn(&pool);
            pool.shutdown();
        })
        .expect_failure();
        assert_unseen(&failed, "job#1");
    }
}

#[test]
fn a_panic_of_a_task_that_others_wait_for_in_vain_is_told_as_the_reason() {
    let failed = Explore::new()
        .schedules(50)
        .explore(|| async {
            let (sender, mut inbox) = mpsc::channel::<u32>(1);
            let kept = sender.clone();
            drop(runtime::spawn(async move {
                panic_without_salt();
                let _ = kept.send(1).await;
            }));
            let _ = inbox.recv().await;
            drop(sender);
        })
        .expect_failure();
    assert_unseen(&failed, "task#1 (`");
}

fn panic_without_salt() {
    panic!("no salt");
}

#[test]
fn a_panic_of_work_that_is_awaited_or_handled_passes() {
    Explore::new()
        .schedules(50)
        .explore(|| async {
            assert!(runtime::spawn(async { panic!("no salt") }).await.is_err());
            assert!(runtime::spawn_blocking(|| panic!("no salt")).await.is_err());
        })
        .expect_pass();
    check_threads(|| {
        let pool = Pool::builder().threads(1).on_panic(drop).build().unwrap();
        pool.spawn_detached(|| panic!("no salt"));
        pool.shutdown();
    })
    .expect_pass();
}

#[test]
fn a_panic_of_a_thread_that_is_joined_passes() {
    check_threads(|| assert!(thread::spawn(|| panic!("no salt")).join().is_err())).expect_pass();
}

#[test]
fn a_thread_that_is_left_behind_is_a_leak() {
    let failed = check_threads(|| drop(thread::spawn(thread::park))).expect_failure();
    assert_eq!(failed.failure.class, Class::Leak, "{failed}");
}

#[test]
fn a_loop_without_end_meets_the_limit_of_steps() {
    let failed = Explore::new()
        .steps(1000)
        .explore_threads(|| {
            loop {
                thread::yield_now();
            }
        })
        .expect_failure();
    assert_eq!(failed.failure.class, Class::StepLimit, "{failed}");
}

#[test]
fn a_loop_without_a_choice_point_is_named() {
    let failed = check_threads(|| {
        loop {
            std::hint::black_box(());
        }
    })
    .expect_failure();
    assert_eq!(failed.failure.class, Class::NoChoicePoint, "{failed}");
}

#[test]
fn a_lock_of_std_that_is_held_at_a_choice_point_is_named() {
    let failed = check_threads(|| {
        let lock = Arc::new(Mutex::new(0));
        let (theirs, count) = (lock.clone(), Arc::new(AtomicU32::new(0)));
        let other = thread::Builder::new().name("cook".to_owned());
        let other = other.spawn(move || *theirs.lock().unwrap() += 1).unwrap();
        let held = lock.lock().unwrap();
        count.fetch_add(1, SeqCst);
        drop(held);
        other.join().unwrap();
    })
    .expect_failure();
    assert_eq!(failed.failure.class, Class::BlockedOutside, "{failed}");
    assert!(failed.failure.message.contains("cook"), "{failed}");
}

#[test]
fn code_that_ends_its_process_ends_the_child_only() {
    let exits = check_threads(|| process::exit(3)).expect_failure();
    assert_eq!(exits.failure.class, Class::ProcessEnd);
    assert!(exits.failure.message.contains("exit code 3"), "{exits}");
    let aborts = check_threads(|| process::abort()).expect_failure();
    assert!(aborts.failure.message.contains("signal 6"), "{aborts}");
}

#[test]
fn locals_of_a_thread_are_destroyed_within_the_run() {
    struct Counts(Arc<AtomicU32>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    thread_local! {
        static LOCAL: std::cell::RefCell<Option<Counts>> = const { std::cell::RefCell::new(None) };
    }
    check_threads(|| {
        let dropped = Arc::new(AtomicU32::new(0));
        let theirs = dropped.clone();
        thread::spawn(move || LOCAL.set(Some(Counts(theirs)))).join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
    })
    .expect_pass();
}

#[test]
fn what_the_operating_system_does_is_refused_by_name() {
    Explore::new()
        .schedules(10)
        .explore(|| async {
            let theirs = std::os::unix::net::UnixStream::pair().unwrap().0;
            let error = UnixStream::from_std(theirs).unwrap_err();
            assert!(error.to_string().contains("UnixStream"), "{error}");
            let error = AsyncFd::new(std::io::stdin()).unwrap_err();
            assert!(error.to_string().contains("descriptor"), "{error}");
            let error = Command::new("true").spawn().unwrap_err();
            assert!(error.to_string().contains("Command::spawn"), "{error}");
            let error = signal(SignalKind::HANGUP).unwrap_err();
            assert!(error.to_string().contains("signal::signal"), "{error}");
        })
        .expect_pass();
}

#[test]
fn a_panic_of_the_root_tells_the_first_panic_of_the_run() {
    let verdict = Explore::new().explore_threads(|| {
        thread::spawn(|| panic!("sold twice")).join().unwrap();
    });
    let report = verdict.expect_failure().to_string();
    assert!(report.contains("the first panic of the run, at explore/tests/situations/ends.rs:"), "{report}");
    assert!(
        report.contains(": sold twice\n") && report.contains("it fails without any deviation"),
        "{report}"
    );
    // The command that replays it stays whole, to be copied.
    let mut lines =
        report.lines().filter(|line| !line.starts_with("replay it: ") && !line.contains("ends.rs"));
    assert!(lines.all(|line| line.chars().count() <= 80), "{report}");
}
