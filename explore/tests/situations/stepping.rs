//! A run that is stopped shows the queues of its executors.

use brigade_explore::{
    Explore, Schedule, Stepper,
    pool::{self, Pool},
    runtime::spawn,
};
use std::collections::BTreeSet;

/// The lines about queues, of all moments of the usual run.
fn queues(mut stepper: Stepper) -> BTreeSet<String> {
    let usual = Schedule::default();
    let choices = stepper.run(&usual).choices();
    (0..choices).flat_map(|choice| stepper.stop(&usual, choice).queues).collect()
}

fn demand(queues: &BTreeSet<String>, ends: &[&str]) {
    for end in ends {
        assert!(queues.iter().any(|line| line.ends_with(end)), "{end}: {queues:#?}");
    }
}

#[test]
fn each_queue_of_a_runtime_shows_its_tasks() {
    let stepper = Explore::new().workers(2).step(|| async {
        let parent = spawn(async {
            for child in [0, 1, 2].map(|_| spawn(async {})) {
                child.await.unwrap();
            }
        });
        parent.await.unwrap();
    });
    let queues = queues(stepper);
    demand(&queues, &["injector: task#1", "'s LIFO slot: task#3", "'s run queue: task#2"]);
}

#[test]
fn each_queue_of_a_pool_shows_how_many_jobs_it_has() {
    let stepper = Explore::new().step_threads(|| {
        let pool = Pool::builder().threads(2).build().unwrap();
        let outer = pool.spawn(|| [0, 1].map(|_| pool::spawn(|| {})));
        pool.shutdown();
        drop(outer);
    });
    let queues = queues(stepper);
    demand(&queues, &["injector: 1 job", "'s job queue: 2 jobs"]);
}
