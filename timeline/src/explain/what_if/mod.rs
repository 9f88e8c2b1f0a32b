//! The effect of a change: a recording is replayed with other workers, without a lock, or with a faster part.
//!
//! 1. `graph.rs` makes the graph of work from the strands.
//! 2. `replay.rs` runs it through a list scheduler.
//! 3. The replay of the run as it was says how good the model is. Its error widens the range of every
//!    prediction, and if it is too large there is none.

mod graph;
mod replay;
#[cfg(test)]
mod tests;

use crate::{
    explain::{cpu::Processors, gather, main_thread, strand::Strands, words::is_site},
    words::duration,
};
use brigade_trace::Recording;
use graph::{Graph, Op};
use replay::{Conditions, Order, replay};
use std::fmt;

/// The replay of the run as it was may miss the recorded time by this share.
const ERROR_MAX: f64 = 0.25;
/// Every range is at least so much wider than the replays: the same program never runs twice alike.
const SPREAD: f64 = 0.05;
/// Beyond that, wake-ups and starts of threads may take so many nanoseconds more.
const START_NANOS: f64 = 3e6;
/// The waits for channels, whose ends the replay takes as given, may be this share of the run.
const CHANNEL_MAX: f64 = 0.1;

/// A change to a recorded run.
///
/// ```
/// use brigade_timeline::Edit;
///
/// assert_eq!(Edit::faster("fetch.rs:7×2"), Ok(Edit::Faster { site: "fetch.rs:7".into(), times: 2.0 }));
/// assert_eq!(Edit::faster("fetch.rs:7x2"), Edit::faster("fetch.rs:7×2"));
/// assert!(Edit::faster("fetch.rs:7").is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// This number of workers for each executor.
    Workers(usize),
    /// No lock of this name.
    WithoutLock(String),
    /// A wait at this place in the program, or work spawned there, takes so many times less.
    Faster {
        /// `file:line`, or the end of it.
        site: String,
        /// How many times faster.
        times: f64,
    },
}

impl Edit {
    /// Parses a place and a factor: `file.rs:12×2` or `file.rs:12x2`.
    ///
    /// # Errors
    ///
    /// Returns a line that says what is wrong.
    pub fn faster(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('×').or_else(|| text.rsplit_once('x'));
        let parts = parts.and_then(|(site, times)| Some((site.trim(), times.trim().parse::<f64>().ok()?)));
        match parts {
            Some((site, times)) if !site.is_empty() && (0.01..=10_000.0).contains(&times) => {
                Ok(Self::Faster { site: site.into(), times })
            }
            _ => Err("not a place and a factor from 0.01 to 10000, such as main.rs:12×2".into()),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers(workers) => write!(f, "workers {workers}"),
            Self::WithoutLock(name) => write!(f, "without lock {name}"),
            Self::Faster { site, times } => write!(f, "{site} ×{times}"),
        }
    }
}

/// The effect of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The change.
    pub edit: Edit,
    /// The shortest and the longest time expected, in nanoseconds, or why there is none.
    pub range: Result<(u64, u64), String>,
}

/// The model of a recorded run, and the effects of changes to it.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIf {
    /// The recorded time, in nanoseconds.
    pub recorded: u64,
    /// The time that the replay of the run as it was takes.
    pub replayed: u64,
    /// The time of all work on threads and in child processes.
    pub work: u64,
    /// The time with any number of workers and processors.
    pub span: u64,
    /// The workers of the executors, added up.
    pub workers: usize,
    /// The predictions, in the order of the changes.
    pub predictions: Vec<Prediction>,
}

impl WhatIf {
    /// Returns how many workers the work could keep busy: work divided by span.
    #[must_use]
    pub fn parallelism(&self) -> f64 {
        self.work as f64 / self.span.max(1) as f64
    }

    /// Returns the first line of the answer.
    #[must_use]
    pub fn summary(&self) -> String {
        let workers = match self.workers {
            0 => "on the program's own threads".into(),
            1 => "with one worker".into(),
            workers => format!("with {workers} workers"),
        };
        format!(
            "Recorded: {} {workers}. Work {}, span {}, parallelism {:.1}. The replay of this run takes {}.",
            duration(self.recorded),
            duration(self.work),
            duration(self.span),
            self.parallelism(),
            duration(self.replayed),
        )
    }
}

/// Predicts what changes to a recorded run would do, on a machine with so many processors.
///
/// ```
/// use brigade_timeline::{Edit, what_if};
/// use brigade_trace::Recording;
///
/// let nothing = what_if(&Recording::default(), &[Edit::Workers(2)], 2);
/// assert_eq!(nothing.unwrap_err(), "the recording holds no events");
/// ```
///
/// # Errors
///
/// Returns a line that says why the model does not hold for this recording at all: events are missing, or the
/// replay of the run as it was misses the recorded time.
pub fn what_if(recording: &Recording, edits: &[Edit], processors: usize) -> Result<WhatIf, String> {
    let strands = gather::strands(recording);
    let root = main_thread(&strands).ok_or("the recording holds no events")?;
    if strands.dropped > 0 {
        return Err(format!("{} events are missing, because a ring was full", strands.dropped));
    }
    let graph = Graph::of(&strands, &Processors::of(&strands));
    let recorded = strands.length;
    let channels = graph.channel_nanos as f64 / recorded.max(1) as f64;
    if channels > CHANNEL_MAX {
        return Err(format!(
            "waits for channels and queues are {:.0} % of the run, and the replay takes their ends as given",
            100.0 * channels
        ));
    }
    let unchanged = conditions(&graph, processors);
    let run = |graph: &Graph, conditions: &Conditions| {
        replay(graph, root, conditions)
            .ok_or("the replay of this run never ends: the recording lacks its causes")
    };
    let replayed = run(&graph, &unchanged)?;
    let error = recorded as f64 / replayed.max(1.0);
    if !(1.0 - ERROR_MAX..=1.0 + ERROR_MAX).contains(&error) {
        return Err(format!(
            "the replay of the run as it was takes {} instead of {}, so the model does not hold",
            duration(replayed as u64),
            duration(recorded)
        ));
    }
    let endless =
        Conditions { workers: vec![1 << 20; graph.groups.len()], processors: 1 << 20, ..unchanged.clone() };
    let model = Model { strands: &strands, graph: &graph, root, unchanged: &unchanged, error };
    let predict = |edit: &Edit| Prediction { edit: edit.clone(), range: model.predict(edit) };
    Ok(WhatIf {
        recorded,
        replayed: replayed as u64,
        work: graph.ops.iter().flatten().map(|op| work(*op)).sum::<f64>() as u64,
        span: run(&graph, &endless)? as u64,
        workers: graph.groups.iter().filter(|group| group.is_elastic).map(|group| group.workers).sum(),
        predictions: edits.iter().map(predict).collect(),
    })
}

fn work(op: Op) -> f64 {
    if let Op::Work { cpu, asleep } = op { cpu + asleep } else { 0.0 }
}

fn conditions(graph: &Graph, processors: usize) -> Conditions {
    let workers = graph.groups.iter().map(|group| group.workers).collect();
    Conditions { workers, processors: processors.max(1), order: Order::OldestFirst, without: None }
}

/// A model that holds for the run as it was.
struct Model<'a> {
    strands: &'a Strands,
    graph: &'a Graph,
    root: usize,
    unchanged: &'a Conditions,
    /// The recorded time divided by that of the replay.
    error: f64,
}

impl Model<'_> {
    fn predict(&self, edit: &Edit) -> Result<(u64, u64), String> {
        let mut conditions = self.unchanged.clone();
        match edit {
            Edit::Workers(workers) => self.set_workers(&mut conditions, *workers)?,
            Edit::WithoutLock(name) => conditions.without = Some(self.lock(name)?),
            Edit::Faster { site, times } => return self.range(&self.faster(site, *times)?, &conditions),
        }
        self.range(self.graph, &conditions)
    }

    fn range(&self, graph: &Graph, conditions: &Conditions) -> Result<(u64, u64), String> {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let time = replay(graph, self.root, &Conditions { order, ..conditions.clone() });
            let time = time.ok_or("the replay never ends")?;
            least = least.min(time * self.error.min(1.0));
            most = most.max(time * self.error.max(1.0));
        }
        Ok(((least * (1.0 - SPREAD)) as u64, (most * (1.0 + SPREAD) + START_NANOS) as u64))
    }

    fn set_workers(&self, conditions: &mut Conditions, workers: usize) -> Result<(), String> {
        let groups = &self.graph.groups;
        if !groups.iter().any(|group| group.is_elastic && group.workers > 0) {
            return Err("nothing here runs on workers".into());
        }
        let most =
            groups.iter().filter(|group| group.is_elastic).map(|group| group.workers).max().unwrap_or(0);
        if self.graph.stolen > 0 && workers > most {
            return Err(format!(
                "joins and maps split work when a worker steals it: more than {most} workers would split it further"
            ));
        }
        for (count, group) in conditions.workers.iter_mut().zip(groups) {
            if group.is_elastic {
                *count = workers;
            }
        }
        Ok(())
    }

    fn lock(&self, name: &str) -> Result<usize, String> {
        let is_it = |lock: &(String, usize)| lock.0 == name || lock.0.strip_prefix("lock ") == Some(name);
        self.graph.locks.iter().position(is_it).ok_or_else(|| {
            let known: Vec<_> = self.graph.locks.iter().map(|lock| lock.0.as_str()).take(8).collect();
            let known = if known.is_empty() {
                "none was taken".into()
            } else {
                format!("there is {}", known.join(", "))
            };
            format!("no lock is called {name}; {known}")
        })
    }

    /// The graph with a part of it faster.
    fn faster(&self, site: &str, times: f64) -> Result<Graph, String> {
        let chosen: Vec<bool> = self.strands.texts.iter().map(|text| is_site(text, site)).collect();
        let mut ops = self.graph.ops.clone();
        let mut changed = 0;
        for (ops, sites) in ops.iter_mut().zip(&self.graph.sites) {
            for (op, _) in
                ops.iter_mut().zip(sites).filter(|(_, site)| site.is_some_and(|site| chosen[site as usize]))
            {
                changed += 1;
                match op {
                    Op::Work { cpu, asleep } => (*cpu, *asleep) = (*cpu / times, *asleep / times),
                    Op::Delay(nanos) => *nanos /= times,
                    _ => changed -= 1,
                }
            }
        }
        if changed == 0 {
            return Err(format!("nothing waits at {site} or was spawned there"));
        }
        let graph = self.graph;
        Ok(Graph {
            ops,
            group: graph.group.clone(),
            groups: graph.groups.clone(),
            locks: graph.locks.clone(),
            ..Graph::default()
        })
    }
}
