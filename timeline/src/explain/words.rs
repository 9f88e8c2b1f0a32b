//! An explanation as a sentence that a human would say, and as lines of text.

use super::{Bucket, Explanation, Reason};
use crate::{
    text::push_line,
    words::{cut, duration},
};
use std::fmt::Write;

/// How many reasons the text lists.
const REASONS_MAX: usize = 8;
/// The columns of a bucket's name in the table, and of all that stands before the bar beside it.
const NAME_COLUMNS: usize = 25;
const TIME_COLUMNS: usize = 21;
/// The sentence leaves out parts shorter than this share of the whole.
const LEAST_SHARE: f64 = 0.001;

impl Explanation {
    /// Returns the wall time in nanoseconds.
    #[must_use]
    pub fn wall(&self) -> u64 {
        self.end - self.begin
    }

    /// Returns the part of a bucket in nanoseconds.
    #[must_use]
    pub fn part(&self, bucket: Bucket) -> u64 {
        self.parts[bucket as usize]
    }

    /// Returns the explanation as one sentence, and a second one that says whether more workers would help.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut parts: Vec<Bucket> =
            Bucket::ALL.into_iter().filter(|&bucket| self.part(bucket) > 0).collect();
        parts.sort_by_key(|&bucket| std::cmp::Reverse(self.part(bucket)));
        let is_worth = |&bucket: &Bucket| self.part(bucket) as f64 >= LEAST_SHARE * self.wall() as f64;
        let mut said: Vec<Bucket> = parts.iter().copied().filter(is_worth).collect();
        // A quick sentence still says how little it computed.
        if !said.contains(&Bucket::Running) && self.part(Bucket::Running) > 0 {
            said.push(Bucket::Running);
        }
        let said: Vec<String> = said.into_iter().map(|bucket| self.phrase(bucket)).collect();
        let all = duration(self.wall());
        if said.is_empty() {
            return format!("{all}: nothing happened.");
        }
        format!("{all}: {}. {}", said.join(", "), self.advice())
    }

    fn phrase(&self, bucket: Bucket) -> String {
        let time = duration(self.part(bucket));
        let what = match bucket {
            Bucket::Running => "CPU".into(),
            Bucket::Ready => "ready but not yet run".into(),
            Bucket::Lock => self.waits(bucket, "lock", "locks"),
            Bucket::Channel => self.waits(bucket, "channel or queue", "channels or queues"),
            Bucket::Timer => self.waits(bucket, "timer", "timers"),
            Bucket::Io => self.waits(bucket, "I/O wait", "I/O waits"),
            Bucket::Child => self.waits(bucket, "child process", "calls to child processes"),
            Bucket::Blocked => "asleep in a call that Brigade does not see".into(),
            Bucket::Preempted => "preempted by the operating system".into(),
            Bucket::NotPolled => "not polled by its parent".into(),
            Bucket::Unexplained => "unexplained".into(),
        };
        format!("{time} {what}")
    }

    /// "waiting for 5 overlapping timers", or "for 5 timers, one after the other".
    fn waits(&self, bucket: Bucket, one: &str, many: &str) -> String {
        let of_bucket = || self.reasons.iter().filter(|reason| reason.bucket == bucket);
        let count: u64 = of_bucket().map(|reason| reason.count).sum();
        match (self.overlaps[bucket as usize], count) {
            (overlap @ 2.., _) => format!("waiting for {overlap} overlapping {many}"),
            (_, 2..) => format!("waiting {count} times for {} {one}", article(one)),
            _ => match of_bucket().find(|reason| bucket == Bucket::Lock && !reason.resource.is_empty()) {
                Some(Reason { resource, holder, .. }) if holder.is_empty() => {
                    format!("waiting for {resource}")
                }
                Some(Reason { resource, holder, .. }) => format!("waiting for {resource}, held by {holder}"),
                None => format!("waiting for {} {one}", article(one)),
            },
        }
    }

    /// Whether more workers would help.
    fn advice(&self) -> &'static str {
        let share = |bucket| self.part(bucket) as f64 / self.wall().max(1) as f64;
        if !self.has_work {
            "One thread did it all, so more workers would not help."
        } else if share(Bucket::Preempted) >= 0.2 {
            "More processors would help; more workers would not."
        } else if share(Bucket::Ready) >= 0.1 {
            "More workers would help."
        } else if share(Bucket::Running) + share(Bucket::Blocked) >= 0.5 {
            "More workers help only as far as this work can be split."
        } else if share(Bucket::Lock) >= 0.3 {
            "More workers would not help: they would wait for the same lock."
        } else {
            "More workers would not help."
        }
    }

    /// Returns the explanation as lines of text for so many columns, 40 at least.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let columns = columns.max(40);
        let mut out = String::new();
        for line in wrap(&format!("{}, {}", self.subject, self.sentence()), columns) {
            push_line(&mut out, &line);
        }
        out.push('\n');
        let wall = self.wall().max(1);
        let names = NAME_COLUMNS.min(columns - TIME_COLUMNS);
        let bar = columns.saturating_sub(NAME_COLUMNS + TIME_COLUMNS + 1).min(40);
        for bucket in Bucket::ALL.into_iter().filter(|&bucket| self.part(bucket) > 0) {
            let part = self.part(bucket);
            let share = part as f64 / wall as f64;
            let blocks = "█".repeat((share * bar as f64).round() as usize);
            let (name, time) = (cut(bucket.name(), names), duration(part));
            let line = format!("  {name:<names$}{time:>10}  {:>5.1} % {blocks}", 100.0 * share);
            push_line(&mut out, line.trim_end());
        }
        let sum = cut("sum: the wall time", names);
        push_line(&mut out, &format!("  {sum:<names$}{:>10}", duration(self.wall())));
        out.push('\n');
        for reason in self.reasons.iter().take(REASONS_MAX) {
            push_line(&mut out, &cut(&format!("  {}", reason.line()), columns));
        }
        if self.reasons.len() > REASONS_MAX {
            let _ = writeln!(out, "  … {} shorter parts", self.reasons.len() - REASONS_MAX);
        }
        for note in &self.notes {
            wrap(note, columns).iter().for_each(|line| push_line(&mut out, line));
        }
        out
    }
}

impl Reason {
    /// Returns whether its site is this one: `file:line`, or the end of it.
    ///
    /// ```
    /// use brigade_timeline::{Bucket, Reason};
    ///
    /// let (empty, site) = (String::new, String::from("src/main.rs:12:5"));
    /// let (subject, resource, holder) = (empty(), empty(), empty());
    /// let bucket = Bucket::Timer;
    /// let reason = Reason { bucket, nanos: 1, count: 1, subject, resource, holder, site, site_waits: true };
    /// assert!(reason.is_at("main.rs:12") && !reason.is_at("main.rs:1"));
    /// ```
    #[must_use]
    pub fn is_at(&self, site: &str) -> bool {
        is_site(&self.site, site)
    }

    /// Says the reason in a line.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{:>10}  {}: {}", duration(self.nanos), self.subject, self.bucket.name());
        // Preemption is known as a share of the runs only, so its count would be one of records.
        if self.count > 1 && self.bucket != Bucket::Preempted {
            let _ = write!(line, ", {} times", self.count);
        }
        if !self.resource.is_empty() {
            let _ = write!(line, ", {}", self.resource);
        }
        if !self.holder.is_empty() {
            let _ = write!(line, ", held by {}", self.holder);
        }
        if !self.site.is_empty() {
            let _ = write!(line, ", {} {}", if self.site_waits { "at" } else { "from" }, self.site);
        }
        line
    }
}

/// Whether a place in the program is the one that a user means: `file:line`, or the end of it.
pub(super) fn is_site(place: &str, meant: &str) -> bool {
    let line = place.rsplit_once(':').map_or(place, |(line, _column)| line);
    [place, line].iter().any(|place| {
        place.strip_suffix(meant).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    })
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'I', 'o', 'u']) { "an" } else { "a" }
}

/// Breaks a text into lines at blanks.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
