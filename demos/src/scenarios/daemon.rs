//! `brigade daemon`: a thread that nobody waits for ends with main, in the middle of its work.

use crate::{
    scenario::{Exit, Scenario, no_arguments},
    show::worker_name,
};
use brigade_pool::Pool;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
};

const STEPS: usize = 20;
/// What the step counter says when main is over.
const MAIN_ENDED: usize = usize::MAX / 2;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "daemon",
    about: "A daemon ends with main, and its unfinished work is named",
    idea: "The global pool's threads belong to nobody: they end when the process does, wherever they are. Work that must \
           be finished needs somebody who joins it.",
    made_by: &["pool/src/pool.rs::global", "handle/src/join_handle.rs::is_finished"],
    arguments: no_arguments,
    run: |output, _| {
        let done = Arc::new(AtomicUsize::new(0));
        let (ours, theirs) = (output.clone(), done.clone());
        let handle = Pool::global().spawn(move || {
            for step in 1..=STEPS {
                sleep(ours.delay(0.5));
                // Main ends with the process; when other scenarios follow, this is what ends the daemon.
                if theirs.fetch_add(1, Ordering::Relaxed) >= MAIN_ENDED {
                    return;
                }
                ours.event(&worker_name(), format_args!("step {step} of {STEPS}"));
            }
        });
        sleep(output.delay(1.25));
        let finished = handle.is_finished();
        let done = done.fetch_add(MAIN_ENDED, Ordering::Relaxed);
        output.event("main", "is over, and waits for nobody");
        if finished || done >= STEPS {
            output.lesson("The daemon came to its end before main did; nobody would have waited for it.");
        } else {
            output.event("main", format_args!("unfinished: the daemon's steps {} to {STEPS}", done + 1));
            output.lesson("The daemon did not get to its end: a daemon is for work that nobody misses.");
        }
        Ok(Exit::SUCCESS)
    },
};
