//! Shrinking: the shortest schedule that still fails in the same way.
//!
//! Each candidate is run, and accepted only if it fails with the same class at the same places. Chunks of
//! deviations are taken out, half of them at first and single ones at last (ddmin: Zeller and Hildebrandt,
//! 2002), until no single one can go. Then pairs, then smaller values. If few deviations remain, all smaller
//! sets of the choices of the run are tried, so that the result is the shortest.

use crate::{
    outcome::{Failure, Outcome, Request, Strategy},
    schedule::{Deviation, Schedule},
    search::Budget,
    server::Server,
};
use std::io;

/// A schedule that was shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shrunk {
    pub(crate) schedule: Schedule,
    pub(crate) failure: Failure,
    pub(crate) shortness: Shortness,
    /// The number of runs that it took.
    pub(crate) runs: u64,
}

/// How short a schedule is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortness {
    /// No schedule with fewer deviations fails in the same way.
    Shortest,
    /// No deviation can be taken out, nor two.
    OneMinimal,
    /// It was not shrunk.
    Given,
}

pub(crate) struct Shrinking<'a> {
    server: &'a mut Server,
    budget: Budget,
    best: Vec<Deviation>,
    failure: Failure,
    runs: u64,
}

/// The most runs that a proof of the shortest schedule may take.
const MAX_PROOF_RUNS: u64 = 20_000;

impl<'a> Shrinking<'a> {
    pub(crate) fn new(server: &'a mut Server, budget: Budget, schedule: &Schedule, failure: Failure) -> Self {
        Self { server, budget, best: schedule.deviations().to_vec(), failure, runs: 0 }
    }

    pub(crate) fn shrink(mut self) -> io::Result<Shrunk> {
        self.drop_chunks()?;
        self.drop_pairs()?;
        self.lower_values()?;
        let shortness = self.prove()?;
        let Self { best, failure, runs, .. } = self;
        Ok(Shrunk { schedule: Schedule::new(best), failure, shortness, runs })
    }

    /// Runs a candidate. If it fails in the same way, the deviations of its run become the best ones.
    fn try_out(&mut self, candidate: &[Deviation]) -> io::Result<bool> {
        self.runs += 1;
        let outcome = self.make_run(candidate, false)?;
        let Some(failure) = outcome.failure.filter(|failure| failure.is_same(&self.failure)) else {
            return Ok(false);
        };
        self.failure = failure;
        // Choices that the run did not come to are left out here.
        self.best = outcome.schedule.deviations().to_vec();
        Ok(true)
    }

    fn make_run(&mut self, candidate: &[Deviation], wants_choices: bool) -> io::Result<Outcome> {
        let schedule = Schedule::new(candidate.iter().copied());
        let Budget { steps, atomics, .. } = self.budget;
        let strategy = Strategy::Follow(schedule);
        self.server.make_run(&Request { strategy, steps, atomics, wants_choices, wants_story: false })
    }

    fn drop_chunks(&mut self) -> io::Result<()> {
        let mut size = self.best.len();
        while size > 0 {
            let mut start = 0;
            let mut has_dropped = false;
            // From the end: the tail of a schedule often comes after what matters.
            while start < self.best.len() {
                let end = self.best.len() - start;
                let begin = end.saturating_sub(size);
                let candidate: Vec<_> = [&self.best[..begin], &self.best[end..]].concat();
                if self.try_out(&candidate)? {
                    has_dropped = true;
                } else {
                    start += size;
                }
            }
            if !(has_dropped && size == 1) {
                size /= 2;
            }
        }
        Ok(())
    }

    fn drop_pairs(&mut self) -> io::Result<()> {
        let mut first = 0;
        'outer: while first < self.best.len() {
            for second in first + 1..self.best.len() {
                let mut candidate = self.best.clone();
                candidate.remove(second);
                candidate.remove(first);
                if self.try_out(&candidate)? {
                    first = 0;
                    continue 'outer;
                }
            }
            first += 1;
        }
        Ok(())
    }

    fn lower_values(&mut self) -> io::Result<()> {
        for index in 0..self.best.len() {
            for value in 1..self.best.get(index).map_or(1, |deviation| deviation.value) {
                let mut candidate = self.best.clone();
                candidate[index].value = value;
                if self.try_out(&candidate)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tries all smaller sets of deviations, if they are few.
    fn prove(&mut self) -> io::Result<Shortness> {
        let len = self.best.len();
        if len <= 1 {
            return Ok(Shortness::Shortest);
        }
        // All sets with one deviation less, and fewer: level by level from the usual run.
        let mut level: Vec<(Vec<Deviation>, usize)> = vec![(Vec::new(), 0)];
        let mut spent = 0;
        for _ in 1..len {
            let mut next = Vec::new();
            for (deviations, from) in level {
                let outcome = self.make_run(&deviations, true)?;
                for (index, seen) in outcome.choices.iter().enumerate().skip(from) {
                    for value in 1..seen.enabled {
                        spent += 1;
                        if spent > MAX_PROOF_RUNS {
                            return Ok(Shortness::OneMinimal);
                        }
                        let mut longer = deviations.clone();
                        longer.push(Deviation { key: seen.key, value });
                        if self.try_out(&longer)? {
                            return Ok(Shortness::Shortest);
                        }
                        next.push((longer, index + 1));
                    }
                }
            }
            level = next;
        }
        Ok(Shortness::Shortest)
    }
}
