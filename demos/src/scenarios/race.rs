//! `brigade race`: two workers add one to the same number, and one addition is lost.

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, thousands},
};
use brigade_pool::Pool;
use clap::ArgMatches;
use std::{
    hint::black_box,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
};

const ADDITIONS_PER_WORKER: u64 = 10_000_000;

/// The width of a worker's column on the screen.
const COLUMN: usize = 28;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "race",
    about: "A race condition: a lost update, as two columns",
    idea: "`n += 1` is three steps: load, add, store. Between one worker's load and its store another worker can do all \
           three, and its result is overwritten. Each step here is atomic, so the behaviour is defined; the three steps \
           together are not atomic.",
    made_by: &["pool/src/job/spawn.rs::spawn", "demos/src/scenarios/race.rs::add_in_step"],
    examples: &["race"],
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = pools::threads(2, "worker").map_err(failed("cannot start threads"))?;
    lose_an_update(output, &pool)?;
    let (wanted, got) = add_freely(&pool);
    let lost = wanted - got;
    output.event("main", format_args!("{} additions, {} lost", thousands(wanted), thousands(lost)));
    pool.shutdown();
    output.lesson(&match lost {
        0 => "Both workers loaded 0, so both stored 1. We made that happen. When they added freely, none of their additions \
              was lost this time: the two threads probably took turns on one core. Nothing prevents a loss, so the next run \
              may lose millions; that is what makes a race hard to find."
            .into(),
        lost => format!(
            "Both workers loaded 0, so both stored 1, and one addition was lost. We made that happen. When they added freely, \
             {:.1} % of their additions were lost. The next run loses another number: it depends on how the threads happen \
             to meet.",
            100.0 * lost as f64 / wanted as f64
        ),
    });
    Ok(Exit::SUCCESS)
}

/// Shows one lost update, step by step.
fn lose_an_update(output: &Output, pool: &Pool) -> Result<(), CommandError> {
    output.line(format_args!("{:22}{:<COLUMN$}{}", "", "worker 1", "worker 2"));
    let (number, step) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(2)));
    let jobs = [0, 1].map(|worker| {
        let (output, number, step) = (output.clone(), number.clone(), step.clone());
        pool.spawn(move || add_in_step(&output, worker, &number, &step))
    });
    for job in jobs {
        job.join().map_err(failed("a worker"))?;
    }
    output.event("main", format_args!("1 + 1 = {}", number.load(Ordering::Relaxed)));
    Ok(())
}

/// Adds one, in step with the other worker: neither stores before both have loaded.
fn add_in_step(output: &Output, worker: usize, number: &AtomicU64, step: &Barrier) {
    let say = |what: String| {
        if output.is_json() {
            output.event(&format!("worker {}", worker + 1), what);
        } else {
            // The column says which worker it is, so the line needs no name.
            output.event("", format_args!("{:indent$}{what}", "", indent = worker * COLUMN));
        }
    };
    let turn_of = |whose: usize, act: &dyn Fn()| {
        if whose == worker {
            act();
        }
        step.wait();
    };
    let loaded = number.load(Ordering::Relaxed);
    step.wait();
    turn_of(0, &|| say(format!("load  n = {loaded}")));
    turn_of(1, &|| say(format!("load  n = {loaded}")));
    for writer in [0, 1] {
        turn_of(writer, &|| {
            number.store(loaded + 1, Ordering::Relaxed);
            say(format!("store n = {}", loaded + 1));
        });
    }
}

/// Lets both workers add as fast as they can. Returns how many additions there were, and how many counted.
fn add_freely(pool: &Pool) -> (u64, u64) {
    let number = Arc::new(AtomicU64::new(0));
    let (ours, both) = (number.clone(), Barrier::new(2));
    let adding = move |_| {
        both.wait();
        (0..ADDITIONS_PER_WORKER).for_each(|_| add(&ours));
    };
    pool.map(adding, 0..2);
    (2 * ADDITIONS_PER_WORKER, number.load(Ordering::Relaxed))
}

/// `n += 1` as a load and a store.
fn add(number: &AtomicU64) {
    let loaded = black_box(number.load(Ordering::Relaxed));
    number.store(loaded + 1, Ordering::Relaxed);
}
