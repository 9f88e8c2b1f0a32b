//! Types that may cross a `catch_unwind`: a panic leaves none of them in a state that a later user could not
//! bear. The assertions are made when this file is compiled.

use brigade_handle::{
    AsCompleted, CancelHandle, Completer, Heir, JoinError, JoinHandle, Lost, RemotePanic, Signal, Slot,
    Until, Waited, budget, fork, pair, wait,
};
use std::{
    cell::Cell,
    panic::{RefUnwindSafe, UnwindSafe, catch_unwind},
};

const fn survives<T: UnwindSafe + RefUnwindSafe>() {}

/// A result that is not unwind-safe itself: a handle does not touch it.
type Fragile = Cell<u32>;

const _: () = {
    survives::<AsCompleted<Fragile>>();
    survives::<CancelHandle>();
    survives::<Completer<Fragile>>();
    survives::<Heir>();
    survives::<JoinError>();
    survives::<JoinHandle<Fragile>>();
    survives::<Lost>();
    survives::<RemotePanic>();
    survives::<Signal>();
    survives::<Slot<Fragile>>();
    survives::<Until>();
    // It holds results, so it is what they are.
    survives::<Waited<u32>>();
    survives::<budget::Lifted>();
    survives::<budget::Mark>();
    survives::<fork::Generation>();
    survives::<wait::Away>();
    survives::<wait::Owing>();
    survives::<wait::Policy>();
    survives::<wait::Restore>();
};

#[test]
fn a_handle_is_as_good_after_a_caught_panic_as_before() {
    let (completer, handle) = pair::<u32>();
    let caught = catch_unwind(|| {
        assert!(!handle.is_finished());
        std::panic::resume_unwind(Box::new("as told"));
    });
    assert!(caught.is_err());
    let joined = catch_unwind(|| {
        completer.complete(Ok(7));
        handle.join()
    });
    assert_eq!(joined.unwrap().unwrap(), 7);
}
