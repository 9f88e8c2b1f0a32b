//! `brigade deadlock`: two workers, two locks, opposite order: found, reported, and ended.

use crate::{
    pools,
    recorded::{Barrier, sleep},
    scenario::{CommandError, Exit, Scenario, failed},
    show::{Output, worker_name},
};
use brigade_pool::lock::{Deadlock, Lock};
use brigade_trace::{current, label};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// How long a worker cuts at most, at any speed: the end is promised within a second.
const CUTTING_TIME_MAX: Duration = Duration::from_millis(500);

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "deadlock",
    about: "Two locks in opposite order: found and told (exit code 3)",
    idea: "Each worker holds what the other one waits for, so both would wait for ever. Our lock follows the chain of who \
           waits for whom, and gives an error to the worker that would close the cycle. The cure is one order that all \
           workers keep: `--ordered`.",
    made_by: &["pool/src/blocking/lock.rs::take_or_wait", "pool/src/blocking/lock.rs::find_cycle"],
    examples: &["deadlock", "deadlock --ordered"],
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

fn arguments(command: Command) -> Command {
    let ordered = Arg::new("ordered").long("ordered").action(ArgAction::SetTrue);
    command.arg(ordered.help("Both take the locks in the same order, which is the cure"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    match cut_together(output, matches.get_flag("ordered"))? {
        None => {
            output.lesson(
                "Both workers take the knife first. The one that has it can get the board too, so nobody who holds \
                 something waits for ever.",
            );
            Ok(Exit::SUCCESS)
        }
        Some(deadlock) => {
            report(output, &deadlock);
            output.lesson(
                "The worker that waited last got an error and let go, so the other one could go on. With --ordered \
                 there is no cycle.",
            );
            Ok(Exit::DEADLOCK)
        }
    }
}

/// Lets two workers cut with one knife on one board.
fn cut_together(output: &Output, ordered: bool) -> Result<Option<Deadlock>, CommandError> {
    let pool = pools::threads(2, "worker").map_err(failed("cannot start threads"))?;
    let knife = Arc::new(Lock::new("knife", ()));
    let board = Arc::new(Lock::new("board", ()));
    let both = Arc::new(Barrier::new(2));
    let cook = |first: &Arc<Lock<()>>, then: &Arc<Lock<()>>| {
        let (output, first, then, both) = (output.clone(), first.clone(), then.clone(), both.clone());
        pool.spawn(move || {
            label(current(), worker_name);
            cut(&output, &first, &then, (!ordered).then_some(&*both))
        })
    };
    let jobs = if ordered {
        [cook(&knife, &board), cook(&knife, &board)]
    } else {
        [cook(&knife, &board), cook(&board, &knife)]
    };
    let mut found = None;
    for job in jobs {
        found = job.join().map_err(failed("a worker"))?.err().or(found);
    }
    pool.shutdown();
    Ok(found)
}

// --code from here
/// Takes one thing, and then the other.
fn cut(
    output: &Output,
    first: &Lock<()>,
    then: &Lock<()>,
    barrier: Option<&Barrier>,
) -> Result<(), Deadlock> {
    let say = |what: String| output.event(&worker_name(), what);
    say(format!("wants the {}", first.name()));
    let one = first.lock()?;
    say(format!("has the {}", first.name()));
    // Each waits until both have one thing, so that the deadlock happens
    // every time.
    if let Some(both) = barrier {
        both.wait();
    }
    say(format!("wants the {}", then.name()));
    let other = then.lock().inspect_err(|_| {
        let back = first.name();
        let told = "would wait for ever: is told, and puts the";
        say(format!("{told} {back} back"));
    })?;
    sleep(output.delay(0.1).min(CUTTING_TIME_MAX));
    drop((one, other));
    say("has cut, and puts both back".into());
    Ok(())
}
// --code to here

fn report(output: &Output, deadlock: &Deadlock) {
    output.line("");
    output.line("Deadlock:");
    for link in &deadlock.links {
        let wanted = format!("{}:{}", link.wanted_at.file(), link.wanted_at.line());
        let held = format!("{}:{}", link.held_since.file(), link.held_since.line());
        output.record(
            "wait",
            &json!({ "waiter": link.waiter, "wants": link.wanted, "where": wanted, "holder": link.holder,
            "held_since": held }),
        );
        output.line(format_args!("  {} waits for the {} at {wanted},", link.waiter, link.wanted));
        output.line(format_args!("    which {} has held since {held}", link.holder));
    }
}
