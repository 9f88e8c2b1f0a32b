//! A run ends, whatever the checked code does, and says how.

use crate::{check_threads, failed, passed};
use brigade_explore::{
    Class, Explore,
    runtime::net::TcpListener,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
};
use std::{
    process,
    sync::{Arc, Mutex},
};

#[test]
fn a_panic_is_told_with_its_place() {
    let failed = failed(check_threads(|| panic!("no flour")));
    assert_eq!((failed.failure.class, failed.failure.message.as_str()), (Class::Panic, "no flour"));
    assert!(failed.failure.sites[0].contains("ends.rs"), "{failed}");
    assert!(failed.schedule.deviations().is_empty(), "{failed}");
}

#[test]
fn a_panic_of_a_thread_that_nobody_joins_is_told_with_its_place() {
    let failed = failed(check_threads(|| {
        let cook = thread::Builder::new().name("cook".to_owned());
        drop(cook.spawn(|| panic!("no salt")));
    }));
    assert_eq!(failed.failure.class, Class::UnseenPanic, "{failed}");
    assert!(
        failed.failure.message.contains("cook") && failed.failure.message.contains("no salt"),
        "{failed}"
    );
    assert!(failed.failure.sites[0].contains("ends.rs"), "{failed}");
}

#[test]
fn a_panic_of_a_thread_that_is_joined_passes() {
    passed(check_threads(|| assert!(thread::spawn(|| panic!("no salt")).join().is_err())));
}

#[test]
fn a_thread_that_is_left_behind_is_a_leak() {
    let failed = failed(check_threads(|| drop(thread::spawn(thread::park))));
    assert_eq!(failed.failure.class, Class::Leak, "{failed}");
}

#[test]
fn a_loop_without_end_meets_the_limit_of_steps() {
    let failed = failed(Explore::new().steps(1000).explore_threads(|| {
        loop {
            thread::yield_now();
        }
    }));
    assert_eq!(failed.failure.class, Class::StepLimit, "{failed}");
}

#[test]
fn a_loop_without_a_choice_point_is_named() {
    let failed = failed(check_threads(|| {
        loop {
            std::hint::black_box(());
        }
    }));
    assert_eq!(failed.failure.class, Class::NoChoicePoint, "{failed}");
}

#[test]
fn a_lock_of_std_that_is_held_at_a_choice_point_is_named() {
    let failed = failed(check_threads(|| {
        let lock = Arc::new(Mutex::new(0));
        let (theirs, count) = (lock.clone(), Arc::new(AtomicU32::new(0)));
        let other = thread::Builder::new().name("cook".to_owned());
        let other = other.spawn(move || *theirs.lock().unwrap() += 1).unwrap();
        let held = lock.lock().unwrap();
        count.fetch_add(1, SeqCst);
        drop(held);
        other.join().unwrap();
    }));
    assert_eq!(failed.failure.class, Class::BlockedOutside, "{failed}");
    assert!(failed.failure.message.contains("cook"), "{failed}");
}

#[test]
fn code_that_ends_its_process_ends_the_child_only() {
    let exits = failed(check_threads(|| process::exit(3)));
    assert_eq!(exits.failure.class, Class::ProcessEnd);
    assert!(exits.failure.message.contains("exit code 3"), "{exits}");
    let aborts = failed(check_threads(|| process::abort()));
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
    passed(check_threads(|| {
        let dropped = Arc::new(AtomicU32::new(0));
        let theirs = dropped.clone();
        thread::spawn(move || LOCAL.set(Some(Counts(theirs)))).join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
    }));
}

#[test]
fn a_socket_of_the_operating_system_is_refused_by_name() {
    passed(Explore::new().schedules(10).explore(|| async {
        let error = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
        assert!(error.to_string().contains("TcpListener"), "{error}");
    }));
}
