//! `brigade kitchen`: one chef who switches between dishes, and several chefs with one each.

use super::chain::Watched;
use crate::{
    interrupt::Interruptible,
    pools, recorded,
    scenario::{CommandError, Exit, Scenario, failed},
    show::{Activity, Canvas, Lanes, Look, Output, worker_name},
};
use brigade_handle::JoinError;
use brigade_runtime::{gather, run, sleep};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::{thread, time::Duration};

const DISHES: [&str; 3] = ["soup", "pasta", "curry"];

const LEGEND: &str = "█ a chef's hands are in it   ░ it simmers, and needs nobody";

/// How long a dish needs the chef's hands, twice, in seconds.
const HANDS_SECONDS: f64 = 0.2;

/// How long a dish simmers after that, twice, in seconds.
const STOVE_SECONDS: f64 = 0.6;

/// How long one chef takes for all dishes, in seconds: each dish waits for the hands once for every other
/// dish.
const ONE_CHEF_SECONDS: f64 = 2.0 * (HANDS_SECONDS + STOVE_SECONDS) + 2.0 * HANDS_SECONDS;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "kitchen",
    about: "One chef switching between dishes, then a chef for each",
    idea: "Concurrency is one chef who starts the next dish while the first one simmers. Parallelism is several chefs, each \
           with a dish. The chef's hands are the scarce thing: a dish that only waits needs no hands.",
    made_by: &[
        "runtime/src/combine/gather.rs::gather",
        "pool/src/data/map.rs::map",
        "process/src/front/pool.rs::spawn",
    ],
    examples: &["kitchen"],
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

fn arguments(command: Command) -> Command {
    let projector = Arg::new("projector").long("projector").action(ArgAction::SetTrue);
    command.arg(projector.help("Draw as large as the terminal, in colours that carry"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let projector = matches.get_flag("projector");
    if projector && !output.is_live() {
        return Err(CommandError::usage("--projector draws on a terminal, and here is none: leave it out"));
    }
    let look = if projector { Look::Projector } else { Look::Plain };
    let canvas = Canvas::open(output, LEGEND, look).map_err(failed("cannot start a thread"))?;
    let one_chef = cook_as_tasks(output, &canvas);
    let three_chefs = cook_on_threads(output, &canvas)?;
    cook_in_processes(output, &canvas)?;
    drop(canvas);
    output.lesson(&lesson(one_chef / three_chefs));
    Ok(Exit::SUCCESS)
}

fn lesson(ratio: f64) -> String {
    // On a quiet machine the ratio is 1.25.
    let quiet = if (1.15..1.35).contains(&ratio) {
        ""
    } else {
        " (On a quiet machine it is 1.25 times: something else took the cores.)"
    };
    format!(
        "One chef took {ratio:.2} times as long as three, although there were three dishes: the stove does most of the work, \
         and only the chef's hands cannot be in two dishes at once.{quiet} If it were all chopping, one chef would take three \
         times as long, and only more chefs would help."
    )
}

/// One chef: where a dish needs hands this thread is busy; where it simmers the thread is free for another
/// dish.
fn cook_as_tasks(output: &Output, canvas: &Canvas) -> f64 {
    let lanes = begin(output, canvas, "one chef, three dishes (async, one thread)");
    // --code from here
    let cook = async |dish| {
        for (activity, what, time) in steps(output, dish) {
            let _step = lanes.step(dish, "the chef", activity, what);
            match activity {
                Activity::Working => thread::sleep(time),
                Activity::Waiting => sleep(time).await,
            }
        }
    };
    let dish = |dish: usize| Watched::new(DISHES[dish], cook(dish));
    run(gather([0, 1, 2].map(dish)));
    // --code to here
    lanes.end()
}

/// Three chefs: each stays with one dish to its end.
fn cook_on_threads(output: &Output, canvas: &Canvas) -> Result<f64, CommandError> {
    let pool = pools::threads(DISHES.len(), "chef").map_err(failed("cannot start threads"))?;
    let lanes = begin(output, canvas, "three chefs, a dish each (threads)");
    let (ours, theirs) = (output.clone(), lanes.clone());
    let cook = move |dish| {
        recorded::job(DISHES[dish], || {
            for (activity, what, time) in steps(&ours, dish) {
                let _step = theirs.step(dish, &worker_name(), activity, what);
                match activity {
                    Activity::Working => thread::sleep(time),
                    Activity::Waiting => recorded::sleep(time),
                }
            }
        });
    };
    let cooked = pool.map(cook, 0..DISHES.len());
    pool.shutdown();
    let seconds = lanes.end();
    cooked.into_iter().collect::<Result<(), _>>().map_err(failed("a chef"))?;
    Ok(seconds)
}

/// Three kitchens: each step is a call into another process, which a task of this one awaits.
fn cook_in_processes(output: &Output, canvas: &Canvas) -> Result<(), CommandError> {
    let kitchens: Result<Vec<_>, _> = DISHES.iter().map(|_| pools::processes(1)).collect();
    let kitchens = kitchens.map_err(failed("cannot start processes"))?;
    let lanes = begin(output, canvas, "three kitchens, a dish each (processes)");
    let cook = async |dish, kitchen: &Interruptible| {
        for (activity, what, time) in steps(output, dish) {
            let _step = lanes.step(dish, &format!("kitchen {dish}"), activity, what);
            kitchen.with(|kitchen| kitchen.spawn(thread::sleep, time)).await?;
        }
        Ok::<_, JoinError>(())
    };
    let watched = |(dish, kitchen)| Watched::new(DISHES[dish], cook(dish, kitchen));
    let cooked = run(gather(kitchens.iter().enumerate().map(watched)));
    kitchens.into_iter().for_each(Interruptible::shutdown);
    lanes.end();
    cooked.into_iter().collect::<Result<(), _>>().map_err(failed("a kitchen"))
}

fn begin(output: &Output, canvas: &Canvas, title: &'static str) -> Lanes {
    canvas.begin(title, &DISHES, output.delay(ONE_CHEF_SECONDS).as_secs_f64())
}

/// The steps of a dish: what the dish needs, how to describe it, how long it takes.
fn steps(output: &Output, dish: usize) -> impl Iterator<Item = (Activity, String, Duration)> {
    let [hands, stove] = [HANDS_SECONDS, STOVE_SECONDS].map(|seconds| output.delay(seconds));
    let dish = DISHES[dish];
    let once = move |_| {
        [
            (Activity::Working, format!("works on the {dish}"), hands),
            (Activity::Waiting, format!("the {dish} simmers"), stove),
        ]
    };
    (0..2).flat_map(once)
}
