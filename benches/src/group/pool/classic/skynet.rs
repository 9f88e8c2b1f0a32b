//! Skynet: each actor spawns ten actors, down to the last generation, and adds up their answers.
//!
//! After github.com/atemerev/skynet.

use super::Program;
use crate::group::pool::join::Join;

/// A tree of actors, with `leaves` actors in the last generation: a power of ten.
pub(crate) struct Skynet {
    leaves: u64,
}

impl Skynet {
    pub(crate) fn new(leaves: u64) -> Self {
        Self { leaves }
    }
}

impl Program for Skynet {
    fn run<J: Join>(&self) -> u64 {
        actor::<J>(0, self.leaves)
    }
}

/// The sum of the `count` numbers from `first` on.
fn actor<J: Join>(first: u64, count: u64) -> u64 {
    if count == 1 {
        return first;
    }
    let part = count / 10;
    let mut answers = [0; 10];
    J::spawn_each(&mut answers, |child| actor::<J>(first + child as u64 * part, part));
    answers.iter().sum()
}
