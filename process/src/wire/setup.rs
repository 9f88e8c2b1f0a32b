//! What a worker does before its first call: the pool sends a [`Setup`] at the very start, and the worker
//! carries it out.

use super::frame::{self, Kind};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a worker is told before its first call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Of the pool's build: what names a function there names another one in another build.
    pub(crate) fingerprint: u64,
    /// It is no worker, but what forks workers.
    pub(crate) forks: bool,
    /// It has the terminal's interrupts do nothing. False for a zygote's workers: the zygote has done so
    /// already, before its initializer, whose own handlers stand.
    pub(crate) leaves_interrupts: bool,
    /// Which of the pool's workers it is, from 0 on.
    pub(crate) index: usize,
    /// How much nicer than the pool's process.
    pub(crate) nice: i32,
    /// The CPUs that each worker may run on, again and again from the first list on; none: those of the
    /// pool's process.
    pub(crate) cpus: Vec<Vec<usize>>,
    pub(crate) limits: Limits,
    /// How long to look for the next call before sleeping.
    pub(crate) busy_poll: Option<Duration>,
    /// The initializer's name and argument.
    pub(crate) initializer: Option<(u64, Vec<u8>)>,
}

/// When a worker ends by its own choice.
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
    /// What a zygote is to do beforehand, and what its workers are left to do.
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

    /// The same for this one of the pool's workers.
    pub(crate) fn of_worker(&self, index: usize) -> Self {
        Self { index, ..self.clone() }
    }

    /// The frame that tells a worker.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let payload = postcard::to_stdvec(self).expect("numbers and bytes can always be encoded");
        let mut frame = Vec::new();
        frame::encode(&mut frame, Kind::Setup, 0, 0, 0, &payload);
        frame
    }
}
