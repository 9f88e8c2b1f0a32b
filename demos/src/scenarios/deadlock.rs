//! `brigade deadlock`: two workers, two locks, opposite order: found, told, and ended.

use crate::{
    crew,
    scenario::{Exit, Scenario, Trouble},
    show::{Stage, worker},
};
use brigade_pool::lock::{Deadlock, Lock};
use clap::{Arg, ArgAction};
use serde_json::json;
use std::{
    sync::{Arc, Barrier},
    thread::sleep,
    time::Duration,
};

const LONGEST: Duration = Duration::from_millis(500);

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "deadlock",
    about: "Two locks in opposite order: found and told (exit code 3)",
    idea: "Each holds what the other waits for, so both would wait for ever. Our lock follows who waits for whom, and tells \
           the one who would close the ring. The cure is one order that all keep: `--ordered`.",
    made_by: &["pool/src/lock.rs::take_or_wait", "pool/src/lock.rs::ring"],
    arguments: |command| {
        let ordered = Arg::new("ordered").long("ordered").action(ArgAction::SetTrue);
        command.arg(ordered.help("Both take the locks in the same order, which is the cure"))
    },
    run: |stage, matches| {
        let ordered = matches.get_flag("ordered");
        let pool = crew::threads(2, "worker");
        let pool = pool.map_err(|error| Trouble::failed("cannot start threads", error))?;
        let knife = Arc::new(Lock::new("knife", ()));
        let board = Arc::new(Lock::new("board", ()));
        let both = Arc::new(Barrier::new(2));
        let cook = |first: &Arc<Lock<()>>, then: &Arc<Lock<()>>| {
            let (stage, first, then, both) = (stage.clone(), first.clone(), then.clone(), both.clone());
            pool.spawn(move || cut(&stage, &first, &then, (!ordered).then_some(&*both)))
        };
        let jobs = if ordered {
            [cook(&knife, &board), cook(&knife, &board)]
        } else {
            [cook(&knife, &board), cook(&board, &knife)]
        };
        let mut found = None;
        for job in jobs {
            found = job.join().map_err(|error| Trouble::failed("a worker", error))?.err().or(found);
        }
        pool.shutdown();
        match found {
            None => {
                stage.seen("Both take the knife first: who has it can get the board too, so nobody who holds something waits for ever.");
                Ok(Exit::FINE)
            }
            Some(deadlock) => {
                report(stage, &deadlock);
                stage.seen("The last to wait was told, and let go; the other went on. With --ordered there is no ring.");
                Ok(Exit::DEADLOCK)
            }
        }
    },
};

/// Takes one thing, and then the other.
fn cut(stage: &Stage, first: &Lock<()>, then: &Lock<()>, both: Option<&Barrier>) -> Result<(), Deadlock> {
    stage.event(&worker(), format_args!("wants the {}", first.name()));
    let one = first.lock()?;
    stage.event(&worker(), format_args!("has the {}", first.name()));
    // Until each has one of the two, so that it happens every time.
    if let Some(both) = both {
        both.wait();
    }
    stage.event(&worker(), format_args!("wants the {}", then.name()));
    let other = then.lock().inspect_err(|_| {
        stage.event(
            &worker(),
            format_args!("would wait for ever: is told, and puts the {} back", first.name()),
        );
    })?;
    // Not longer at any speed: the end is promised within a second.
    sleep(stage.delay(0.1).min(LONGEST));
    drop((one, other));
    stage.event(&worker(), "has cut, and puts both back");
    Ok(())
}

fn report(stage: &Stage, deadlock: &Deadlock) {
    stage.line("");
    stage.line("Deadlock:");
    for link in &deadlock.links {
        let wanted = format!("{}:{}", link.wanted_at.file(), link.wanted_at.line());
        let held = format!("{}:{}", link.held_since.file(), link.held_since.line());
        stage.object(
            &json!({ "scenario": "deadlock", "waiter": link.waiter, "wants": link.wanted, "at": wanted,
            "holder": link.holder, "since": held }),
        );
        stage.line(format_args!("  {} waits for the {} at {wanted},", link.waiter, link.wanted));
        stage.line(format_args!("    which {} has held since {held}", link.holder));
    }
}
