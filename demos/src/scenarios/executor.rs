//! `brigade executor`: two workers, four inputs, results in order.

use crate::{
    pools, recorded,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, worker_name},
};
use brigade_trace::clock;
use clap::ArgMatches;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "executor",
    about: "Two workers, four inputs: map gives results in order",
    idea: "A pool has fewer threads than there is work: a thread takes the next piece when it is done with one. `map` \
           returns the results in the order of the inputs, whichever thread computed them.",
    made_by: &["pool/src/data/map.rs::map", "pool/src/worker/mod.rs::run"],
    examples: &["executor"],
    takes_speed: true,
    takes_workers: true,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let workers = output.settings().workers.unwrap_or(2);
    let pool = pools::threads(workers, "worker").map_err(failed("cannot start threads"))?;
    let ours = output.clone();
    // --code from here
    let fetch_data = move |input: u32| {
        ours.event(&worker_name(), format_args!("takes {input}"));
        recorded::sleep(ours.delay(0.5));
        worker_name()
    };
    let (results, took) = clock::timed(|| pool.map(fetch_data, 0..4));
    // --code to here
    pool.shutdown();
    let mut by = Vec::new();
    for (input, result) in results.into_iter().enumerate() {
        by.push(result.map_err(failed("a job"))?);
        output.event("main", format_args!("result {input}: Data received by {}", by[input]));
    }
    let took_neighbours = workers == 2 && by[0] == by[1] && by[2] == by[3] && by[1] != by[2];
    let neighbours = if took_neighbours {
        " Each worker took two neighbours, because map shares the inputs out in runs."
    } else {
        ""
    };
    output.lesson(&format!(
        "Four waits of {:.3} s took {:.3} s with {workers} at a time.{neighbours} The results stand in the order of the \
         inputs, whichever worker took which.",
        output.delay(0.5).as_secs_f64(),
        took.as_secs_f64()
    ));
    Ok(Exit::SUCCESS)
}
