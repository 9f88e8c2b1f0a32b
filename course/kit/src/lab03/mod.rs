//! Lab 3: a join handle.
//!
//! The harness polls task and handle by hand. It sees from inside of its future when that is polled and
//! dropped, and from the future's output when that is thrown away.

use crate::{
    Case,
    hand::{Hand, Inline},
    log::{Log, demand},
    runner::{self, Code},
    thread::{self, HOUR},
};
use probe::{Ending, Event, Meal, Probe, Spill};
use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

mod probe;
mod sheet;

pub use sheet::LAB;

/// The reason why a task has no output.
#[derive(Debug)]
pub enum JoinError {
    /// The future has panicked with this payload.
    Panicked(Box<dyn Any + Send>),
    /// The task was dropped before its future was ready.
    Cancelled,
}

/// Makes a task of a future, and a handle on its result.
pub trait Spawn: 'static {
    /// The side that waits for the result.
    type Handle<T: Send + 'static>: Handle<T>;

    /// Returns the task and its handle. The task is itself a future, without an output, so that any executor
    /// can run it. It is ready when the future was ready or has panicked. No panic leaves it.
    fn task<F>(future: F) -> (impl Future<Output = ()> + Send + 'static, Self::Handle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
}

/// Waits for the result of a task, as a future or by blocking the thread. If it is dropped, the task goes on,
/// and its output is dropped as soon as it is there.
pub trait Handle<T>: Future<Output = Result<T, JoinError>> + Send + Unpin + 'static {
    /// Sleeps until the task has ended, and returns its result.
    ///
    /// # Errors
    ///
    /// Returns how the task ended, if it has no output.
    fn join(self) -> Result<T, JoinError>;

    /// Returns whether the result is there.
    fn is_finished(&self) -> bool;
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes a task that is pending some times, and its handle.
fn make<S: Spawn>(log: &Log<Event>, pending: u64, ending: Ending) -> (Boxed, S::Handle<Meal>) {
    log.demand("future-first", "the future is dropped before its result is given out", |events| {
        let is_there = |event: &Event| events.contains(event);
        if is_there(&Event::Result) && is_there(&Event::Poll) && !is_there(&Event::Drop) {
            return Err("the handle has the result, and the future is still there".to_owned());
        }
        Ok(())
    });
    let (task, handle) = S::task(Probe { log: log.clone(), pending, ending });
    (Box::pin(task), handle)
}

/// Polls a task until it is ready.
fn run(task: Boxed) {
    let mut hand = Hand::new("task", task);
    let ended = catch_unwind(AssertUnwindSafe(|| hand.finish()));
    demand(
        ended.is_ok(),
        "panic-leaves",
        "a panic of the future ends the task, and goes to the handle",
        || "the panic goes through the task to the executor".to_owned(),
    );
}

/// Looks at a result that should be this output.
fn take(log: &Log<Event>, result: Result<Meal, JoinError>, number: u64) {
    log.note(Event::Result);
    match result {
        Ok(meal) => {
            let got = meal.eat();
            demand(got == number, "result", "the handle gives the output of the future", || {
                format!("the output is {number}, and the handle gives {got}")
            });
        }
        Err(error) => demand(false, "result", "the handle gives the output of the future", || {
            format!("the future was ready, and the handle gives {}", told(&error))
        }),
    }
}

fn told(error: &JoinError) -> &'static str {
    match error {
        JoinError::Panicked(_) => "Panicked",
        JoinError::Cancelled => "Cancelled",
    }
}

/// Looks at a result that should be this panic.
fn take_panic(log: &Log<Event>, result: Result<Meal, JoinError>, number: u64) {
    const EXPECTED: &str = "the handle gives the payload of the panic";
    log.note(Event::Result);
    let payload = match result {
        Err(JoinError::Panicked(payload)) => payload,
        Err(JoinError::Cancelled) => {
            return demand(false, "panic-lost", EXPECTED, || "it gives Cancelled".to_owned());
        }
        Ok(_) => return demand(false, "panic-lost", EXPECTED, || "it gives an output".to_owned()),
    };
    let got = payload.downcast_ref::<Spill>().map(|spill| spill.number);
    demand(got == Some(number), "panic-lost", EXPECTED, || "it gives another payload".to_owned());
}

/// Takes the output of a poll that must be ready.
fn expect_ready<T>(poll: Poll<T>) -> Option<T> {
    let is_ready = poll.is_ready();
    demand(is_ready, "result", "the handle is ready when its task has ended", || "it is pending".to_owned());
    match poll {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Demands that an output that nobody took was dropped once.
fn demand_discarded(log: &Log<Event>, when: &str) {
    let times = log.count(|event| *event == Event::Discard);
    demand(times == 1, "output-kept", "an output that nobody will take is dropped at once", || {
        format!("{when}, and the output was dropped {times} times")
    });
}

/// The task ends, and then its result is taken.
fn result<S: Spawn>(case: &mut Case) {
    let (log, number) = (Log::new(), case.number(1, 1000));
    let (task, handle) = make::<S>(&log, case.number(0, 2), Ending::Output(number));
    let is_early = handle.is_finished();
    demand(!is_early, "finished", "is_finished is false before the end", || "it is true".to_owned());
    run(task);
    demand(handle.is_finished(), "finished", "is_finished is true after the end", || {
        "it is false".to_owned()
    });
    if let Some(result) = expect_ready(Hand::new("handle", handle).poll()) {
        take(&log, result, number);
    }
}

/// The handle is polled before the end, with one waker after the other.
fn waits<S: Spawn>(case: &mut Case) {
    let (log, number) = (Log::new(), case.number(1, 1000));
    let (task, handle) = make::<S>(&log, 1, Ending::Output(number));
    let mut hand = Hand::new("handle", handle);
    for poll in [hand.poll(), hand.poll(), hand.poll_elsewhere()] {
        let is_pending = poll.is_pending();
        demand(is_pending, "result", "a handle is pending before the end", || "it is ready".to_owned());
    }
    run(task);
    let wakes = hand.wakes();
    demand(wakes == 1, "lost-wake", "the waker of the last poll is called once, at the end", || {
        format!("it was called {wakes} times")
    });
    if let Some(result) = expect_ready(hand.poll()) {
        take(&log, result, number);
    }
}

/// Runs a task on another thread, after a while.
fn run_on_a_thread(task: Boxed, pause: Duration) -> thread::JoinHandle<()> {
    thread::spawn_named("cook", move || {
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        run(task);
    })
}

/// A thread joins two tasks: one that ends an hour later, and one that ends at any time.
fn join<S: Spawn>(case: &mut Case) {
    for pause in [HOUR, Duration::ZERO] {
        let (log, number) = (Log::new(), case.number(1, 1000));
        let (task, handle) = make::<S>(&log, 0, Ending::Output(number));
        let cook = run_on_a_thread(task, pause);
        take(&log, handle.join(), number);
        cook.join().expect("the harness does not panic");
    }
}

/// A future waits for a task that ends at any time on another thread.
fn every_interleaving<S: Spawn>(case: &mut Case) {
    let (log, number) = (Log::new(), case.number(1, 1000));
    let (task, handle) = make::<S>(&log, 0, Ending::Output(number));
    let cook = run_on_a_thread(task, Duration::ZERO);
    take(&log, Hand::new("handle", handle).finish(), number);
    cook.join().expect("the harness does not panic");
}

/// A future panics. The task ends, and its handle gives the payload, by a poll and by a join.
fn panics<S: Spawn>(case: &mut Case) {
    let number = case.number(1, 1000);
    for joins in [false, true] {
        let log = Log::new();
        let (task, handle) = make::<S>(&log, case.number(0, 1), Ending::Panic { number, again: false });
        run(task);
        let result =
            if joins { Some(handle.join()) } else { expect_ready(Hand::new("handle", handle).poll()) };
        result.into_iter().for_each(|result| take_panic(&log, result, number));
    }
}

/// The destructor of a future that has panicked panics, too.
fn panics_twice<S: Spawn>(case: &mut Case) {
    let (log, number) = (Log::new(), case.number(1, 1000));
    let (task, handle) = make::<S>(&log, 0, Ending::Panic { number, again: true });
    run(task);
    if let Some(result) = expect_ready(Hand::new("handle", handle).poll()) {
        take_panic(&log, result, number);
    }
}

/// A waker of which one can see who has it.
struct Guest;

impl Wake for Guest {
    fn wake(self: Arc<Self>) {}
}

/// Polls a handle once with the waker of a guest.
fn poll_as<H: Future + Unpin>(guest: &Arc<Guest>, handle: &mut H) -> Poll<H::Output> {
    let waker = Waker::from(guest.clone());
    std::pin::Pin::new(handle).poll(&mut Context::from_waker(&waker))
}

fn demand_no_waker(guest: &Arc<Guest>, when: &'static str) {
    let is_gone = Arc::strong_count(guest) == 1;
    demand(is_gone, "waker-kept", "a waker that nobody will call is dropped", || {
        format!("{when}, and its waker is still there")
    });
}

/// A handle is dropped while it waits. The task goes on, and nothing of the handle is left.
fn detach<S: Spawn>(case: &mut Case) {
    let number = case.number(1, 1000);
    for ending in [Ending::Output(number), Ending::Panic { number, again: false }] {
        let (log, guest, has_output) = (Log::new(), Arc::new(Guest), matches!(ending, Ending::Output(_)));
        let (mut task, mut handle) = make::<S>(&log, 1, ending);
        let _ = poll_as(&guest, &mut handle);
        drop(handle);
        demand_no_waker(&guest, "the handle is dropped");
        let _ = poll_as(&guest, &mut task);
        let ended = catch_unwind(AssertUnwindSafe(|| poll_as(&guest, &mut task)));
        demand(ended.is_ok(), "panic-leaves", "the panic of a detached task ends the task", || {
            "the panic goes through the task to the executor".to_owned()
        });
        let polls = log.count(|event| *event == Event::Poll);
        demand(polls == 2, "detach", "a task goes on when its handle is dropped", || {
            format!("the future was polled {polls} times, and needs 2 polls")
        });
        // The task itself is still there.
        if has_output {
            demand_discarded(&log, "the detached task has ended");
        }
    }
}

/// A handle is polled and dropped while its task ends on another thread.
fn detached_at_any_time<S: Spawn>(case: &mut Case) {
    let (log, guest) = (Log::new(), Arc::new(Guest));
    let (task, mut handle) = make::<S>(&log, 0, Ending::Output(case.number(1, 1000)));
    let cook = run_on_a_thread(task, Duration::ZERO);
    let poll = poll_as(&guest, &mut handle);
    drop(handle);
    drop(poll);
    cook.join().expect("the harness does not panic");
    demand_no_waker(&guest, "the task has ended and the handle is gone");
    demand_discarded(&log, "the task has ended and the handle is gone");
}

/// A task is dropped before its end, by this thread and by another one.
fn dropped_task<S: Spawn>(_: &mut Case) {
    const EXPECTED: &str = "the handle of a task that is dropped gives Cancelled";
    let is_cancelled = |result| matches!(result, Err(JoinError::Cancelled));
    let log = Log::new();
    let (mut task, handle) = make::<S>(&log, 1, Ending::Output(1));
    let _ = poll_as(&Arc::new(Guest), &mut task);
    let mut hand = Hand::new("handle", handle);
    let _ = hand.poll();
    drop(task);
    let wakes = hand.wakes();
    demand(wakes == 1, "lost-wake", "the waker of a handle is called if its task is dropped", || {
        format!("it was called {wakes} times")
    });
    if let Some(result) = expect_ready(hand.poll()) {
        log.note(Event::Result);
        demand(is_cancelled(result), "cancelled", EXPECTED, || "it gives something else".to_owned());
    }
    let (task, handle) = make::<S>(&Log::new(), 1, Ending::Output(1));
    let cook = thread::spawn_named("cook", move || drop(task));
    demand(is_cancelled(handle.join()), "cancelled", EXPECTED, || "it gives something else".to_owned());
    cook.join().expect("the harness does not panic");
}

/// A waker polls the handle before it returns.
fn woken_inline<S: Spawn>(case: &mut Case) {
    let (log, number) = (Log::new(), case.number(1, 1000));
    let (task, handle) = make::<S>(&log, 0, Ending::Output(number));
    let theirs = log.clone();
    Inline::start("guest", async move {
        let result = handle.await;
        take(&theirs, result, number);
    });
    run(task);
    let results = log.count(|event| *event == Event::Result);
    demand(results == 1, "lost-wake", "the waker of the handle is called at the end of the task", || {
        "the task has ended, and nobody has the result".to_owned()
    });
}

/// The sides go one after the other, and each leaves nothing behind.
fn frees<S: Spawn>(case: &mut Case) {
    let number = case.number(1, 1000);
    // The handle goes last, with the output that nobody took.
    let (log, guest) = (Log::new(), Arc::new(Guest));
    let (task, mut handle) = make::<S>(&log, 0, Ending::Output(number));
    let _ = poll_as(&guest, &mut handle);
    run(task);
    demand_no_waker(&guest, "the task has ended");
    demand(
        log.count(|event| *event == Event::Discard) == 0,
        "result",
        "the output waits for the handle",
        || "the task has dropped it".to_owned(),
    );
    drop(handle);
    demand_discarded(&log, "the handle is dropped");
    // The task goes last, and was never polled.
    let log = Log::new();
    let (task, handle) = make::<S>(&log, 0, Ending::Output(number));
    drop(handle);
    drop(task);
    let drops = log.count(|event| *event == Event::Drop);
    demand(drops == 1, "output-kept", "the future is dropped with its task", || {
        "it is still there".to_owned()
    });
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Spawn>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Spawn>() -> Vec<(&'static str, Code)> {
    vec![
        ("result", result::<S>),
        ("waits", waits::<S>),
        ("join", join::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("panics", panics::<S>),
        ("panics-twice", panics_twice::<S>),
        ("detach", detach::<S>),
        ("detached-at-any-time", detached_at_any_time::<S>),
        ("dropped-task", dropped_task::<S>),
        ("woken-inline", woken_inline::<S>),
        ("frees", frees::<S>),
    ]
}
