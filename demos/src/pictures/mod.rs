//! The pictures of the documents, drawn from recordings that are kept in `docs/timelines`. So they can be
//! drawn again, exactly, when a view has changed: `cargo run -p brigade-demos --bin pictures`. So can the
//! figures of predictions (`predictions.rs`).

mod poster;
pub mod predictions;

use brigade_timeline::{Timeline, page, svg};
use brigade_trace::Recording;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// A recording, and what is made of it.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// The name of its files.
    pub name: &'static str,
    /// The command line that was recorded, without `brigade`.
    pub command: &'static [&'static str],
    /// Whether its page stands in the gallery.
    pub is_in_gallery: bool,
    /// The recording is cut before the work with this name: what is to be seen comes before it.
    cut_before: Option<&'static str>,
}

const fn picture(name: &'static str, command: &'static [&'static str], is_in_gallery: bool) -> Picture {
    Picture { name, command, is_in_gallery, cut_before: None }
}

/// All recordings.
pub const ALL: &[Picture] = &[
    picture("hello", &["hello"], false),
    picture("io-sync", &["io", "sync"], false),
    picture("io-async", &["io", "async"], false),
    picture("io", &["io"], true),
    picture("kitchen", &["kitchen"], true),
    Picture { cut_before: Some("worker 1 adds freely"), ..picture("race", &["race"], false) },
    picture("gil", &["gil", "--speed", "20"], true),
    picture("deadlock", &["deadlock"], true),
    picture("queue", &["queue"], true),
];

/// The folder of the documents.
pub const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

impl Picture {
    /// The file of the recording.
    #[must_use]
    pub fn recording_file(&self) -> PathBuf {
        Path::new(DOCS).join("timelines").join(format!("{}.brigade", self.name))
    }

    /// Reads the recording.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is damaged.
    pub fn read(&self) -> io::Result<Recording> {
        read(&self.recording_file())
    }

    /// Writes the recording without the name of the machine that made it.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn keep(&self, recording: Recording) -> io::Result<()> {
        write(&self.recording_file(), recording, self.cut_before)
    }

    /// The files that are drawn from the recording, and what is in them. The pages of the gallery come last.
    #[must_use]
    pub fn files(&self, recording: &Recording) -> Vec<(PathBuf, String)> {
        let (docs, timeline) = (Path::new(DOCS), Timeline::of(recording));
        let title = format!("brigade {}", self.command.join(" "));
        let svg_file = docs.join("timelines").join(format!("{}.svg", self.name));
        let mut files = vec![(svg_file, svg(&timeline, &title))];
        if self.name == "hello" {
            files.push((docs.join("life-of-a-future.svg"), poster::draw(recording)));
        }
        if self.is_in_gallery {
            let path = docs.join("gallery").join(format!("{}.html", self.name));
            files.push((path, page(recording, &title)));
        }
        files
    }
}

/// Reads a recording that is kept.
fn read(file: &Path) -> io::Result<Recording> {
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
    let recording = File::open(file).and_then(Recording::read_from).map_err(|error| named(&error))?;
    match recording.problems.first() {
        Some(problem) => Err(named(&format_args!("damaged {problem}"))),
        None => Ok(recording),
    }
}

/// Keeps a recording without the name of the machine that made it, cut before the work with a name.
fn write(file: &Path, mut recording: Recording, cut_before: Option<&str>) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut bytes = Vec::new();
    for segment in &mut recording.segments {
        segment.process.host = "kitchen".into();
        let begin = cut_before.and_then(|name| {
            let id = segment.trace.labels.iter().find(|(_, label)| *label == name)?.0;
            segment.trace.events().find(|event| event.subject == *id).map(|event| event.at)
        });
        for thread in &mut segment.trace.threads {
            thread.events.retain(|event| begin.is_none_or(|begin| event.at < begin));
        }
        segment.write_to(&mut bytes)?;
    }
    fs::write(file, bytes)
}
