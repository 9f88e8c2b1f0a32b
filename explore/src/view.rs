//! A failing run as a timeline.

use crate::report::Failed;
use brigade_timeline::{Recording, Timeline, html, perfetto, svg, text};
use std::{env, fs, io, path::Path};

/// The variable that names the file.
const VARIABLE: &str = "BRIGADE_TRACE";
/// The columns of a timeline in a text file.
const FILE_COLUMNS: usize = 120;

impl Failed {
    /// Writes the run as a timeline to a file, in the form that its ending says: `html`, `svg`, `pftrace`,
    /// `txt`, or `brigade` for the recording itself.
    ///
    /// # Errors
    ///
    /// Returns `InvalidInput` for another ending, `NotFound` if the run has left no recording, and the
    /// operating system's error if it refuses the file.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict};
    ///
    /// let verdict = Explore::new().explore_threads(|| panic!("no flour"));
    /// let Verdict::Failed(failed) = verdict else { panic!("it panics") };
    /// let error = failed.write_timeline("soup.doc").unwrap_err();
    /// assert!(error.to_string().contains("html"));
    /// ```
    pub fn write_timeline(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let Some(story) = self.story.as_ref().filter(|story| !story.recording.is_empty()) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the run has left no recording"));
        };
        let read = || Recording::read_from(&story.recording[..]).map(|recording| Timeline::of(&recording));
        let bytes = match path.extension().and_then(|ending| ending.to_str()) {
            Some("brigade") => story.recording.clone(),
            Some("html") => html(&read()?, &self.test).into_bytes(),
            Some("svg") => svg(&read()?, &self.test).into_bytes(),
            Some("txt") => text(&read()?, FILE_COLUMNS).into_bytes(),
            Some("pftrace") => perfetto(&read()?),
            _ => {
                let wrong =
                    "a timeline is written to a file that ends with .html, .svg, .txt, .pftrace or .brigade";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong));
            }
        };
        fs::write(path, bytes)
    }

    /// Writes the run to the file that the variable names, if it is set.
    pub(crate) fn write_if_asked(&self) {
        let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) else { return };
        if let Err(error) = self.write_timeline(&path) {
            eprintln!("{VARIABLE}={}: {error}", path.display());
        }
    }
}
