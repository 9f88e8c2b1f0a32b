//! The limits of calls that run: how long one may take, and how much memory its worker may take.

use super::{ASK_INTERVAL, Supervisor, handle_events};
use crate::usage;
use brigade_handle::Lost;
use std::time::Instant;

impl Supervisor<'_> {
    /// Condemns those of these workers whose calls came over their channels and have run for too long, or
    /// are to be killed.
    pub(super) fn expire_calls(&mut self, now: Instant, places: &[usize]) {
        for &at in places {
            if self.children.get(at).is_none_or(|child| child.overdue(now).is_none()) {
                continue;
            }
            self.children.change(at, |child| {
                // The answer may be there already.
                child.read(&mut self.space, &mut self.news);
                if let Some(lost) = child.overdue(now) {
                    child.condemn(lost);
                }
                handle_events(child, self.shared, self.memory_limit, &mut self.news, &mut self.done);
            });
        }
    }

    /// Kills workers that take too much memory while they run a call. Between calls workers check
    /// themselves.
    pub(super) fn check_memory(&mut self, now: Instant) {
        let Some(limit) = self.memory_limit else { return };
        if self.memory_checked.is_some_and(|time| now < time + ASK_INTERVAL) {
            return;
        }
        self.memory_checked = Some(now);
        self.children.change_all(|child| {
            let is_busy = child.has_call() || self.shared.lock().has_calls(child.key);
            if is_busy && usage::resident(child.worker_pid()).is_ok_and(|bytes| bytes > limit) {
                child.condemn(Lost::OverMemory { limit });
            }
        });
    }
}
