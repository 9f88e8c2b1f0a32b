//! Forks are noticed, whichever way the process was forked.
//!
//! One thread runs all cases in turn, because a fork copies only the thread that calls it.

// Unsafe: forks the process and waits for children.
#[allow(unsafe_code)]
mod sys;

use brigade_handle::{
    JoinError, Lost, Until, as_completed,
    fork::{Generation, PerProcess},
    pair, wait_for,
};
use sys::Way;

fn a_child_is_another_process(way: Way) {
    let here = Generation::current();
    way.in_child(|| {
        !here.is_current() && Generation::current() != here && Generation::current().is_current()
    });
    assert!(here.is_current());
    assert_eq!(Generation::current(), here);
}

/// A grandchild is noticed even if the child did not ask before it forked.
fn a_grandchild_is_noticed_too(way: Way) {
    let here = Generation::current();
    way.in_child(|| {
        way.in_child(|| !here.is_current() && Generation::current() != here);
        let child = Generation::current();
        way.in_child(|| {
            let grandchild = Generation::current();
            !child.is_current() && !here.is_current() && grandchild != child && grandchild != here
        });
        child.is_current()
    });
}

fn each_process_makes_its_own(way: Way) {
    static NUMBER: PerProcess<u32> = PerProcess::new();
    let number = |n| *NUMBER.get_or_init(|| n);
    assert_eq!((number(1), number(2), NUMBER.get()), (1, 1, Some(&1)));
    way.in_child(|| NUMBER.get().is_none() && number(3) == 3 && number(4) == 3 && NUMBER.get() == Some(&3));
    assert_eq!(NUMBER.get(), Some(&1));
}

/// Work that was handed over before the fork is completed in the parent only.
fn a_handle_from_before_is_lost_where_it_would_wait(way: Way) {
    let is_lost = |result: &Result<u32, JoinError>| matches!(result, Err(JoinError::Lost(Lost::Forked, _)));
    let (completer, handle) = pair::<u32>();
    let mut handle = Some(handle);
    let mut take = || handle.take().expect("only children have taken it");
    way.in_child(|| is_lost(&take().join()));
    way.in_child(|| as_completed([take()]).all(|(_, result)| is_lost(&result)));
    way.in_child(|| matches!(&wait_for([take()], Until::All).done[..], [(0, result)] if is_lost(result)));
    completer.complete(Ok(7));
    way.in_child(|| take().join().is_ok_and(|seven| seven == 7));
    assert_eq!(take().join().expect("it was completed"), 7);
    // A handle that is made in the child works.
    way.in_child(|| {
        let (completer, handle) = pair();
        let completing = std::thread::spawn(|| completer.complete(Ok(8)));
        handle.join().is_ok_and(|eight| eight == 8) && completing.join().is_ok_and(|done| done)
    });
}

/// Results that were there before the fork are returned; the others are lost.
fn watched_handles_are_lost_too(way: Way) {
    let (mut completers, handles): (Vec<_>, Vec<_>) = (0..3).map(|_| pair::<u32>()).unzip();
    let mut watched = as_completed(handles);
    completers.remove(1).complete(Ok(1));
    way.in_child(|| {
        let results: Vec<_> = watched.by_ref().map(|(number, result)| (number, result.ok())).collect();
        results == [(0, None), (1, Some(1)), (2, None)]
    });
    completers.remove(1).complete(Ok(2));
    drop(completers);
    assert_eq!(
        watched.map(|(number, result)| (number, result.ok())).collect::<Vec<_>>(),
        [(1, Some(1)), (2, Some(2)), (0, None)]
    );
}

fn main() {
    for &way in Way::ALL {
        a_child_is_another_process(way);
        a_grandchild_is_noticed_too(way);
        each_process_makes_its_own(way);
        a_handle_from_before_is_lost_where_it_would_wait(way);
        watched_handles_are_lost_too(way);
    }
    println!("forks are noticed: ok");
}
