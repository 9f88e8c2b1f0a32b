//! The oracles of a run: they follow a schedule, or choose by chance, and note what was chosen.

use crate::{
    outcome::{Seen, Strategy},
    schedule::{Deviation, Key, Schedule, ThreadName},
    stuck::is_engine,
};
use brigade_handle::explore::{self, Choice, Kind, LockOperation, LockOutcome, Oracle};
use std::{
    collections::HashMap,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The choices of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) choices: Vec<Seen>,
    pub(crate) hash: u64,
    pub(crate) length: u32,
    pub(crate) deviations: Vec<Deviation>,
    /// The deviations as a story tells them: the stamp, the thread, the words.
    pub(crate) notes: Vec<(u64, u32, String)>,
    /// The addresses of the locks of the checked code, which are numbered as they are first used.
    locks: Vec<usize>,
    /// The stamps of the choices, if the run is told.
    pub(crate) stamps: Vec<u64>,
}

impl Log {
    /// Notes an operation of the checked code on something, with the place of the call.
    fn note(&mut self, thread: u32, operation: &str, at: &'static Location<'static>) {
        let file = at.file().rsplit('/').next().unwrap_or_default();
        let words = format!("{operation}  {file}:{}", at.line());
        self.notes.push((explore::stamp().unwrap_or(0), thread, words));
    }

    /// Returns the number of a lock. A lock that takes the place of an ended one has its number.
    fn number_of(&mut self, address: usize) -> usize {
        let known = self.locks.iter().position(|&lock| lock == address);
        known.unwrap_or_else(|| {
            self.locks.push(address);
            self.locks.len() - 1
        })
    }
}

/// The log of a run, which outlives its oracle.
pub(crate) type SharedLog = Arc<Mutex<Log>>;

pub(crate) fn lock(log: &SharedLog) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses as a strategy says, and notes the choices.
pub(crate) struct Noting {
    pub(crate) chooser: Chooser,
    pub(crate) log: SharedLog,
    /// Whether all choices are noted, or the deviations only.
    pub(crate) notes_all: bool,
    /// Whether the moments of the choices are noted.
    pub(crate) stamps: bool,
    /// The run ends before the choice of this index.
    pub(crate) stop_at: Option<u32>,
}

impl Oracle for Noting {
    fn stops(&mut self, _choice: &Choice<'_>) -> bool {
        self.stop_at == Some(lock(&self.log).length)
    }

    fn hear(&mut self, thread: u32, operation: &str, at: &'static Location<'static>) {
        if !is_engine(at.file()) {
            lock(&self.log).note(thread, operation, at);
        }
    }

    fn hear_lock(&mut self, told: &LockOperation<'_>) {
        if !is_engine(told.at.file()) {
            let mut log = lock(&self.log);
            let (operation, number) = (told.operation, log.number_of(told.lock) + 1);
            let refused = if told.outcome == LockOutcome::Refused { ": taken" } else { "" };
            log.note(told.thread, &format!("{operation} #{number}{refused}"), told.at);
        }
    }

    fn hear_wait_awake(&mut self, thread: u32) {
        if let Chooser::Pct(pct) = &mut self.chooser {
            pct.fall_behind(thread);
        }
    }

    fn hear_remark(&mut self, thread: u32, words: &str) {
        lock(&self.log).notes.push((explore::stamp().unwrap_or(0), thread, words.to_owned()));
    }

    fn pick(&mut self, choice: &Choice<'_>) -> u32 {
        let value = self.chooser.pick(choice) % choice.enabled;
        let mut log = lock(&self.log);
        log.length += 1;
        if self.stamps {
            log.stamps.push(explore::stamp().unwrap_or(0));
        }
        for part in [choice.thread, choice.kind as u32, choice.enabled, value] {
            // FNV-1a by words.
            log.hash = (log.hash ^ u64::from(part)).wrapping_mul(0x0100_0000_01B3);
        }
        let key = Key::new(choice.thread, choice.kind, choice.nth);
        if self.notes_all {
            log.choices.push(Seen { key, enabled: choice.enabled, value });
        }
        if value != 0 {
            let words = match choice.threads.get(value as usize) {
                Some(&other) => format!("── {} goes on ──  {key}={value}", ThreadName(other)),
                None => format!("── {key}={value} ──"),
            };
            log.notes.push((explore::stamp().unwrap_or(0), choice.thread, words));
            log.deviations.push(Deviation { key, value });
        }
        value
    }
}

/// Makes choices.
pub(crate) enum Chooser {
    Follow(HashMap<Key, u32>),
    Random { rng: Rng, rate: u32 },
    Pct(Pct),
}

impl Chooser {
    pub(crate) fn new(strategy: &Strategy) -> Self {
        match *strategy {
            Strategy::Follow(ref schedule) => Self::follow(schedule),
            Strategy::Random { seed, rate } => Self::Random { rng: Rng::new(seed), rate },
            Strategy::Pct { seed, depth, length } => Self::Pct(Pct::new(seed, depth, length)),
        }
    }

    fn follow(schedule: &Schedule) -> Self {
        Self::Follow(schedule.deviations().iter().map(|deviation| (deviation.key, deviation.value)).collect())
    }

    fn pick(&mut self, choice: &Choice<'_>) -> u32 {
        match self {
            Self::Follow(values) => {
                values.get(&Key::new(choice.thread, choice.kind, choice.nth)).copied().unwrap_or(0)
            }
            Self::Random { rng, rate } => pick_by_chance(rng, *rate, choice),
            Self::Pct(pct) => pct.pick(choice),
        }
    }
}

/// Deviates once in `rate` choices. A park ends for no reason less often, because that hides lost wake-ups.
fn pick_by_chance(rng: &mut Rng, rate: u32, choice: &Choice<'_>) -> u32 {
    let rate = if choice.kind == Kind::Spurious { rate * SPURIOUS_RARITY } else { rate };
    match choice.kind {
        // Nothing is usual about the order of threads that wait for a processor.
        Kind::Switch => rng.below(choice.enabled),
        _ if rng.below(rate) == 0 => 1 + rng.below(choice.enabled - 1),
        _ => 0,
    }
}

/// How much rarer a park ends for no reason than other deviations.
const SPURIOUS_RARITY: u32 = 16;

/// A xorshift generator (Marsaglia, 2003).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) % count
    }
}

/// Probabilistic concurrency testing: the thread of the highest priority runs. At a few steps, and when it
/// waits awake, the running one falls behind all others.
pub(crate) struct Pct {
    rng: Rng,
    /// Higher goes first. A thread's priority is drawn when it is first seen.
    priorities: HashMap<u32, u32>,
    /// The steps at which the running thread falls behind.
    changes: Vec<u32>,
    step: u32,
    /// The next priority below all others.
    lowest: u32,
}

/// Drawn priorities lie above this; those of threads that fell behind lie below.
const DRAWN: u32 = 1 << 24;

impl Pct {
    fn new(seed: u64, depth: u32, length: u32) -> Self {
        let mut rng = Rng::new(seed);
        let changes = (1..depth).map(|_| rng.below(length.max(1))).collect();
        Self { rng, priorities: HashMap::new(), changes, step: 0, lowest: DRAWN }
    }

    fn priority(&mut self, thread: u32) -> u32 {
        let rng = &mut self.rng;
        *self.priorities.entry(thread).or_insert_with(|| DRAWN + rng.below(1 << 30))
    }

    /// Puts a thread behind all others. A thread that waits awake would do so for ever if it stayed ahead of
    /// those that it waits for.
    fn fall_behind(&mut self, thread: u32) {
        self.lowest = self.lowest.saturating_sub(1);
        self.priorities.insert(thread, self.lowest);
    }

    fn pick(&mut self, choice: &Choice<'_>) -> u32 {
        if choice.threads.is_empty() {
            return pick_by_chance(&mut self.rng, 4, choice);
        }
        self.step += 1;
        if self.changes.contains(&self.step) {
            self.fall_behind(choice.thread);
        }
        let best = (0..choice.enabled).max_by_key(|&index| {
            // Of equal ones, the usual one goes first.
            (self.priority(choice.threads[index as usize]), u32::MAX - index)
        });
        best.unwrap_or(0)
    }
}
