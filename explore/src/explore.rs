//! The front: what is checked, and within which bounds.

use crate::{
    outcome::{Outcome, Request, Strategy},
    report::Failed,
    schedule::{Deviation, Schedule},
    search::{Budget, Coverage, Found, Search},
    server::Server,
    shrink::{Shortness, Shrinking, Shrunk},
};
use brigade_runtime::Runtime;
use std::{env, future::Future, sync::Arc, thread};

/// A check of some code under many schedules.
#[derive(Clone, Copy, Debug)]
pub struct Explore {
    workers: usize,
    pub(crate) budget: Budget,
}

/// How a check has ended.
#[derive(Debug)]
pub enum Verdict {
    /// No run has failed.
    Passed(Coverage),
    /// A run has failed.
    Failed(Box<Failed>),
    /// A schedule was replayed that does not fit: the run has not come to these choices. The program may have
    /// changed since the schedule was written.
    Unfit {
        /// The choices that are missing.
        missing: Vec<Deviation>,
        /// The failure, if the run has failed all the same.
        failed: Option<Box<Failed>>,
    },
}

impl Verdict {
    /// Returns what was covered by a check that must pass.
    ///
    /// ```
    /// use brigade_explore::Explore;
    ///
    /// let coverage = Explore::new().schedules(100).explore(|| async {}).expect_pass();
    /// assert!(coverage.schedules > 0);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with a report if a run has failed, and if a schedule that was replayed does not fit.
    #[track_caller]
    pub fn expect_pass(self) -> Coverage {
        match self {
            Self::Passed(coverage) => coverage,
            Self::Failed(failed) => {
                failed.write_if_asked();
                panic!("{failed}")
            }
            Self::Unfit { missing, failed } => {
                let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let failed = failed.map(|failed| format!("; it fails all the same:\n{failed}"));
                panic!(
                    "{VARIABLE} does not fit: the run does not come to {}. The program has changed since, or \
                     the schedule belongs to another test{}",
                    missing.join(", "),
                    failed.unwrap_or_default(),
                );
            }
        }
    }

    /// Returns the failure of a check that must fail: of a test that a mistake is found, for example.
    ///
    /// ```
    /// use brigade_explore::Explore;
    ///
    /// let failed = Explore::new().explore(|| async { panic!("no salt") }).expect_failure();
    /// assert!(failed.to_string().contains("no salt"));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no run has failed.
    #[track_caller]
    pub fn expect_failure(self) -> Failed {
        match self {
            Self::Failed(failed) => *failed,
            Self::Passed(coverage) => panic!("all of {} schedules pass", coverage.schedules),
            Self::Unfit { .. } => panic!("{self:?}"),
        }
    }
}

/// The variable that names a schedule to replay.
const VARIABLE: &str = "BRIGADE_SCHEDULE";

impl Default for Explore {
    fn default() -> Self {
        Self::new()
    }
}

impl Explore {
    /// Makes a check with two workers and at most 1,000 schedules.
    #[must_use]
    pub fn new() -> Self {
        let budget = Budget { schedules: 1_000, steps: 100_000, seed: 0, atomics: true, deviations: None };
        Self { workers: 2, budget }
    }

    /// Sets the number of workers of the runtime.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the most schedules that are run.
    #[must_use]
    pub fn schedules(mut self, most: u64) -> Self {
        self.budget.schedules = most;
        self
    }

    /// Sets the steps after which a run is given up.
    #[must_use]
    pub fn steps(mut self, most: u64) -> Self {
        self.budget.steps = most;
        self
    }

    /// Sets the seed of the schedules by chance.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.budget.seed = seed;
        self
    }

    /// Runs no schedule with more deviations than this from the usual one. All others are run if they fit
    /// into the number of schedules. If they do not, the rest of that number is drawn by chance.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict, bugs};
    ///
    /// let right = bugs::ALL[0].right;
    /// let verdict = right.explore(Explore::new().deviations(1));
    /// let Verdict::Passed(coverage) = verdict else { panic!("it fails") };
    /// assert_eq!(coverage.all_deviations, 1);
    /// ```
    #[must_use]
    pub fn deviations(mut self, most: u32) -> Self {
        self.budget.deviations = Some(most);
        self
    }

    /// Leaves the operations on atomics out as choice points.
    #[must_use]
    pub fn coarse(mut self) -> Self {
        self.budget.atomics = false;
        self
    }

    /// Checks a future, on a runtime of its own for each run. If the variable `BRIGADE_SCHEDULE` holds a
    /// schedule, only that is run.
    ///
    /// # Panics
    ///
    /// Panics with a report if a run fails. Panics as [`explore_threads`](Self::explore_threads) does.
    #[track_caller]
    pub fn check<F, T>(self, future: T)
    where
        T: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.check_threads(self.on_runtime(future));
    }

    /// Checks code that is no future: threads, locks, pools. Use the types of
    /// [`thread`](crate::thread) and [`sync`](crate::sync) in place of std's.
    ///
    /// # Panics
    ///
    /// As [`check`](Self::check).
    #[track_caller]
    pub fn check_threads(self, code: impl Fn() + Send + Sync + 'static) {
        match env::var(VARIABLE) {
            Ok(text) => {
                let schedule = text.parse().unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
                _ = self.replay_threads(schedule, code).expect_pass();
            }
            Err(_) => _ = self.explore_threads(code).expect_pass(),
        }
    }

    /// Checks a future as [`check`](Self::check) does, whatever the environment says, and returns the
    /// verdict.
    ///
    /// # Panics
    ///
    /// As [`explore_threads`](Self::explore_threads).
    pub fn explore<F, T>(self, future: T) -> Verdict
    where
        T: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.explore_threads(self.on_runtime(future))
    }

    /// Checks code that is no future, and returns the verdict.
    ///
    /// # Panics
    ///
    /// Panics if the operating system gives no process.
    pub fn explore_threads(self, code: impl Fn() + Send + Sync + 'static) -> Verdict {
        let mut server = Server::new(Arc::new(code));
        match Search::new(&mut server, self.budget).search().expect(NO_PROCESS) {
            Found::Nothing(coverage) => Verdict::Passed(coverage),
            Found::Failed { schedule, failure, coverage } => {
                let shrinking = Shrinking::new(&mut server, self.budget, &schedule, failure, coverage);
                let shrunk = shrinking.shrink().expect(NO_PROCESS);
                let request = self.request(shrunk.schedule.clone());
                let outcome = server.make_run(&request).expect(NO_PROCESS);
                Verdict::Failed(Box::new(report(outcome, shrunk, coverage)))
            }
        }
    }

    /// Runs one schedule.
    ///
    /// # Panics
    ///
    /// As [`explore_threads`](Self::explore_threads).
    pub fn replay<F, T>(self, schedule: Schedule, future: T) -> Verdict
    where
        T: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.replay_threads(schedule, self.on_runtime(future))
    }

    /// Runs one schedule of code that is no future.
    ///
    /// # Panics
    ///
    /// As [`explore_threads`](Self::explore_threads).
    pub fn replay_threads(self, schedule: Schedule, code: impl Fn() + Send + Sync + 'static) -> Verdict {
        let mut server = Server::new(Arc::new(code));
        let outcome = server.make_run(&self.request(schedule.clone())).expect(NO_PROCESS);
        let coverage = Coverage { schedules: 1, ..Coverage::default() };
        let (asked, made) = (schedule.deviations(), outcome.schedule.clone());
        let missing: Vec<_> = asked.iter().filter(|asked| !made.has(asked.key)).copied().collect();
        let failed = outcome.failure.clone().map(|failure| {
            let given = Shrunk { schedule: made, failure, shortness: Shortness::Given, runs: 0 };
            Box::new(report(outcome, given, coverage))
        });
        match failed {
            failed if !missing.is_empty() => Verdict::Unfit { missing, failed },
            Some(failed) => Verdict::Failed(failed),
            None => Verdict::Passed(coverage),
        }
    }

    /// Makes code of a future: it runs the future on a runtime of its own.
    pub(crate) fn on_runtime<F, T>(&self, future: T) -> impl Fn() + Send + Sync + 'static
    where
        T: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        let workers = self.workers;
        move || {
            let builder = Runtime::builder();
            let builder = if workers == 0 { builder.current_thread() } else { builder.workers(workers) };
            let runtime = builder.build().expect("the system gives descriptors and threads");
            runtime.block_on(future());
        }
    }

    fn request(&self, schedule: Schedule) -> Request {
        let request = self.budget.request(Strategy::Follow(schedule));
        Request { wants_waits: true, wants_story: true, ..request }
    }
}

/// Makes the report of a schedule that fails, from the outcome of a run that tells its story.
fn report(outcome: Outcome, shrunk: Shrunk, coverage: Coverage) -> Failed {
    Failed {
        failure: outcome.failure.unwrap_or(shrunk.failure),
        schedule: shrunk.schedule,
        shortness: shrunk.shortness,
        coverage,
        shrink_runs: shrunk.runs,
        test: test_name(),
        story: outcome.story,
    }
}

/// A check needs a process of its own.
pub(crate) const NO_PROCESS: &str = "the system gives a process";

/// The test harness names the thread of a test after it.
fn test_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}
