//! The vocabulary: what can happen, to whom, and why.

use brigade_handle::Id;

/// Defines an enum whose variants are stored in the ring as bytes, with the table that decodes them.
macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $first:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All values, in the order of the numbers that stand for them in a ring and in a file.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the word that a dump shows.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(crate) fn from_byte(byte: u8) -> Self {
                Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::$first)
            }
        }
    };
}

bytes! {
    /// The kinds of events. The comment of each says what [`Event::detail`] holds, if it holds anything.
    Kind, Spawn {
        /// A task, job or call was made. By: its parent. Detail: the [site](crate::Site) that spawned it.
        Spawn => "spawn",
        /// A worker began to poll the task or to run the job or call.
        RunBegin => "run",
        /// The poll or run ended. Detail: 1 if the work is complete.
        RunEnd => "end",
        /// The work was made runnable again. The event says by whom and why.
        Wake => "wake",
        /// The work was asked to end early.
        Cancel => "cancel",
        /// The work's result was stored. Detail: 1 if it is an error.
        Complete => "complete",
        /// A worker took work from another. Detail: how many units. By: the victim.
        Steal => "steal",
        /// A worker went to sleep.
        Park => "park",
        /// A worker woke up.
        Unpark => "unpark",
        /// A task asked to hear of a source. Detail: 1 readable, 2 writable, 3 both.
        Interest => "interest",
        /// The operating system said that a source is ready. Detail: 1 readable, 2 writable, 3 both.
        Readiness => "readiness",
        /// A queue's length. Detail: the length.
        QueueDepth => "depth",
        /// A timer was set. Detail: its deadline in nanoseconds since the clock's epoch.
        TimerSet => "timer",
        /// A timer fired.
        TimerFire => "fire",
        /// A child process was forked. Subject: the child.
        Fork => "fork",
        /// A child process runs our program and said so. Subject: the child.
        Exec => "exec",
        /// A frame was sent. Detail: bytes.
        Send => "send",
        /// A frame was received. Detail: bytes.
        Receive => "receive",
        /// A child process ended. Detail: its wait status.
        Exit => "exit",
        /// The subject began to wait. By: the *resource*, which is what it waits for: a lock, a channel, the
        /// task that it joins. Cause: what would end the wait. Detail: the [site](crate::Site) that waits.
        WaitBegin => "wait",
        /// The subject's wait for the resource ended. By: the resource. Cause: what ended the wait;
        /// [`Cause::Cancel`] if it was given up.
        WaitEnd => "waited",
        /// The subject, a resource, is held by the originator: it took the lock or the permits, or it is
        /// what a wait that begins right before waits for. Detail: the number of permits.
        Held => "held",
        /// The subject, a resource, is no longer held by the originator. Detail: the number of permits.
        Released => "released",
        /// The CPU time of this thread so far. Subject: the thread. Detail: nanoseconds. It is recorded at
        /// the begin and the end of the thread's part in a session, when it parks and unparks, and at the
        /// end of a run if 50 µs have passed since the last one. Cause: [`Cause::Yield`] if the thread has
        /// slept since the last one, which is why it used less CPU time than time went by.
        Cpu => "cpu",
        /// The program marked this moment of the subject. By: the mark, whose label is the text. Detail: the
        /// [site](crate::Site) that marked.
        Mark => "mark",
    }
}

bytes! {
    /// The reason for which something was woken, or for which a wait ends.
    Cause, Unknown {
        /// No reason was given.
        Unknown => "",
        /// A timer fired.
        Timer => "timer",
        /// A descriptor became readable or writable.
        Readiness => "readiness",
        /// A lock became free.
        Unlock => "unlock",
        /// An item was put into a queue, or taken from a full one.
        Queue => "queue",
        /// A child process ended.
        ChildExit => "child exit",
        /// The awaited work ended.
        Join => "join",
        /// The task asked to be polled again.
        Yield => "yield",
        /// The work was cancelled.
        Cancel => "cancel",
        /// An event was set or a notification sent.
        Notify => "notify",
        /// Permits of a semaphore became free.
        Permit => "permit",
        /// A channel or a queue that was empty has an item.
        Item => "item",
        /// A channel or a queue that was full has room.
        Room => "room",
        /// The last party of a barrier arrived.
        Barrier => "barrier",
        /// The last child of a scope or of a group ended.
        Scope => "scope",
        /// A child process answered.
        Reply => "reply",
        /// A worker process or a thread of a pool became free.
        Slot => "slot",
        /// The other side closed, or will send nothing more.
        Close => "close",
    }
}

/// One recorded event.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// let worker = fresh_id(Domain::Worker);
/// record(Kind::QueueDepth, worker, 3);
/// let trace = session.stop();
/// let event = trace.events().find(|event| event.kind == Kind::QueueDepth).unwrap();
/// assert_eq!((event.subject, event.detail), (worker, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The time, in nanoseconds since [`clock::epoch`](crate::clock::epoch).
    pub at: u64,
    /// The kind of event.
    pub kind: Kind,
    /// The thing that it happened to.
    pub subject: Id,
    /// The originator: the task, job, call or future that was running on the thread. For a wait, the
    /// resource.
    pub by: Id,
    /// The reason, for wake-ups and waits.
    pub cause: Cause,
    /// A number up to 2⁴⁸ − 1 whose meaning [`Kind`] defines.
    pub detail: u64,
}

/// The width of an event in the ring, in 64-bit words.
pub(crate) const EVENT_WORDS: usize = 4;

// Word 3:  63      56 55     48 47                0
//         [  kind    |  cause  |      detail       ]
const DETAIL_BITS: u32 = 48;
pub(crate) const DETAIL_MAX: u64 = (1 << DETAIL_BITS) - 1;

impl Event {
    pub(crate) fn to_words(self) -> [u64; EVENT_WORDS] {
        let tail =
            (self.kind as u64) << 56 | (self.cause as u64) << DETAIL_BITS | self.detail.min(DETAIL_MAX);
        [self.at, self.subject.to_bits(), self.by.to_bits(), tail]
    }

    pub(crate) fn from_words([at, subject, by, tail]: [u64; EVENT_WORDS]) -> Self {
        Self {
            at,
            kind: Kind::from_byte((tail >> 56) as u8),
            subject: Id::from_bits(subject),
            by: Id::from_bits(by),
            cause: Cause::from_byte((tail >> DETAIL_BITS) as u8),
            detail: tail & DETAIL_MAX,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use brigade_handle::Domain;

    #[test]
    fn an_event_comes_back_from_its_words() {
        let subject = Id::new(Domain::Child, 4_194_304);
        for &kind in Kind::ALL {
            for &cause in Cause::ALL {
                let event =
                    Event { at: 7, kind, subject, by: Id::new(Domain::Task, 1), cause, detail: DETAIL_MAX };
                assert_eq!(Event::from_words(event.to_words()), event);
            }
        }
    }
}
