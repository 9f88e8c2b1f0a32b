//! The harness of the lab: it sees the polls and drops of its own futures, and makes all wake-ups and cancels
//! itself.

use super::Executor;
use crate::log::{Log, counted};
use brigade_explore::handle::explore;
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

/// The name of a task.
pub(super) type Name = &'static str;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The task is about to be spawned.
    Spawn(Name),
    /// The poll of the task begins.
    Poll(Name),
    /// The poll ends, and the task waits.
    Waits(Name),
    /// The poll ends, and the task is complete.
    Ready(Name),
    /// The call of a waker begins. Its number pairs it with its end.
    Wake(Name, usize),
    /// The call of a waker has ended.
    Woken(Name, usize),
    /// The call of `cancel` begins.
    Cancel(Name),
    /// The call of `cancel` has ended.
    Cancelled(Name),
    /// The future of the task is dropped.
    Drop(Name),
    /// `run` has returned.
    Return,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn(name) => write!(f, "spawn {name}"),
            Self::Poll(name) => write!(f, "poll {name}"),
            Self::Waits(name) => write!(f, "{name} is pending"),
            Self::Ready(name) => write!(f, "{name} is ready"),
            Self::Wake(name, _) => write!(f, "wake {name}"),
            Self::Woken(name, _) => write!(f, "{name} is woken"),
            Self::Cancel(name) => write!(f, "cancel {name}"),
            Self::Cancelled(name) => write!(f, "{name} is cancelled"),
            Self::Drop(name) => write!(f, "drop {name}"),
            Self::Return => write!(f, "run returns"),
        }
    }
}

type Body = Box<dyn FnMut(&mut Context<'_>) -> Poll<()> + Send>;

/// A future that the harness looks out of.
struct Probe {
    name: Name,
    log: Log<Event>,
    body: Body,
    /// Runs when the future is dropped.
    at_drop: Option<Box<dyn FnOnce() + Send>>,
}

impl Future for Probe {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.log.note(Event::Poll(self.name));
        let poll = (self.body)(context);
        self.log.note(if poll.is_ready() { Event::Ready(self.name) } else { Event::Waits(self.name) });
        poll
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.log.note(Event::Drop(self.name));
        if let Some(at_drop) = self.at_drop.take() {
            at_drop();
        }
    }
}

/// The student's executor, and the log of what it does.
pub(super) struct Kitchen<S> {
    pub(super) executor: S,
    pub(super) log: Log<Event>,
}

impl<S: Clone> Clone for Kitchen<S> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), log: self.log.clone() }
    }
}

impl<S: Executor> Kitchen<S> {
    pub(super) fn new() -> Self {
        let log = Log::new();
        log.demand("early", "run returns when each task has ended and is dropped", all_ended);
        Self { executor: S::new(), log }
    }

    /// Spawns a task with this body.
    pub(super) fn spawn(
        &self,
        name: Name,
        body: impl FnMut(&mut Context<'_>) -> Poll<()> + Send + 'static,
    ) -> S::Task {
        self.spawn_with_drop(name, body, None)
    }

    /// Spawns a task whose destructor does something.
    pub(super) fn spawn_with_drop(
        &self,
        name: Name,
        body: impl FnMut(&mut Context<'_>) -> Poll<()> + Send + 'static,
        at_drop: Option<Box<dyn FnOnce() + Send>>,
    ) -> S::Task {
        self.log.demand("over-poll", POLLS, move |events| wakes_of_polls(events, name));
        self.log.demand("drop", DROPS, move |events| dropped_at_its_end(events, name));
        self.log.note(Event::Spawn(name));
        let probe = Probe { name, log: self.log.clone(), body: Box::new(body), at_drop };
        self.executor.spawn(probe)
    }

    pub(super) fn run(&self) {
        self.executor.run();
        self.log.note(Event::Return);
    }

    pub(super) fn cancel(&self, name: Name, task: &S::Task) {
        self.log.note(Event::Cancel(name));
        self.executor.cancel(task);
        self.log.note(Event::Cancelled(name));
    }
}

/// Calls a waker of a task.
pub(super) fn wake(log: &Log<Event>, name: Name, waker: Waker) {
    let number = log.count(|event| matches!(event, Event::Wake(..)));
    log.note(Event::Wake(name, number));
    waker.wake();
    log.note_unseen(Event::Woken(name, number));
}

/// A bell that a task waits for. As in any source of events, the waker of the last poll lies beside it.
#[derive(Clone)]
pub(super) struct Bell {
    name: Name,
    log: Log<Event>,
    rings: Arc<AtomicU32>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Bell {
    /// Makes the bell of the task of this name.
    pub(super) fn new(log: &Log<Event>, name: Name) -> Self {
        Self { name, log: log.clone(), rings: Arc::default(), waker: Arc::default() }
    }

    /// Puts another waker into the place of the one that is there.
    fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        mem::replace(&mut *self.waker.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }

    /// Takes the rings so far. The waker is called at the next one.
    pub(super) fn take_rings(&self, context: &Context<'_>) -> u32 {
        drop(self.exchange(Some(context.waker().clone())));
        // A thread that rings here finds the waker.
        explore::point();
        self.rings.swap(0, SeqCst)
    }

    /// Rings, and calls the waker if there is one.
    pub(super) fn ring(&self) {
        explore::point();
        self.rings.fetch_add(1, SeqCst);
        self.wake();
    }

    /// Calls the waker, whether it rings or not.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.exchange(None) {
            wake(&self.log, self.name, waker);
        }
    }

    /// Calls the waker, and keeps it.
    pub(super) fn wake_again(&self) {
        if let Some(waker) = self.exchange(None) {
            wake(&self.log, self.name, waker.clone());
            drop(self.exchange(Some(waker)));
        }
    }

    /// The body of a task that is complete after some rings.
    pub(super) fn after(&self, rings: u32) -> impl FnMut(&mut Context<'_>) -> Poll<()> + Send + use<> {
        let (bell, mut left) = (self.clone(), rings);
        move |context| {
            left -= bell.take_rings(context).min(left);
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }
    }
}

const POLLS: &str = "a task is polled once after its spawn, and once after it was woken";
const DROPS: &str = "a task that has ended is not polled, and its future is dropped at once";

/// A call of a waker, by the indices of its events.
struct WakeCall {
    number: usize,
    end: Option<usize>,
}

/// Demands that each poll of a task has a wake-up of its own. A wake-up whose call ended before a poll began
/// is used up by that poll, so that several of them lead to one poll.
fn wakes_of_polls(events: &[Event], name: Name) -> Result<(), String> {
    let mut calls: Vec<WakeCall> = Vec::new();
    let (mut last_poll, mut polls) = (None, 0);
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Spawn(other) if *other == name => {
                calls.push(WakeCall { number: usize::MAX, end: Some(index) });
            }
            Event::Wake(other, number) if *other == name => {
                calls.push(WakeCall { number: *number, end: None });
            }
            Event::Woken(other, number) if *other == name => {
                let call = calls.iter_mut().find(|call| call.number == *number);
                call.into_iter().for_each(|call| call.end = Some(index));
            }
            Event::Poll(other) if *other == name => {
                polls += 1;
                calls.retain(|call| call.end.is_none_or(|end| last_poll.is_none_or(|last| end > last)));
                last_poll = Some(index);
                let first = calls.iter().enumerate().min_by_key(|(_, call)| call.end.unwrap_or(usize::MAX));
                let Some((used, _)) = first else {
                    let since = if polls == 2 { "its first" } else { "the last" };
                    return Err(format!(
                        "poll {polls} of {name}, and nobody has woken it since {since} began"
                    ));
                };
                calls.remove(used);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Demands that a task is not polled after its end, and is dropped before anything else runs.
///
/// Another thread may cancel a task while the executor has it in its hands. Then there may be one poll more,
/// and the drop comes after it.
fn dropped_at_its_end(events: &[Event], name: Name) -> Result<(), String> {
    let (mut is_complete, mut is_cancelled, mut late_polls) = (false, false, 0);
    for event in events {
        match event {
            Event::Drop(other) if *other == name => {
                let polls = events.iter().rev().take_while(|event| **event != Event::Drop(name));
                let is_polled = polls.clone().any(|event| *event == Event::Poll(name));
                return if is_polled { Err(format!("{name} is polled after its drop")) } else { Ok(()) };
            }
            Event::Ready(other) if *other == name => is_complete = true,
            Event::Cancelled(other) if *other == name => is_cancelled = true,
            Event::Poll(other) if *other == name && is_complete => {
                return Err(format!("{name} is polled after it was ready"));
            }
            Event::Poll(other) if *other == name && is_cancelled => late_polls += 1,
            Event::Poll(_) | Event::Return if is_complete => {
                return Err(format!("{name} was ready, and its future is still there"));
            }
            Event::Poll(_) | Event::Return if is_cancelled => {
                return Err(format!("{name} is cancelled, and its future is still there"));
            }
            _ => {}
        }
        if late_polls > 1 {
            return Err(format!("{name} is polled again and again after it was cancelled"));
        }
    }
    Ok(())
}

/// Demands, when `run` returns, that each spawned task has ended and was dropped.
fn all_ended(events: &[Event]) -> Result<(), String> {
    if events.last() != Some(&Event::Return) {
        return Ok(());
    }
    for event in events {
        let Event::Spawn(name) = event else { continue };
        let has = |event: Event| events.contains(&event);
        if !has(Event::Ready(name)) && !has(Event::Cancel(name)) {
            return Err(format!("run returns, and {name} is neither ready nor cancelled"));
        }
        if !has(Event::Drop(name)) {
            return Err(format!("run returns, and {name} is not dropped yet"));
        }
    }
    Ok(())
}

/// Demands that tasks run in the order in which they were spawned and woken. It is for runs on one thread,
/// where that order is known.
pub(super) fn demand_order(log: &Log<Event>) {
    log.demand("order", "tasks run in the order in which they were spawned and woken", |events| {
        let mut queue: Vec<Name> = Vec::new();
        for event in events {
            match event {
                Event::Spawn(name) | Event::Wake(name, _) if !queue.contains(name) => queue.push(name),
                Event::Poll(name) if queue.first() == Some(name) => drop(queue.remove(0)),
                Event::Poll(name) => {
                    let first = queue.first().unwrap_or(&"nobody");
                    return Err(format!("{name} is polled, and {first} came before it"));
                }
                _ => {}
            }
        }
        Ok(())
    });
}

/// Demands that `cancel` drops the future of a waiting task before it returns, and that no poll follows. It
/// is for runs on one thread, where the executor has no other task in its hands.
pub(super) fn demand_cancel_at_once(log: &Log<Event>, name: Name) {
    log.demand("cancel", "cancel drops the future of a task that waits, before it returns", move |events| {
        let Some(at) = events.iter().position(|event| *event == Event::Cancelled(name)) else {
            return Ok(());
        };
        if !events[..at].contains(&Event::Drop(name)) {
            return Err(format!("cancel returns, and the future of {name} is still there"));
        }
        let polls = events[at..].iter().filter(|event| **event == Event::Poll(name)).count();
        if polls > 0 { Err(format!("{} of {name} after that", counted(polls, "poll"))) } else { Ok(()) }
    });
}
