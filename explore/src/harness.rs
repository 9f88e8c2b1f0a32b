//! For code that checks other code in a run: it adds to the lanes, and ends a run in which a rule is broken.

use crate::child::note_failure;
use brigade_handle::explore;

/// Adds a line to the lane of the calling thread. The words are made only for a run whose lanes are shown.
/// Nothing happens outside a run.
///
/// ```
/// use brigade_explore::{Explore, Verdict, remark};
///
/// let verdict = Explore::new().explore_threads(|| {
///     remark(|| "the oven is cold".to_owned());
///     panic!("no bread");
/// });
/// let Verdict::Failed(failed) = verdict else { panic!("it panics") };
/// assert_eq!(failed.lines().collect::<Vec<_>>(), [(0, "the oven is cold")]);
/// ```
pub fn remark(words: impl FnOnce() -> String) {
    explore::remark(words);
}

/// Ends the run as failed, with [`Class::Panic`](crate::Class::Panic). In place of a place in the program,
/// the failure has the rule that was broken. Any thread of the run may call it, also one whose panics the
/// checked code would catch.
///
/// # Panics
///
/// Panics outside a run.
///
/// ```
/// use brigade_explore::{Explore, Verdict, fail};
/// use std::panic;
///
/// let verdict = Explore::new().explore_threads(|| {
///     let _ = panic::catch_unwind(|| fail("no salt", "the soup has no salt"));
/// });
/// let Verdict::Failed(failed) = verdict else { panic!("it fails") };
/// assert_eq!(failed.failure.sites, ["no salt"]);
/// ```
pub fn fail(rule: &str, message: &str) -> ! {
    note_failure(rule, message);
    explore::fail(message)
}
