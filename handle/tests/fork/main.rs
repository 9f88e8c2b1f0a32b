//! Forks are noticed, whichever way the process was forked.
//!
//! One thread runs all cases in turn, since a fork copies only the thread that calls it.

// Unsafe: fork and what goes with it.
#[allow(unsafe_code)]
mod sys;

use brigade_handle::fork::{Generation, PerProcess};
use std::convert::Infallible;
use sys::Way;

fn a_child_is_another_process(way: Way) {
    let here = Generation::current();
    way.in_child(|| {
        !here.is_current() && Generation::current() != here && Generation::current().is_current()
    });
    assert!(here.is_current());
    assert_eq!(Generation::current(), here);
}

/// Also where the child has not asked before it forks.
fn so_is_a_grandchild(way: Way) {
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
    let number = |n| *NUMBER.get_or_try_init(|| Ok::<_, Infallible>(n)).expect("it does not fail");
    assert_eq!((number(1), number(2), NUMBER.get()), (1, 1, Some(&1)));
    way.in_child(|| NUMBER.get().is_none() && number(3) == 3 && number(4) == 3 && NUMBER.get() == Some(&3));
    assert_eq!(NUMBER.get(), Some(&1));
}

fn main() {
    for &way in Way::ALL {
        a_child_is_another_process(way);
        so_is_a_grandchild(way);
        each_process_makes_its_own(way);
    }
    println!("forks are noticed: ok");
}
