//! The report of a failed check: what failed, the shortest schedule as lanes, and how to replay it.

use crate::{
    outcome::{Failure, Story},
    schedule::{Schedule, ThreadName},
    search::Coverage,
    shrink::Shortness,
};
use std::fmt::{self, Write};

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

/// The columns that all lanes have together, if that leaves each of them enough.
const LANES_WIDTH: usize = 100;
/// The columns of one lane: enough to read, and no more than its lines need.
const MIN_LANE_WIDTH: usize = 20;
const MAX_LANE_WIDTH: usize = 49;
/// The most lines of a story that a report shows, from its end.
const MAX_LINES: usize = 60;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.failure.class, self.failure.message)?;
        for site in &self.failure.sites {
            writeln!(f, "  at {site}")?;
        }
        let (number, runs) = (self.coverage.schedules, self.shrink_runs);
        match self.shortness {
            Shortness::Shortest => {
                writeln!(
                    f,
                    "found as schedule {number}, shrunk in {runs} runs to the shortest that fails so:"
                )?;
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
            writeln!(f, "\n{}", lanes(story, LANES_WIDTH))?;
        }
        if let Some(last) = self.schedule.deviations().last().filter(|_| self.shortness != Shortness::Given) {
            writeln!(f, "without {last} it passes")?;
        }
        writeln!(f, "replay it: BRIGADE_SCHEDULE='{}' cargo test {}", self.schedule, self.test)
    }
}

impl Failed {
    /// Draws the threads of the run as lanes side by side, which have so many columns together if that leaves
    /// each of them enough. Returns an empty text if the run has left no story.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict, thread};
    ///
    /// let verdict = Explore::new().explore_threads(|| drop(thread::spawn(thread::park)));
    /// let Verdict::Failed(failed) = verdict else { panic!("a thread is left behind") };
    /// assert!(failed.lanes(80).lines().all(|line| line.chars().count() <= 80));
    /// ```
    #[must_use]
    pub fn lanes(&self, columns: usize) -> String {
        self.story.as_ref().map(|story| lanes(story, columns)).unwrap_or_default()
    }

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

/// Draws the lines of a story in lanes side by side, which have so many columns together.
fn lanes(story: &Story, columns: usize) -> String {
    let mut text = String::new();
    let used: Vec<u32> = (0..story.threads.len() as u32)
        .filter(|&thread| story.lines.iter().any(|line| line.thread == thread))
        .collect();
    let column = |thread: u32| used.iter().position(|&other| other == thread).unwrap_or(0);
    let spaces = used.len().saturating_sub(1);
    let width = (columns.saturating_sub(spaces) / used.len().max(1)).clamp(MIN_LANE_WIDTH, MAX_LANE_WIDTH);
    let mut row = |cells: &dyn Fn(usize) -> String| {
        let cells: Vec<Vec<String>> = (0..used.len()).map(|index| wrap(&cells(index), width)).collect();
        for part in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let cells = cells.iter().map(|cell| cell.get(part).map_or("", String::as_str));
            let cells: Vec<String> = cells.map(|cell| format!("{cell:width$}")).collect();
            let _ = writeln!(text, "{}", cells.join(" ").trim_end());
        }
    };
    row(&|index| format!("{} {}", ThreadName(used[index]), story.threads[used[index] as usize]));
    row(&|_| "─".repeat(width));
    let skipped = story.lines.len().saturating_sub(MAX_LINES);
    if skipped > 0 {
        row(&|index| if index == 0 { format!("({skipped} lines before)") } else { String::new() });
    }
    for line in &story.lines[skipped..] {
        let at = column(line.thread);
        row(&|index| if index == at { line.text.clone() } else { String::new() });
    }
    text
}

/// Divides a text into lines of at most `width` columns, between words where that is possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() || last.chars().count() + 1 + word.chars().count() <= width {
            let space = if last.is_empty() { "" } else { " " };
            last.push_str(space);
            last.push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
        while let Some((at, _)) = lines.last().and_then(|last| last.char_indices().nth(width)) {
            let rest = lines.last_mut().expect("there is a line").split_off(at);
            lines.push(rest);
        }
    }
    lines
}
