//! The places that spawned the latest tasks, for the errors of tasks without a name.
//!
//! A trace has the place in the event of the spawn. An error wants it while the session goes on, so each
//! spawn also notes it here, in the word of its number modulo the size of the table. A later task takes the
//! place of an older one. Then the error of the older one has the task's number only.

use crate::site::Site;
use brigade_handle::{Domain, Id};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many tasks are remembered: 512 KiB, of which the system gives the pages that are written.
const TASKS: usize = 1 << 16;
/// The bits of a word that hold the site. The others hold the number of the task.
const SITE_BITS: u32 = 14;

static TABLE: [AtomicU64; TASKS] = [const { AtomicU64::new(0) }; TASKS];

fn word(id: Id) -> &'static AtomicU64 {
    &TABLE[id.number() as usize % TASKS]
}

/// Notes that the task was spawned at this site.
#[inline]
pub(crate) fn note(id: Id, site: u64) {
    if id.domain() == Domain::Task {
        // Relaxed: one word says it all, and a thread that gets the task sees it with the task.
        word(id).store(id.number() << SITE_BITS | site & ((1 << SITE_BITS) - 1), Relaxed);
    }
}

/// Returns the file and line that spawned the task, if it is among the latest.
pub(crate) fn of(id: Id) -> Option<String> {
    let found = word(id).load(Relaxed);
    if id.domain() != Domain::Task || (found ^ id.number() << SITE_BITS) >> SITE_BITS != 0 {
        return None;
    }
    let location = Site::from_number(found & ((1 << SITE_BITS) - 1)).location()?;
    Some(format!("{}:{}", location.file(), location.line()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::Location;

    #[test]
    fn a_later_task_takes_the_place_of_an_older_one() {
        let here = Location::caller();
        let (first, later) = (1 << 40, (1 << 40) + TASKS as u64);
        let [first, later] = [first, later].map(|number| Id::new(Domain::Task, number));
        note(first, Site::of(here).number());
        assert_eq!(of(first), Some(format!("{}:{}", here.file(), here.line())));
        assert_eq!(of(later), None);
        note(Id::new(Domain::Job, first.number()), 0);
        assert!(of(first).is_some(), "a job is no task");
        note(later, Site::of(here).number());
        assert_eq!((of(first), of(later).is_some()), (None, true));
    }
}
