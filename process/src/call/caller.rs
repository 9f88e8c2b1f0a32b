//! The side that waits for a call, as the pool sees it. `front/pending.rs` and `front/gathering.rs` are the
//! two kinds.

use super::Answer;
use brigade_trace::Id;

/// The side that waits for a call.
pub(crate) trait Caller: Send + Sync {
    /// Takes the right to send the call. False if it was cancelled.
    fn start(&self) -> bool;

    /// Whether nobody has cancelled the call.
    fn is_wanted(&self) -> bool;

    /// Gives the right back, because the worker ended before it began the call, or because the call may
    /// start again. False if it was cancelled.
    #[must_use]
    fn put_back(&self) -> bool;

    /// Whether a cancel wants the worker killed that runs the call.
    fn must_be_killed(&self) -> bool {
        false
    }

    /// An address that tells this call from every other call under way.
    fn address(&self) -> usize;

    /// Decodes the answer to `count` calls from number `first` on, and completes the handle. Never panics.
    /// Runs the user's code (decoding, dropping, wakers), so no lock may be held.
    fn finish(&self, first: usize, count: usize, answer: Answer);

    /// The call's name in traces.
    fn id(&self) -> Id;
}
