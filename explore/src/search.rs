//! The search for a failing schedule.
//!
//! 1. The usual schedule, twice: both runs must be the same.
//! 2. All schedules with one deviation, then all with two, while their number fits into the budget
//!    (delay-bounded scheduling: Emmi, Qadeer and Rakamarić, 2011).
//! 3. Priorities by chance, of depth 1 to 3 (PCT), by turns with deviations by chance.

use crate::{
    outcome::{Class, Failure, Outcome, Request, Seen, Strategy},
    schedule::{Deviation, Schedule},
    server::Server,
    sys,
};
use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

/// The bounds of a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) schedules: u64,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    pub(crate) atomics: bool,
    /// No schedule with more deviations is run.
    pub(crate) deviations: Option<u32>,
}

impl Budget {
    /// Makes a request for a run within these bounds, of which only the outcome is wanted.
    pub(crate) fn request(self, strategy: Strategy) -> Request {
        let Self { steps, atomics, .. } = self;
        Request {
            strategy,
            steps,
            atomics,
            wants_choices: false,
            wants_waits: false,
            wants_story: false,
            stop_at: None,
        }
    }
}

/// The schedules that a search has run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The number of schedules that were run.
    pub schedules: u64,
    /// All schedules with at most so many deviations are among them.
    pub all_deviations: u32,
    /// Whether there are no other schedules.
    pub is_complete: bool,
}

/// How a search has ended.
pub(crate) enum Found {
    Nothing(Coverage),
    Failed { schedule: Schedule, failure: Failure, coverage: Coverage },
}

pub(crate) struct Search<'a> {
    server: &'a mut Server,
    budget: Budget,
    coverage: Coverage,
}

/// A schedule whose run begins like that of a shorter one.
struct Node {
    schedule: Schedule,
    /// The choices before this index are the same as in the run of the shorter schedule.
    from: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(server: &'a mut Server, budget: Budget) -> Self {
        Self { server, budget, coverage: Coverage::default() }
    }

    /// Runs a schedule, and asks for the choices of the run.
    fn make_run(&mut self, schedule: &Schedule) -> io::Result<Outcome> {
        self.coverage.schedules += 1;
        let request = self.budget.request(Strategy::Follow(schedule.clone()));
        self.server.make_run(&Request { wants_choices: true, ..request })
    }

    pub(crate) fn search(mut self) -> io::Result<Found> {
        let usual = self.make_run(&Schedule::default())?;
        if let Some(failure) = usual.failure {
            return Ok(self.failed(usual.schedule, failure));
        }
        let again = self.make_run(&Schedule::default())?;
        self.coverage.schedules -= 1;
        if again.hash != usual.hash {
            let len = usual.choices.len().max(again.choices.len());
            let at = |outcome: &Outcome, index: usize| outcome.choices.get(index).copied();
            let index = (0..len).find(|&index| at(&usual, index) != at(&again, index)).unwrap_or(len);
            let failure = differ(index, at(&usual, index), at(&again, index));
            return Ok(self.failed(Schedule::default(), failure));
        }
        let length = usual.length;
        if let Some(found) = self.enumerate(usual)? {
            return Ok(found);
        }
        self.by_chance(length)
    }

    /// Runs all schedules with one deviation, then all with two, and so on, within half of the budget. A
    /// level that would not fit is left out.
    fn enumerate(&mut self, usual: Outcome) -> io::Result<Option<Found>> {
        let mut level = vec![(Node { schedule: Schedule::default(), from: 0 }, usual.choices)];
        loop {
            let ways: u64 = level.iter().map(|(node, choices)| ways_after(choices, node.from)).sum();
            if ways == 0 {
                self.coverage.is_complete = true;
                return Ok(Some(Found::Nothing(self.coverage)));
            }
            if self.budget.deviations.is_some_and(|most| self.coverage.all_deviations >= most) {
                return Ok(Some(Found::Nothing(self.coverage)));
            }
            // Without a bound, half of the budget is for schedules by chance.
            let share = if self.budget.deviations.is_some() { 1 } else { 2 };
            if self.coverage.schedules + ways > self.budget.schedules / share {
                return Ok(None);
            }
            let mut next = Vec::new();
            for (node, choices) in level {
                for child in children(&node, &choices) {
                    let outcome = self.make_run(&child.schedule)?;
                    if let Some(failure) = outcome.failure {
                        return Ok(Some(self.failed(outcome.schedule, failure)));
                    }
                    next.push((child, outcome.choices));
                }
            }
            self.coverage.all_deviations += 1;
            level = next;
        }
    }

    /// Runs schedules by chance until the budget is spent, on all processors. Of those that fail, that of the
    /// lowest seed is the result, so that it is the same on any number of processors.
    fn by_chance(&mut self, length: u32) -> io::Result<Found> {
        let count = self.budget.schedules.saturating_sub(self.coverage.schedules);
        let draw =
            Draw { budget: self.budget, length, count, next: AtomicU64::new(0), found: Mutex::default() };
        // A further child takes the time of some runs.
        let helpers = (count / MIN_RUNS_PER_CHILD).min(sys::processors().len() as u64).saturating_sub(1);
        thread::scope(|scope| {
            let others: Vec<_> = (0..helpers)
                .map(|_| {
                    let (draw, mut server) = (&draw, self.server.another());
                    scope.spawn(move || draw.make_runs(&mut server))
                })
                .collect();
            let own = draw.make_runs(self.server);
            let others = others.into_iter().map(|other| other.join().expect("it does not panic"));
            others.fold(own, Result::and)
        })?;
        match draw.found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((index, schedule, failure)) => {
                self.coverage.schedules += index + 1;
                Ok(self.failed(schedule, failure))
            }
            None => {
                self.coverage.schedules += count;
                Ok(Found::Nothing(self.coverage))
            }
        }
    }

    fn failed(&self, schedule: Schedule, failure: Failure) -> Found {
        Found::Failed { schedule, failure, coverage: self.coverage }
    }
}

/// A further child is worth its fork from so many runs on.
const MIN_RUNS_PER_CHILD: u64 = 100;

/// The schedules by chance, which several children run.
struct Draw {
    budget: Budget,
    /// The choices of the usual run.
    length: u32,
    /// The number of schedules.
    count: u64,
    next: AtomicU64,
    /// The failure of the lowest index.
    found: Mutex<Option<(u64, Schedule, Failure)>>,
}

impl Draw {
    /// Runs schedules in the order of their indexes, beside other children, until none is left or a lower one
    /// has failed.
    fn make_runs(&self, server: &mut Server) -> io::Result<()> {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Relaxed: each index is taken once, and the lock orders the rest.
            let index = self.next.fetch_add(1, Relaxed);
            if index >= self.count || found().as_ref().is_some_and(|&(lowest, ..)| lowest < index) {
                return Ok(());
            }
            let outcome = server.make_run(&self.request(index))?;
            if let Some(failure) = outcome.failure {
                let mut found = found();
                if found.as_ref().is_none_or(|&(lowest, ..)| index < lowest) {
                    *found = Some((index, outcome.schedule, failure));
                }
            }
        }
    }

    fn request(&self, index: u64) -> Request {
        let seed = self.budget.seed + index + 1;
        let strategy = match seed % 4 {
            0 => Strategy::Random { seed, rate: 4 },
            1 => Strategy::Random { seed, rate: 16 },
            depth => Strategy::Pct { seed, depth: depth as u32, length: self.length },
        };
        self.budget.request(strategy)
    }
}

/// The failure of two runs of one schedule that are not the same.
fn differ(index: usize, one: Option<Seen>, other: Option<Seen>) -> Failure {
    let told = |seen: Option<Seen>| match seen {
        Some(seen) => format!("comes to {} with {} ways", seen.key, seen.enabled),
        None => "has ended".to_owned(),
    };
    let message = format!(
        "two runs of the usual schedule differ at choice {index}: one {}, the other {}. Something else than the \
         oracle decides: the time, chance (such as the order of a HashMap), an address, or the system",
        told(one),
        told(other),
    );
    Failure { class: Class::Differs, message, sites: Vec::new() }
}

/// Returns how many schedules deviate once more, at this choice or later.
fn ways_after(choices: &[Seen], from: usize) -> u64 {
    choices.iter().skip(from).map(|seen| u64::from(seen.enabled - 1)).sum()
}

/// Returns the schedules that deviate once more than this one, after its last deviation.
fn children(node: &Node, choices: &[Seen]) -> Vec<Node> {
    let mut children = Vec::new();
    for (index, seen) in choices.iter().enumerate().skip(node.from) {
        for value in (0..seen.enabled).filter(|&value| value != seen.value) {
            let one_more = Deviation { key: seen.key, value };
            let deviations = node.schedule.deviations().iter().copied().chain([one_more]);
            children.push(Node { schedule: Schedule::new(deviations), from: index + 1 });
        }
    }
    children
}
