//! Calls by the destructor of a thread-local of the user's, when the pool's own thread-locals are gone: a
//! panic there would end the program.

use crate::path::pool;
use brigade_process::{Block, ProcessPool};
use std::{cell::RefCell, sync::Arc, thread};

/// Work to do when its thread ends.
struct Last(Option<Box<dyn FnOnce()>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|work| work());
    }
}

/// Uses the pool on a thread, and then once more where the thread ends: after the thread-locals of the
/// first use are gone, and before.
fn at_a_threads_end(work: impl Fn(&ProcessPool) + Send + Sync + 'static) {
    thread_local! {
        static LAST: RefCell<Last> = const { RefCell::new(Last(None)) };
    }
    let (procs, work) = (Arc::new(pool(1)), Arc::new(work));
    for is_first in [true, false] {
        let (procs, work) = (procs.clone(), work.clone());
        let thread = thread::spawn(move || {
            let (theirs, again) = (procs.clone(), work.clone());
            let leave = || LAST.set(Last(Some(Box::new(move || again(&theirs)))));
            if is_first {
                leave();
                work(&procs);
            } else {
                work(&procs);
                leave();
            }
        });
        thread.join().unwrap();
    }
}

pub(crate) fn a_thread_that_ends_may_call() {
    at_a_threads_end(|procs| {
        assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
        assert_eq!(procs.call(|n: u64| n + 1, 1).retry(1).spawn().join().unwrap(), 2);
        assert!(procs.spawn(|n: u64| assert!(n == 0, "no flour for {n}"), 1).join().is_err());
    });
}

pub(crate) fn a_thread_that_ends_may_map() {
    at_a_threads_end(|procs| {
        assert!(procs.map(|n: u64| n + 1, 0..10).into_iter().map(Result::unwrap).eq(1..11));
        assert!(procs.imap(|n: u64| n + 1, 0..10).map(Result::unwrap).eq(1..11));
        assert_eq!(procs.imap_unordered(|n: u64| n + 1, 0..10).map(Result::unwrap).sum::<u64>(), 55);
    });
}

pub(crate) fn a_thread_that_ends_may_send_blocks() {
    at_a_threads_end(|procs| {
        let block = Block::copy_of(&[7_u64; 1 << 15]).unwrap();
        let double = |block: Block<u64>| {
            Block::copy_of(&block.iter().map(|n| n * 2).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        let doubled = procs.spawn(double, block).join().unwrap().unwrap();
        assert!(doubled.len() == 1 << 15 && doubled.iter().all(|&n| n == 14));
    });
}
