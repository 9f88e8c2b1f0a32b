//! `brigade executor`: two workers, four inputs, results in order.

use crate::{
    crew,
    scenario::{Exit, Scenario, Trouble, no_arguments},
    show::worker,
};
use std::thread::sleep;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "executor",
    about: "ThreadPoolExecutor(max_workers=2): map over 4, results in order",
    idea: "A pool has fewer threads than there is work: each takes the next piece when it is done with one. `map` gives \
           the results in the order of the inputs, whoever had which.",
    made_by: &["pool/src/map.rs::map", "pool/src/worker.rs::run"],
    arguments: no_arguments,
    run: |stage, _| {
        let workers = stage.setting().workers.unwrap_or(2);
        let pool = crew::threads(workers, "worker");
        let pool = pool.map_err(|error| Trouble::failed("cannot start threads", error))?;
        let ours = stage.clone();
        let fetch_data = move |input: u32| {
            ours.event(&worker(), format_args!("takes {input}"));
            sleep(ours.delay(0.5));
            format!("Data received by {}", worker())
        };
        let results = pool.map(fetch_data, 0..4);
        pool.shutdown();
        for (input, result) in results.into_iter().enumerate() {
            let result = result.map_err(|error| Trouble::failed("a job", error))?;
            stage.event("main", format_args!("result {input}: {result}"));
        }
        stage.seen("Two at a time, so four took two rounds. Each worker took neighbours, since map shares the inputs out in runs; the \
             results stand in the order of the inputs, whoever had which.",
        );
        Ok(Exit::FINE)
    },
};
