//! The part of a thread in a session: its ring, and the way of an event into it.
//!
//! The first event of a thread in a session makes the ring and registers it under a lock; later events take
//! no lock. [`push`] runs at each event: it takes some thirty instructions, and leaves all that is rare to a
//! function of its own, in whose place it jumps. `compare trace` measures it.

use crate::{
    cpu,
    event::{EVENT_WORDS, Event, Kind},
    limits,
    listener::listener,
    local, record, registry,
    ring::RingWriter,
};
use brigade_handle::{fork::Generation, observe};
use std::{cell::RefCell, mem::ManuallyDrop};

thread_local! {
    // Without a destructor: a thread-local with one asks at each access whether it is there still.
    static PART: ManuallyDrop<RefCell<Option<ThreadPart>>> = const { ManuallyDrop::new(RefCell::new(None)) };
    /// Ends the part of this thread when the thread ends. It is made with the part.
    static END: End = const { End };
}

/// The part of this thread in a session.
struct ThreadPart {
    session: u64,
    process: Generation,
    writer: RingWriter,
}

impl ThreadPart {
    /// Whether the session goes on, and this is no forked copy.
    #[inline(always)]
    fn is_current(&self) -> bool {
        self.session == registry::number() && self.process.is_current()
    }
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        let part = PART.with(|part| part.try_borrow_mut().ok()?.take());
        if let Some(mut part) = part.filter(|part| observe::records() && part.is_current()) {
            part.writer.push(cpu_event());
        }
    }
}

/// Puts an event into this thread's ring, and tells the table of what waits now. Its time is a
/// [stamp](crate::clock::stamp).
#[inline(always)]
pub(crate) fn push(event: Event) {
    let words = event.to_words();
    if !is_plain() || !push_quickly(words) {
        let [at, subject, by, tail] = words;
        push_slowly(at, subject, by, tail);
    }
}

/// Whether an event goes into a ring, and nobody else wants to know of it.
#[inline(always)]
fn is_plain() -> bool {
    observe::only_records() && !limits::are_set()
}

/// Puts an event into this thread's ring, if there is one with room in its present slots.
#[inline(always)]
fn push_quickly(words: [u64; EVENT_WORDS]) -> bool {
    local::with(|local| local.set_end_of_run(0));
    PART.with(|part| match part.try_borrow_mut().as_deref_mut() {
        Ok(Some(part)) => part.is_current() && part.writer.push_quickly(words),
        _ => false,
    })
}

/// Takes the words of an event, because they fit into registers.
#[cold]
#[inline(never)]
fn push_slowly(at: u64, subject: u64, by: u64, tail: u64) {
    let event = Event::from_words([at, subject, by, tail]);
    if let Some(listener) = listener() {
        observe::aside(|| (listener.apply)(&event));
    }
    push_to_ring(event);
}

/// Puts an event into this thread's ring, if a session records.
pub(crate) fn push_to_ring(event: Event) {
    if !observe::records() {
        return;
    }
    if !push_quickly(event.to_words()) {
        push_with_room(event);
    }
    if limits::are_set() {
        limits::watch(&event); // It is there for a dump.
    }
}

/// Puts an event into this thread's ring, which is made, or gets further slots.
fn push_with_room(event: Event) {
    // An event that an allocator records while a ring grows is lost.
    PART.with(|part| match part.try_borrow_mut().as_deref_mut() {
        Ok(Some(part)) if part.is_current() => part.writer.push(event),
        Ok(part) => push_first(part, event),
        Err(_) => {}
    });
}

/// Makes this thread's ring and puts its first event there.
fn push_first(part: &mut Option<ThreadPart>, event: Event) {
    // A thread that is ending has no part any more; its last events are lost.
    if !registry::is_here() || END.try_with(|_| ()).is_err() {
        return;
    }
    let (stale, own) = record::renew_own_id();
    let renewed = |id| if id == stale { own } else { id };
    let (session, ring) = registry::register();
    let mut writer = RingWriter::new(ring);
    // The CPU time at the begin of this thread's part.
    writer.push(Event { at: event.at, ..cpu_event() });
    if event.kind != Kind::Cpu {
        writer.push(Event { subject: renewed(event.subject), by: renewed(event.by), ..event });
    }
    *part = Some(ThreadPart { session, process: Generation::current(), writer });
}

fn cpu_event() -> Event {
    cpu::event(record::own_id())
}

/// Records the CPU time of this thread.
#[cold]
pub(crate) fn cpu() {
    if observe::records() {
        push_to_ring(cpu_event());
    }
}
