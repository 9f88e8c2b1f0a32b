//! `brigade kitchen`: one chef who switches between dishes, and several chefs with one each.

use crate::{
    interrupt::Interruptible,
    pools,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::{Activity, Lanes, Output, worker_name},
};
use brigade_handle::JoinError;
use brigade_runtime::{gather, run, sleep};
use std::{thread, time::Duration};

const DISHES: [&str; 3] = ["soup", "pasta", "curry"];
/// For each dish twice: so long the chef's hands are needed, so long the stove needs nobody. In seconds.
const HANDS_SECONDS: f64 = 0.2;
const STOVE_SECONDS: f64 = 0.6;
/// How long one chef needs for all: each dish waits for the hands once for every other one.
const ONE_CHEF_SECONDS: f64 = 2.0 * (HANDS_SECONDS + STOVE_SECONDS) + 2.0 * HANDS_SECONDS;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "kitchen",
    about: "One chef switching between dishes, then a chef for each",
    idea: "Concurrency is one chef who starts the next dish while the first one simmers. Parallelism is several chefs, each \
           with a dish. The chef's hands are the scarce thing: what only waits needs none.",
    made_by: &["runtime/src/gather.rs::gather", "pool/src/map.rs::map", "process/src/pool.rs::spawn"],
    arguments: no_arguments,
    run: |output, _| {
        output.line("█ a chef's hands are in it   ░ it simmers, and needs nobody");
        let lanes = begin(output, "one chef, three dishes (async, one thread)");
        run(gather([0, 1, 2].map(|dish| cook_by_turns(output, &lanes, dish))));
        let one = lanes.end();
        let pool =
            pools::threads(3, "chef").map_err(|error| CommandError::failed("cannot start threads", error))?;
        let lanes = begin(output, "three chefs, a dish each (threads)");
        let (ours, theirs) = (output.clone(), lanes.clone());
        let cooked = pool.map(move |dish| cook(&ours, &theirs, dish), 0..DISHES.len());
        pool.shutdown();
        let three = lanes.end();
        cooked
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|error| CommandError::failed("a chef", error))?;
        let kitchens: Result<Vec<_>, _> = DISHES.iter().map(|_| pools::processes(1)).collect();
        let kitchens = kitchens.map_err(|error| CommandError::failed("cannot start processes", error))?;
        let lanes = begin(output, "three kitchens, a dish each (processes)");
        let dishes = kitchens.iter().enumerate();
        let cooked = run(gather(dishes.map(|(dish, kitchen)| order(output, &lanes, dish, kitchen))));
        kitchens.into_iter().for_each(Interruptible::shutdown);
        lanes.end();
        cooked
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|error| CommandError::failed("a kitchen", error))?;
        output.lesson(&format!(
            "One chef took {:.2} times as long as three, though three dishes were to be made: the stove does most of the work, \
             and only the chef's own hands are never in two dishes at once. Were it all chopping, one chef would take three \
             times as long, and only more chefs would help.",
            one / three
        ));
        Ok(Exit::SUCCESS)
    },
};

fn begin(output: &Output, title: &'static str) -> Lanes {
    Lanes::begin(output, title, &DISHES, output.delay(ONE_CHEF_SECONDS).as_secs_f64())
}

/// The steps of a dish: what each needs, how it is told, how long it takes.
fn steps(output: &Output, dish: usize) -> impl Iterator<Item = (Activity, String, Duration)> {
    let [hands, stove] = [HANDS_SECONDS, STOVE_SECONDS].map(|seconds| output.delay(seconds));
    let dish = DISHES[dish];
    let twice = move |_| {
        [
            (Activity::Working, format!("works on the {dish}"), hands),
            (Activity::Waiting, format!("the {dish} simmers"), stove),
        ]
    };
    (0..2).flat_map(twice)
}

/// One chef: where the dish needs hands this thread is busy; where it simmers the thread is free for another dish.
async fn cook_by_turns(output: &Output, lanes: &Lanes, dish: usize) {
    for (step, what, time) in steps(output, dish) {
        let _going = lanes.step(dish, "the chef", step, what);
        match step {
            Activity::Working => thread::sleep(time),
            Activity::Waiting => sleep(time).await,
        }
    }
}

/// Several chefs: whoever has a dish stays with it.
fn cook(output: &Output, lanes: &Lanes, dish: usize) {
    for (step, what, time) in steps(output, dish) {
        let _going = lanes.step(dish, &worker_name(), step, what);
        thread::sleep(time);
    }
}

/// Several kitchens: each step is a call into another process, which this one awaits.
async fn order(
    output: &Output,
    lanes: &Lanes,
    dish: usize,
    kitchen: &Interruptible,
) -> Result<(), JoinError> {
    for (step, what, time) in steps(output, dish) {
        let _going = lanes.step(dish, &format!("kitchen {dish}"), step, what);
        kitchen.with(|kitchen| kitchen.spawn(thread::sleep, time)).await?;
    }
    Ok(())
}
