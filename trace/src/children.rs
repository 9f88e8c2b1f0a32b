//! The parent's half of its workers' recordings.
//!
//! A worker records into memory that the parent has mapped as well. The parent tells it the session before a
//! call, and reads the memory when the recording is wanted, or when the worker has ended. The recordings of
//! workers that have ended are bounded in number, like the rings of threads.

use crate::{
    clock,
    event::Event,
    export::{Mode, ThreadTrace, Trace},
    file::{ProcessInfo, Role, Segment},
    registry,
    shared::{Settings, Shared},
    sync::AtomicU64,
};
use brigade_handle::{Id, fork::PerProcess, observe};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The recordings of this many workers that have ended are kept.
const ENDED_MAX: usize = 64;

/// Words that a worker process writes and this process reads.
pub trait SharedWords: Send + Sync {
    /// Returns the words.
    fn words(&self) -> &[AtomicU64];
}

impl SharedWords for Vec<AtomicU64> {
    fn words(&self) -> &[AtomicU64] {
        self
    }
}

static CHILDREN: PerProcess<Mutex<Children>> = PerProcess::new();

#[derive(Default)]
struct Children {
    session: u64,
    running: Vec<LiveChild>,
    /// Their times are stamps.
    ended: VecDeque<Segment>,
    /// Workers whose recordings were given up, and their events.
    lost_workers: u64,
    lost_events: u64,
}

#[derive(Clone)]
struct LiveChild {
    pid: u32,
    /// None for a worker that shares no memory.
    memory: Option<Arc<dyn SharedWords>>,
}

/// The workers of this session.
fn children(session: u64) -> MutexGuard<'static, Children> {
    let children = CHILDREN.get_or_init(Mutex::default).lock();
    let mut children = children.unwrap_or_else(PoisonError::into_inner);
    if children.session != session {
        *children = Children { session, ..Children::default() };
    }
    children
}

impl LiveChild {
    /// Copies what the worker has recorded in this session. Its times are stamps.
    fn segment(&self, session: u64, mode: Mode) -> Segment {
        let Some(memory) = &self.memory else {
            let process = ProcessInfo { pid: self.pid, role: Role::Remote, ..ProcessInfo::default() };
            return Segment { process, trace: Trace::default() };
        };
        let mut trace = Trace::default();
        if let Some(shared) = Shared::new(memory.words()).filter(|shared| shared.recorded() == session) {
            trace.threads = shared.threads(mode);
            (trace.sites, trace.labels) = shared.texts();
        }
        trace.threads.iter_mut().for_each(|thread| thread.process = self.pid);
        Segment { process: ProcessInfo { pid: self.pid, role: Role::Child, ..ProcessInfo::default() }, trace }
    }
}

impl Children {
    fn add_ended(&mut self, segment: Segment, mode: Mode) {
        let events = |segment: &Segment| segment.trace.events().count() as u64 + segment.trace.dropped();
        if self.ended.len() < ENDED_MAX {
            return self.ended.push_back(segment);
        }
        let lost = match mode {
            Mode::KeepFirst => Some(segment),
            Mode::KeepLast => {
                self.ended.push_back(segment);
                self.ended.pop_front()
            }
        };
        self.lost_workers += 1;
        self.lost_events += lost.as_ref().map_or(0, events);
    }

    /// The entry for the workers whose recordings were given up.
    fn lost(&self, mode: Mode) -> Option<Segment> {
        let name = format!("{} ended workers", self.lost_workers);
        let thread = ThreadTrace { name, mode, dropped: self.lost_events, ..ThreadTrace::default() };
        let process = ProcessInfo { role: Role::Child, ..ProcessInfo::default() };
        let trace = Trace { threads: vec![thread], ..Trace::default() };
        (self.lost_workers > 0).then_some(Segment { process, trace })
    }
}

/// Copies what the workers of the running session have recorded. `nanos` gives the time of a stamp.
pub(crate) fn segments(session: u64, mode: Mode, nanos: impl Fn(u64) -> u64) -> Vec<Segment> {
    let children = children(session);
    let running = children.running.clone();
    let mut segments: Vec<_> =
        children.lost(mode).into_iter().chain(children.ended.iter().cloned()).collect();
    drop(children);
    segments.extend(running.iter().map(|worker| worker.segment(session, mode)));
    for segment in &mut segments {
        segment.trace.epoch = clock::start().epoch();
        for thread in &mut segment.trace.threads {
            let timed = |event: &mut Event| event.at = nanos(event.at);
            thread.events.iter_mut().for_each(timed);
        }
    }
    segments
}

/// Forgets what workers have recorded.
pub(crate) fn forget() {
    if CHILDREN.get().is_some() {
        drop(children(0));
    }
}

/// The recording of one worker process, for its parent. Dropping it says that the worker has ended.
///
/// ```
/// use brigade_trace::{ChildTrace, Domain, SharedWords, WORKER_TRACE_WORDS, fresh_id};
/// use std::sync::{Arc, atomic::AtomicU64};
///
/// let words: Vec<_> = (0..WORKER_TRACE_WORDS).map(|_| AtomicU64::new(0)).collect();
/// let mut child = ChildTrace::new(Arc::new(words));
/// let session = brigade_trace::Session::start(16).unwrap();
/// child.given(4711, 1, fresh_id(Domain::Call));
/// let recording = session.finish();
/// assert_eq!(recording.segments[1].process.pid, 4711);
/// ```
pub struct ChildTrace {
    memory: Option<Arc<dyn SharedWords>>,
    pid: u32,
    /// The session that the worker was told, or 0.
    told: u64,
}

impl fmt::Debug for ChildTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildTrace").field("pid", &self.pid).field("told", &self.told).finish_non_exhaustive()
    }
}

impl ChildTrace {
    /// Makes the parent's half of a recording in this memory, whose words are zero.
    #[must_use]
    pub fn new(memory: Arc<dyn SharedWords>) -> Self {
        Self { memory: Some(memory), pid: 0, told: 0 }
    }

    /// Makes the place of a worker that shares no memory, whose events will be missing.
    ///
    /// ```
    /// let mut child = brigade_trace::ChildTrace::missing();
    /// child.given(4711, 1, brigade_trace::Id::NONE); // Nobody records.
    /// ```
    #[must_use]
    pub fn missing() -> Self {
        Self { memory: None, pid: 0, told: 0 }
    }

    /// The call with this number is about to be given to the worker, which is the process `pid`. If a session
    /// runs, the worker is told.
    #[inline]
    pub fn given(&mut self, pid: u32, number: u64, call: Id) {
        if observe::records() || self.told != 0 {
            self.tell(pid, number, call);
        }
    }

    #[cold]
    fn tell(&mut self, pid: u32, number: u64, call: Id) {
        let session = if observe::records() { registry::number() } else { 0 };
        let shared = self.memory.as_ref().and_then(|memory| Shared::new(memory.words()));
        if session != self.told {
            (self.pid, self.told) = (pid, session);
            let settings = Settings { mode: registry::mode(), stamping: clock::stamping() };
            if let Some(shared) = shared {
                shared.want(session, settings);
            }
            if session != 0 {
                children(session).running.push(LiveChild { pid, memory: self.memory.clone() });
            }
        }
        if let Some(shared) = shared {
            shared.name_call(number, call);
        }
    }
}

impl Drop for ChildTrace {
    fn drop(&mut self) {
        let (session, pid) = (self.told, self.pid);
        if session == 0 || !registry::is_here() || session != registry::number() {
            return;
        }
        let mode = registry::mode();
        let mut children = children(session);
        if let Some(place) = children.running.iter().position(|worker| worker.pid == pid) {
            let worker = children.running.swap_remove(place);
            children.add_ended(worker.segment(session, mode), mode);
        }
    }
}
