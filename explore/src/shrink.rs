//! Shrinking: the shortest schedule that still fails in the same way.
//!
//! Each candidate is run, and accepted only if it fails with the same class at the same places. Chunks of
//! deviations are taken out, half of them at first and single ones at last (ddmin: Zeller and Hildebrandt,
//! 2002), until no single one can go. Then pairs, then pairs that one other deviation can replace, then
//! smaller values. If few deviations remain, all smaller sets of the choices of the run are tried, so that
//! the result is the shortest. Sets that the search has run are not run again.

use crate::{
    outcome::{Failure, Outcome, Request, Seen, Strategy},
    schedule::{Deviation, Key, Schedule},
    search::{Budget, Coverage},
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
    /// No schedule with at most so many deviations fails: the search has run them all.
    floor: usize,
    runs: u64,
}

/// The most runs that a proof of the shortest schedule may take.
const MAX_PROOF_RUNS: u64 = 20_000;
/// The most runs in which pairs are taken out.
const MAX_PAIR_RUNS: u64 = 2_000;
/// The most runs in which pairs are replaced by one deviation.
const MAX_REPLACE_RUNS: u64 = 5_000;

impl<'a> Shrinking<'a> {
    pub(crate) fn new(
        server: &'a mut Server,
        budget: Budget,
        schedule: &Schedule,
        failure: Failure,
        coverage: Coverage,
    ) -> Self {
        let floor = coverage.all_deviations as usize;
        Self { server, budget, best: schedule.deviations().to_vec(), failure, floor, runs: 0 }
    }

    pub(crate) fn shrink(mut self) -> io::Result<Shrunk> {
        if self.best.len() > self.floor + 1 {
            self.drop_chunks()?;
            self.drop_pairs()?;
            while self.replace_pair()? {}
        }
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
        let request = self.budget.request(Strategy::Follow(schedule));
        self.server.make_run(&Request { wants_choices, ..request })
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
        let most = self.runs + MAX_PAIR_RUNS;
        let mut first = 0;
        'outer: while first < self.best.len() {
            for second in first + 1..self.best.len() {
                if self.runs >= most {
                    return Ok(());
                }
                if self.try_out(&without_pair(&self.best, first, second))? {
                    first = 0;
                    continue 'outer;
                }
            }
            first += 1;
        }
        Ok(())
    }

    /// Replaces two deviations by one other, which may be any choice of the run without the two. Returns
    /// whether it has done so.
    fn replace_pair(&mut self) -> io::Result<bool> {
        if self.best.len() <= self.floor + 1 {
            return Ok(false);
        }
        let most = self.runs + MAX_REPLACE_RUNS;
        for first in 0..self.best.len() {
            for second in first + 1..self.best.len() {
                let rest = without_pair(&self.best, first, second);
                let outcome = self.make_run(&rest, true)?;
                for (_, one) in ways(&outcome.choices, 0).filter(|(_, one)| !has(&rest, one.key)) {
                    if self.runs >= most {
                        return Ok(false);
                    }
                    if self.try_out(&[&rest[..], &[one]].concat())? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
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

    /// Tries all smaller sets of deviations that the search has not run, if they are few.
    fn prove(&mut self) -> io::Result<Shortness> {
        let len = self.best.len();
        if len <= self.floor + 1 {
            return Ok(Shortness::Shortest);
        }
        // Level by level from the usual run: the sets of one size, and the runs that they make.
        let usual = self.make_run(&[], true)?;
        let mut level = vec![(Vec::new(), 0, usual.choices)];
        let mut spent = 0;
        for size in 1..len {
            let mut next = Vec::new();
            for (deviations, from, choices) in level {
                for (index, one) in ways(&choices, from) {
                    spent += 1;
                    if spent > MAX_PROOF_RUNS {
                        return Ok(Shortness::OneMinimal);
                    }
                    let longer = [&deviations[..], &[one]].concat();
                    if size > self.floor && self.try_out(&longer)? {
                        return Ok(Shortness::Shortest);
                    }
                    if size + 1 < len {
                        let outcome = self.make_run(&longer, true)?;
                        next.push((longer, index + 1, outcome.choices));
                    }
                }
            }
            level = next;
        }
        Ok(Shortness::Shortest)
    }
}

/// The deviations that a run could have made from a choice on, with the indexes of the choices.
fn ways(choices: &[Seen], from: usize) -> impl Iterator<Item = (usize, Deviation)> + '_ {
    let after = choices.iter().enumerate().skip(from);
    after.flat_map(|(index, seen)| {
        let values = (0..seen.enabled).filter(|&value| value != seen.value && value != 0);
        values.map(move |value| (index, Deviation { key: seen.key, value }))
    })
}

fn has(deviations: &[Deviation], key: Key) -> bool {
    deviations.iter().any(|deviation| deviation.key == key)
}

fn without_pair(deviations: &[Deviation], first: usize, second: usize) -> Vec<Deviation> {
    let mut rest = deviations.to_vec();
    rest.remove(second);
    rest.remove(first);
    rest
}
