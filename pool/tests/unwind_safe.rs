//! Types that may cross a `catch_unwind`: a panic leaves none of them in a state that a later user could not
//! bear. The assertions are made when this file is compiled.

use brigade_pool::{
    AsCompleted, Builder, JoinError, JoinHandle, Pool, Stats, Until, Waited,
    lock::{Deadlock, Link, Lock},
    queue::Queue,
};
use std::{
    cell::Cell,
    panic::{RefUnwindSafe, UnwindSafe, catch_unwind},
};

const fn survives<T: UnwindSafe + RefUnwindSafe>() {}

/// A value that is not unwind-safe itself: neither a handle nor a queue touches it.
type Fragile = Cell<u32>;

const _: () = {
    survives::<AsCompleted<Fragile>>();
    survives::<Builder>();
    survives::<Deadlock>();
    survives::<JoinError>();
    survives::<JoinHandle<Fragile>>();
    survives::<Link>();
    survives::<Pool>();
    survives::<Queue<Fragile>>();
    survives::<Stats>();
    survives::<Until>();
    survives::<Waited<u32>>();
    // A lock is open again when its guard is dropped by a panic, so its value has to bear that.
    survives::<Lock<u32>>();
};

#[test]
fn a_pool_is_as_good_after_a_caught_panic_as_before() {
    let pool = Pool::builder().threads(1).build().unwrap();
    let caught = catch_unwind(|| pool.install(|| std::panic::resume_unwind(Box::new("as told"))));
    assert!(caught.is_err());
    assert_eq!(catch_unwind(|| pool.spawn(|| 7).join()).unwrap().unwrap(), 7);
}
