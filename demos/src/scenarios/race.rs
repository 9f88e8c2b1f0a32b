//! `brigade race`: two workers add one to the same number, and one addition is lost.

use crate::{
    pools,
    recorded::{self, Barrier},
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, thousands},
};
use brigade_pool::Pool;
use brigade_trace::{clock, current, label, mark};
use clap::ArgMatches;
use serde_json::json;
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many additions each of the two workers makes in the first try.
const FIRST_ADDITIONS_PER_WORKER: u64 = 1_000_000;

/// How often the workers add at most until something is lost. Each try makes twice as many additions as the
/// one before, so the last one takes about a second.
const TRIES_MAX: u32 = 10;

/// The most columns that the steps of a worker take on the screen.
const STEPS_COLUMNS_MAX: usize = 28;

/// How many columns stand left of the workers' steps.
const LEFT_COLUMNS: usize = 22;

/// The columns that a step such as `store n = 1` takes.
const STEP_COLUMNS: usize = 11;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "race",
    about: "A race condition: a lost update, as two columns",
    idea: "`n += 1` is three steps: load, add, store. Between one worker's load and its store another worker can do all \
           three, and its result is overwritten. Each step here is atomic, so the behaviour is defined; the three steps \
           together are not atomic.",
    made_by: &["pool/src/job/spawn.rs::spawn", "demos/src/scenarios/race.rs::add_one"],
    examples: &["race"],
    takes_speed: false,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = pools::threads(2, "worker").map_err(failed("cannot start threads"))?;
    lose_an_update(output, &pool)?;
    let freely = add_until_lost(&pool);
    pool.shutdown();
    let (made, lost) = (thousands(freely.made), thousands(freely.lost()));
    output.measured(
        "main",
        format_args!("{made} additions, {lost} lost, {}", freely.in_which_try()),
        json!({ "additions": freely.made, "lost": freely.lost(), "tries": freely.tries }),
    );
    output.lesson(&lesson(&freely));
    Ok(Exit::SUCCESS)
}

fn lesson(freely: &Additions) -> String {
    let made = "Both workers loaded 0, so both stored 1, and one addition was lost. We made that happen.";
    if freely.lost() == 0 {
        return format!(
            "{made} When they added freely, none was lost {}: the two threads hardly ever ran at the same time. Nothing \
             prevents a loss, so the next run may lose millions; that is what makes a race hard to find.",
            freely.in_which_try()
        );
    }
    let luck = if freely.tries == 1 {
        String::new()
    } else {
        format!(" It took {} tries: a race can hide for long.", freely.tries)
    };
    format!(
        "{made} When they added freely, {:.1} % of their additions were lost.{luck} The next run loses another number: it \
         depends on how the threads happen to meet.",
        100.0 * freely.lost() as f64 / freely.made as f64
    )
}

/// Shows one lost update, step by step.
fn lose_an_update(output: &Output, pool: &Pool) -> Result<(), CommandError> {
    let width = steps_columns(output);
    output.line(format_args!("{:LEFT_COLUMNS$}{:<width$}{}", "", "worker 1", "worker 2"));
    let (number, step) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(2)));
    let jobs = [0, 1].map(|worker| {
        let (output, number, step) = (output.clone(), number.clone(), step.clone());
        pool.spawn(move || {
            label(current(), || format!("worker {}", worker + 1));
            add_one(&output, worker, &number, &step);
        })
    });
    for job in jobs {
        job.join().map_err(failed("a worker"))?;
    }
    let sum = number.load(Ordering::Relaxed);
    output.measured(
        "main",
        format_args!("1 + 1 = {sum}"),
        json!({ "additions": 2, "lost": 2 - sum, "sum": sum }),
    );
    Ok(())
}

/// How many columns the steps of a worker have on this terminal.
fn steps_columns(output: &Output) -> usize {
    (output.width().saturating_sub(LEFT_COLUMNS) / 2).min(STEPS_COLUMNS_MAX)
}

/// Says what a worker does, in its column.
fn say_step(output: &Output, worker: usize, verb: &str, value: u64) {
    mark(|| format!("{verb} n = {value}"));
    let width = steps_columns(output);
    let step =
        if width > STEP_COLUMNS { format!("{verb:<5} n = {value}") } else { format!("{verb:<5} {value}") };
    if output.is_json() {
        output.measured(&format!("worker {}", worker + 1), step, json!({ "step": verb, "value": value }));
    } else {
        // The column says which worker it is, so the line needs no name.
        output.event("", format_args!("{:indent$}{step}", "", indent = worker * width));
    }
}

/// For a trace: the value that was loaded is no longer the value that the store overwrites.
fn mark_if_stale(loaded: u64, n: &AtomicU64) {
    let now = n.load(Ordering::Relaxed);
    if now != loaded {
        mark(|| format!("stale: loaded {loaded}, but n is {now}"));
    }
}

// --code from here
/// Adds one, in step with the other worker: neither stores before both have
/// loaded.
fn add_one(output: &Output, worker: usize, n: &AtomicU64, step: &Barrier) {
    let say = |verb, value| say_step(output, worker, verb, value);
    let turn_of = |whose: usize, act: &dyn Fn()| {
        if whose == worker {
            act();
        }
        step.wait();
    };
    let loaded = n.load(Ordering::Relaxed);
    step.wait();
    turn_of(0, &|| say("load", loaded));
    turn_of(1, &|| say("load", loaded));
    for writer in [0, 1] {
        turn_of(writer, &|| {
            mark_if_stale(loaded, n);
            n.store(loaded + 1, Ordering::Relaxed);
            say("store", loaded + 1);
        });
    }
}
// --code to here

/// Additions that two workers made to the same number without a lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Additions {
    /// How often the workers tried. The other fields are about the last try.
    tries: u32,
    pub(super) made: u64,
    /// How much the number has grown.
    counted: u64,
    pub(super) time: Duration,
}

impl Additions {
    pub(super) fn lost(&self) -> u64 {
        self.made - self.counted
    }

    /// Says which try this was: `on try 3`, or that there was no loss `in 10 tries`.
    pub(super) fn in_which_try(&self) -> String {
        if self.lost() == 0 { format!("in {} tries", self.tries) } else { format!("on try {}", self.tries) }
    }
}

/// Lets two workers of the pool add as fast as they can, again and again, until something is lost.
pub(super) fn add_until_lost(pool: &Pool) -> Additions {
    repeat_until_lost(|per_worker| add_freely(pool, per_worker))
}

/// Repeats `add`, which is told how many additions each worker makes, and returns how many counted.
fn repeat_until_lost(mut add: impl FnMut(u64) -> u64) -> Additions {
    let mut attempt = |tries| {
        let per_worker = FIRST_ADDITIONS_PER_WORKER << (tries - 1);
        let (counted, time) = clock::timed(|| add(per_worker));
        Additions { tries, made: 2 * per_worker, counted, time }
    };
    let lossy = (1..TRIES_MAX).map(&mut attempt).find(|additions| additions.lost() > 0);
    lossy.unwrap_or_else(|| attempt(TRIES_MAX))
}

/// Lets both workers add as fast as they can. Returns how many additions counted.
fn add_freely(pool: &Pool, per_worker: u64) -> u64 {
    let number = Arc::new(AtomicU64::new(0));
    let (ours, both) = (number.clone(), Barrier::new(2));
    let adding = move |worker| {
        recorded::job(&format!("worker {} adds freely", worker + 1), || {
            both.wait();
            (0..per_worker).for_each(|_| add(&ours));
        });
    };
    pool.map(adding, 0..2);
    number.load(Ordering::Relaxed)
}

/// `n += 1` as a load and a store.
fn add(number: &AtomicU64) {
    let loaded = black_box(number.load(Ordering::Relaxed));
    number.store(loaded + 1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_add_until_something_is_lost() {
        let lucky_twice = |per_worker| 2 * per_worker - u64::from(per_worker == 4_000_000);
        let additions = repeat_until_lost(lucky_twice);
        assert_eq!((additions.tries, additions.made, additions.lost()), (3, 8_000_000, 1));
        assert!(lesson(&additions).contains("It took 3 tries"));
    }

    #[test]
    fn the_workers_give_up_after_the_last_try() {
        let additions = repeat_until_lost(|per_worker| 2 * per_worker);
        assert_eq!((additions.tries, additions.lost()), (TRIES_MAX, 0));
        assert!(lesson(&additions).contains("none was lost in 10 tries"));
    }
}
