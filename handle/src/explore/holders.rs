//! Which threads of a run hold which locks.

use super::Blocked;

/// The locks that are held, by their addresses, each with a thread that holds it. A lock that is read may
/// have several.
#[derive(Debug, Default)]
pub(super) struct Holders(Vec<(usize, u32)>);

impl Holders {
    pub(super) fn add(&mut self, lock: usize, thread: u32) {
        self.0.push((lock, thread));
    }

    pub(super) fn remove(&mut self, lock: usize, thread: u32) {
        if let Some(index) = self.0.iter().rposition(|&held| held == (lock, thread)) {
            self.0.swap_remove(index);
        }
    }

    /// Returns the threads that could end this wait. Any thread can end a park.
    pub(super) fn of(&self, on: Blocked) -> Vec<u32> {
        match on {
            Blocked::Park => Vec::new(),
            Blocked::Join(thread) => vec![thread],
            Blocked::Lock(lock) => {
                self.0.iter().filter(|&&(held, _)| held == lock).map(|&(_, thread)| thread).collect()
            }
        }
    }
}
