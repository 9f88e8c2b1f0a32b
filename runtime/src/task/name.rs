//! The name of a task that ends without a result, for its error.
//!
//! The cell of a task does not know the name that its future was given: only named tasks pay for names. So
//! when a task has failed or was cancelled, its runner asks while it drops the future, and the first named
//! future that is dropped then answers: the outermost one.

use brigade_handle::{JoinError, Subject, contain};
use brigade_trace::{Domain::Task, Origin};
use std::{
    borrow::Cow,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

type Name = Cow<'static, str>;

enum Question {
    NotAsked,
    Asked,
    Answered(Name),
}

thread_local! {
    static QUESTION: RefCell<Question> = const { RefCell::new(Question::NotAsked) };
}

/// Puts back the question of a task outside, also if a destructor panics.
struct Restore(Question);

impl Drop for Restore {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut self.0, Question::NotAsked);
        _ = QUESTION.try_with(|question| question.replace(before));
    }
}

/// Drops the future of a task that has no output, and says in the error which task that was.
#[cold]
pub(super) fn fail(
    origin: Origin,
    error: JoinError,
    drop_future: AssertUnwindSafe<impl FnOnce()>,
) -> JoinError {
    let mut dropped = Ok(());
    let name = ask(|| dropped = catch_unwind(drop_future));
    let error = match dropped {
        Ok(()) => error,
        Err(payload) => {
            contain(|| drop(error));
            JoinError::panicked(payload)
        }
    };
    error.of(|| match name {
        Some(name) => Subject::new(origin.id(Task), Some(name)),
        None => origin.subject(Task),
    })
}

/// Calls `drop_future`, and returns the name of the outermost named future that was dropped meanwhile.
fn ask(drop_future: impl FnOnce()) -> Option<Name> {
    // The destructor of a future may end other tasks, which ask as well.
    let before = QUESTION.try_with(|question| question.replace(Question::Asked));
    let _restore = Restore(before.unwrap_or(Question::NotAsked));
    drop_future();
    match QUESTION.try_with(|question| question.replace(Question::NotAsked)) {
        Ok(Question::Answered(name)) => Some(name),
        _ => None,
    }
}

/// Answers the question for a name, if it was asked and not yet answered.
pub(crate) fn answer(name: &Name) {
    _ = QUESTION.try_with(|question| {
        let mut question = question.borrow_mut();
        if matches!(*question, Question::Asked) {
            *question = Question::Answered(name.clone());
        }
    });
}
