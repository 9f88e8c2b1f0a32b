//! How workers are started, and others in the place of those that have ended.
//!
//! A child that ends before it is ready is a failed start. After a failed start the next one waits, each time twice as
//! long; after [`PATIENCE`] of them in a row with no child alive, the calls that wait are told why, and the next call is
//! what makes the pool try again.

use super::Supervisor;
use crate::{call::Answer, child::Child, lane::Lane, launcher::told, shared::Orders, statistics::Member};
use brigade_handle::Lost;
use brigade_trace::clock;
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Failed starts in a row after which waiting calls are told.
const PATIENCE: u32 = 3;

impl Supervisor<'_> {
    /// Starts the first workers, so that the pool's maker hears of an error at once.
    pub(crate) fn start_all(&mut self) -> io::Result<()> {
        for _ in 0..self.workers {
            self.start_one()?;
        }
        // Relaxed: the pool's maker waits for this thread's word.
        self.shared.maps.store(self.children.iter().all(Child::has_ring), Ordering::Relaxed);
        self.children.iter_mut().try_for_each(Child::confirm)
    }

    pub(super) fn start_one(&mut self) -> io::Result<()> {
        // Where there is no shared memory to be had, calls go over the socket.
        let mut ring = Lane::new().ok();
        self.command.ring = match &mut ring {
            Some((memory, _)) => Some([
                Arc::new(memory.try_clone().map_err(|error| told(error, "fcntl(F_DUPFD_CLOEXEC)"))?),
                self.bell.clone(),
            ]),
            None => None,
        };
        let index = self.shared.lock().free_index();
        self.command.setup = self.setup.of_worker(index).frame();
        let child = Child::start(&mut *self.launcher, &self.command);
        self.command.ring = None;
        let mut child = child?;
        if let (Some(output), Some(pipes)) = (&self.output, child.output()) {
            output.add(child.pid(), index, pipes);
        }
        let mut state = self.shared.lock();
        state.staff.push(Member::new(child.pid(), index));
        if child.has_ring()
            && let Some((_, mut lane)) = ring
        {
            lane.pid = child.pid();
            // A zygote's worker is ready in less time than it takes to hear of that.
            lane.open = self.command.zygote.is_some();
            state.lanes.push(lane);
        }
        drop(state);
        self.children.push(child);
        Ok(())
    }

    /// Starts workers in the place of those that have ended.
    pub(super) fn replace(&mut self) {
        if self.children.len() >= self.workers || self.retry.is_some_and(|time| clock::now() < time) {
            return;
        }
        {
            let state = self.shared.lock();
            let in_demand = !state.queue.is_empty();
            let wanted = match state.orders {
                Orders::Work => in_demand || self.failures < PATIENCE,
                Orders::Drain => in_demand,
                Orders::Abort => false,
            };
            if !wanted {
                return;
            }
        }
        self.retry = None;
        while self.children.len() < self.workers {
            let started = self.start_one();
            if let Err(error) = started {
                self.failed_start(error.to_string());
                return;
            }
            if self.failures > 0 {
                // One at a time until one works.
                return;
            }
        }
    }

    #[cold]
    pub(super) fn failed_start(&mut self, reason: String) {
        self.failures += 1;
        self.reason = reason;
        self.retry = Some(clock::now() + Duration::from_millis(10 << self.failures.min(8)));
        if self.failures >= PATIENCE && !self.children.iter().any(|child| !child.is_starting()) {
            let waiting = std::mem::take(&mut self.shared.lock().queue);
            let lost = || Answer::Lost(Lost::NotStarted(self.reason.clone()));
            self.done
                .extend(waiting.into_iter().filter(|call| call.caller.start()).map(|call| (call, lost())));
        }
    }
}
