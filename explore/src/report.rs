//! The report of a failed check: what failed, the shortest schedule as lanes, and how to replay it.

use crate::{
    lanes::{draw, wrap},
    outcome::{Class, Failure, Story},
    schedule::Schedule,
    search::Coverage,
    shrink::Shortness,
};
use std::fmt;

/// A check that has failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The failure.
    pub failure: Failure,
    /// The schedule under which it fails, as short as it was found.
    pub schedule: Schedule,
    /// How short the schedule is known to be.
    pub shortness: Shortness,
    /// The schedules that were run before it was found.
    pub coverage: Coverage,
    /// The number of runs that shrinking took.
    pub shrink_runs: u64,
    /// The name of the test, by which it can be run again.
    pub test: String,
    pub(crate) story: Option<Story>,
}

/// The columns of a report, which is printed where nobody asks for those of a terminal.
const WIDTH: usize = 80;

impl Failed {
    /// Draws what the threads of the run did, as lanes side by side in so many columns. Where lanes would be
    /// too narrow, each line begins with the name of its thread.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict, bugs};
    ///
    /// let Verdict::Failed(failed) = bugs::ALL[0].bad.explore(Explore::new()) else { panic!("it passes") };
    /// assert!(failed.lanes(80).lines().all(|line| line.chars().count() <= 80));
    /// ```
    #[must_use]
    pub fn lanes(&self, columns: usize) -> String {
        self.story.as_ref().map(|story| draw(&story.threads, &story.lines, columns)).unwrap_or_default()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = format!("{}: {}", self.failure.class, self.failure.message);
        if matches!(self.failure.class, Class::Panic | Class::UnseenPanic) {
            // The words of the checked code stay as they are.
            writeln!(f, "{message}")?;
        } else {
            // A wait-for graph keeps its indents.
            let lines = message.lines().flat_map(|line| match line.starts_with(' ') {
                true => vec![line.to_owned()],
                false => wrap(line, WIDTH),
            });
            for line in lines {
                writeln!(f, "{line}")?;
            }
        }
        for site in &self.failure.sites {
            writeln!(f, "  at {site}")?;
        }
        let (number, runs) = (self.coverage.schedules, self.shrink_runs);
        match self.shortness {
            Shortness::Shortest if self.schedule.deviations().is_empty() => {
                writeln!(f, "it fails without any deviation, under the schedule")?;
            }
            Shortness::Shortest => {
                let shortest = "the shortest that fails so";
                writeln!(f, "found as schedule {number}, shrunk in {runs} runs to {shortest}:")?;
            }
            Shortness::OneMinimal => {
                let minimal = "one of which no part can be left out";
                writeln!(f, "found as schedule {number}, shrunk in {runs} runs to {minimal}:")?;
            }
            Shortness::Given => writeln!(f, "under the schedule")?,
        }
        if self.schedule.deviations().is_empty() {
            writeln!(f, "  (the usual one)")?;
        } else {
            writeln!(f, "  {}", self.schedule)?;
        }
        if let Some(story) = &self.story {
            writeln!(f, "\n{}", draw(&story.threads, &story.lines, WIDTH))?;
        }
        if let Some(last) = self.schedule.deviations().last().filter(|_| self.shortness != Shortness::Given) {
            writeln!(f, "without {last} it passes")?;
        }
        writeln!(f, "replay it: BRIGADE_SCHEDULE='{}' cargo test {}", self.schedule, self.test)
    }
}

impl Failed {
    /// Returns the names of the threads of the run. The first is the root.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict};
    ///
    /// let verdict = Explore::new().explore_threads(|| panic!("no flour"));
    /// let Verdict::Failed(failed) = verdict else { panic!("it panics") };
    /// assert_eq!(failed.threads(), ["root"]);
    /// ```
    #[must_use]
    pub fn threads(&self) -> &[String] {
        self.story.as_ref().map(|story| &story.threads[..]).unwrap_or_default()
    }

    /// Returns what the threads of the run did, in order: the index of a thread, and the words for it.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict, sync::atomic::{AtomicU32, Ordering::SeqCst}};
    ///
    /// let verdict = Explore::new().explore_threads(|| {
    ///     AtomicU32::new(0).store(7, SeqCst);
    ///     panic!("no flour");
    /// });
    /// let Verdict::Failed(failed) = verdict else { panic!("it panics") };
    /// assert!(failed.lines().any(|(thread, words)| thread == 0 && words.starts_with("store 7")));
    /// ```
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.story.as_ref().map(|story| &story.lines[..]).unwrap_or_default();
        lines.iter().map(|line| (line.thread as usize, line.text.as_str()))
    }
}
