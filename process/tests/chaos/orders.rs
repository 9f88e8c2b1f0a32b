//! The calls of a storm: of every size and manner, each with its expected result.

use crate::{dice::Dice, ledger};
use brigade_process::{Block, BlockMut, JoinError, JoinHandle, Lost, ProcessPool};
use std::time::Duration;

/// The outcomes of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) right: u64,
    pub(crate) lost: u64,
    pub(crate) not_started: u64,
    pub(crate) quarantined: u64,
    pub(crate) timed_out: u64,
    pub(crate) panicked: u64,
    pub(crate) cancelled: u64,
}

impl Outcomes {
    pub(crate) fn sum(&self) -> u64 {
        let Self { right, lost, not_started, quarantined, timed_out, panicked, cancelled } = self;
        right + lost + not_started + quarantined + timed_out + panicked + cancelled
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.lost += other.lost;
        self.not_started += other.not_started;
        self.quarantined += other.quarantined;
        self.timed_out += other.timed_out;
        self.panicked += other.panicked;
        self.cancelled += other.cancelled;
    }

    /// Takes in how a call ended, which must be right or excused by the storm.
    fn count<T: PartialEq>(&mut self, result: Result<T, JoinError>, expected: &T, what: &str) {
        match result {
            Ok(value) => {
                assert!(value == *expected, "{what}: a wrong result");
                self.right += 1;
            }
            Err(JoinError::Lost(Lost::Killed { signal: 9 | 6 }, _)) => self.lost += 1,
            Err(JoinError::Lost(Lost::NotStarted(_), _)) => self.not_started += 1,
            Err(JoinError::Lost(Lost::Quarantined { workers, .. }, _)) if workers > 1 => {
                self.quarantined += 1
            }
            Err(JoinError::Lost(Lost::TimedOut { .. }, _)) if what == "limited" => self.timed_out += 1,
            Err(JoinError::Panicked(..)) if what == "panic" => self.panicked += 1,
            Err(JoinError::Cancelled(_)) if what == "cancelled" => self.cancelled += 1,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// A text that its seed tells from others.
fn text(seed: u64, length: u64) -> String {
    let mut text = format!("{seed} ");
    text.push_str(&"flour".repeat(length as usize / 5));
    text
}

/// Panics, without a hook that prints it.
fn burn() -> ! {
    std::panic::resume_unwind(Box::new("burnt"))
}

fn compute(n: u64) -> u64 {
    let mut dice = n;
    for _ in 0..20_000 {
        dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(n);
    }
    dice
}

/// Numbers from the first one on, enough to be mapped and not copied.
fn numbers(first: u64, length: u64) -> Block<u64> {
    let count = ((64 << 10) + length) / 8;
    let mut block = BlockMut::recycled(count as usize).expect("the machine has memory for a block");
    block.iter_mut().zip(first..).for_each(|(place, n)| *place = n);
    block.freeze()
}

fn are_numbers(block: &[u64], first: u64) -> bool {
    block.iter().zip(first..).all(|(place, n)| *place == n)
}

/// The numbers that follow those of the block. A wrong block ends the worker, and this is not excused.
fn successors(block: Block<u64>) -> Block<u64> {
    assert!(are_numbers(&block, block[0]), "somebody writes what is read here");
    numbers(block[0] + 1, block.len() as u64 * 8 - (64 << 10))
}

/// A call on its way.
pub(crate) enum Order {
    Number(JoinHandle<u64>, u64, &'static str),
    Text(JoinHandle<String>, u64, u64),
    Map(JoinHandle<Vec<Result<u64, JoinError>>>, u64),
    Block(JoinHandle<Block<u64>>, u64),
}

impl Order {
    /// Orders a call of some kind.
    pub(crate) fn place(procs: &ProcessPool, dice: &mut Dice, ledger: &str, number: u64) -> Self {
        let kind = dice.below(40);
        Self::of_kind(kind, procs, dice, ledger, number)
    }

    /// Orders a call that harms no worker, and that nobody cancels.
    pub(crate) fn place_gently(procs: &ProcessPool, dice: &mut Dice, ledger: &str, number: u64) -> Self {
        let kind = match dice.below(40) {
            31..36 => 36,
            kind => kind,
        };
        Self::of_kind(kind, procs, dice, ledger, number)
    }

    fn of_kind(kind: u64, procs: &ProcessPool, dice: &mut Dice, ledger: &str, number: u64) -> Self {
        let length = match dice.below(100) {
            0..90 => dice.below(300),
            90..98 => dice.below(100 << 10),
            _ => dice.below(1 << 20),
        };
        let plain = |handle, what| Self::Number(handle, number, what);
        match kind {
            0..12 => plain(procs.spawn(|n: u64| n, number), "echo"),
            12..16 => Self::Number(procs.spawn(compute, number), compute(number), "compute"),
            16..20 => Self::Text(procs.spawn(|(seed, n)| text(seed, n), (number, length)), number, length),
            20..24 => Self::Text(procs.spawn(|text: String| text, text(number, length)), number, length),
            24..28 => plain(procs.spawn(ledger::enter, (ledger.to_owned(), number << 1)), "once").doubled(),
            28..31 => {
                let argument = (ledger.to_owned(), number << 1 | 1);
                plain(procs.call(ledger::enter, argument).retry(3).spawn(), "retried").doubled()
            }
            31 => {
                let abort = |n: u64| if n > 0 { std::process::abort() } else { n };
                plain(procs.call(abort, number).retry(dice.below(3) as u32).spawn(), "abort")
            }
            32 => plain(procs.spawn(|n: u64| if n > 0 { burn() } else { n }, number), "panic"),
            33 => {
                let limit = Duration::from_millis(dice.below(20));
                Self::Number(procs.call(compute, number).timeout(limit).spawn(), compute(number), "limited")
            }
            34 => {
                let handle = procs.call(compute, number).kill_on_cancel().spawn();
                handle.cancel();
                Self::Number(handle, compute(number), "cancelled")
            }
            36 => Self::Block(procs.spawn(successors, numbers(number, length)), number + 1),
            35 => {
                let handle = procs.spawn(|n: u64| n, number);
                handle.cancel();
                plain(handle, "cancelled")
            }
            _ => Self::Map(procs.spawn_map(|n: u64| n * 3, number..number + 1 + length.min(300)), number),
        }
    }

    /// The number in the ledger is twice the call's number, and one more if the call may run again.
    fn doubled(self) -> Self {
        match self {
            Self::Number(handle, number, "once") => Self::Number(handle, number << 1, "once"),
            Self::Number(handle, number, what) => Self::Number(handle, number << 1 | 1, what),
            other => other,
        }
    }

    /// Waits for the call. Returns the number that stands in the ledger, if the call answered that it had
    /// entered it.
    pub(crate) fn collect(self, outcomes: &mut Outcomes) -> Option<u64> {
        match self {
            Self::Number(handle, expected, what) => {
                let result = handle.join();
                let entered = result.is_ok() && matches!(what, "once" | "retried");
                outcomes.count(result, &expected, what);
                entered.then_some(expected)
            }
            Self::Text(handle, seed, length) => {
                outcomes.count(handle.join(), &text(seed, length), "text");
                None
            }
            Self::Block(handle, first) => {
                let result = handle.join().map(|block| are_numbers(&block, first));
                outcomes.count(result, &true, "block");
                None
            }
            Self::Map(handle, first) => {
                let results = handle.join().expect("nobody cancels a map");
                for (n, result) in (first..).zip(results) {
                    outcomes.count(result, &(n * 3), "map");
                }
                None
            }
        }
    }
}
