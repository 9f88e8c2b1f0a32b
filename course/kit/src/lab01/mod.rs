//! Lab 1: `block_on` and a waker.
//!
//! The harness sees polls from inside of its futures, and wake-ups because it makes them all.

use crate::{
    Case,
    events::at_most,
    log::{Log, counted, demand},
    runner::{self, Code},
    thread::{self, HOUR},
};
use brigade_explore::handle::explore;
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

mod sheet;

pub use sheet::LAB;

/// Runs one future on the calling thread.
pub trait BlockOn {
    /// Polls the future until it is ready, and returns its output. While the future waits, the thread sleeps.
    fn block_on<F: Future>(future: F) -> F::Output;
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// The future of this name is polled.
    Poll(&'static str),
    /// The waker of the future of this name is called.
    Wake(&'static str),
    /// The future of this name is dropped.
    Drop(&'static str),
    /// `block_on` has returned.
    Return(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(name) => write!(f, "poll {name}"),
            Self::Wake(name) => write!(f, "wake {name}"),
            Self::Drop(name) => write!(f, "drop {name}"),
            Self::Return(name) => write!(f, "block_on returns from {name}"),
        }
    }
}

type Body = Box<dyn FnMut(&mut Context<'_>) -> Poll<u32> + Send>;

/// A future that the harness looks out of.
struct Probe {
    name: &'static str,
    log: Log<Event>,
    body: Body,
}

impl Future for Probe {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        self.log.note(Event::Poll(self.name));
        (self.body)(context)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.log.note(Event::Drop(self.name));
    }
}

const POLLS: &str = "at most one poll, and one more for each wake-up";

/// Makes a future, and demands that it is not polled without a wake-up.
fn probe(
    log: &Log<Event>,
    name: &'static str,
    body: impl FnMut(&mut Context<'_>) -> Poll<u32> + Send + 'static,
) -> Probe {
    demand_wakes(log, name, |event, name| *event == Event::Wake(name));
    Probe { name, log: log.clone(), body: Box::new(body) }
}

/// Demands that a future is polled at most once, and once more for each wake-up that counts.
fn demand_wakes(log: &Log<Event>, name: &'static str, counts: fn(&Event, &'static str) -> bool) {
    log.demand("over-poll", POLLS, move |events| {
        let is_poll = |event: &Event| *event == Event::Poll(name);
        let is_wake = |event: &Event| counts(event, name);
        at_most(events, 1, is_poll, is_wake).map_err(|index| {
            let count =
                |is_kind: &dyn Fn(&Event) -> bool| events[..=index].iter().filter(|e| is_kind(e)).count();
            let (polls, wakes) = (count(&is_poll), count(&is_wake));
            format!("{} of {name} after {}", counted(polls, "poll"), counted(wakes, "wake-up"))
        })
    });
}

/// A bell that a future waits for. As in any source of events, the waker of the last poll lies beside it.
#[derive(Clone)]
struct Bell {
    name: &'static str,
    log: Log<Event>,
    rings: Arc<AtomicU32>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Bell {
    fn new(log: &Log<Event>, name: &'static str) -> Self {
        Self { name, log: log.clone(), rings: Arc::default(), waker: Arc::default() }
    }

    /// Puts another waker into the place of the one that is there.
    fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        mem::replace(&mut *self.waker.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }

    /// Takes the rings so far. The waker is called at the next one.
    fn take_rings(&self, context: &Context<'_>) -> u32 {
        drop(self.exchange(Some(context.waker().clone())));
        // A thread that rings here finds the waker.
        explore::point();
        self.rings.swap(0, SeqCst)
    }

    fn ring(&self) {
        explore::point();
        self.rings.fetch_add(1, SeqCst);
        self.wake();
    }

    /// Calls the waker, whether it rings or not.
    fn wake(&self) {
        if let Some(waker) = self.exchange(None) {
            self.log.note(Event::Wake(self.name));
            waker.wake();
        }
    }

    /// Makes a future that is ready after some rings.
    fn after(&self, rings: u32) -> Probe {
        let (bell, mut left) = (self.clone(), rings);
        probe(&self.log, self.name, move |context| {
            left -= bell.take_rings(context);
            if left == 0 { Poll::Ready(7) } else { Poll::Pending }
        })
    }
}

/// Calls the student's `block_on`, and looks at what it returns.
fn run<S: BlockOn>(log: &Log<Event>, future: Probe, output: u32) {
    let name = future.name;
    let got = S::block_on(future);
    log.note(Event::Return(name));
    demand(got == output, "output", "block_on returns the output of the future", || {
        format!("the output is {output}, and block_on returns {got}")
    });
}

fn ready<S: BlockOn>(case: &mut Case) {
    let (log, output) = (Log::new(), case.number(1, 1000) as u32);
    run::<S>(&log, probe(&log, "soup", move |_| Poll::Ready(output)), output);
    let polls = log.count(|event| *event == Event::Poll("soup"));
    demand(polls == 1, "output", "a future is polled before its output is returned", || {
        counted(polls, "poll")
    });
}

/// The future is woken while it is polled.
fn wakes_itself<S: BlockOn>(case: &mut Case) {
    let (log, mut left) = (Log::new(), case.number(1, 3));
    let theirs = log.clone();
    let soup = probe(&log, "soup", move |context| {
        if left == 0 {
            return Poll::Ready(7);
        }
        left -= 1;
        theirs.note(Event::Wake("soup"));
        context.waker().wake_by_ref();
        Poll::Pending
    });
    run::<S>(&log, soup, 7);
}

/// Another thread rings some times, after `pause` each.
fn ring_from_a_thread<S: BlockOn>(rings: u64, pause: Duration) {
    let log = Log::new();
    let bell = Bell::new(&log, "soup");
    let soup = bell.after(rings as u32);
    let cook = thread::spawn_named("cook", move || {
        for _ in 0..rings {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            bell.ring();
        }
    });
    run::<S>(&log, soup, 7);
    cook.join().expect("the harness does not panic");
}

fn woken_later<S: BlockOn>(case: &mut Case) {
    ring_from_a_thread::<S>(case.number(1, 3), HOUR);
}

fn every_interleaving<S: BlockOn>(case: &mut Case) {
    ring_from_a_thread::<S>(case.number(1, 2), Duration::ZERO);
}

/// The code inside of the future uses the park of its thread as well.
fn token_taken<S: BlockOn>(_: &mut Case) {
    let (log, mut is_first) = (Log::new(), true);
    let theirs = log.clone();
    let soup = probe(&log, "soup", move |context| {
        if !is_first {
            return Poll::Ready(7);
        }
        is_first = false;
        theirs.note(Event::Wake("soup"));
        context.waker().wake_by_ref();
        // A lock inside of the future waits by a park, which takes any unpark that has come.
        thread::park_timeout(Duration::from_millis(1));
        Poll::Pending
    });
    run::<S>(&log, soup, 7);
}

/// The thread is unparked by code that has nothing to do with the future.
fn stray_unpark<S: BlockOn>(_: &mut Case) {
    let log = Log::new();
    let bell = Bell::new(&log, "soup");
    let (soup, sleeper) = (bell.after(1), thread::current());
    let cook = thread::spawn_named("cook", move || {
        thread::sleep(HOUR);
        sleeper.unpark();
        thread::sleep(HOUR);
        bell.ring();
    });
    run::<S>(&log, soup, 7);
    cook.join().expect("the harness does not panic");
}

/// Two threads run a future each, and each future is woken alone.
fn two_at_once<S: BlockOn>(_: &mut Case) {
    let log = Log::new();
    let (soup, rice) = (Bell::new(&log, "soup"), Bell::new(&log, "rice"));
    let (first, second) = (soup.after(1), rice.after(1));
    let theirs = log.clone();
    let guest = thread::spawn_named("guest", move || run::<S>(&theirs, second, 7));
    let cook = thread::spawn_named("cook", move || {
        thread::sleep(HOUR);
        rice.ring();
        thread::sleep(HOUR);
        soup.ring();
    });
    run::<S>(&log, first, 7);
    guest.join().expect("the harness does not panic");
    cook.join().expect("the harness does not panic");
}

/// A waker is called after `block_on` has returned, while the next future is run on the same thread.
fn late_wake<S: BlockOn>(_: &mut Case) {
    let log = Log::new();
    let (soup, rice) = (Bell::new(&log, "soup"), Bell::new(&log, "rice"));
    let kept = soup.clone();
    let first = probe(&log, "soup", move |context| {
        let _ = kept.take_rings(context);
        Poll::Ready(7)
    });
    run::<S>(&log, first, 7);
    // An executor may keep one signal for each thread. Then the late wake-up costs a poll of the next future.
    demand_wakes(&log, "rice", |event, _| matches!(event, Event::Wake(_)));
    let waits = rice.clone();
    let body = move |context: &mut Context<'_>| match waits.take_rings(context) {
        0 => Poll::Pending,
        _ => Poll::Ready(7),
    };
    let second = Probe { name: "rice", log: log.clone(), body: Box::new(body) };
    let cook = thread::spawn_named("cook", move || {
        soup.wake();
        rice.ring();
    });
    run::<S>(&log, second, 7);
    cook.join().expect("the harness does not panic");
}

/// The future is dropped once, before `block_on` returns.
fn drops<S: BlockOn>(_: &mut Case) {
    let log = Log::new();
    log.demand("drop", "the future is dropped before block_on returns", |events| {
        let drops = events.iter().filter(|event| **event == Event::Drop("soup")).count();
        match events.last() {
            Some(Event::Return(_)) if drops == 0 => Err("it is still there".to_owned()),
            _ => Ok(()),
        }
    });
    run::<S>(&log, probe(&log, "soup", |_| Poll::Ready(7)), 7);
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: BlockOn>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: BlockOn>() -> Vec<(&'static str, Code)> {
    vec![
        ("ready", ready::<S>),
        ("drops", drops::<S>),
        ("wakes-itself", wakes_itself::<S>),
        ("woken-later", woken_later::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("token-taken", token_taken::<S>),
        ("stray-unpark", stray_unpark::<S>),
        ("two-at-once", two_at_once::<S>),
        ("late-wake", late_wake::<S>),
    ]
}
