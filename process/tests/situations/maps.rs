//! Maps: many calls in few messages, each still a call of its own; and lazy maps, over more input than
//! there is room for.

use crate::{
    gate::{Gate, wait_at},
    path::pool,
    sys,
};
use brigade_process::{JoinError, Lost, as_completed};
use std::{
    cell::Cell,
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    process,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

pub(crate) fn every_size_of_chunk_gives_the_same() {
    let procs = pool(2);
    for size in [1, 2, 7, 100, 5_000] {
        let results = procs.map_chunked(|n: u32| n + 1, 0..1_000, size);
        assert!((1..=1_000).eq(results.into_iter().map(Result::unwrap)), "{size}");
    }
    assert!(procs.map(|n: u32| n, 0..0).is_empty());
}

pub(crate) fn a_panic_in_a_chunk_is_one_calls() {
    let procs = pool(2);
    let results =
        procs.map_chunked(|n: u32| if n % 10 == 3 { panic!("no flour for {n}") } else { n }, 0..100, 50);
    for (n, result) in (0..).zip(results) {
        match result {
            Ok(got) => assert_eq!(got, n),
            Err(error) => assert_eq!(error.panic_message(), Some(&*format!("no flour for {n}"))),
        }
    }
}

/// Notes that call `n` was begun: appends its number to a file.
fn note(path: &PathBuf, n: u32) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(format!("{n}\n").as_bytes()).unwrap();
}

pub(crate) fn a_death_in_a_chunk_loses_one_call_and_none_runs_twice() {
    static ROUND: AtomicU32 = AtomicU32::new(0);
    let procs = pool(2);
    for size in [1, 10, 100] {
        let round = ROUND.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("brigade-chunk-{}-{round}", process::id()));
        let work = |(n, path): (u32, PathBuf)| {
            note(&path, n);
            if n % 30 == 7 {
                sys::kill(process::id());
            }
            n
        };
        let results = procs.map_chunked(work, (0..100).map(|n| (n, path.clone())), size);
        for (n, result) in (0..).zip(results) {
            match result {
                Ok(got) => assert!(got == n && n % 30 != 7),
                Err(JoinError::Lost(Lost::Killed { signal: 9 }, _)) => assert_eq!(n % 30, 7),
                Err(error) => panic!("call {n} of {size}: {error}"),
            }
        }
        let begun = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut begun: Vec<u32> = begun.lines().map(|line| line.parse().unwrap()).collect();
        begun.sort_unstable();
        assert!(begun.into_iter().eq(0..100), "each call is started once");
    }
}

pub(crate) fn a_map_has_small_and_huge_values() {
    let procs = pool(2);
    let lengths: Vec<usize> = (0..60).map(|n| if n % 10 == 3 { 150_000 } else { n }).collect();
    let inputs = lengths.iter().map(|&length| vec![7_u8; length]);
    for (length, result) in lengths.iter().zip(procs.map(|bytes: Vec<u8>| bytes, inputs)) {
        assert_eq!(result.unwrap().len(), *length);
    }
    let results = procs.map_chunked(|length: usize| vec![7_u8; length], lengths.clone(), 64);
    for (n, (length, result)) in lengths.into_iter().zip(results).enumerate() {
        assert_eq!(result.unwrap().len(), length, "result {n}");
    }
}

pub(crate) fn a_fork_in_a_chunk_answers_once() {
    let procs = pool(1);
    let forks = |n: u32| {
        if n == 5 {
            sys::fork();
        }
        n
    };
    assert!((0..20).eq(procs.map_chunked(forks, 0..20, 20).into_iter().map(Result::unwrap)));
}

pub(crate) fn an_idle_worker_is_given_the_rest_of_a_running_batch() {
    let procs = pool(2);
    // There are far fewer calls than batches of the first guess hold, and each waits until another process
    // runs one as well.
    let gate = Gate::new();
    let handle = procs.spawn_map(wait_at, [gate.port(); 4]);
    let (one, two) = (gate.arrival(), gate.arrival());
    drop(one);
    let three = gate.arrival();
    drop((two, three));
    drop(gate.arrival());
    assert!(handle.join().unwrap().into_iter().all(|result| result.unwrap() == gate.port()));
}

pub(crate) fn a_map_that_is_cancelled_stops_early() {
    let procs = pool(1);
    let gate = Gate::new();
    let handle = procs.spawn_map(wait_at, vec![gate.port(); 1_000]);
    let waiting = gate.arrival();
    handle.cancel();
    // A worker without a ring learns of it by a frame, and may have begun the next call by then: that finds
    // no gate.
    drop((waiting, gate));
    assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
    // The others do not come: this call is the next to run.
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
    assert!(procs.statistics().calls < 10);
}

pub(crate) fn a_map_meets_the_end_of_its_pool() {
    let procs = pool(2);
    let drained = procs.spawn_map(|n: u32| n, 0..10_000);
    procs.shutdown();
    assert!(drained.is_finished());
    assert!((0..10_000).eq(drained.join().unwrap().into_iter().map(Result::unwrap)));
    let procs = pool(1);
    let gate = Gate::new();
    let aborted = procs.spawn_map(wait_at, vec![gate.port(); 100]);
    let _waiting = gate.arrival();
    procs.terminate();
    assert!(aborted.join().unwrap().into_iter().all(|result| matches!(result, Err(JoinError::Cancelled(_)))));
    assert!(sys::has_no_child());
}

pub(crate) fn a_function_of_several_arguments() {
    let procs = pool(2);
    fn bake(what: String, minutes: u32) -> String {
        format!("{what} after {minutes}")
    }
    let baked = procs.starmap(bake, [("bread".to_owned(), 40), ("cake".to_owned(), 60)]);
    assert_eq!(
        baked.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
        ["bread after 40", "cake after 60"]
    );
    let sums = procs.starmap(|a: u32, b: u32, c: u32| a + b + c, [(1, 2, 3)]);
    assert!(sums.into_iter().map(Result::unwrap).eq([6]));
}

pub(crate) fn a_lazy_map_reads_no_further_than_it_may() {
    let procs = pool(2);
    let read = Cell::new(0_u64);
    let endless = (0..).inspect(|_| read.set(read.get() + 1));
    let results = procs.imap(|n: u64| n * 2, endless).in_flight(5);
    for (n, result) in (0..).zip(results.take(100)) {
        assert_eq!(result.unwrap(), n * 2);
        assert!(read.get() <= n + 5);
    }
    let chunks = procs.imap(|n: u64| n * 2, 0..1_000).chunk(30);
    assert!((0..1_000).map(|n| n * 2).eq(chunks.map(Result::unwrap)));
}

pub(crate) fn a_lazy_map_gives_what_comes_first() {
    let procs = pool(2);
    let gate = Gate::new();
    let port = gate.port();
    let work = |(n, port): (u32, u16)| {
        if n == 0 {
            wait_at(port);
        }
        n
    };
    let mut results = procs.imap_unordered(work, (0..50).map(move |n| (n, port))).in_flight(4);
    let mut others = BTreeSet::from([results.next().unwrap().unwrap()]);
    let waiting = gate.arrival();
    others.extend(results.by_ref().take(48).map(Result::unwrap));
    assert!((1..50).eq(others));
    drop(waiting);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!(results.next().is_none());
}

pub(crate) fn a_lazy_map_that_is_dropped_cancels() {
    let procs = pool(1);
    let gate = Gate::new();
    let mut results = procs.imap(wait_at, std::iter::repeat(gate.port())).in_flight(5);
    std::thread::scope(|scope| {
        scope.spawn(|| drop(gate.arrival()));
        results.next().unwrap().unwrap();
    });
    let second = gate.arrival();
    drop(results);
    drop(second);
    procs.shutdown();
}

/// Waits for the first result of a lazy map over the ports of gates, of which the first opens.
fn wait_for_the_first<'p, L>(lazily: impl FnOnce(Box<dyn Iterator<Item = u16> + 'p>) -> L)
where
    L: Iterator<Item = Result<u16, JoinError>>,
{
    let gates = [Gate::new(), Gate::new()];
    let ports = gates.each_ref().map(Gate::port);
    // Two workers run the first two calls, and the third waits. The fourth input would be late.
    let inputs =
        [ports[0], ports[1], ports[1]].into_iter().chain(std::iter::from_fn(|| panic!("it is late")));
    let mut results = lazily(Box::new(inputs));
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let [first, second] = gates.each_ref().map(Gate::arrival);
            drop(first);
            // The test waits for this error.
            let _ = is_over.recv();
            drop((second, gates));
        });
        assert_eq!(results.next().unwrap().unwrap(), ports[0]);
        drop((results, over));
    });
}

pub(crate) fn a_result_is_given_before_a_late_input_is_asked_for() {
    let procs = pool(2);
    wait_for_the_first(|inputs| procs.imap(wait_at, inputs));
    wait_for_the_first(|inputs| procs.imap(wait_at, inputs).in_flight(50));
    wait_for_the_first(|inputs| procs.imap_unordered(wait_at, inputs));
}

pub(crate) fn inputs_that_come_promptly_are_read_ahead() {
    let procs = pool(1);
    let gate = Gate::new();
    let port = gate.port();
    let read = AtomicU32::new(0);
    let inputs = (0..).inspect(|_| _ = read.fetch_add(1, Ordering::Relaxed)).map(|n: u32| (n, port));
    let work = |(n, port): (u32, u16)| {
        if n == 100 {
            wait_at(port);
        }
        n
    };
    let mut results = procs.imap(work, inputs).in_flight(20);
    assert!((0..100).eq(results.by_ref().take(100).map(Result::unwrap)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = gate.arrival();
            // The window fills while its first call waits.
            while read.load(Ordering::Relaxed) < 120 {
                thread::yield_now();
            }
            drop(waiting);
        });
        assert_eq!(results.next().unwrap().unwrap(), 100);
    });
}

pub(crate) fn a_feeder_waits_for_late_inputs() {
    let procs = pool(2);
    let (tell, told) = mpsc::channel();
    let mut results = procs.imap(|n: u32| n * n, told).with_feeder().unwrap();
    for n in 0..50 {
        // The next input comes when this input's result has been given.
        tell.send(n).unwrap();
        assert_eq!(results.next().unwrap().unwrap(), n * n);
    }
    (50..53).for_each(|n| tell.send(n).unwrap());
    assert!([2_500, 2_601, 2_704].into_iter().eq(results.by_ref().take(3).map(Result::unwrap)));
    drop(tell);
    assert!(results.next().is_none() && results.next().is_none());

    let (tell, told) = mpsc::channel();
    let mut results = procs.imap_unordered(|n: u32| n, told).chunk(3).with_feeder().unwrap();
    for n in (0..60).step_by(4) {
        (n..n + 4).for_each(|n| tell.send(n).unwrap());
        let found = BTreeSet::from_iter(results.by_ref().take(4).map(Result::unwrap));
        assert!((n..n + 4).eq(found));
    }
    drop(tell);
    assert!(results.next().is_none());
    let all = procs.imap(|n: u32| n, 0..5_000).chunk(7).in_flight(3).with_feeder().unwrap();
    assert!((0..5_000).eq(all.map(Result::unwrap)));
}

pub(crate) fn a_feeder_passes_a_panic_on_and_ends_with_its_map() {
    let procs = pool(2);
    let inputs = (0..).map(|n: u32| if n < 3 { n } else { resume_unwind(Box::new("out of eggs")) });
    let mut results = procs.imap(|n: u32| n, inputs).with_feeder().unwrap();
    assert!((0..3).eq(results.by_ref().take(3).map(Result::unwrap)));
    let panic = catch_unwind(AssertUnwindSafe(|| results.next())).map(drop).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"out of eggs"));
    assert!(results.next().is_none());

    let (tell, told) = mpsc::channel();
    let mut results = procs.imap(|n: u32| n, told).with_feeder().unwrap();
    tell.send(1).unwrap();
    assert_eq!(results.next().unwrap().unwrap(), 1);
    drop(results);
    // The feeder gives its inputs up.
    while tell.send(2).is_ok() {
        thread::yield_now();
    }
}

pub(crate) fn handles_are_given_as_they_complete() {
    let procs = pool(2);
    let gate = Gate::new();
    let slow = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let handles = [slow, procs.spawn(|n: u16| n, 1), procs.spawn(|n: u16| n, 2)];
    let mut results = as_completed(handles);
    let quick: BTreeSet<_> =
        results.by_ref().take(2).map(|(place, result)| (place, result.unwrap())).collect();
    assert!(quick.into_iter().eq([(1, 1), (2, 2)]));
    drop(waiting);
    assert_eq!(results.next().unwrap().0, 0);
}
