//! Calls that end their workers, are tried again, and are cancelled meanwhile: each handle completes, and
//! nothing is started afterwards.

use crate::{
    dice::Dice,
    ledger::{self, Ledger},
    leftovers::Leftovers,
    path::pool,
    seconds, sys,
};
use brigade_process::{JoinError, Lost};
use brigade_trace::clock;
use std::{collections::HashMap, thread, time::Duration};

const RETRIES: u32 = 5;

/// Writes its number, and then ends its worker three times of four, after some microseconds.
fn dies((path, number, seed): (String, u64, u64)) -> u64 {
    ledger::enter((path.clone(), number));
    let starts = std::fs::metadata(&path).unwrap().len();
    let mut dice = Dice::new(seed ^ starts);
    let end = clock::now() + Duration::from_micros(dice.below(2_000));
    while clock::now() < end {
        std::hint::spin_loop();
    }
    if dice.below(4) > 0 {
        sys::send(std::process::id(), sys::Signal::Kill);
    }
    number
}

pub(crate) fn a_cancelled_call_is_never_started_again() {
    let before = Leftovers::now();
    let procs = pool(3);
    let time = Duration::from_secs(seconds(1));
    let began = clock::now();
    let mut dice = Dice::new(11);
    let (mut number, mut cancelled, mut answered) = (0, 0, 0);
    while began.elapsed() < time || cancelled == 0 || answered == 0 {
        // Each round has a ledger: the counts at the end of a handle are compared with later ones.
        let ledger = Ledger::new("cancels");
        let mut handles = Vec::new();
        for _ in 0..6 {
            number += 1;
            let call = procs.call(dies, (ledger.path(), number, dice.next())).retry(RETRIES);
            handles.push((number, call.spawn()));
        }
        thread::park_timeout(Duration::from_micros(dice.below(8_000)));
        handles.iter().filter(|_| dice.below(3) > 0).for_each(|(_, handle)| handle.cancel());
        let mut counts = HashMap::new();
        for (number, handle) in handles {
            match handle.join() {
                Ok(got) => {
                    assert_eq!(got, number);
                    answered += 1;
                }
                Err(JoinError::Cancelled(_)) => cancelled += 1,
                Err(JoinError::Lost(
                    Lost::Killed { signal: 9 } | Lost::Quarantined { .. } | Lost::NotStarted(_),
                    _,
                )) => {}
                Err(error) => panic!("call {number}: {error}"),
            }
            let starts = ledger.counts().get(&number).copied().unwrap_or(0);
            assert!(starts <= 1 + RETRIES, "call {number} was started {starts} times");
            counts.insert(number, starts);
        }
        // When every worker has answered this, each call that was queued before has begun, or its worker is
        // gone.
        while procs.spawn(|n: u32| n, 1).join().is_err() {}
        for (number, starts) in counts {
            assert_eq!(
                ledger.counts().get(&number).copied().unwrap_or(0),
                starts,
                "call {number} was started again"
            );
        }
    }
    procs.shutdown();
    before.wait_for();
}
