//! `brigade race`: two workers add one to the same number, and one addition is lost.

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::{Output, thousands},
};
use std::{
    hint::black_box,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
};

const ADDITIONS_PER_WORKER: u64 = 10_000_000;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "race",
    about: "A race condition: a lost update, as two columns",
    idea: "`n += 1` is three steps: load, add, store. Between one worker's load and its store another can do all three, \
           and what it stored is overwritten. Each step here is atomic, so nothing is undefined; the three together are not.",
    made_by: &["pool/src/pool.rs::spawn", "demos/src/scenarios/race.rs::add_in_step"],
    arguments: no_arguments,
    run: |output, _| {
        let pool = pools::threads(2, "worker");
        let pool = pool.map_err(|error| CommandError::failed("cannot start threads", error))?;
        output.line(format_args!("{:22}{:<28}{}", "", "worker 1", "worker 2"));
        let (number, step) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(2)));
        let jobs = [0, 1].map(|column| {
            let (output, number, step) = (output.clone(), number.clone(), step.clone());
            pool.spawn(move || add_in_step(&output, column, &number, &step))
        });
        for job in jobs {
            job.join().map_err(|error| CommandError::failed("a worker", error))?;
        }
        output.event("main", format_args!("1 + 1 = {}", number.load(Ordering::Relaxed)));
        let number = Arc::new(AtomicU64::new(0));
        let (ours, both) = (number.clone(), Barrier::new(2));
        let adding = move |_| {
            both.wait();
            (0..ADDITIONS_PER_WORKER).for_each(|_| add(&ours));
        };
        pool.map(adding, 0..2);
        let (got, wanted) = (number.load(Ordering::Relaxed), 2 * ADDITIONS_PER_WORKER);
        output
            .event("main", format_args!("{} additions, {} lost", thousands(wanted), thousands(wanted - got)));
        pool.shutdown();
        output.lesson(&match wanted - got {
            0 => "Both loaded 0, so both stored 1. That was made to happen; of the additions that ran freely none was lost this \
                  time: the two threads probably took turns on one core. Nothing prevents it, so the next run may lose \
                  millions, and that is what makes a race hard to find."
                .into(),
            lost => format!(
                "Both loaded 0, so both stored 1: one addition is lost. That was made to happen; of the additions that ran \
                 freely {:.1} % were lost, and another number next time: it depends on how the threads happen to meet.",
                100.0 * lost as f64 / wanted as f64
            ),
        });
        Ok(Exit::SUCCESS)
    },
};

/// A lost update, made to happen: nobody stores before both have loaded.
fn add_in_step(output: &Output, column: usize, number: &AtomicU64, step: &Barrier) {
    let say = |what: String| {
        if output.is_json() {
            output.event(&format!("worker {}", column + 1), what);
        } else {
            // Nobody's name, but the time and a column.
            output.event("", format_args!("{:indent$}{what}", "", indent = column * 28));
        }
    };
    let turn = |mine: usize, act: &dyn Fn()| {
        if mine == column {
            act();
        }
        step.wait();
    };
    let loaded = number.load(Ordering::Relaxed);
    step.wait();
    turn(0, &|| say(format!("load  n = {loaded}")));
    turn(1, &|| say(format!("load  n = {loaded}")));
    for writer in [0, 1] {
        turn(writer, &|| {
            number.store(loaded + 1, Ordering::Relaxed);
            say(format!("store n = {}", loaded + 1));
        });
    }
}

/// `n += 1` as a load and a store.
fn add(number: &AtomicU64) {
    let loaded = black_box(number.load(Ordering::Relaxed));
    number.store(loaded + 1, Ordering::Relaxed);
}
