//! The setup: what the pool tells a worker at the very start. `worker/initialize.rs` carries it out.

use super::frame::{self, Kind};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The pool's instructions for a worker before its first call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The fingerprint of the pool's build: a function's name there names another function in another
    /// build.
    pub(crate) fingerprint: u64,
    /// The process is not a worker, but a zygote.
    pub(crate) forks: bool,
    /// The process has the terminal's interrupts do nothing. False for a zygote's workers: the zygote has
    /// done so already, before its initializer, whose own handlers stand.
    pub(crate) leaves_interrupts: bool,
    /// The worker's number in the pool, from 0 on.
    pub(crate) index: usize,
    /// How much to raise the niceness above that of the pool's process.
    pub(crate) nice: i32,
    /// The CPUs that each worker may run on: worker *n* uses list *n* modulo their number. No list: the
    /// CPUs of the pool's process.
    pub(crate) cpus: Vec<Vec<usize>>,
    pub(crate) limits: Limits,
    /// How long to look for the next call before sleeping.
    pub(crate) busy_poll: Option<Duration>,
    /// The initializer's name and argument.
    pub(crate) initializer: Option<(u64, Vec<u8>)>,
}

/// The limits at which a worker ends by its own choice.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) calls: Option<u64>,
    /// Resident memory, in bytes.
    pub(crate) memory: Option<u64>,
}

/// Why a worker ends by its own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Calls = 1,
    Memory = 2,
}

impl Reason {
    pub(crate) fn from_number(number: u64) -> Self {
        if number == Self::Memory as u64 { Self::Memory } else { Self::Calls }
    }
}

impl Setup {
    /// Splits the setup into the part that a zygote carries out beforehand, and the rest for its workers.
    pub(crate) fn split(self) -> (Self, Self) {
        let zygote = Self {
            fingerprint: self.fingerprint,
            forks: true,
            leaves_interrupts: self.leaves_interrupts,
            initializer: self.initializer.clone(),
            ..Self::default()
        };
        (zygote, Self { initializer: None, leaves_interrupts: false, ..self })
    }

    /// The same setup for the worker with this number.
    pub(crate) fn of_worker(&self, index: usize) -> Self {
        Self { index, ..self.clone() }
    }

    /// The frame that carries the setup to a worker.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let payload = postcard::to_stdvec(self).expect("numbers and bytes can always be encoded");
        let mut frame = Vec::new();
        frame::encode(&mut frame, Kind::Setup, 0, 0, 0, &payload);
        frame
    }
}
