//! Catching a user's panic with its message and its place.
//!
//! The payload holds the message, but only the panic hook knows the place. So a worker installs a hook that
//! notes the place and then calls the hook that was there before, which prints as usual.
//!
//! # Which panic a place belongs to
//!
//! A call may catch panics, and it may end with a payload that it resumes, which calls no hook. So a place
//! is noted together with the mark of its payload, and reported for that payload alone. A text is
//! recognised by where it lies in memory and by what it says: both stay the same while a panic is caught
//! and resumed, on this thread or another. A payload that is not a text is moved on the way, so it is
//! recognised by its type, and only if this thread has not panicked again since. A payload without a note
//! has no place, which is better than another panic's place.

use crate::image::xxh64::xxh64;
use brigade_handle::{JoinError, forget_panic, panic_message};
use serde::{Deserialize, Serialize};
use std::{
    any::{Any, TypeId},
    collections::VecDeque,
    panic::{self, UnwindSafe},
    sync::{Mutex, MutexGuard, TryLockError},
    thread::{self, ThreadId},
};

/// The longest message that crosses whole, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// How many panics are noted at a time.
const MAX_NOTES: usize = 16;

/// The report to the pool of a call that panicked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
}

impl Report {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let noted = take_place(Mark::of(&*payload));
        let error = JoinError::panicked(payload);
        let text = error.panic_message().unwrap_or("(a payload that is not a text)");
        // The panic of another process knows its place.
        let location = error.panic_location().map(str::to_owned).or(noted);
        let report = Self { message: cut(text), location };
        if let JoinError::Panicked(payload, _) = error {
            // A payload's destructor is foreign code, too: a panic in it must not end the worker's loop.
            forget_panic(Err::<(), _>(payload));
        }
        report
    }
}

/// The text, or its beginning with a remark on how long it was.
fn cut(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let end = (0..=MAX_MESSAGE_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

/// The mark by which a payload is recognised.
#[derive(Debug, PartialEq, Eq)]
enum Mark {
    Text { address: usize, length: usize, hash: u64 },
    Other(TypeId),
}

impl Mark {
    fn of(payload: &(dyn Any + Send)) -> Self {
        match panic_message(payload) {
            Some(text) => Self::Text {
                address: text.as_ptr().addr(),
                length: text.len(),
                hash: xxh64(text.as_bytes(), 0),
            },
            None => Self::Other(payload.type_id()),
        }
    }
}

/// The place where a panic began.
struct Note {
    mark: Mark,
    thread: ThreadId,
    place: String,
}

/// The latest panics, the newest last.
static NOTES: Mutex<VecDeque<Note>> = Mutex::new(VecDeque::new());

/// None if another thread holds the lock: the hook does not wait, and a process that was forked meanwhile
/// would wait for ever.
fn notes() -> Option<MutexGuard<'static, VecDeque<Note>>> {
    match NOTES.try_lock() {
        Ok(notes) => Some(notes),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn note(payload: &(dyn Any + Send), place: String) {
    let note = Note { mark: Mark::of(payload), thread: thread::current().id(), place };
    let Some(mut notes) = notes() else { return };
    if notes.len() == MAX_NOTES {
        notes.pop_front();
    }
    notes.push_back(note);
}

/// Takes out the place of the panic whose payload has this mark.
fn take_place(mark: Mark) -> Option<String> {
    let mut notes = notes()?;
    let at = match mark {
        Mark::Text { .. } => notes.iter().rposition(|note| note.mark == mark)?,
        Mark::Other(_) => {
            let here = thread::current().id();
            let latest = notes.iter().rposition(|note| note.thread == here)?;
            Some(latest).filter(|&latest| notes[latest].mark == mark)?
        }
    };
    notes.remove(at).map(|note| note.place)
}

/// Has the places of panics noted from now on. To be called once in a process.
pub(crate) fn install_hook() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(place) = info.location() {
            note(info.payload(), place.to_string());
        }
        before(info);
    }));
}

/// Runs `f` and catches its panic.
pub(crate) fn catch<R>(f: impl FnOnce() -> R + UnwindSafe) -> Result<R, Report> {
    panic::catch_unwind(f).map_err(Report::of)
}
