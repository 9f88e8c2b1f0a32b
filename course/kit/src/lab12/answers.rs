//! The answers of a pool's calls.

use super::{Lost, Note, doubled};
use crate::log::{Log, counted, demand};
use brigade_explore::{
    handle::explore,
    thread::{Thread, current, park},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The right to answer a call, once.
#[derive(Debug)]
pub struct Answer {
    call: usize,
    answers: Arc<Shared>,
}

impl Answer {
    /// Answers the call.
    pub fn complete(&self, result: Result<Vec<u8>, Lost>) {
        explore::point();
        self.answers.log.note(Note::Answer(self.call, result.is_ok()));
        let mut results = self.answers.results();
        demand(results[self.call].is_none(), "once", "each call is answered once", || {
            format!("call {} is answered twice", self.call)
        });
        results[self.call] = Some(result);
        drop(results);
        self.answers.waits.unpark();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.answers.results()[self.call].is_none() {
            self.answers.log.note(Note::Drop(self.call));
        }
    }
}

/// The calls of a test.
pub(super) struct Answers(Arc<Shared>);

/// The results of the calls so far, by their numbers.
type Results = Vec<Option<Result<Vec<u8>, Lost>>>;

struct Shared {
    log: Log<Note>,
    // No choice point lies under this lock, so it can be std's.
    results: Mutex<Results>,
    /// The thread that waits for the answers: the one that has made the calls.
    waits: Thread,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn input(call: usize) -> Vec<u8> {
    vec![call as u8; 3]
}

/// The call that has this input.
pub(super) fn call_of(input: &[u8]) -> usize {
    input.first().copied().unwrap_or_default().into()
}

impl Answers {
    pub(super) fn new(log: &Log<Note>) -> Self {
        Self(Arc::new(Shared { log: log.clone(), results: Mutex::default(), waits: current() }))
    }

    /// Makes the next call: its input, and the right to answer it.
    pub(super) fn next(&self) -> (Vec<u8>, Answer) {
        let mut results = self.0.results();
        results.push(None);
        let call = results.len() - 1;
        (input(call), Answer { call, answers: self.0.clone() })
    }

    /// Waits until all calls so far are answered.
    pub(super) fn wait(&self) {
        loop {
            explore::point();
            if self.0.results().iter().all(Option::is_some) {
                return;
            }
            park();
        }
    }

    /// Looks at the results. At most so many calls are lost.
    pub(super) fn check(&self, most_lost: usize) {
        let results = self.0.results().clone();
        for (call, result) in results.iter().enumerate() {
            demand(result.is_some(), "once", "each call is answered before the shutdown returns", || {
                format!("call {call} is not")
            });
            if let Some(Ok(output)) = result {
                demand(*output == doubled(&input(call)), "answer", "a call gets its own result", || {
                    format!("call {call} gets {output:?}")
                });
            }
        }
        let lost = results.iter().flatten().filter(|result| result.is_err()).count();
        demand(lost <= most_lost, "lost", "a call is lost only if its child died under it", || {
            format!("{} lost", counted(lost, "call"))
        });
    }
}
