//! Schedules: the list of choices that differ from what would happen anyway.
//!
//! A schedule is a set of deviations. Each is named by the thread that comes to the choice, the kind of the
//! choice, and how many choices of that kind the thread came to before:
//!
//! ```text
//!   w1.steal.3=2      the fourth time that thread w1 looked for a victim, it began with the third one
//! ```
//!
//! Since a name does not depend on the other deviations, one can be taken out and the rest still mean the
//! same. Every list is a valid schedule: a number that is too large is taken modulo the number of ways, and a
//! choice that the run does not come to is ignored.

use brigade_handle::explore::Kind;
use serde::{Deserialize, Serialize};
use std::{error, fmt, str::FromStr};

/// A choice that differs from what would happen anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Deviation {
    /// The name of the choice.
    pub key: Key,
    /// The index of the way that the run goes. It is not 0.
    pub value: u32,
}

/// The name of a choice within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The number of the thread that comes to it. 0 is the root.
    pub thread: u32,
    /// The index of the kind in [`Kind::ALL`].
    kind: u8,
    /// How many choices of this kind the thread came to before.
    pub nth: u32,
}

impl Key {
    /// Makes the name of a choice.
    #[must_use]
    pub fn new(thread: u32, kind: Kind, nth: u32) -> Self {
        Self { thread, kind: kind as u8, nth }
    }

    /// Returns the kind of the choice.
    #[must_use]
    pub fn kind(self) -> Kind {
        Kind::ALL[usize::from(self.kind)]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", ThreadName(self.thread), self.kind().name(), self.nth)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A thread of a run in a written schedule: `root`, or `w1` for the first that was spawned.
pub(crate) struct ThreadName(pub(crate) u32);

impl fmt::Display for ThreadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("root") } else { write!(f, "w{}", self.0) }
    }
}

/// A set of deviations, in the order in which they were made or written.
///
/// ```
/// use brigade_explore::Schedule;
///
/// let schedule: Schedule = "w1.steal.3=2 root.preempt.1=1".parse().unwrap();
/// assert_eq!(schedule.deviations().len(), 2);
/// assert_eq!(schedule.to_string(), "w1.steal.3=2 root.preempt.1=1");
/// let error = "w1.stael.3=2".parse::<Schedule>().unwrap_err();
/// assert!(error.to_string().starts_with("\"w1.stael.3=2\" is no choice: the kinds are switch, preempt"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule(Vec<Deviation>);

impl Schedule {
    /// Makes a schedule of these deviations. A later one replaces an earlier one of the same choice.
    #[must_use]
    pub fn new(deviations: impl IntoIterator<Item = Deviation>) -> Self {
        let mut all: Vec<Deviation> = Vec::new();
        for deviation in deviations {
            all.retain(|other| other.key != deviation.key);
            all.push(deviation);
        }
        all.retain(|deviation| deviation.value != 0);
        Self(all)
    }

    /// Returns the deviations.
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.0
    }

    /// Returns whether one of the deviations is about this choice.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.0.iter().any(|deviation| deviation.key == key)
    }

    /// Returns the number of deviations of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.0.iter().filter(|deviation| deviation.key.kind() == kind).count()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, deviation) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{deviation}")?;
        }
        Ok(())
    }
}

/// Says why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSchedule(String);

impl fmt::Display for NoSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for NoSchedule {}

impl FromStr for Schedule {
    type Err = NoSchedule;

    fn from_str(text: &str) -> Result<Self, NoSchedule> {
        let deviations: Result<Vec<_>, _> = text.split_whitespace().map(parse_deviation).collect();
        deviations.map(Self::new)
    }
}

fn parse_deviation(word: &str) -> Result<Deviation, NoSchedule> {
    let no = |why: String| NoSchedule(format!("{word:?} is no choice: {why}"));
    let form = || no("write it as w1.preempt.3=1, or root.preempt.3=1".to_owned());
    let (key, value) = word.split_once('=').ok_or_else(form)?;
    let mut parts = key.split('.');
    let (Some(thread), Some(kind), Some(nth), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form());
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| form());
    let thread = match thread.strip_prefix('w') {
        Some(number_text) => number(number_text)?,
        None if thread == "root" => 0,
        None => return Err(form()),
    };
    let Some(kind) = Kind::ALL.into_iter().find(|other| other.name() == kind) else {
        let names = Kind::ALL.map(Kind::name).join(", ");
        return Err(no(format!("the kinds are {names}")));
    };
    Ok(Deviation { key: Key::new(thread, kind, number(nth)?), value: number(value)? })
}
