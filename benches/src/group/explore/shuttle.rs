//! The peer shuttle: schedules by chance, or by priorities that change by chance (PCT).

use super::{MAX_SCHEDULES, Search, bugs_of_threads, panics};
use ::shuttle::{
    Config, FailurePersistence, Runner,
    scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId},
};
use std::{
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The depth of the priorities: three, as ours at most.
const DEPTH: usize = 3;

mod shim {
    pub(super) use shuttle::{
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };
}
bugs_of_threads!();

pub(super) fn find_by_chance(name: &str, seed: u64) -> Search {
    find(name, RandomScheduler::new_from_seed(seed, MAX_SCHEDULES))
}

pub(super) fn find_by_priorities(name: &str, seed: u64) -> Search {
    find(name, PctScheduler::new_from_seed(seed, DEPTH, MAX_SCHEDULES))
}

/// Runs the right program under this many schedules by chance.
pub(super) fn run_right(name: &str, schedules: usize) {
    let [_, right] = programs(name);
    let fails = panics(move || {
        Runner::new(RandomScheduler::new_from_seed(0, schedules), config()).run(right);
    });
    assert!(!fails, "shuttle has an alarm on the right version of {name}");
}

fn find(name: &str, scheduler: impl Scheduler + Send + 'static) -> Search {
    let counts = Arc::new(Counts::default());
    // It is not dropped: shuttle's schedulers print how to replay when they are dropped by a panic.
    let counting = Counting { scheduler: ManuallyDrop::new(Box::new(scheduler)), counts: counts.clone() };
    let [bad, _] = programs(name);
    let is_found = panics(move || {
        Runner::new(counting, config()).run(bad);
    });
    let trace = if is_found { counts.steps.load(Relaxed) } else { 0 };
    Search { schedules: counts.schedules.load(Relaxed) as u64, trace }
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config
}

#[derive(Default)]
struct Counts {
    schedules: AtomicUsize,
    /// The steps of the last schedule.
    steps: AtomicUsize,
}

/// A scheduler that counts.
struct Counting {
    scheduler: ManuallyDrop<Box<dyn Scheduler + Send>>,
    counts: Arc<Counts>,
}

impl std::panic::UnwindSafe for Counting {}

impl Scheduler for Counting {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.counts.schedules.fetch_add(1, Relaxed);
        self.counts.steps.store(0, Relaxed);
        self.scheduler.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        self.counts.steps.fetch_add(1, Relaxed);
        self.scheduler.next_task(runnable, current, yields)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}
