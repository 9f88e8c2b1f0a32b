//! Limits of a flight recorder: a run or a wait that lasts longer asks for a dump.
//!
//! While a recording has a limit, each event passes here on its way to the ring. A thread notes which run
//! is the innermost, and since when; waits lie in a table. The thread of recordings (`program/signals.rs`)
//! looks at both from time to time, so a run that never ends is found, too. A run or wait that is over in
//! between is found at its end.

use crate::{
    clock,
    event::{Event, Kind},
};
use brigade_handle::{Domain, Id, fork::PerProcess};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Counts the changes of the limits. A run or wait that began before one is not watched after it.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// Whether there is a limit.
static ARMED: AtomicBool = AtomicBool::new(false);
/// The present limits and what they watch. A forked child has none.
static WATCHED: PerProcess<Mutex<Watched>> = PerProcess::new();

/// More waits than this are not watched at a time.
const WAITS_MAX: usize = 1 << 16;

/// How long a run and a wait may last. None: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) run: Option<Duration>,
    pub(crate) wait: Option<Duration>,
}

impl Limits {
    /// How often somebody is to look for what lasts too long. None: never.
    pub(crate) fn interval(self) -> Option<Duration> {
        let shortest = self.run.into_iter().chain(self.wait).min()?;
        Some((shortest / 2).clamp(Duration::from_millis(1), Duration::from_secs(1)))
    }
}

/// The innermost run of a thread.
#[derive(Debug, Default)]
struct Running {
    id: AtomicU64,
    /// When it began, as a stamp; 0 if nothing runs.
    since: AtomicU64,
    /// The number of the limits that it began under.
    change: AtomicU64,
    /// The begin of the run that was reported last.
    reported: AtomicU64,
}

#[derive(Default)]
struct Watched {
    limits: Limits,
    threads: Vec<Weak<Running>>,
    /// For each waiter and resource: since when, as a stamp, and whether it was reported.
    waits: BTreeMap<(Id, Id), (u64, bool)>,
    /// The reason for a dump that was not written yet.
    reason: Option<String>,
    /// Has the thread of recordings look here.
    ring: Option<fn()>,
}

fn watched() -> MutexGuard<'static, Watched> {
    // A panic leaves no change in here half done.
    WATCHED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runs of a thread.
#[derive(Default)]
struct Runs {
    shown: Option<Arc<Running>>,
    /// The runs around the innermost one, and it, with the stamps of their begins.
    stack: Vec<(Id, u64)>,
}

thread_local! {
    static RUNS: RefCell<Runs> = RefCell::default();
}

/// Sets the limits. `ring` is called when a run or wait has ended that was too long.
pub(crate) fn set(limits: Limits, ring: fn()) {
    let mut watched = watched();
    let is_armed = limits != Limits::default();
    let threads = std::mem::take(&mut watched.threads);
    *watched = Watched { limits, threads, ring: Some(ring), ..Watched::default() };
    // Relaxed, both: a run at the edge may be watched or not.
    CHANGES.fetch_add(1, Relaxed);
    ARMED.store(is_armed, Relaxed);
}

/// Whether there is a limit, so that each event is to be shown to [`watch`].
#[inline]
pub(crate) fn are_set() -> bool {
    ARMED.load(Relaxed)
}

/// An event is on its way to the ring.
#[cold]
pub(crate) fn watch(event: &Event) {
    let is_run = matches!(event.subject.domain(), Domain::Task | Domain::Job);
    match event.kind {
        Kind::RunBegin if is_run => begin_run(event.subject, event.at),
        Kind::RunEnd if is_run => end_run(event.subject, event.at),
        Kind::WaitBegin => {
            let mut watched = watched();
            if watched.limits.wait.is_some() && watched.waits.len() < WAITS_MAX {
                watched.waits.insert((event.subject, event.by), (event.at, false));
            }
        }
        Kind::WaitEnd => {
            let mut watched = watched();
            if let Some((since, false)) = watched.waits.remove(&(event.subject, event.by)) {
                let what = || format!("{} has waited for {}", event.subject, event.by);
                let limit = watched.limits.wait;
                watched.check(since, event.at, limit, what);
            }
        }
        _ => {}
    }
}

/// A run begins, or a poll of the future of a `block_on`, which goes by its thread or job.
pub(crate) fn begin_run(id: Id, at: u64) {
    // A thread that is ending has no place for it any more.
    let _ = RUNS.try_with(|runs| {
        let Runs { shown, stack } = &mut *runs.borrow_mut();
        let change = CHANGES.load(Relaxed);
        if shown.as_ref().is_some_and(|shown| shown.change.load(Relaxed) != change) {
            stack.clear();
        }
        stack.push((id, at));
        let shown = shown.get_or_insert_with(|| {
            let made = Arc::new(Running::default());
            let mut watched = watched();
            watched.threads.retain(|thread| thread.strong_count() > 0);
            watched.threads.push(Arc::downgrade(&made));
            made
        });
        shown.show(id, at);
        shown.change.store(change, Relaxed);
    });
}

/// The run ends that [`begin_run`] has told.
pub(crate) fn end_run(id: Id, at: u64) {
    let _ = RUNS.try_with(|runs| {
        let Runs { shown, stack } = &mut *runs.borrow_mut();
        // The begin may have come before the limit.
        let Some(place) = stack.iter().rposition(|&(running, _)| running == id) else { return };
        let (_, since) = stack[place];
        stack.truncate(place);
        let Some(shown) = shown.as_ref().filter(|shown| shown.change.load(Relaxed) == CHANGES.load(Relaxed))
        else {
            return;
        };
        let is_reported = shown.reported.load(Relaxed) == since;
        let (outer, begin) = stack.last().copied().unwrap_or((Id::NONE, 0));
        shown.show(outer, begin);
        if !is_reported {
            let mut watched = watched();
            let limit = watched.limits.run;
            watched.check(since, at, limit, || format!("{id} has run"));
        }
    });
}

impl Running {
    fn show(&self, id: Id, since: u64) {
        // Relaxed: a look between the two stores may name a neighbour.
        self.id.store(id.to_bits(), Relaxed);
        self.since.store(since, Relaxed);
    }
}

impl Watched {
    /// Notes the reason for a dump if more time than the limit has passed. Returns whether it has.
    fn check(
        &mut self,
        since: u64,
        now: u64,
        limit: Option<Duration>,
        what: impl FnOnce() -> String,
    ) -> bool {
        let lasted = clock::between(since, now);
        if limit.is_none_or(|limit| lasted <= limit) {
            return false;
        }
        if self.reason.is_none() {
            self.reason = Some(format!("{} for {lasted:.1?}", what()));
            self.ring.into_iter().for_each(|ring| ring());
        }
        true
    }
}

/// Looks for runs and waits that last too long. Returns what was found, here or at the end of one, as a
/// sentence.
pub(crate) fn overdue() -> Option<String> {
    if !ARMED.load(Relaxed) {
        return None;
    }
    let mut watched = watched();
    let (now, limits) = (clock::stamp(), watched.limits);
    let threads: Vec<_> = watched.threads.iter().filter_map(Weak::upgrade).collect();
    for thread in threads {
        let (id, since) = (Id::from_bits(thread.id.load(Relaxed)), thread.since.load(Relaxed));
        if since != 0
            && thread.change.load(Relaxed) == CHANGES.load(Relaxed)
            && thread.reported.load(Relaxed) != since
            && watched.check(since, now, limits.run, || format!("{id} has run"))
        {
            thread.reported.store(since, Relaxed);
        }
    }
    let waits = std::mem::take(&mut watched.waits);
    let look = |((waiter, resource), (since, is_reported)): ((Id, Id), (u64, bool))| {
        let what = || format!("{waiter} has waited for {resource}");
        let is_reported = is_reported || watched.check(since, now, limits.wait, what);
        ((waiter, resource), (since, is_reported))
    };
    let waits = waits.into_iter().map(look).collect();
    watched.waits = waits;
    watched.reason.take()
}
