//! The thread that prints what is stuck.
//!
//! It sleeps until something parks or begins to wait, gives the program some time to go on, and looks. If
//! it finds something, it looks once more after the same time, and prints agents that are stuck in both
//! copies, by the same waits. It prints them once. While nothing begins to wait, the thread sleeps and uses
//! no CPU.

use super::{graph::WaitGraph, stuck::Stuck, threads};
use crate::clock;
use brigade_handle::{
    Id,
    fork::{Generation, PerProcess},
};
use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// How long the program has to go on before it is looked at, and again before what was found is printed.
const GRACE: Duration = Duration::from_millis(20);
/// The exit code of a process that is stuck, if `BRIGADE_STUCK` is `exit`.
const STUCK_EXIT_CODE: i32 = 70;
/// The part of the time that looking may take.
const LOOKING_SHARE: u32 = 20;

/// Whether something began to wait since the last look, and a thread wants to know.
static WAITS: AtomicBool = AtomicBool::new(false);
static WANTED: AtomicBool = AtomicBool::new(false);

static WATCH: PerProcess<Watch> = PerProcess::new();

#[derive(Default)]
struct Watch {
    state: Mutex<WatchState>,
    changed: Condvar,
}

#[derive(Default)]
struct WatchState {
    /// How many guards want reports.
    guards: usize,
    /// Counts the times at which nobody wanted reports any more. A thread of an earlier time ends.
    period: u64,
    thread: Option<thread::JoinHandle<()>>,
    keeping: Option<super::Keeping>,
    reported: HashSet<Id>,
}

fn lock(watch: &Watch) -> MutexGuard<'_, WatchState> {
    watch.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the thread that something began to wait.
#[inline]
pub(super) fn something_waits() {
    if WANTED.load(Relaxed) && !WAITS.swap(true, Relaxed) {
        // Under the lock, so that the thread is asleep or has not looked yet.
        if let Some(watch) = WATCH.get() {
            drop(lock(watch));
            watch.changed.notify_one();
        }
    }
}

/// A guard of [`report_stuck`]: what is stuck is reported as long as there is one.
#[derive(Debug)]
#[must_use = "nothing is reported once the guard is gone"]
pub struct Watching(Generation);

/// Prints the wait-for graph to stderr when work can never go on, until the guard is dropped. Runtimes and
/// pools call this if their builder or the variable `BRIGADE_STUCK` says so.
///
/// If the variable is `exit`, the process exits with code 70 after the report, which makes a test fail.
///
/// # Errors
///
/// Returns the operating system's error if it refuses the thread that looks.
///
/// ```
/// let watching = brigade_trace::live::report_stuck()?;
/// assert!(brigade_trace::on());
/// drop(watching);
/// # std::io::Result::Ok(())
/// ```
pub fn report_stuck() -> io::Result<Watching> {
    let watch = WATCH.get_or_init(Watch::default);
    let mut state = lock(watch);
    if state.guards == 0 {
        let keeping = super::keep();
        let period = state.period;
        let thread = super::threads::spawn("brigade-watch", move || watch.run(period))?;
        WANTED.store(true, Relaxed);
        (state.thread, state.keeping) = (Some(thread), Some(keeping));
    }
    state.guards += 1;
    Ok(Watching(Generation::current()))
}

/// Whether the variable `BRIGADE_STUCK` asks for reports: it is set, and neither empty nor 0.
///
/// ```
/// let _whatever: bool = brigade_trace::live::is_wanted();
/// ```
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os("BRIGADE_STUCK").is_some_and(|value| !value.is_empty() && value != "0")
}

impl Drop for Watching {
    fn drop(&mut self) {
        let Some(watch) = WATCH.get().filter(|_| self.0.is_current()) else { return };
        let mut state = lock(watch);
        state.guards -= 1;
        if state.guards > 0 {
            return;
        }
        WANTED.store(false, Relaxed);
        state.period += 1;
        let (thread, keeping) = (state.thread.take(), state.keeping.take());
        drop(state);
        watch.changed.notify_all();
        drop(keeping);
        let is_own = thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id());
        thread.into_iter().filter(|_| !is_own).for_each(|thread| _ = thread.join());
    }
}

impl Watch {
    fn run(&self, period: u64) {
        threads::own_thread();
        let mut grace = GRACE;
        loop {
            let mut state = lock(self);
            while state.period == period && !WAITS.load(Relaxed) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            WAITS.store(false, Relaxed);
            if !self.pause(grace, period) {
                return;
            }
            let (found, took) = clock::timed(|| {
                let graph = super::graph();
                graph
                    .classify()
                    .into_iter()
                    .map(|stuck| (key(&graph, &stuck), stuck))
                    .collect::<Vec<(Key, Stuck)>>()
            });
            grace = GRACE.max(took * LOOKING_SHARE);
            if found.iter().any(|(_, stuck)| self.is_new(stuck)) {
                if !self.pause(grace, period) {
                    return;
                }
                self.look_again(&found);
            }
        }
    }

    /// Waits for a time. Returns false if nobody wants reports any more.
    fn pause(&self, time: Duration, period: u64) -> bool {
        let state = lock(self);
        let waits = self.changed.wait_timeout_while(state, time, |state| state.period == period);
        waits.unwrap_or_else(PoisonError::into_inner).0.period == period
    }

    fn is_new(&self, stuck: &Stuck) -> bool {
        let state = lock(self);
        !stuck.agents.iter().any(|id| state.reported.contains(id))
    }

    /// Prints what is stuck now as it was before.
    fn look_again(&self, before: &[(Key, Stuck)]) {
        let graph = super::graph();
        for stuck in graph.classify() {
            let key = key(&graph, &stuck);
            if before.iter().any(|(known, _)| *known == key) && self.is_new(&stuck) {
                lock(self).reported.extend(&stuck.agents);
                print(&graph.report(&stuck));
            }
        }
    }
}

/// The waits and holds of stuck agents, by which two copies are compared.
type Key = Vec<(Id, Id, u64)>;

/// Returns the key of a group.
fn key(graph: &WaitGraph, stuck: &Stuck) -> Key {
    let is_member = |id| stuck.agents.binary_search(id).is_ok();
    let waits = graph.edges.iter().filter(|edge| is_member(&edge.waiter));
    let waits = waits.map(|edge| (edge.waiter, edge.resource, edge.since));
    let holds = graph.holds.iter().filter(|hold| is_member(&hold.holder));
    let holds = holds.map(|hold| (hold.holder, hold.resource, hold.since));
    let mut key: Vec<_> =
        waits.chain(holds).chain(stuck.agents.iter().map(|&id| (id, Id::NONE, 0))).collect();
    key.sort_unstable();
    key
}

fn print(report: &str) {
    let text: String = format!("brigade: stuck, and can never go on\n{report}");
    // One write, so that other output stays out of it.
    _ = io::stderr().write_all(text.as_bytes());
    if std::env::var_os("BRIGADE_STUCK").is_some_and(|value| value == "exit") {
        std::process::exit(STUCK_EXIT_CODE);
    }
}
