//! The children of the tests.

use super::{BoxFuture, Context, Event, Future, Log, Pin, Poll};
use brigade_explore::handle::explore;
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
};

/// The end that a test decides for a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Error(&'static str),
    Panic(&'static str),
}

/// A gate at which a child waits until the test tells it how to end.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<(Option<End>, Option<Waker>)>>);

impl Gate {
    /// Makes a gate that is open already.
    pub(super) fn open(end: End) -> Self {
        let gate = Self::default();
        gate.tell(end);
        gate
    }

    /// Tells the child how to end, and wakes it.
    pub(super) fn tell(&self, end: End) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = Some(end);
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn look(&self, context: &Context<'_>) -> Option<End> {
        let waker = context.waker().clone();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = state.1.replace(waker);
        let end = state.0;
        drop(state);
        drop(old);
        end
    }
}

/// A child, or a body: it notes its polls and its end.
pub(super) struct Child {
    name: &'static str,
    log: Log<Event>,
    gate: Gate,
    /// Runs at the first poll.
    begin: Option<Box<dyn FnOnce() + Send>>,
    panics_in_drop: bool,
}

impl Child {
    pub(super) fn new(log: &Log<Event>, name: &'static str, gate: &Gate) -> Self {
        Self { name, log: log.clone(), gate: gate.clone(), begin: None, panics_in_drop: false }
    }

    /// Runs this at the first poll.
    pub(super) fn begins(self, begin: impl FnOnce() + Send + 'static) -> Self {
        Self { begin: Some(Box::new(begin)), ..self }
    }

    pub(super) fn panics_in_drop(self) -> Self {
        Self { panics_in_drop: true, ..self }
    }

    pub(super) fn boxed(self) -> BoxFuture<Result<(), String>> {
        Box::pin(ChildFuture(Some(self)))
    }
}

/// The future of a child. The child lies in an `Option`, so that its destructor notes what it must.
struct ChildFuture(Option<Child>);

impl Future for ChildFuture {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        let child = self.0.as_mut().expect("it is there until it is dropped");
        child.log.note(Event::Poll(child.name));
        if let Some(begin) = child.begin.take() {
            begin();
        }
        match child.gate.look(context) {
            None => Poll::Pending,
            Some(End::Done) => Poll::Ready(Ok(())),
            Some(End::Error(error)) => Poll::Ready(Err(error.to_owned())),
            Some(End::Panic(words)) => std::panic::panic_any(words),
        }
    }
}

impl Drop for ChildFuture {
    fn drop(&mut self) {
        let Some(child) = self.0.take() else { return };
        // A destructor takes time, in which other threads go on.
        explore::point();
        child.log.note(Event::Drop(child.name));
        if child.panics_in_drop {
            std::panic::panic_any("in a destructor");
        }
    }
}
