//! Stepping: a run that is stopped at any of its choices, and looked at.
//!
//! A run is the same each time under the same schedule, so nothing has to be kept between two steps. To show
//! the moment before choice 7, the run is made again and ends there. A step back is the run that ends one
//! choice earlier.
//!
//! ```text
//!   schedule   root.preempt.3=1                      the deviations
//!   run        0 1 2 3 4 5 6 │7 8 9 …                choices in the order in which the run comes to them
//!                            └ stopped here          its lanes so far, and its threads, waits and queues
//! ```

mod moment;
mod words;

pub use moment::{Moment, ThreadMoment};

use crate::{
    Explore, Verdict,
    bugs::Program,
    explore::NO_PROCESS,
    lanes::draw,
    outcome::{Failure, Line, Outcome, Request, Seen, Story, Strategy},
    schedule::{Deviation, Key, Schedule},
    search::Budget,
    server::Server,
};
use std::{fmt, future::Future, sync::Arc};

/// Makes runs of some code, and stops them at any choice.
///
/// ```
/// use brigade_explore::{Ahead, Explore, Schedule, bugs};
///
/// let mut stepper = bugs::ALL[0].bad.step(Explore::new());
/// let course = stepper.run(&Schedule::default());
/// assert!(course.choices() > 3 && course.failure().is_none());
/// let moment = stepper.stop(&Schedule::default(), 3);
/// assert!(matches!(stepper.ahead(&course, &moment), Ahead::Choice { .. }));
/// ```
pub struct Stepper {
    server: Server,
    budget: Budget,
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// A run from its begin to its end.
///
/// ```
/// use brigade_explore::{Explore, Schedule, bugs};
///
/// let course = bugs::ALL[0].bad.step(Explore::new()).run(&Schedule::default());
/// assert!(course.failure().is_none() && course.schedule().deviations().is_empty());
/// // Two threads count, one after the other.
/// let lanes = course.lanes(course.choices(), 80);
/// assert!(lanes.contains("load 0") && lanes.contains("store 2"), "{lanes}");
/// ```
#[derive(Debug)]
pub struct Course {
    schedule: Schedule,
    story: Story,
    choices: Vec<Seen>,
    failure: Option<Failure>,
}

/// The ways in which a run that was stopped can go on, or its end.
///
/// ```
/// use brigade_explore::{Ahead, Explore, Schedule, bugs};
///
/// let mut stepper = bugs::ALL[0].bad.step(Explore::new());
/// let course = stepper.run(&Schedule::default());
/// let end = stepper.stop(&Schedule::default(), course.choices());
/// assert!(matches!(stepper.ahead(&course, &end), Ahead::Finished));
/// ```
#[derive(Clone, Debug)]
pub enum Ahead {
    /// A choice, with its ways. The first one is the usual one.
    Choice {
        /// The name of the choice.
        key: Key,
        /// The ways.
        ways: Vec<Way>,
    },
    /// Nothing: the run has ended well.
    Finished,
    /// Nothing: the run has failed.
    Failed(Failure),
}

/// A way in which a run can go on.
///
/// ```
/// use brigade_explore::{Ahead, Explore, Schedule, bugs};
///
/// let mut stepper = bugs::ALL[0].bad.step(Explore::new());
/// let course = stepper.run(&Schedule::default());
/// let begin = stepper.stop(&Schedule::default(), 0);
/// let Ahead::Choice { ways, .. } = stepper.ahead(&course, &begin) else { panic!("no choice") };
/// assert_eq!((ways[0].value, ways[0].words.as_str()), (0, "root goes on"));
/// ```
#[derive(Clone, Debug)]
pub struct Way {
    /// Its number in a written schedule.
    pub value: u32,
    /// The way in words.
    pub words: String,
    /// The first thing that the thread does then, if anything of it is told.
    pub next: Option<String>,
}

/// The most ways of a choice of which it is told what comes next.
const MAX_WAYS_TOLD: u32 = 8;

impl Explore {
    /// Makes a stepper of a future, on a runtime of its own for each run.
    ///
    /// ```
    /// use brigade_explore::{Explore, Schedule, runtime::spawn};
    ///
    /// let mut stepper = Explore::new().workers(1).step(|| async { spawn(async {}).await.unwrap() });
    /// assert!(stepper.run(&Schedule::default()).failure().is_none());
    /// ```
    pub fn step<F, T>(self, future: T) -> Stepper
    where
        T: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        self.step_threads(self.on_runtime(future))
    }

    /// Makes a stepper of code that is no future.
    ///
    /// ```
    /// use brigade_explore::{Explore, Schedule, thread};
    ///
    /// let mut stepper = Explore::new().step_threads(|| thread::spawn(|| {}).join().unwrap());
    /// assert!(stepper.run(&Schedule::default()).choices() > 0);
    /// ```
    pub fn step_threads(self, code: impl Fn() + Send + Sync + 'static) -> Stepper {
        Stepper { server: Server::new(Arc::new(code)), budget: self.budget }
    }
}

impl Program {
    /// Makes a stepper of the program. The page of [`Stepper`] has an example.
    #[must_use]
    pub fn step(self, explore: Explore) -> Stepper {
        match self {
            Self::Threads(code) => explore.step_threads(code),
            Self::Tasks { workers, root } => explore.workers(workers).step(root),
        }
    }

    /// Runs one schedule of the program.
    ///
    /// ```
    /// use brigade_explore::{Explore, bugs};
    ///
    /// let bad = bugs::ALL[0].bad;
    /// let failed = bad.explore(Explore::new()).expect_failure();
    /// let again = bad.replay(Explore::new(), failed.schedule.clone()).expect_failure();
    /// assert_eq!(again.failure, failed.failure);
    /// ```
    #[must_use]
    pub fn replay(self, explore: Explore, schedule: Schedule) -> Verdict {
        match self {
            Self::Threads(code) => explore.replay_threads(schedule, code),
            Self::Tasks { workers, root } => explore.workers(workers).replay(schedule, root),
        }
    }
}

impl Stepper {
    fn make_run(&mut self, schedule: &Schedule, stop_at: u32) -> Outcome {
        let request = self.budget.request(Strategy::Follow(schedule.clone()));
        let request = Request {
            wants_choices: true,
            wants_waits: true,
            wants_story: true,
            stop_at: Some(stop_at),
            ..request
        };
        self.server.make_run(&request).expect(NO_PROCESS)
    }

    /// Makes the whole run of a schedule. The page of [`Course`] has an example.
    ///
    /// # Panics
    ///
    /// Panics if the operating system gives no process.
    pub fn run(&mut self, schedule: &Schedule) -> Course {
        let outcome = self.make_run(schedule, u32::MAX);
        Course {
            schedule: outcome.schedule,
            story: outcome.story.unwrap_or_default(),
            choices: outcome.choices,
            failure: outcome.failure,
        }
    }

    /// Makes the run of a schedule up to the choice of this index, and returns its state there. If the run
    /// ends before, that is its state at the end. The page of [`Moment`] has an example.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn stop(&mut self, schedule: &Schedule, choice: u32) -> Moment {
        self.make_run(schedule, choice).moment.unwrap_or_default()
    }

    /// Returns what comes after a moment of this run. Each way is tried, to tell what it leads to. The page
    /// of [`Way`] has an example.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn ahead(&mut self, course: &Course, moment: &Moment) -> Ahead {
        let Some(pending) = &moment.pending else {
            return course.failure.clone().map_or(Ahead::Finished, Ahead::Failed);
        };
        let before = course.before(pending.index);
        let ways = (0..pending.enabled).map(|value| {
            let next = (value < MAX_WAYS_TOLD).then(|| {
                let run = self.run(&before.with(pending.key, value));
                let thread = pending.threads.get(value as usize).copied().unwrap_or(pending.key.thread);
                run.first_line(pending.index, thread)
            });
            Way { value, words: words::of_way(pending, value, &moment.threads), next: next.flatten() }
        });
        Ahead::Choice { key: pending.key, ways: ways.collect() }
    }

    /// Finds a schedule that passes and is nearest to one that fails: without one of its deviations, or with
    /// one more. At most so many runs are made.
    ///
    /// ```
    /// use brigade_explore::{Explore, bugs};
    ///
    /// let bad = bugs::ALL[0].bad;
    /// let failed = bad.explore(Explore::new()).expect_failure();
    /// let nearest = bad.step(Explore::new()).nearest_pass(&failed.schedule, 100).unwrap();
    /// assert!(nearest.deviations().is_empty(), "the one deviation is the bug");
    /// ```
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn nearest_pass(&mut self, schedule: &Schedule, most: usize) -> Option<Schedule> {
        let fewer = schedule.deviations().iter().rev().map(|left_out| {
            Schedule::new(schedule.deviations().iter().filter(|other| *other != left_out).copied())
        });
        let more = self.run(schedule).choices.into_iter().flat_map(|seen| {
            let others = (0..seen.enabled).filter(move |&value| value != seen.value);
            others.map(move |value| schedule.with(seen.key, value))
        });
        fewer.chain(more).take(most).find(|candidate| {
            let request = self.budget.request(Strategy::Follow(candidate.clone()));
            self.server.make_run(&request).expect(NO_PROCESS).failure.is_none()
        })
    }
}

impl Schedule {
    /// Returns this schedule with another value for one choice.
    ///
    /// ```
    /// use brigade_explore::Schedule;
    ///
    /// let schedule: Schedule = "w1.steal.3=2".parse().unwrap();
    /// let key = schedule.deviations()[0].key;
    /// assert_eq!(schedule.with(key, 1).to_string(), "w1.steal.3=1");
    /// assert!(schedule.with(key, 0).deviations().is_empty());
    /// ```
    #[must_use]
    pub fn with(&self, key: Key, value: u32) -> Self {
        Self::new(self.deviations().iter().copied().chain([Deviation { key, value }]))
    }
}

impl Course {
    /// The schedule: the deviations that the run has made.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The number of choices that the run has come to.
    #[must_use]
    pub fn choices(&self) -> u32 {
        u32::try_from(self.choices.len()).unwrap_or(u32::MAX)
    }

    /// The failure, if the run has failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The schedule with its deviations before the choice of this index.
    ///
    /// ```
    /// use brigade_explore::{Explore, bugs};
    ///
    /// let bad = bugs::ALL[0].bad;
    /// let failed = bad.explore(Explore::new()).expect_failure();
    /// let course = bad.step(Explore::new()).run(&failed.schedule);
    /// assert!(course.before(0).deviations().is_empty());
    /// assert_eq!(course.before(course.choices()), failed.schedule);
    /// ```
    #[must_use]
    pub fn before(&self, choice: u32) -> Schedule {
        let made = self.choices.iter().take(choice as usize);
        Schedule::new(made.map(|seen| Deviation { key: seen.key, value: seen.value }))
    }

    /// The way that this run goes at the choice of this index.
    ///
    /// ```
    /// use brigade_explore::{Explore, Schedule, bugs};
    ///
    /// let course = bugs::ALL[0].bad.step(Explore::new()).run(&Schedule::default());
    /// assert_eq!(course.way_at(0), Some(0), "the usual one");
    /// assert_eq!(course.way_at(course.choices()), None);
    /// ```
    #[must_use]
    pub fn way_at(&self, choice: u32) -> Option<u32> {
        self.choices.get(choice as usize).map(|seen| seen.value)
    }

    /// Draws the lanes up to the choice of this index, in so many columns. The page of [`Course`] has an
    /// example.
    #[must_use]
    pub fn lanes(&self, choice: u32, columns: usize) -> String {
        draw(&self.story.threads, &self.story.lines[..self.lines_before(choice)], columns)
    }

    /// The next choice before which more of the run is told than before this one. At the end of the run, the
    /// number of its choices.
    ///
    /// ```
    /// use brigade_explore::{Explore, Schedule, bugs};
    ///
    /// let course = bugs::ALL[0].bad.step(Explore::new()).run(&Schedule::default());
    /// let next = course.next_told(0);
    /// assert_ne!(course.lanes(0, 80), course.lanes(next, 80));
    /// assert!(course.told_before(next) < next);
    /// ```
    #[must_use]
    pub fn next_told(&self, choice: u32) -> u32 {
        let next = self.story.lines.get(self.lines_before(choice));
        next.map_or(self.choices(), |line| line.choices.max(choice + 1).min(self.choices()))
    }

    /// The last choice before which less of the run is told than before this one. The opposite of
    /// [`next_told`](Self::next_told).
    #[must_use]
    pub fn told_before(&self, choice: u32) -> u32 {
        let lines = &self.story.lines[..self.lines_before(choice)];
        lines.last().map_or(0, |line| line.choices.min(choice).saturating_sub(1))
    }

    fn lines_before(&self, choice: u32) -> usize {
        self.story.lines.partition_point(|line: &Line| line.choices <= choice)
    }

    /// The first thing that a thread does from the choice of this index on.
    fn first_line(&self, choice: u32, thread: u32) -> Option<String> {
        let rest = &self.story.lines[self.lines_before(choice)..];
        let own = rest.iter().find(|line| line.thread == thread && !line.text.starts_with('─'));
        own.map(|line| line.text.clone())
    }
}
