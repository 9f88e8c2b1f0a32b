//! How workers are started and replaced: the supervisor orders them from the starter.
//!
//! A start has failed if the launcher says so, if the worker ends before it is ready, or if it ends young
//! without having begun a call. Without the last rule a worker that cannot live would be replaced hundreds
//! of times a second. After a failed start the next one waits, each time twice as long, whether calls wait
//! or not. After [`MAX_FAILURES`] failed starts in a row with no worker up, the calls that wait are told
//! why.

use super::Supervisor;
use crate::{
    call::Answer,
    parent::{
        child::Child,
        lane::Lane,
        shared::{Orders, PoolState, StartOutcome},
        starter::STARTER_ENDED,
    },
};
use brigade_handle::Lost;
use brigade_trace::clock;
use std::{
    io, mem,
    time::{Duration, Instant},
};

/// The number of failed starts in a row after which waiting calls are told.
const MAX_FAILURES: u32 = 3;
/// The same if the system only says "try again".
const MAX_PASSING_FAILURES: u32 = 6;
/// The pause after the first failed start; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// How often the pause is doubled at most: it grows to about five seconds.
const MAX_DOUBLINGS: u32 = 9;
/// At a shutdown, the time that waiting calls give a worker to be set up, if the pool's builder has not
/// said.
const SHUTDOWN_SETUP_LIMIT: Duration = Duration::from_secs(10);

/// The recent failed starts, and when to try again.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    reason: String,
    /// The system's last word was "try again".
    is_passing: bool,
    /// When the last start failed.
    last: Option<Instant>,
    /// When to try again.
    pub(super) retry: Option<Instant>,
}

impl Backoff {
    pub(super) fn failed(&mut self, reason: String, now: Instant) {
        self.failures += 1;
        self.reason = reason;
        self.last = Some(now);
        self.retry = Some(now + FIRST_PAUSE * (1 << (self.failures - 1).min(MAX_DOUBLINGS)));
    }

    /// Notes that a worker has used up the time for its hello. Calls need not wait until others have, too.
    pub(super) fn give_up(&mut self) {
        self.failures = self.failures.max(MAX_PASSING_FAILURES - 1);
    }

    /// Whether this worker shows that starts go well again.
    fn is_over_by(&self, child: &Child, lane: Option<&Lane>) -> bool {
        let is_newer = |since| self.last.is_none_or(|last| since > last);
        child.up_since().is_some_and(is_newer) && child.is_proven(lane)
    }

    /// Notes that a worker has ended.
    pub(super) fn lost(&mut self, child: &Child, lane: Option<&Lane>) {
        if self.failures > 0 && self.is_over_by(child, lane) {
            self.failures = 0;
        }
    }

    fn is_hopeless(&self) -> bool {
        self.failures >= if self.is_passing { MAX_PASSING_FAILURES } else { MAX_FAILURES }
    }
}

impl Supervisor<'_> {
    /// How many workers to order now.
    pub(super) fn wanted(&self, state: &PoolState, now: Instant) -> usize {
        let coming = self.children.len() + state.ordered.len() + state.delivered.len();
        let missing = self.workers.saturating_sub(coming);
        let waits = self.backoff.retry.is_some_and(|time| now < time);
        let is_needed = match state.orders {
            Orders::Work => !state.opening,
            Orders::Drain => !state.queue.is_empty(),
            Orders::Abort => false,
        };
        if missing == 0 || waits || !is_needed {
            return 0;
        }
        if self.backoff.failures == 0 || self.children.iter().any(Child::is_up) {
            return missing;
        }
        // After failures one worker is tried at a time, until one works.
        let tries = |child: &Child| child.is_starting() && !child.is_ending();
        let is_tried = coming > self.children.len() || self.children.iter().any(tries);
        usize::from(!is_tried)
    }

    /// Orders workers in the place of those that have ended.
    pub(super) fn replace(&mut self) {
        if self.children.len() >= self.workers {
            return;
        }
        let numbers: Vec<usize> = {
            let mut state = self.shared.lock();
            let numbers = state.free_indices(self.wanted(&state, clock::now()));
            state.ordered.extend_from_slice(&numbers);
            numbers
        };
        if numbers.is_empty() {
            return;
        }
        self.backoff.retry = None;
        if !self.start_queue.order(&numbers) {
            self.shared.lock().ordered.clear();
            self.failed_start(STARTER_ENDED.to_owned());
        }
    }

    /// Takes over the workers that the starter has delivered.
    pub(super) fn adopt(&mut self, delivered: Vec<StartOutcome>) {
        for start in delivered {
            match start {
                StartOutcome::Child(mut child, number, pipes) => {
                    if let (Some(output), Some(pipes)) = (&self.output, pipes) {
                        output.add(child.key, number, pipes, child.listen_for_last_words());
                    }
                    self.children.add(*child);
                }
                StartOutcome::Failed(error) => {
                    self.backoff.is_passing = error.kind() == io::ErrorKind::WouldBlock;
                    self.failed_start(error.to_string());
                }
            }
        }
    }

    #[cold]
    pub(super) fn failed_start(&mut self, reason: String) {
        let now = clock::now();
        if self.is_one_proven() {
            self.backoff.failures = 0;
        }
        self.backoff.failed(reason, now);
        if self.backoff.is_hopeless() && !self.children.iter().any(Child::is_up) {
            self.tell_waiting_calls(self.backoff.reason.clone());
        }
    }

    /// Whether a worker that came up after the last failure has begun a call, or has lived for long enough.
    fn is_one_proven(&self) -> bool {
        let mut state = self.shared.lock();
        self.children.iter().any(|child| self.backoff.is_over_by(child, state.lane_of(child.key).as_deref()))
    }

    /// Tells the calls that wait why there is no worker for them.
    fn tell_waiting_calls(&mut self, reason: String) {
        let waiting = mem::take(&mut self.shared.lock().queue);
        let lost = || Answer::Lost(Lost::NotStarted(reason.as_str().into()));
        self.done.extend(waiting.into_iter().map(|call| (call, lost())));
    }

    /// At a shutdown, the time at which the calls that wait are told that no worker was set up in time.
    pub(super) fn shutdown_limit(&self) -> Option<Instant> {
        let limit = self.setup_limit.unwrap_or(SHUTDOWN_SETUP_LIMIT);
        self.without_worker.map(|since| clock::after(since, limit))
    }

    /// At a shutdown, while calls wait: tells them if there has been no worker for too long.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.children.iter().any(Child::is_up) {
            self.without_worker = None;
        } else if self.without_worker.is_none() {
            self.without_worker = Some(now);
        } else if self.shutdown_limit().is_some_and(|limit| limit <= now) {
            let why =
                "the pool was shut down, and no worker was set up in time: its initializer hangs, perhaps";
            self.tell_waiting_calls(why.to_owned());
        }
    }
}
