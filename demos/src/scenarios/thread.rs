//! `brigade thread`: start a thread, and wait for it.

use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::worker_name,
};
use brigade_pool::Pool;
use std::thread::sleep;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "thread",
    about: "Start a thread; join waits for it",
    idea: "A job runs on another thread while this one goes on. `join` is where they meet: it waits, and gives the result.",
    made_by: &["pool/src/pool.rs::spawn", "handle/src/join_handle.rs::join"],
    arguments: no_arguments,
    run: |output, _| {
        let pool = Pool::builder().threads(1).name("worker").build();
        let pool = pool.map_err(|error| CommandError::failed("cannot start a thread", error))?;
        let ours = output.clone();
        output.event("main", "starts the thread");
        let handle = pool.spawn(move || {
            ours.event(&worker_name(), "Running in a thread");
            sleep(ours.delay(1.0));
            ours.event(&worker_name(), "done");
            42
        });
        output.event("main", "goes on, and joins");
        let answer = handle.join().map_err(|error| CommandError::failed("the thread", error))?;
        output.event("main", format_args!("has joined, and has the result: {answer}"));
        pool.shutdown();
        output.lesson("Main went on while the thread ran; join came back only after the thread was done.");
        Ok(Exit::SUCCESS)
    },
};
