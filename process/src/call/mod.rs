//! A call on its way: its bytes, and the caller that waits for the answer.
//!
//! A call completes exactly once, by whichever comes first: the answer, the end of its worker, a cancel, or
//! the end of the pool. The slot sees to that. `front/pending.rs` decides how often a call *starts*.
//!
//! If a call is dropped before its handle was told how it ended, the drop tells the handle so
//! ([`Lost::Abandoned`]). Even if the pool's threads are gone, no handle waits for a call that is
//! nowhere.
//!
//! # Retries
//!
//! A call with [`CallOptions::retries`] also goes from SENT back to QUEUED when its worker ended after the
//! call had begun. It does so at most that many times. So such a call starts at least once, where a plain
//! call starts at most once. A call that has ended as many workers as it may is *quarantined*: it is not
//! started again, and its handle says how many workers it has ended. If the pool ended the worker because
//! of the call (its time was over, it was cancelled, it took too much memory), the call is not tried again.
//!
//! A worker may also end because of a call that it has not begun, for example because of an argument that
//! is too large for it. Nobody has run the call then, so it is given to another worker, but not to one
//! after the other for ever ([`MAX_UNBEGUN_DEATHS`]).

mod answer;
pub(crate) mod batch;
pub(crate) mod block;
mod caller;
pub(crate) mod codec;
// Unsafe: reads the executable's own constants by an address off the wire, after checking it, and makes
// values of types without a size.
#[allow(unsafe_code)]
pub(crate) mod entry;
pub(crate) mod panics;

pub(crate) use self::{
    answer::{Answer, BlockValue, Lender},
    caller::Caller,
};
use crate::{
    call::{batch::Batch, block::Inner},
    wire::frame,
};
use brigade_handle::Lost;
use std::{sync::Arc, time::Duration};

/// How many workers may end that were given a call and had not begun it.
const MAX_UNBEGUN_DEATHS: u32 = 2;

/// A call, whatever its types, or a batch of calls, as the supervisor handles it.
pub(crate) struct Call {
    pub(crate) name: u64,
    pub(crate) content: Content,
    /// Blocks that the argument names.
    pub(crate) attachments: Vec<Arc<Inner>>,
    pub(crate) caller: Arc<dyn Caller>,
    /// None: a plain call.
    pub(crate) options: Option<Box<CallOptions>>,
    /// How many workers have ended that were given the call and had not begun it.
    unbegun_deaths: u32,
    /// The caller was told how the call has ended.
    told: bool,
}

/// Calls that have ended, with their answers.
pub(crate) type Done = Vec<(Call, Answer)>;

/// The bytes of a call, or of a batch of calls.
pub(crate) enum Content {
    One(Vec<u8>),
    Batch(Batch),
}

/// The options of a call that is not a plain one.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    /// How long the call may run.
    pub(crate) timeout: Option<Duration>,
    /// How many more times the call may be started when a worker ends under it.
    pub(crate) retries: u32,
    /// How many workers have ended under the call.
    pub(crate) deaths: u32,
    /// A cancel ends the worker that runs the call.
    pub(crate) kill_on_cancel: bool,
}

impl Call {
    pub(crate) fn new(name: u64, content: Content, caller: Arc<dyn Caller>) -> Self {
        Self { name, content, attachments: Vec::new(), caller, options: None, unbegun_deaths: 0, told: false }
    }

    pub(crate) fn argument(&self) -> &[u8] {
        match &self.content {
            Content::One(argument) => argument,
            Content::Batch(batch) => batch.message(),
        }
    }

    /// The batch, if there are several calls. A single call is sent as any other call is, even if it
    /// belongs to a `map`.
    pub(crate) fn batch(&self) -> Option<&Batch> {
        if let Content::Batch(batch) = &self.content {
            Some(batch).filter(|batch| batch.count > 1)
        } else {
            None
        }
    }

    /// The kind of frame that carries the call.
    pub(crate) fn kind(&self) -> frame::Kind {
        match self.batch() {
            Some(_) => frame::Kind::Batch,
            None if self.attachments.is_empty() => frame::Kind::Call,
            None => frame::Kind::BlockCall,
        }
    }

    /// How many calls it stands for.
    pub(crate) fn count(&self) -> usize {
        self.batch().map_or(1, |batch| batch.count)
    }

    /// Whether its worker may have no other call meanwhile, because the worker may have to be killed for
    /// this one.
    pub(crate) fn is_alone(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.timeout.is_some() || options.kill_on_cancel)
    }

    /// Cuts the part for one worker off a batch. None if that is all of it.
    pub(crate) fn cut(&mut self, workers: usize) -> Option<Self> {
        let Content::Batch(batch) = &mut self.content else { return None };
        let content = Content::Batch(batch.cut(workers)?);
        Some(self.piece(content))
    }

    /// Cuts off the first `count` calls of a batch. The other part is the remainder, if there is one.
    pub(crate) fn split(mut self, count: usize) -> (Self, Option<Self>) {
        let Content::Batch(batch) = &mut self.content else { return (self, None) };
        if count >= batch.count {
            return (self, None);
        }
        let content = Content::Batch(batch.cut_off(count));
        (self.piece(content), Some(self))
    }

    fn piece(&self, content: Content) -> Self {
        let mut piece = Self::new(self.name, content, self.caller.clone());
        piece.unbegun_deaths = self.unbegun_deaths;
        piece
    }

    /// Tells the caller how the call has ended.
    pub(crate) fn finish(mut self, answer: Answer) {
        self.tell(answer);
    }

    /// Throws away a call whose caller is told by somebody else.
    pub(crate) fn forget(mut self) {
        self.told = true;
    }

    fn tell(&mut self, answer: Answer) {
        self.told = true;
        let (first, count) = match &self.content {
            Content::One(_) => (0, 1),
            Content::Batch(batch) => (batch.first, batch.count),
        };
        self.caller.finish(first, count, answer);
    }

    /// Handles the end of a worker that was given the call and had not begun it, which may be the call's
    /// fault. The call goes to `unbegun`, for another worker, or to `done`, if this has happened too often.
    pub(crate) fn outlive(mut self, lost: Lost, unbegun: &mut Vec<Self>, done: &mut Done) {
        if let Some(batch) = self.batch() {
            // Any of the items may be at fault. Each half is tried on its own, so that the others get their
            // results.
            let half = batch.count / 2;
            let (first, rest) = self.split(half);
            unbegun.push(first);
            return unbegun.extend(rest);
        }
        self.unbegun_deaths += 1;
        if self.unbegun_deaths < MAX_UNBEGUN_DEATHS {
            return unbegun.push(self);
        }
        let lost = match lost {
            lost if is_the_workers_end(&lost) => {
                Lost::Quarantined { workers: self.unbegun_deaths, last: Box::new(lost) }
            }
            // The reason for which the pool ended the worker says enough.
            other => other,
        };
        done.push((self, Answer::Lost(lost)));
    }

    /// Handles the end of the worker that ran the call. Ok if the call may start once more; otherwise the
    /// error for its caller.
    pub(crate) fn survives(&mut self, lost: Lost) -> Result<(), Lost> {
        if !self.caller.is_wanted() {
            return Err(lost);
        }
        let Some(options) = self.options.as_mut().filter(|_| is_the_workers_end(&lost)) else {
            return Err(lost);
        };
        options.deaths += 1;
        match options.retries {
            0 if options.deaths == 1 => Err(lost),
            0 => Err(Lost::Quarantined { workers: options.deaths, last: Box::new(lost) }),
            _ => {
                options.retries -= 1;
                Ok(())
            }
        }
    }

    /// Whether the call may have to be sent again after it has begun.
    pub(crate) fn must_be_kept(&self) -> bool {
        matches!(self.content, Content::Batch(_))
            || self.options.as_ref().is_some_and(|options| options.retries > 0)
    }

    /// The same call without its argument, unless that may be needed again.
    pub(crate) fn without_argument(mut self) -> Self {
        if !self.must_be_kept() {
            self.content = Content::One(Vec::new());
        }
        self
    }
}

/// Whether the worker has ended by itself, which may be the fault of the call that it ran.
fn is_the_workers_end(lost: &Lost) -> bool {
    matches!(lost, Lost::Exited { .. } | Lost::Killed { .. } | Lost::CommandEnded(_) | Lost::Protocol(_))
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Answer::Lost(Lost::Abandoned));
        }
    }
}
