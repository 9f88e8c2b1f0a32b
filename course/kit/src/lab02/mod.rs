//! Lab 2: a task and a run queue.
//!
//! The harness sees polls and drops from inside of its futures, and it makes all wake-ups and cancels itself.

use crate::{
    Case,
    runner::{self, Code},
    thread::{self, HOUR},
};
use harness::{Bell, Kitchen, demand_cancel_at_once, demand_order, wake};
use std::{
    future::Future,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

mod harness;
mod sheet;

pub use sheet::LAB;

/// Runs many futures on one thread. All clones are one executor.
pub trait Executor: Clone + Send + 'static {
    /// A spawned future, by which it can be cancelled.
    type Task: Send + 'static;

    /// Makes an executor without tasks.
    fn new() -> Self;

    /// Makes a task of the future, and puts it at the end of the run queue. Any thread may call it, also
    /// while another one is in `run`.
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> Self::Task;

    /// Polls each task that is in the queue, in its order, until all tasks have ended. While no task is in
    /// the queue, the thread sleeps. A task that is woken comes to the end of the queue, at most once.
    fn run(&self);

    /// Ends a task: its future is dropped at once, or at the end of its poll if it is polled now. Any
    /// thread may call it, also the task itself, also a second time.
    fn cancel(&self, task: &Self::Task);
}

/// The body of a task that wakes itself some times.
fn yields<S: Executor>(
    kitchen: &Kitchen<S>,
    name: &'static str,
    times: u64,
) -> impl FnMut(&mut Context<'_>) -> Poll<()> + Send + use<S> {
    let (log, mut left) = (kitchen.log.clone(), times);
    move |context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        wake(&log, name, context.waker().clone());
        Poll::Pending
    }
}

/// A place where a test keeps a task for its other tasks.
struct Place<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Place<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tasks that need one poll, and then one more of them.
fn ready<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    for name in ["soup", "rice", "tea"].into_iter().take(case.number(2, 3) as usize) {
        kitchen.spawn(name, |_| Poll::Ready(()));
    }
    kitchen.run();
    kitchen.spawn("cake", |_| Poll::Ready(()));
    kitchen.run();
}

/// Tasks that yield take turns.
fn in_order<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    demand_order(&kitchen.log);
    for name in ["soup", "rice", "tea"] {
        kitchen.spawn(name, yields(&kitchen, name, case.number(1, 3)));
    }
    kitchen.run();
}

/// A task is woken several times while it runs, and runs once for that.
fn wakes_itself<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (log, bell) = (kitchen.log.clone(), Bell::new(&kitchen.log, "soup"));
    let (mut left, wakes) = (case.number(1, 2), case.number(2, 3));
    let mut waits = bell.after(1);
    kitchen.spawn("soup", move |context| {
        if left == 0 {
            return waits(context);
        }
        left -= 1;
        (0..wakes).for_each(|_| wake(&log, "soup", context.waker().clone()));
        Poll::Pending
    });
    // The bell rings when all those wake-ups are used up.
    let mut yields = yields(&kitchen, "rice", 4);
    kitchen.spawn("rice", move |context| {
        let poll = yields(context);
        if poll.is_ready() {
            bell.ring();
        }
        poll
    });
    kitchen.run();
}

/// A task is woken several times while it waits in the queue, and runs once for that.
fn woken_in_the_queue<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (bell, wakes) = (Bell::new(&kitchen.log, "soup"), case.number(2, 4));
    kitchen.spawn("soup", bell.after(1));
    let mut is_first = true;
    let (log, rings) = (kitchen.log.clone(), bell.clone());
    kitchen.spawn("rice", move |context| {
        if !is_first {
            rings.ring();
            return Poll::Ready(());
        }
        is_first = false;
        (0..wakes).for_each(|_| rings.wake_again());
        wake(&log, "rice", context.waker().clone());
        Poll::Pending
    });
    kitchen.run();
}

/// Three tasks wait, and another thread wakes one after the other.
fn woken_later<S: Executor>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let bells = ["soup", "rice", "tea"].map(|name| {
        let bell = Bell::new(&kitchen.log, name);
        kitchen.spawn(name, bell.after(1));
        bell
    });
    let cook = thread::spawn_named("cook", move || {
        for index in [1, 0, 2] {
            thread::sleep(HOUR);
            bells[index].ring();
        }
    });
    kitchen.run();
    cook.join().expect("the harness does not panic");
}

/// Another thread spawns a task while the executor has nothing to run.
fn spawned_later<S: Executor>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let bell = Bell::new(&kitchen.log, "soup");
    kitchen.spawn("soup", bell.after(1));
    let theirs = kitchen.clone();
    let cook = thread::spawn_named("cook", move || {
        theirs.spawn("rice", move |_| {
            bell.ring();
            Poll::Ready(())
        });
    });
    kitchen.run();
    cook.join().expect("the harness does not panic");
}

/// Two threads wake two tasks.
fn every_interleaving<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (soup, rice) = (Bell::new(&kitchen.log, "soup"), Bell::new(&kitchen.log, "rice"));
    let rings = case.number(1, 2);
    kitchen.spawn("soup", soup.after(rings as u32));
    kitchen.spawn("rice", rice.after(1));
    let cook = thread::spawn_named("cook", move || (0..rings).for_each(|_| soup.ring()));
    let guest = thread::spawn_named("guest", move || rice.ring());
    kitchen.run();
    cook.join().expect("the harness does not panic");
    guest.join().expect("the harness does not panic");
}

/// A waker outlives its task, and is called after its end.
fn kept_waker<S: Executor>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let bell = Bell::new(&kitchen.log, "soup");
    let kept = bell.clone();
    kitchen.spawn("soup", move |context| {
        let _ = kept.take_rings(context);
        Poll::Ready(())
    });
    kitchen.spawn("rice", move |_| {
        bell.wake();
        Poll::Ready(())
    });
    kitchen.spawn("tea", yields(&kitchen, "tea", 1));
    kitchen.run();
}

/// A task cancels two others: one that waits, and one that is in the queue.
fn cancel<S: Executor>(_: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    ["soup", "rice"].into_iter().for_each(|name| demand_cancel_at_once(&kitchen.log, name));
    let bell = Bell::new(&kitchen.log, "soup");
    let soup = kitchen.spawn("soup", bell.after(1));
    let (theirs, to_cancel) = (kitchen.clone(), Place::new());
    let rice = to_cancel.clone();
    kitchen.spawn("tea", move |_| {
        theirs.cancel("soup", &soup);
        // The second call finds a task that has ended.
        theirs.cancel("soup", &soup);
        let rice = rice.take().expect("the task is put there before run");
        theirs.cancel("rice", &rice);
        bell.wake();
        Poll::Ready(())
    });
    to_cancel.put(kitchen.spawn("rice", |_| Poll::Ready(())));
    kitchen.run();
}

/// A task cancels itself while it is polled.
fn cancels_itself<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (theirs, soup) = (kitchen.clone(), Place::new());
    let (taken, is_woken) = (soup.clone(), case.number(0, 1) == 1);
    soup.put(kitchen.spawn("soup", move |context| {
        if is_woken {
            wake(&theirs.log, "soup", context.waker().clone());
        }
        if let Some(task) = taken.take() {
            theirs.cancel("soup", &task);
        }
        Poll::Pending
    }));
    kitchen.run();
}

/// Another thread cancels a task, at any time.
fn cancelled_at_any_time<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (bell, rings) = (Bell::new(&kitchen.log, "soup"), case.number(0, 1));
    let soup = kitchen.spawn("soup", bell.after(2));
    kitchen.spawn("rice", |_| Poll::Ready(()));
    let theirs = kitchen.clone();
    let cook = thread::spawn_named("cook", move || {
        (0..rings).for_each(|_| bell.ring());
        theirs.cancel("soup", &soup);
        bell.wake();
    });
    kitchen.run();
    cook.join().expect("the harness does not panic");
}

/// The destructor of a future wakes another task, and spawns one.
fn destructor<S: Executor>(case: &mut Case) {
    let kitchen = Kitchen::<S>::new();
    let (soup, rice) = (Bell::new(&kitchen.log, "soup"), Bell::new(&kitchen.log, "rice"));
    kitchen.spawn("rice", rice.after(1));
    let (theirs, mine) = (kitchen.clone(), soup.clone());
    let at_drop = move || {
        rice.ring();
        mine.wake();
        theirs.spawn("cake", |_| Poll::Ready(()));
    };
    let is_cancelled = case.number(0, 1) == 0;
    let body = soup.after(if is_cancelled { 1 } else { 0 });
    let task = kitchen.spawn_with_drop("soup", body, Some(Box::new(at_drop)));
    if is_cancelled {
        let theirs = kitchen.clone();
        kitchen.spawn("tea", move |_| {
            theirs.cancel("soup", &task);
            Poll::Ready(())
        });
    }
    kitchen.run();
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Executor>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Executor>() -> Vec<(&'static str, Code)> {
    vec![
        ("ready", ready::<S>),
        ("in-order", in_order::<S>),
        ("wakes-itself", wakes_itself::<S>),
        ("woken-in-the-queue", woken_in_the_queue::<S>),
        ("woken-later", woken_later::<S>),
        ("spawned-later", spawned_later::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("kept-waker", kept_waker::<S>),
        ("cancel", cancel::<S>),
        ("cancels-itself", cancels_itself::<S>),
        ("cancelled-at-any-time", cancelled_at_any_time::<S>),
        ("destructor", destructor::<S>),
    ]
}
