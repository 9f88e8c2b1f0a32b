//! Calls that end their workers before they have begun: they are given up after a few workers, and no other
//! call is blamed.

use crate::{path::launcher, sys};
use brigade_process::{Argv, Builder, JoinError, Lost, ProcessPool};
use std::{fmt, fs, marker::PhantomData, time::Duration};

/// Workers that have no room for a large argument.
fn narrow(workers: usize) -> Builder {
    let narrow = |(): ()| {
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split_whitespace().next().unwrap().parse().unwrap();
        sys::limit_address_space((pages << 12) + (32 << 20));
    };
    ProcessPool::builder().workers(workers).initializer(narrow, ())
}

const HUGE: usize = 48 << 20;

pub(crate) fn an_argument_that_ends_its_workers_is_given_up() {
    for builder in [narrow(1).launcher(launcher()), narrow(1).launcher(Argv::new(["env"]))] {
        let procs = builder.build().unwrap();
        let huge = procs.spawn(|text: String| text.len(), "x".repeat(HUGE));
        let behind: Vec<_> = (0..20).map(|n| procs.spawn(|n: u32| n, n)).collect();
        let error = huge.join().unwrap_err();
        let is_told = matches!(
            &error,
            JoinError::Lost(
                Lost::Quarantined { workers: 2, .. } | Lost::Killed { .. } | Lost::Exited { .. },
                _
            )
        );
        assert!(is_told, "{error}");
        assert!((0..20).eq(behind.into_iter().map(|handle| handle.join().unwrap())), "others are not blamed");
        assert!(procs.statistics().deaths <= 2);
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn a_limit_that_is_over_before_the_call_begins_kills_few_workers() {
    let procs = ProcessPool::builder().workers(1).launcher(launcher()).build().unwrap();
    for _ in 0..20 {
        match procs.call(|n: u32| n, 1).timeout(Duration::ZERO).spawn().join() {
            Ok(1) | Err(JoinError::Lost(Lost::TimedOut { limit: Duration::ZERO }, _)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(procs.statistics().deaths <= 40);
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
}

/// A value that ends any process that decodes it, except the one that has made it.
struct Deadly(PhantomData<()>);

impl serde::Serialize for Deadly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> serde::Deserialize<'de> for Deadly {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::abort()
    }
}

impl fmt::Debug for Deadly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deadly")
    }
}

pub(crate) fn an_argument_that_aborts_while_it_is_decoded_is_one_calls() {
    let procs = ProcessPool::builder().workers(1).launcher(launcher()).build().unwrap();
    let deadly = procs.spawn(|_: Deadly| (), Deadly(PhantomData));
    let behind: Vec<_> = (0..20).map(|n| procs.spawn(|n: u32| n, n)).collect();
    let error = deadly.join().unwrap_err();
    assert!(matches!(error, JoinError::Lost(Lost::Killed { signal: 6 }, _)), "{error}");
    assert!((0..20).eq(behind.into_iter().map(|handle| handle.join().unwrap())));
}
