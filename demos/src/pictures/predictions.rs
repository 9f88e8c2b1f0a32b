//! Predictions beside real runs, for the documents: each case is a recording, a change, and a recording of
//! the run with that change. The figures in the documents are read from these two files.

use super::{DOCS, read, write};
use crate::explaining::Rerun;
use brigade_timeline::{Bucket, Edit, what_if, why};
use brigade_trace::Recording;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The processors of the machine on which the recordings were made.
const PROCESSORS: usize = 2;

/// In the README, the figures stand between these.
const README_MARKS: (&str, &str) = ("([how](docs/explaining.md)): ", "\n");

/// A run, and a change to it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of its files.
    pub name: &'static str,
    /// The command line that was recorded, without `brigade`.
    pub command: &'static [&'static str],
    change: Change,
    /// The change in words.
    words: &'static str,
}

/// A change. A place has a line, which the recording knows.
#[derive(Debug, Clone, Copy)]
enum Change {
    Workers(usize),
    /// The longest wait for a timer takes half as long.
    TwiceAsFast,
}

/// The figures of a case. Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The option of `what-if` that asks for the change.
    pub option: String,
    /// The shortest time expected.
    pub least: u64,
    /// The longest time expected.
    pub most: u64,
    /// The time that the real run with the change took.
    pub measured: u64,
}

const fn case(
    name: &'static str,
    command: &'static [&'static str],
    change: Change,
    words: &'static str,
) -> Case {
    Case { name, command, change, words }
}

/// All cases.
pub const CASES: &[Case] = &[
    case("executor", &["executor"], Change::Workers(1), "`executor` on one worker"),
    case(
        "io-threads",
        &["io", "threads", "--workers", "5"],
        Change::Workers(2),
        "`io threads` on two instead of five",
    ),
    case("hello", &["hello"], Change::TwiceAsFast, "`hello` twice as fast"),
];

impl Case {
    /// The file of the recording, and that of the run with the change.
    #[must_use]
    pub fn files(&self) -> [PathBuf; 2] {
        let folder = Path::new(DOCS).join("timelines").join("what-if");
        ["", "-changed"].map(|ending| folder.join(format!("{}{ending}.brigade", self.name)))
    }

    /// Reads the recording, and that of the run with the change.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or is damaged.
    pub fn read(&self) -> io::Result<[Recording; 2]> {
        let [before, after] = self.files();
        Ok([read(&before)?, read(&after)?])
    }

    fn edit(&self, recording: &Recording) -> io::Result<Edit> {
        if let Change::Workers(workers) = self.change {
            return Ok(Edit::Workers(workers));
        }
        let explanation = why(recording, None).map_err(io::Error::other)?;
        let timers = explanation.reasons.iter().filter(|reason| reason.bucket == Bucket::Timer);
        let longest = timers.max_by_key(|reason| reason.nanos).map_or("", |reason| reason.site.as_str());
        let file = longest.rsplit('/').next().unwrap_or_default();
        let site = file.rsplit_once(':').map_or(file, |(line, _column)| line);
        Ok(Edit::Faster { site: site.to_owned(), times: 2.0 })
    }

    /// The command line that `what-if` runs for the change.
    ///
    /// # Errors
    ///
    /// Fails if it would run nothing.
    pub fn changed(&self, recording: &Recording) -> io::Result<Vec<String>> {
        Rerun::with(recording, &self.edit(recording)?).map(Rerun::into_words).map_err(io::Error::other)
    }

    /// Keeps the two recordings.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn keep(&self, recordings: [Recording; 2]) -> io::Result<()> {
        for (file, recording) in self.files().iter().zip(recordings) {
            write(file, recording, None)?;
        }
        Ok(())
    }

    /// Predicts from the one recording, and reads the other.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, or if there is no prediction.
    pub fn figures(&self) -> io::Result<Figures> {
        let [before, after] = self.read()?;
        let edit = self.edit(&before)?;
        let option = match &edit {
            Edit::Faster { site, times } => format!("--faster {site}×{times}"),
            Edit::Workers(workers) => format!("--workers {workers}"),
            Edit::WithoutLock(name) => format!("--without-lock {name}"),
        };
        let answer = what_if(&before, &[edit], PROCESSORS).map_err(io::Error::other)?;
        let (least, most) = answer.predictions[0].range.clone().map_err(io::Error::other)?;
        let measured = why(&after, None).map_err(io::Error::other)?.wall();
        Ok(Figures { option, least, most, measured })
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// The documents that show the figures, and what they are to be.
///
/// # Errors
///
/// Fails if a file cannot be read, if there is no prediction, or if a document has no place for it.
pub fn documents() -> io::Result<Vec<(PathBuf, String)>> {
    let (page, readme) = (Path::new(DOCS).join("explaining.md"), Path::new(DOCS).join("../README.md"));
    let (mut lines, mut sentences) = (fs::read_to_string(&page)?, Vec::new());
    for case in CASES {
        let Figures { option, least, most, measured } = case.figures()?;
        let [least, most, measured] = [least, most, measured].map(seconds);
        let head = format!("| `brigade {}` | ", case.command.join(" "));
        let row = format!("`{option}` | {least:.3}–{most:.3} s | {measured:.3} s |");
        lines = replaced(&lines, (&head, "\n"), &row)?;
        sentences.push(format!("{} predicted {least:.2}–{most:.2} s, measured {measured:.2}", case.words));
    }
    let text = replaced(&fs::read_to_string(&readme)?, README_MARKS, &format!("{}.", sentences.join("; ")))?;
    Ok(vec![(page, lines), (readme, text)])
}

/// The text with something else between two marks.
fn replaced(text: &str, (begin, end): (&str, &str), new: &str) -> io::Result<String> {
    let missing = || io::Error::other(format!("a document lacks the words {begin:?}"));
    let (before, rest) = text.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{new}{end}{after}"))
}
