//! Lab 12: a process pool.
//!
//! The harness owns the children: simulated ones under the scheduler, which can be killed between any two of
//! their steps, and forked ones in the real part. So it sees each start, kill and reaping, each run of a
//! function, and each answer.

use crate::{
    Case,
    log::{Log, demand},
    runner::{self, Code},
    sys::{self, Waited},
    thread,
};
use std::{process::ExitCode, sync::Arc};

mod answers;
mod forked;
mod frames;
mod launcher;
mod note;
mod sheet;
mod simulated;

pub use answers::Answer;
use answers::Answers;
use launcher::Manner;
pub use launcher::{Channel, Child, Launcher};
use note::Note;
pub use sheet::LAB;

/// A function that children call.
pub type Function<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// These bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbage;

/// The child that had the call has died, or has answered with garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// A pool of child processes that call one function.
pub trait ProcessPool: Send + Sync + Sized + 'static {
    /// Makes a frame of a message.
    fn encode(message: &[u8]) -> Vec<u8>;

    /// Takes the first frame out of the bytes that have come so far, and returns its message. Returns `None`
    /// if the frame is not whole yet.
    ///
    /// # Errors
    ///
    /// Returns an error as soon as it is certain that the bytes are no frame.
    fn decode(bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Garbage>;

    /// Runs in the child: answers calls until the channel ends.
    fn serve(channel: &Channel, function: Function<'_>);

    /// Makes a pool of so many children.
    fn start(launcher: Launcher, children: usize) -> Self;

    /// Sends a call to a child. Its answer is completed once. Does not wait for it.
    fn call(&self, input: Vec<u8>, answer: Answer);

    /// Returns when all calls are answered, and all children have ended and are reaped.
    fn shutdown(self);
}

/// A pool of the student, with what the harness keeps of it.
struct Kitchen<S> {
    launcher: Launcher,
    answers: Answers,
    pool: S,
}

impl<S: ProcessPool> Kitchen<S> {
    fn open(log: &Log<Note>, children: usize, manners: &[Manner]) -> Self {
        Self::with(Launcher::simulated::<S>(log, manners), log, children)
    }

    fn with(launcher: Launcher, log: &Log<Note>, children: usize) -> Self {
        note::demand_all(log);
        Self { pool: S::start(launcher.clone(), children), answers: Answers::new(log), launcher }
    }

    fn call(&mut self) {
        let (input, answer) = self.answers.next();
        self.pool.call(input, answer);
    }

    /// Calls once, and waits for the answer.
    fn call_and_wait(&mut self) {
        self.call();
        self.answers.wait();
    }

    /// Waits for all answers and ends the pool. At most `lost` of the calls are lost.
    fn close(self, lost: usize) {
        self.answers.wait();
        self.end(lost);
    }

    /// Ends the pool without a wait for the answers before.
    fn end(self, lost: usize) {
        self.pool.shutdown();
        self.answers.check(lost);
        self.launcher.check();
    }
}

fn calls<S: ProcessPool>(case: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::open(&log, 2, &[]);
    for _ in 0..case.number(2, 4) {
        kitchen.call_and_wait();
    }
    kitchen.close(0);
}

/// More calls than children, at once.
fn every_interleaving<S: ProcessPool>(_: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::open(&log, 2, &[]);
    (0..3).for_each(|_| kitchen.call());
    kitchen.close(0);
}

/// A child dies while it has nothing to do.
fn killed_while_idle<S: ProcessPool>(_: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::open(&log, 1, &[]);
    kitchen.call_and_wait();
    kitchen.launcher.kill(0);
    kitchen.call_and_wait();
    kitchen.close(0);
}

/// A child dies at any step.
fn killed_anywhere<S: ProcessPool>(case: &mut Case) {
    let (log, victim) = (Log::new(), case.number(0, 1) as usize);
    let mut kitchen = Kitchen::<S>::open(&log, 2, &[]);
    let launcher = kitchen.launcher.clone();
    let killer = thread::spawn_named("killer", move || launcher.kill(victim));
    (0..3).for_each(|_| kitchen.call());
    kitchen.answers.wait();
    killer.join().expect("the harness does not panic");
    kitchen.close(1);
}

/// A child answers with garbage, and the next one does not.
fn garbage_answer<S: ProcessPool>(_: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::open(&log, 1, &[Manner::Garbage]);
    kitchen.call_and_wait();
    kitchen.call_and_wait();
    kitchen.close(1);
}

/// The pool is ended while calls are queued.
fn shutdown<S: ProcessPool>(_: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::open(&log, 2, &[]);
    (0..3).for_each(|_| kitchen.call());
    kitchen.end(0);
}

/// Forked children, and none of them dies.
fn real_calls<S: ProcessPool>(case: &mut Case) {
    let log = Log::new();
    let mut kitchen = Kitchen::<S>::with(Launcher::forked::<S>(&log, &[]), &log, 2);
    (0..case.number(4, 8)).for_each(|_| kitchen.call());
    kitchen.close(0);
    expect_no_child();
}

/// The first child kills itself at its first step, in another pool at its second one, and so on.
fn real_kills<S: ProcessPool>(_: &mut Case) {
    const STEPS: u32 = 8;
    for step in 0..STEPS {
        let log = Log::new();
        let launcher = Launcher::forked::<S>(&log, &[Manner::DiesAt(step)]);
        let mut kitchen = Kitchen::<S>::with(launcher, &log, 1);
        (0..3).for_each(|_| kitchen.call());
        kitchen.close(1);
        expect_no_child();
    }
}

fn expect_no_child() {
    demand(sys::wait(-1, false) == Waited::NoChild, "zombie", "no child is left after the shutdown", || {
        "the system still has one".to_owned()
    });
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: ProcessPool>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: ProcessPool>() -> Vec<(&'static str, Code)> {
    vec![
        ("frames", frames::frames::<S>),
        ("garbage", frames::garbage::<S>),
        ("calls", calls::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("killed-while-idle", killed_while_idle::<S>),
        ("killed-anywhere", killed_anywhere::<S>),
        ("garbage-answer", garbage_answer::<S>),
        ("shutdown", shutdown::<S>),
        ("real-calls", real_calls::<S>),
        ("real-kills", real_kills::<S>),
    ]
}

/// The function of all tests.
fn doubled(input: &[u8]) -> Vec<u8> {
    input.iter().map(|byte| byte * 2).collect()
}

/// The code that a child runs: the student's `serve`.
type Serve = fn(&Channel, Function<'_>);

/// The number of children after which a pool only starts children.
const MAX_CHILDREN: usize = 16;

fn expect_few_children(count: usize) {
    demand(count <= MAX_CHILDREN, "restart", "a pool does not start children without end", || {
        format!("it starts child {count}")
    });
}

/// The children of a launcher, in the order of their starts.
type Started<T> = Arc<std::sync::Mutex<Vec<T>>>;
