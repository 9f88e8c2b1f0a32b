//! `brigade kitchen`: one chef who switches between dishes, and several chefs with one each.

use crate::{
    crew,
    interrupt::Guarded,
    scenario::{Exit, Scenario, Trouble, no_arguments},
    show::{Ink, Span, Stage, lanes},
};
use brigade_runtime::{gather, run, sleep};
use brigade_trace::clock;
use std::{thread, time::Instant};

const DISHES: [&str; 3] = ["soup", "pasta", "cake"];
/// For each dish twice: so long the chef's hands are needed, so long the stove needs nobody. In seconds.
const HANDS: f64 = 0.2;
const STOVE: f64 = 0.6;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "kitchen",
    about: "One chef switching between dishes, several chefs with one each",
    idea: "Concurrency is one chef who starts the next dish while the first one simmers. Parallelism is several chefs, each \
           with a dish. The chef's hands are the scarce thing: what only waits needs none.",
    made_by: &["runtime/src/gather.rs::gather", "pool/src/map.rs::map", "process/src/pool.rs::spawn"],
    arguments: no_arguments,
    run: |stage, _| {
        let seconds = stage.delay(1.0).as_secs_f64();
        let start = clock::now();
        let spans = run(gather(DISHES.map(|_| cook_async(start, seconds))));
        show(stage, "one chef, three dishes (async, one thread)", &spans);
        let pool =
            crew::threads(3, "chef").map_err(|error| Trouble::failed("cannot start threads", error))?;
        let start = clock::now();
        let spans = pool.map(move |_| cook(start, seconds), DISHES);
        pool.shutdown();
        let spans: Result<Vec<_>, _> = spans.into_iter().collect();
        show(
            stage,
            "three chefs, a dish each (threads)",
            &spans.map_err(|error| Trouble::failed("a chef", error))?,
        );
        let procs = Guarded::start(3).map_err(|error| Trouble::failed("cannot start processes", error))?;
        let calls = procs.with(|procs| DISHES.map(|_| procs.spawn(cook_in_child, seconds)));
        let spans: Result<Vec<_>, _> = calls.into_iter().map(|call| call.join()).collect();
        procs.shutdown();
        show(
            stage,
            "three kitchens, a dish each (processes)",
            &spans.map_err(|error| Trouble::failed("a kitchen", error))?,
        );
        stage.seen(
            "One chef is nearly as quick as three, since the stove does most of the work: only his hands are never in two \
             dishes at once. Were it all chopping, only more chefs would help.",
        );
        Ok(Exit::FINE)
    },
};

type Spans = Vec<Span>;

/// Hands are needed: nothing else happens on this thread meanwhile.
fn chop(start: Instant, unit: f64) -> Span {
    let begin = start.elapsed().as_secs_f64();
    thread::sleep(std::time::Duration::from_secs_f64(HANDS * unit));
    Span { begin, end: start.elapsed().as_secs_f64(), busy: true }
}

async fn cook_async(start: Instant, unit: f64) -> Spans {
    let mut spans = Vec::new();
    for _ in 0..2 {
        spans.push(chop(start, unit));
        let begin = start.elapsed().as_secs_f64();
        sleep(std::time::Duration::from_secs_f64(STOVE * unit)).await;
        spans.push(Span { begin, end: start.elapsed().as_secs_f64(), busy: false });
    }
    spans
}

fn cook(start: Instant, unit: f64) -> Spans {
    let mut spans = Vec::new();
    for _ in 0..2 {
        spans.push(chop(start, unit));
        let begin = start.elapsed().as_secs_f64();
        thread::sleep(std::time::Duration::from_secs_f64(STOVE * unit));
        spans.push(Span { begin, end: start.elapsed().as_secs_f64(), busy: false });
    }
    spans
}

/// Runs in a child, whose clock begins with the dish.
fn cook_in_child(unit: f64) -> Spans {
    cook(clock::now(), unit)
}

fn show(stage: &Stage, title: &str, spans: &[Spans]) {
    stage.line("");
    stage.labelled(Ink::Strong, "", title);
    lanes(stage, &DISHES, spans);
}
