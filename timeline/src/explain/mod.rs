//! Where did the time go? The critical path of a recording, in buckets that add up to the wall time.
//!
//! 1. `gather.rs` goes through the events once and cuts the life of each task, job, call and thread into
//!    pieces: a *strand* (`strand.rs`).
//! 2. `cpu.rs` says how much of a run its thread had a processor for.
//! 3. `walk.rs` goes backwards from the end of a strand, and charges each moment to a [`Bucket`].
//! 4. `words.rs` says the result as a sentence and as lines of text.
//!
//! `what_if/` replays the strands under other conditions, and `diff.rs` compares two recordings.

mod cpu;
mod diff;
mod gather;
mod strand;
#[cfg(test)]
mod tests;
mod walk;
mod what_if;
mod words;

pub use diff::{Change, Difference, diff};
pub use what_if::{Edit, Prediction, WhatIf, what_if};

use brigade_trace::{Domain, Lane, Recording};
use cpu::Processors;
use std::{cmp::Reverse, collections::BTreeMap, fmt};
use strand::{Doing, Index, Key, Strands};

/// The use of a moment of the critical path.
///
/// ```
/// use brigade_timeline::Bucket;
///
/// assert_eq!(Bucket::ALL.len(), 11);
/// assert_eq!(Bucket::Ready.name(), "ready but queued");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bucket {
    /// A thread ran it, and had a processor.
    Running = 0,
    /// It could run, and no thread had taken it yet.
    Ready = 1,
    /// It waited for a lock or for a permit.
    Lock = 2,
    /// It waited for a channel, a queue, a notification or a barrier.
    Channel = 3,
    /// It waited for a timer.
    Timer = 4,
    /// It waited until a descriptor was ready.
    Io = 5,
    /// A child process computed, or its answer was on the way.
    Child = 6,
    /// Its thread slept in a call that no event describes, such as `thread::sleep`.
    Blocked = 7,
    /// Its thread could run, and the operating system ran others: wall time without CPU time.
    Preempted = 8,
    /// A future could go on, and the task or future that it is a part of did not poll it.
    NotPolled = 9,
    /// The recording does not say.
    Unexplained = 10,
}

impl Bucket {
    /// All buckets, in the order of [`Explanation::parts`].
    pub const ALL: [Self; 11] = [
        Self::Running,
        Self::Ready,
        Self::Lock,
        Self::Channel,
        Self::Timer,
        Self::Io,
        Self::Child,
        Self::Blocked,
        Self::Preempted,
        Self::NotPolled,
        Self::Unexplained,
    ];

    /// Returns the words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready but queued",
            Self::Lock => "lock or permit",
            Self::Channel => "channel or queue",
            Self::Timer => "timer",
            Self::Io => "I/O",
            Self::Child => "child process",
            Self::Blocked => "blocking call",
            Self::Preempted => "preempted by the OS",
            Self::NotPolled => "not polled by its parent",
            Self::Unexplained => "unexplained",
        }
    }
}

/// A part of the critical path: one strand, one bucket.
#[derive(Debug, Clone, Copy)]
struct Step {
    strand: Index,
    begin: u64,
    end: u64,
    bucket: Bucket,
    resource: Option<Key>,
    holder: Option<Index>,
    /// The place that waits.
    site: Option<u32>,
    /// How many waits of this kind the strand had at the time.
    together: u32,
}

/// The time that was spent in one bucket, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The bucket.
    pub bucket: Bucket,
    /// Nanoseconds in all.
    pub nanos: u64,
    /// How many parts of the path it consists of.
    pub count: u64,
    /// The work that ran or waited: a name, or its kind if it has none.
    pub subject: String,
    /// The thing that it waited for, or empty.
    pub resource: String,
    /// The work that held the resource, or empty.
    pub holder: String,
    /// The place in the program that waited, or that spawned what ran; or empty.
    pub site: String,
    /// Whether the site is a place that waited.
    pub site_waits: bool,
}

/// Where the time of a program, or of a task, went.
///
/// ```
/// use brigade_timeline::why;
/// use brigade_trace::{Recording, Session};
///
/// let session = Session::start(64).unwrap();
/// let recording = Recording::from(session.stop());
/// let explanation = why(&recording, None)?;
/// assert_eq!(explanation.parts.iter().sum::<u64>(), explanation.end - explanation.begin);
/// # Ok::<(), brigade_timeline::CannotExplain>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The program's main thread, or the task that was asked for.
    pub subject: String,
    /// When it began, in nanoseconds since the first event.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
    /// Nanoseconds in each bucket, in the order of [`Bucket::ALL`]. They add up to the wall time.
    pub parts: [u64; 11],
    /// For each bucket, how many waits of this kind overlapped at most.
    pub overlaps: [u32; 11],
    /// The time of each reason, the longest first.
    pub reasons: Vec<Reason>,
    /// Sentences that a reader must know.
    pub notes: Vec<String>,
    /// Whether the path leads through work that an executor runs, so that workers matter.
    has_work: bool,
}

/// Why there is no explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotExplain {
    /// The recording holds no events.
    Empty,
    /// No task has this name or id. The second field says which there are.
    NoSuchTask(String, String),
}

impl fmt::Display for CannotExplain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the recording holds no events"),
            Self::NoSuchTask(name, known) if known.is_empty() => {
                write!(
                    f,
                    "the recording has no task {name}, and no other; leave it out to explain the program"
                )
            }
            Self::NoSuchTask(name, known) => write!(f, "the recording has no task {name}; it has {known}"),
        }
    }
}

impl std::error::Error for CannotExplain {}

/// Explains where the time of the program went, or that of the task, job, call or future with this name or
/// id. If several have the name, the one that took longest is explained, and a note says so.
///
/// [`Explanation`] has an example.
///
/// # Errors
///
/// Returns [`CannotExplain::Empty`] if there are no events, [`CannotExplain::NoSuchTask`] if no work has
/// that name.
pub fn why(recording: &Recording, task: Option<&str>) -> Result<Explanation, CannotExplain> {
    let strands = gather::strands(recording);
    let mut notes = Vec::new();
    let subject = match task {
        Some(name) => find(&strands, name, &mut notes)?,
        None => main_thread(&strands).ok_or(CannotExplain::Empty)?,
    };
    let (begin, end) = match task {
        Some(_) => (strands.all[subject].begin, strands.all[subject].end),
        None => (0, strands.length),
    };
    if strands.dropped > 0 {
        notes.push(format!("{} events are missing, because a ring was full.", strands.dropped));
    }
    if task.is_some() && !strands.all[subject].has_ended {
        notes.push("It had not ended when the recording did.".into());
    }
    let processors = Processors::of(&strands);
    let mut walk = walk::Walk::new(&strands, &processors);
    walk.explain(subject, begin, end);
    Ok(explanation(&strands, subject, (begin, end), &walk.steps, notes))
}

/// The explanation of the program, and the sentences of the tasks that took longest, each with its id.
pub(crate) fn longest(recording: &Recording, most: usize) -> (Option<Explanation>, Vec<(String, String)>) {
    let strands = gather::strands(recording);
    let processors = Processors::of(&strands);
    let explain = |subject: Index, begin: u64, end: u64| {
        let mut walk = walk::Walk::new(&strands, &processors);
        walk.explain(subject, begin, end);
        explanation(&strands, subject, (begin, end), &walk.steps, Vec::new())
    };
    let program = main_thread(&strands).map(|main| explain(main, 0, strands.length));
    let is_task = |&index: &Index| !strands.all[index].is_thread() && strands.all[index].process == 0;
    let mut tasks: Vec<Index> = (0..strands.all.len()).filter(is_task).collect();
    tasks.sort_by_key(|&index| Reverse(strands.all[index].end - strands.all[index].begin));
    tasks.truncate(most);
    let sentence = |index: Index| {
        let strand = &strands.all[index];
        (strand.id.to_string(), explain(index, strand.begin, strand.end).sentence())
    };
    (program, tasks.into_iter().map(sentence).collect())
}

/// The thread that the program began in; without one, the thread that recorded last.
fn main_thread(strands: &Strands) -> Option<Index> {
    let is_main = |strand: Index| strands.all[strand].name == "main";
    let ours = || strands.threads.iter().filter(|thread| thread.lane != Lane::Child);
    let plain = ours().filter(|thread| thread.lane == Lane::Thread);
    let main = plain.clone().find(|thread| is_main(thread.strand) && thread.process == 0);
    let last = |thread: &&strand::ThreadFacts| thread.cpu.last().map(|sample| sample.at);
    let main = main.or_else(|| plain.max_by_key(last)).or_else(|| ours().max_by_key(last));
    main.map(|thread| thread.strand).filter(|_| strands.length > 0)
}

fn find(strands: &Strands, name: &str, notes: &mut Vec<String>) -> Result<Index, CannotExplain> {
    let units = || strands.all.iter().enumerate().filter(|(_, strand)| !strand.is_thread());
    let matching = units().filter(|(_, strand)| strand.name == name || strand.id.to_string() == name);
    let matching: Vec<_> = matching.map(|(index, strand)| (strand.end - strand.begin, index)).collect();
    let Some(&(_, longest)) = matching.iter().max_by_key(|&&(length, index)| (length, usize::MAX - index))
    else {
        let mut names: Vec<_> = units().map(|(_, strand)| strand.name.as_str()).collect();
        let all = names.len();
        names.truncate(8);
        let more = if all > names.len() { format!(" and {} more", all - names.len()) } else { String::new() };
        return Err(CannotExplain::NoSuchTask(name.into(), names.join(", ") + &more));
    };
    if matching.len() > 1 {
        let id = strands.all[longest].id;
        notes.push(format!("{} are called {name}: this is the one that took longest, {id}.", matching.len()));
    }
    Ok(longest)
}

fn explanation(
    strands: &Strands,
    subject: Index,
    (begin, end): (u64, u64),
    steps: &[Step],
    notes: Vec<String>,
) -> Explanation {
    let (mut parts, mut overlaps) = ([0; 11], [0; 11]);
    let mut longest: BTreeMap<Bucket, &Step> = BTreeMap::new();
    // Subject, resource, holder and site.
    let mut reasons: BTreeMap<(Bucket, [String; 4], bool), (u64, u64)> = BTreeMap::new();
    for step in steps {
        let nanos = step.end - step.begin;
        let part: &mut u64 = &mut parts[step.bucket as usize];
        // In a damaged file, strands may overlap.
        *part = part.saturating_add(nanos);
        let best = longest.entry(step.bucket).or_insert(step);
        if nanos > best.end - best.begin {
            *best = step;
        }
        let name = |strand: Index| strands.all[strand].name.clone();
        let resource = step.resource.map_or(String::new(), |key| strands.resource_name(key));
        let holder = step.holder.map_or(String::new(), name);
        let own_site = strands.all[step.strand].site;
        let site = strands.text(step.site.or(own_site)).unwrap_or("").to_owned();
        let reason =
            (step.bucket, [family(strands, step.strand), resource, holder, site], step.site.is_some());
        let sum = reasons.entry(reason).or_default();
        *sum = (sum.0.saturating_add(nanos), sum.1 + 1);
    }
    for (bucket, step) in longest {
        overlaps[bucket as usize] = overlap(strands, step);
    }
    let mut reasons: Vec<Reason> = reasons
        .into_iter()
        .map(|((bucket, [subject, resource, holder, site], site_waits), (nanos, count))| Reason {
            bucket,
            nanos,
            count,
            subject,
            resource,
            holder,
            site,
            site_waits,
        })
        .collect();
    reasons.sort_by_key(|reason| Reverse(reason.nanos));
    let has_work = steps.iter().any(|step| !strands.all[step.strand].is_thread());
    let subject = strands.all[subject].name.clone();
    Explanation { subject, begin, end, parts, overlaps, reasons, notes, has_work }
}

/// A strand's name, or the kind of work if it has none: ten thousand jobs are one reason.
fn family(strands: &Strands, strand: Index) -> String {
    let strand = &strands.all[strand];
    if strand.is_thread() { strand.name.clone() } else { anonymous(&strand.name) }
}

/// The name without the number of an id.
fn anonymous(name: &str) -> String {
    let base =
        name.split_once('#').map(|(base, number)| (base, number.bytes().all(|byte| byte.is_ascii_digit())));
    match base {
        Some((base, true)) => base.into(),
        _ => name.into(),
    }
}

/// How many waits of the same kind, of work from the same place, overlapped a wait at most.
fn overlap(strands: &Strands, step: &Step) -> u32 {
    let own = &strands.all[step.strand];
    let is_alike = |other: &strand::Strand| {
        (other.id.domain(), other.process, other.site, other.parent)
            == (own.id.domain(), own.process, own.site, own.parent)
    };
    if own.is_thread() || own.id.domain() == Domain::Future {
        return step.together;
    }
    let waits = |other: &strand::Strand| -> Vec<(u64, u64)> {
        let pieces = other.pieces_in(step.begin, step.end).iter();
        let waits = pieces.filter(|piece| match &piece.doing {
            Doing::Wait(wait) => walk::bucket_of(wait.cause) == step.bucket,
            Doing::InChild => step.bucket == Bucket::Child,
            _ => false,
        });
        waits.map(|piece| (piece.begin, piece.end)).collect()
    };
    let alike = strands.all.iter().filter(|other| is_alike(other));
    let mut changes: Vec<(u64, i32)> =
        alike.flat_map(waits).flat_map(|(begin, end)| [(begin, 1), (end, -1)]).collect();
    changes.sort_unstable();
    let depths = changes.iter().scan(0, |depth, (_, change)| {
        *depth += change;
        Some(*depth)
    });
    depths.max().unwrap_or(0).max(1) as u32
}
