//! A zygote that is killed or stopped at any moment: the pool starts another, and each call has an end.

use crate::{
    dice::Dice,
    is_long,
    ledger::{self, Ledger},
    leftovers::Leftovers,
    path::launcher,
    seconds,
    sys::{self, Signal},
};
use brigade_process::{Builder, JoinError, Lost, ProcessPool, Start};
use brigade_trace::clock;
use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

static ZYGOTE: OnceLock<u32> = OnceLock::new();

/// Each call has a worker of its own, so that the pool asks the zygote all the time.
fn build() -> Builder {
    let note = |(): ()| _ = ZYGOTE.set(process::id());
    let builder = ProcessPool::builder().workers(2).launcher(launcher()).max_calls_per_worker(1);
    builder.start_method(Start::Zygote).initializer(note, ())
}

/// The zygote that the worker comes from. Starts may fail while zygotes die.
fn zygote(procs: &ProcessPool) -> Result<u32, String> {
    match procs.spawn(|(): ()| *ZYGOTE.get().unwrap(), ()).join() {
        Ok(zygote) => Ok(zygote),
        Err(JoinError::Lost(Lost::NotStarted(why), _)) => Err(why.into()),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn a_zygote_that_is_killed_at_any_moment_is_replaced() {
    kill_zygotes(build());
}

/// A setup that does not fit into the first message is sent when the worker is known. The worker is not
/// known if its zygote is killed at the wrong moment.
pub(crate) fn a_zygote_is_killed_whose_workers_have_a_long_setup() {
    kill_zygotes(build().affinity(vec![[0, 1]; 5_000]));
}

fn kill_zygotes(builder: Builder) {
    let before = Leftovers::now();
    let procs = builder.build().unwrap();
    let latest = AtomicU32::new(zygote(&procs).unwrap());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut dice, mut last) = (Dice::new(5), 0);
            while !over.load(Ordering::Relaxed) {
                thread::park_timeout(Duration::from_micros(dice.below(4_000)));
                // Each zygote once: when another was seen, this one was reaped, and its number may be
                // anybody's.
                let zygote = latest.load(Ordering::Relaxed);
                if zygote != last {
                    sys::send(zygote, Signal::Kill);
                    last = zygote;
                }
            }
        });
        let (mut zygotes, mut seen) = (0, latest.load(Ordering::Relaxed));
        while zygotes < if is_long() { 1_000 } else { 40 } {
            if let Ok(zygote) = zygote(&procs) {
                latest.store(zygote, Ordering::Relaxed);
                zygotes += u32::from(zygote != seen);
                seen = zygote;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    procs.shutdown();
    before.wait_for();
}

/// Takes some milliseconds to set up, and writes its process id before that.
fn build_slowly(path: String) -> Builder {
    let load = |path: String| {
        ledger::enter((path, process::id().into()));
        let end = clock::now() + Duration::from_millis(3);
        while clock::now() < end {
            std::hint::spin_loop();
        }
        let _ = ZYGOTE.set(process::id());
    };
    let builder = ProcessPool::builder().workers(2).launcher(launcher()).max_calls_per_worker(2);
    builder.start_method(Start::Zygote).initializer(load, path)
}

pub(crate) fn a_zygote_is_killed_while_it_is_set_up() {
    let before = Leftovers::now();
    let ledger = Ledger::new("zygotes");
    let procs = build_slowly(ledger.path()).build().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut dice, mut last) = (Dice::new(6), 0);
            while !over.load(Ordering::Relaxed) {
                thread::park_timeout(Duration::from_micros(dice.below(2_000)));
                let latest = ledger.last().unwrap_or(0) as u32;
                // Half of them get through.
                if latest != last && sys::is_child(latest) {
                    last = latest;
                    if dice.below(2) == 0 {
                        sys::send(latest, Signal::Kill);
                    }
                }
            }
        });
        let end = clock::now() + Duration::from_secs(seconds(1));
        let (mut right, mut number) = (0, 0_u32);
        while clock::now() < end || right == 0 {
            number += 1;
            // Workers in the middle of calls with limits, while zygotes are set up.
            let limited = procs.call(wait_for_ever, ()).timeout(Duration::from_millis(2)).spawn();
            let handles: Vec<_> = (0..6).map(|n| procs.spawn(|n: u32| n, n)).collect();
            let dies = procs.spawn(|(): ()| process::abort(), ());
            for (n, handle) in (0..).zip(handles) {
                match handle.join() {
                    Ok(got) => assert_eq!(got, n),
                    Err(JoinError::Lost(Lost::NotStarted(_), _)) => continue,
                    Err(error) => panic!("round {number}: {error}"),
                }
                right += 1;
            }
            let error = dies.join().map(|(): ()| ()).unwrap_err();
            assert!(
                matches!(&error, JoinError::Lost(Lost::NotStarted(_) | Lost::Killed { signal: 6 }, _)),
                "{error}"
            );
            let error = limited.join().unwrap_err();
            assert!(
                matches!(&error, JoinError::Lost(Lost::NotStarted(_) | Lost::TimedOut { .. }, _)),
                "{error}"
            );
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(procs);
    before.wait_for();
}

fn wait_for_ever((): ()) {
    loop {
        thread::park();
    }
}

pub(crate) fn a_zygote_that_is_stopped_is_replaced() {
    let before = Leftovers::now();
    let procs = build().build().unwrap();
    let first = zygote(&procs).unwrap();
    sys::send(first, Signal::Stop);
    // Workers that were forked before may go on; then a worker comes from another zygote.
    while zygote(&procs).is_ok_and(|zygote| zygote == first) {}
    while zygote(&procs).is_err() {}
    drop(procs);
    before.wait_for();
}
