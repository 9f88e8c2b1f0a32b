//! Why a unit waits, in a few words: several causes are one reason. `timeline/page/colours.js` has the same.

use brigade_trace::Cause;

/// The number of reasons.
pub(crate) const REASONS: usize = 6;

/// The words for each reason.
pub(crate) const NAMES: [&str; REASONS] = [
    "timer",
    "I/O",
    "lock or permit",
    "channel or queue",
    "join, scope, barrier, notify",
    "child process or free worker",
];

/// The reason of a wait, if it is known.
pub(crate) fn of(cause: Cause) -> Option<usize> {
    Some(match cause {
        Cause::Timer => 0,
        Cause::Readiness => 1,
        Cause::Unlock | Cause::Permit => 2,
        Cause::Queue | Cause::Item | Cause::Room | Cause::Close => 3,
        Cause::Join | Cause::Scope | Cause::Barrier | Cause::Notify => 4,
        Cause::Reply | Cause::ChildExit | Cause::Slot => 5,
        Cause::Unknown | Cause::Yield | Cause::Cancel => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_same_reasons() {
        let page = include_str!("../page/colours.js");
        for &cause in Cause::ALL {
            let listed = page.contains(&format!("'{}'", cause.name())) && !cause.name().is_empty();
            assert_eq!(of(cause).is_some(), listed, "{cause:?}");
        }
    }
}
