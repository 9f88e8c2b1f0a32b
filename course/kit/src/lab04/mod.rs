//! Lab 4: timers, as a heap and then as a wheel.
//!
//! The harness moves the clock, and the wakers are its own. It sees when each of them is called, and counts
//! how often the code looks at a moment.

use crate::{
    Case,
    log::{Log, demand},
    runner::{self, Code},
    thread,
};
use std::{
    fmt,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

mod moment;
mod sheet;

pub use moment::Moment;
pub use sheet::LAB;

/// A collection of timers that any thread may use. It has no clock: its caller says what time it is.
pub trait Timers: Send + Sync + 'static {
    /// A set timer, by which it is cancelled.
    type Key: Copy + Send + 'static;

    /// Makes a collection without timers. The time is 0.
    fn new() -> Self;

    /// Sets a timer, which calls the waker at the first [`fire`](Self::fire) at or after its deadline. The
    /// deadline may have passed already.
    fn set(&self, deadline: Moment, waker: Waker) -> Self::Key;

    /// Cancels a timer. Returns true if its waker was not called and will not be: it is dropped at once.
    /// Returns false if the timer has fired, fires now, or was cancelled before.
    fn cancel(&self, key: Self::Key) -> bool;

    /// Returns the moment at which `fire` is to be called next: not later than the first deadline. `None` if
    /// no timer is set.
    fn next(&self) -> Option<Moment>;

    /// Calls the wakers of all timers whose deadline is not after `now`. No later call has an earlier `now`.
    fn fire(&self, now: Moment);
}

type Name = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// A timer with this deadline is set.
    Set(Name, u64),
    /// `fire` is called.
    Fire(u64),
    /// `fire` has returned.
    Fired(u64),
    /// The waker of the timer is called.
    Wake(Name),
    /// `cancel` has returned this.
    Cancel(Name, bool),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(name, deadline) => write!(f, "set timer {name} for {deadline} ms"),
            Self::Fire(now) => write!(f, "fire: it is {now} ms"),
            Self::Fired(_) => write!(f, "fire returns"),
            Self::Wake(name) => write!(f, "wake timer {name}"),
            Self::Cancel(name, true) => write!(f, "timer {name} is cancelled"),
            Self::Cancel(name, false) => write!(f, "timer {name} is not cancelled"),
        }
    }
}

/// Something that a waker does besides.
type Action = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// The waker of a timer.
struct Bell {
    name: Name,
    log: Log<Event>,
    action: Action,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.log.note(Event::Wake(self.name));
        let action = self.action.lock().unwrap_or_else(PoisonError::into_inner).take();
        action.into_iter().for_each(|action| action());
    }
}

/// The student's timers, the clock and the log.
struct Kitchen<S> {
    timers: Arc<S>,
    log: Log<Event>,
    clock: Arc<AtomicU64>,
}

impl<S> Clone for Kitchen<S> {
    fn clone(&self) -> Self {
        Self { timers: self.timers.clone(), log: self.log.clone(), clock: self.clock.clone() }
    }
}

impl<S: Timers> Kitchen<S> {
    fn new() -> Self {
        let log = Log::new();
        log.demand("early", "no timer fires before its deadline", none_early);
        log.demand("late", "fire calls all wakers whose deadlines have come", none_late);
        log.demand("once", "a timer fires once, or is cancelled", one_end);
        Self { timers: Arc::new(S::new()), log, clock: Arc::default() }
    }

    fn set(&self, name: Name, deadline: u64) -> S::Key {
        self.set_with(name, deadline, None).0
    }

    /// Sets a timer whose waker does something. Returns the waker as well.
    fn set_with(
        &self,
        name: Name,
        deadline: u64,
        action: Option<Box<dyn FnOnce() + Send>>,
    ) -> (S::Key, Arc<Bell>) {
        let bell = Arc::new(Bell { name, log: self.log.clone(), action: Mutex::new(action) });
        self.log.note(Event::Set(name, deadline));
        (self.timers.set(Moment::new(deadline), Waker::from(bell.clone())), bell)
    }

    fn cancel(&self, name: Name, key: S::Key) -> bool {
        let is_cancelled = self.timers.cancel(key);
        self.log.note(Event::Cancel(name, is_cancelled));
        is_cancelled
    }

    fn fire(&self, now: u64) {
        self.clock.store(now, SeqCst);
        self.log.note(Event::Fire(now));
        self.timers.fire(Moment::new(now));
        self.log.note(Event::Fired(now));
    }

    /// Moves the clock to the moment that `next` names, until no timer is left. Returns the number of steps.
    fn follow_next(&self, most: usize) -> usize {
        for step in 0..=most {
            let Some(next) = self.timers.next() else { return step };
            let (next, now) = (next.milliseconds(), self.clock.load(SeqCst));
            let first = self.first_deadline();
            demand(first.is_none_or(|first| next <= first.max(now)), "next", NEXT, || {
                format!("next is {next} ms, and a timer is set for {} ms", first.unwrap_or(0))
            });
            self.fire(next.max(now));
        }
        demand(false, "next", "the clock comes to the last timer in a few steps", || {
            format!("there is a next moment after {most} steps")
        });
        most
    }

    /// The first deadline of the timers that have neither fired nor been cancelled.
    fn first_deadline(&self) -> Option<u64> {
        let events = self.log.events();
        let ended = |name| events.iter().any(|event| ends(event, name));
        let deadlines = events.iter().filter_map(|event| match event {
            Event::Set(name, deadline) if !ended(*name) => Some(*deadline),
            _ => None,
        });
        deadlines.min()
    }
}

const NEXT: &str = "next is not later than the first deadline";

fn ends(event: &Event, name: Name) -> bool {
    matches!(event, Event::Wake(other) | Event::Cancel(other, true) if *other == name)
}

fn deadline(events: &[Event], name: Name) -> u64 {
    let set = events.iter().find_map(|event| match event {
        Event::Set(other, deadline) if *other == name => Some(*deadline),
        _ => None,
    });
    set.unwrap_or(0)
}

fn none_early(events: &[Event]) -> Result<(), String> {
    let Some(Event::Wake(name)) = events.last() else { return Ok(()) };
    let now =
        events.iter().rev().find_map(|event| if let Event::Fire(now) = event { Some(*now) } else { None });
    let (now, deadline) = (now.unwrap_or(0), deadline(events, *name));
    if now < deadline {
        return Err(format!("timer {name} is set for {deadline} ms, and fires at {now} ms"));
    }
    Ok(())
}

fn none_late(events: &[Event]) -> Result<(), String> {
    let Some(Event::Fired(now)) = events.last() else { return Ok(()) };
    let begin = events.iter().rposition(|event| *event == Event::Fire(*now)).unwrap_or(0);
    for event in &events[..begin] {
        let Event::Set(name, deadline) = event else { continue };
        if deadline <= now && !events.iter().any(|event| ends(event, *name)) {
            return Err(format!("timer {name} was set for {deadline} ms, and at {now} ms it has not fired"));
        }
    }
    Ok(())
}

fn one_end(events: &[Event]) -> Result<(), String> {
    let (Some(Event::Wake(name)) | Some(Event::Cancel(name, true))) = events.last() else { return Ok(()) };
    let ended = events.iter().filter(|event| ends(event, *name)).count();
    let woken = events.contains(&Event::Wake(*name)) && events.contains(&Event::Cancel(*name, true));
    match (ended, woken) {
        (0 | 1, _) => Ok(()),
        (_, true) => Err(format!("cancel has returned true for timer {name}, and its waker is called")),
        (_, false) => Err(format!("timer {name} ends a second time")),
    }
}

/// Timers near and far, and a clock that goes in steps.
fn never_early<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    for name in 1..=5 {
        kitchen.set(name, case.number(1, 300));
    }
    let mut now = 0;
    while now < 300 {
        now += case.number(1, 40);
        kitchen.fire(now);
    }
}

/// The clock goes from one moment that `next` names to the following one.
fn follows_next<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    for (name, near) in [(1, 5), (2, 70), (3, 5_000), (4, 300_000), (5, 300_100)] {
        kitchen.set(name, near + case.number(0, 60));
    }
    kitchen.follow_next(5 * Moment::DIGITS);
}

/// The clock jumps over many deadlines at once, and timers are set after that.
fn jumps<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    for name in 1..=4 {
        kitchen.set(name, case.number(1, 9_000));
    }
    kitchen.fire(4_000 + case.number(0, 999));
    for name in 5..=7 {
        kitchen.set(name, 5_000 + case.number(0, 4_000));
    }
    kitchen.fire(20_000);
}

/// A timer is set for a moment that has passed.
fn past<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    kitchen.fire(1_000);
    kitchen.set(1, case.number(1, 999));
    kitchen.set(2, 1_000);
    kitchen.set(3, 1_010);
    kitchen.follow_next(2 * Moment::DIGITS);
}

/// Some timers are cancelled, before and after they have fired, and twice.
fn cancel<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let kept = kitchen.set(1, case.number(10, 90));
    let (cancelled, bell) = kitchen.set_with(2, case.number(10, 9_000), None);
    let is_cancelled = |key, name, expected: bool| {
        let is = kitchen.cancel(name, key);
        demand(is == expected, "cancel", "cancel returns whether it was in time", || {
            format!("it returns {is} for timer {name}, which {}", state(expected))
        });
    };
    is_cancelled(cancelled, 2, true);
    let is_gone = Arc::strong_count(&bell) == 1;
    demand(is_gone, "waker-kept", "a cancelled timer drops its waker at once", || {
        "cancel returns, and the waker is still there".to_owned()
    });
    is_cancelled(cancelled, 2, false);
    kitchen.fire(100);
    is_cancelled(kept, 1, false);
    kitchen.fire(10_000);
    let is_empty = kitchen.timers.next().is_none();
    demand(is_empty, "next", "next is None when no timer is set", || "it names a moment".to_owned());
}

fn state(is_set: bool) -> &'static str {
    if is_set { "is set" } else { "has ended" }
}

/// The key of a timer that has ended does not cancel another one.
fn old_key<S: Timers>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (cancelled, fired) = (kitchen.set(1, 50), kitchen.set(2, 10));
    kitchen.cancel(1, cancelled);
    kitchen.fire(20);
    kitchen.set(3, case.number(30, 90));
    kitchen.set(4, case.number(30, 90));
    for key in [cancelled, fired] {
        let is = kitchen.timers.cancel(key);
        demand(!is, "cancel", "the key of a timer that has ended cancels nothing", || {
            "cancel returns true for it: another timer had its place".to_owned()
        });
    }
    kitchen.fire(100);
}

/// One thread cancels timers while another one fires them.
fn cancel_against_fire<S: Timers>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let keys = [(1, kitchen.set(1, 10)), (2, kitchen.set(2, 10))];
    let theirs = kitchen.clone();
    let guest = thread::spawn_named("guest", move || {
        for (name, key) in keys {
            theirs.cancel(name, key);
        }
    });
    kitchen.fire(10);
    guest.join().expect("the harness does not panic");
    let ended = kitchen.log.events().iter().filter(|event| ends(event, 1) || ends(event, 2)).count();
    demand(ended == 2, "once", "a timer fires once, or is cancelled", || {
        format!("of 2 timers, {ended} have fired or were cancelled")
    });
}

/// A waker sets a timer and cancels one before it returns.
fn woken_inline<S: Timers>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let other = kitchen.set(2, 50);
    let theirs = kitchen.clone();
    let action = move || {
        theirs.set(3, 60);
        theirs.cancel(2, other);
    };
    kitchen.set_with(1, 10, Some(Box::new(action)));
    kitchen.fire(10);
    kitchen.fire(100);
}

/// A waker that does nothing.
struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

/// Returns the looks at moments, for each of so many timers: half of them are cancelled, the others fire.
fn looks_of<S: Timers>(count: u64, case: &mut Case) -> u64 {
    let timers = S::new();
    let before = moment::looks();
    let waker = Waker::from(Arc::new(Quiet));
    let deadlines = (0..count).map(|_| Moment::new(case.number(1, 4_000)));
    let keys: Vec<_> = deadlines.map(|deadline| timers.set(deadline, waker.clone())).collect();
    for key in keys.iter().step_by(2) {
        let _ = timers.cancel(*key);
    }
    timers.fire(Moment::new(4_000));
    // A hundredth of a look is enough.
    (moment::looks() - before) * 100 / count
}

/// The work for one timer does not grow with the number of timers.
fn cost<S: Timers>(case: &mut Case) {
    const FEW: u64 = 16;
    const MANY: u64 = 512;
    let (few, many) = (looks_of::<S>(FEW, case), looks_of::<S>(MANY, case));
    demand(many <= few + few / 2 + 100, "cost", "a timer costs the same, however many there are", || {
        format!("{} looks at moments for each of {FEW} timers, {} for each of {MANY}", few / 100, many / 100)
    });
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Timers>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Timers>() -> Vec<(&'static str, Code)> {
    vec![
        ("never-early", never_early::<S>),
        ("follows-next", follows_next::<S>),
        ("jumps", jumps::<S>),
        ("past", past::<S>),
        ("cancel", cancel::<S>),
        ("old-key", old_key::<S>),
        ("cancel-against-fire", cancel_against_fire::<S>),
        ("woken-inline", woken_inline::<S>),
        ("cost", cost::<S>),
    ]
}
