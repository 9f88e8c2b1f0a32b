//! The reference keeps its promises under every order that loom knows, and each wrong solution that the
//! grader cannot see breaks one.
#![cfg(loom)]

use contract::{Deque, ForkJoin, Steal};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

#[path = "../../kit/src/lab08/contract.rs"]
mod contract;

/// The kit, made of loom's types.
mod kit {
    #![allow(unused_imports, dead_code, unreachable_pub)]

    pub mod sync {
        pub use loom::sync::{Condvar, Mutex, MutexGuard};
        pub use std::sync::{Arc, Weak};
        pub mod atomic {
            pub use loom::sync::atomic::*;
        }
    }

    pub mod thread {
        pub use loom::thread::{JoinHandle, Thread, current, park, spawn, yield_now};

        pub fn spawn_named<T: 'static>(_: &str, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
            spawn(f)
        }
    }

    pub mod lab08 {
        pub use crate::contract::*;
    }

    pub fn to_write(step: &str) -> ! {
        panic!("not written yet: {step}")
    }
}

include!(concat!(env!("OUT_DIR"), "/deques.rs"));

/// A thief sees the item that was pushed, and all that its owner did before the push.
fn a_thief_sees_the_item<D: Deque>() {
    loom::model(|| {
        let shared = Arc::new((D::new(2), AtomicUsize::new(0)));
        let theirs = shared.clone();
        let thief = loom::thread::spawn(move || {
            if let Steal::Item(item) = theirs.0.steal() {
                assert_eq!(item, 7, "the thief reads the slot before the item is there");
                assert_eq!(theirs.1.load(Relaxed), 1, "the thief does not see what the item is about");
            }
        });
        shared.1.store(1, Relaxed);
        assert!(shared.0.push(7));
        thief.join().expect("it does not panic");
    });
}

/// Each item is taken once: two by the owner's two pops and a thief's two tries.
fn each_item_is_taken_once<D: Deque>() {
    loom::model(|| {
        let deque = Arc::new(D::new(2));
        assert!(deque.push(1) && deque.push(2));
        let theirs = deque.clone();
        let thief = loom::thread::spawn(move || [theirs.steal(), theirs.steal()]);
        let mut taken: Vec<_> = [deque.pop(), deque.pop()].into_iter().flatten().collect();
        for theft in thief.join().expect("it does not panic") {
            if let Steal::Item(item) = theft {
                taken.push(item);
            }
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2], "each item is taken once");
    });
}

fn check<S: ForkJoin>() {
    a_thief_sees_the_item::<S::Deque>();
    each_item_is_taken_once::<S::Deque>();
}

#[test]
fn orders_are_as_strong_as_needed() {
    for &(name, must_fail, check) in ALL {
        let outcome = catch_unwind(AssertUnwindSafe(check));
        assert_eq!(
            outcome.is_err(),
            must_fail,
            "{name}: {}",
            if must_fail { "loom finds nothing" } else { "see above" }
        );
        println!("{name}: {}", if must_fail { "loom finds the mistake" } else { "right" });
    }
}
