//! A call on its way: the bytes that are sent, and the one who waits for the answer.
//!
//! Each call is completed exactly once, whoever gets there first: the answer, the end of its worker, a
//! cancel, or the end of the pool. The slot sees to that; how often it is *started* is the affair of
//! `front/pending.rs`.
//!
//! A call that is dropped without having been told how it ended tells its handle so ([`Lost::Abandoned`]):
//! whatever becomes of the pool's threads, no handle waits for a call that is nowhere.
//!
//! # Retries
//!
//! A call with [`CallOptions::retries`] goes from SENT back to QUEUED also when its worker ended after it had
//! begun, so often and no oftener: it is started at least once. One that has ended as many workers as it
//! may is *quarantined*: it is not started again, and its handle says how many it has ended. What the pool
//! did to the worker because of the call (its time was over, it was cancelled, it took too much memory) is
//! no reason to try again.
//!
//! A worker may also end of a call that it has not begun: of an argument that is too large for it, say.
//! Nobody has run the call then, so another worker is given it, but not one after the other for ever
//! ([`MAX_UNBEGUN_DEATHS`]).

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

/// A call as the supervisor handles it, whatever its types; or a batch of calls.
pub(crate) struct Call {
    pub(crate) name: u64,
    pub(crate) content: Content,
    /// Blocks that the argument names.
    pub(crate) attachments: Vec<Arc<Inner>>,
    pub(crate) caller: Arc<dyn Caller>,
    /// None: as usual.
    pub(crate) options: Option<Box<CallOptions>>,
    /// How many workers have ended that were given it and had not begun it.
    unbegun_deaths: u32,
    /// Its caller was told how it has ended.
    told: bool,
}

/// Calls that have ended, with their answers.
pub(crate) type Done = Vec<(Call, Answer)>;

/// What a call carries.
pub(crate) enum Content {
    One(Vec<u8>),
    Batch(Batch),
}

/// What a caller asked for beyond a plain call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    /// How long it may run.
    pub(crate) timeout: Option<Duration>,
    /// How many more times it may be started when a worker ends under it.
    pub(crate) retries: u32,
    /// How many workers have ended under it.
    pub(crate) deaths: u32,
    /// A cancel ends the worker that runs it.
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

    /// The batch, if there are several calls. One is sent as any other call is, though it belongs to a `map`.
    pub(crate) fn batch(&self) -> Option<&Batch> {
        if let Content::Batch(batch) = &self.content {
            Some(batch).filter(|batch| batch.count > 1)
        } else {
            None
        }
    }

    /// The frame that it is sent in.
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

    /// Whether its worker may have nothing else to do meanwhile: it may have to be killed because of this
    /// call.
    pub(crate) fn is_alone(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.timeout.is_some() || options.kill_on_cancel)
    }

    /// Cuts off of a batch what one worker should be given. None if that is all of it.
    pub(crate) fn cut(&mut self, workers: usize) -> Option<Self> {
        let Content::Batch(batch) = &mut self.content else { return None };
        let content = Content::Batch(batch.cut(workers)?);
        Some(self.piece(content))
    }

    /// Cuts off the first `count` of a batch. The other part is what remains, if anything does.
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

    /// Tells the caller how it has ended.
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

    /// A worker has ended that was given it and had not begun it, which may have been its fault. It goes to
    /// `unbegun`, for another worker, or to `done`, if that has happened too often.
    pub(crate) fn outlive(mut self, lost: Lost, unbegun: &mut Vec<Self>, done: &mut Done) {
        if let Some(batch) = self.batch() {
            // Any of the items may be to blame. Halves are tried on their own, so that the others get their
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
            Lost::Exited { .. } | Lost::Killed { .. } | Lost::Protocol(_) => {
                Lost::Quarantined { workers: self.unbegun_deaths, last: Box::new(lost) }
            }
            // What the pool did to the worker says enough.
            other => other,
        };
        done.push((self, Answer::Lost(lost)));
    }

    /// Its worker has ended under it. Whether it may be started once more; if not, what its caller is to be
    /// told.
    pub(crate) fn survives(&mut self, lost: Lost) -> Result<(), Lost> {
        if !self.caller.is_wanted() {
            return Err(lost);
        }
        let by_its_fault = matches!(lost, Lost::Exited { .. } | Lost::Killed { .. } | Lost::Protocol(_));
        let Some(options) = self.options.as_mut().filter(|_| by_its_fault) else { return Err(lost) };
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

    /// Whether it may have to be sent again after it has begun.
    pub(crate) fn must_be_kept(&self) -> bool {
        matches!(self.content, Content::Batch(_))
            || self.options.as_ref().is_some_and(|options| options.retries > 0)
    }

    /// The same without its argument.
    pub(crate) fn without_argument(mut self) -> Self {
        if !self.must_be_kept() {
            self.content = Content::One(Vec::new());
        }
        self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Answer::Lost(Lost::Abandoned));
        }
    }
}
