//! The forms in which a recording can be written to a file. The ending of the file's name says which.
//!
//! The trace itself writes events and plain text. Views lie above it, so each leaves its writers here
//! ([`register_writer`]), and the trace knows none of them.

use crate::file::{ProcessInfo, Recording, Role};
use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A form in which a recording can be written.
///
/// ```
/// use brigade_trace::{Recording, Writer, register_writer};
///
/// fn count(recording: &Recording, title: &str) -> Vec<u8> {
///     format!("{title}: {} processes", recording.segments.len()).into_bytes()
/// }
/// register_writer(Writer { ending: "count", write: count });
/// ```
#[derive(Clone, Copy)]
pub struct Writer {
    /// The ending of the file's name, such as `html`.
    pub ending: &'static str,
    /// Returns the bytes of the file. The text is a title for it.
    pub write: fn(&Recording, &str) -> Vec<u8>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Writer").field(&self.ending).finish()
    }
}

/// The most writers that can be registered.
const WRITERS_MAX: usize = 16;

/// A forked child has them as well, so they lie in no lock.
static REGISTERED: [OnceLock<Writer>; WRITERS_MAX] = [const { OnceLock::new() }; WRITERS_MAX];

/// The writers of the trace itself. A writer that is registered for the same ending comes first.
const OWN: [Writer; 2] = [
    Writer { ending: "brigade", write: |recording, _title| recording.to_bytes() },
    Writer { ending: "txt", write: text },
];

/// The endings that views write, for programs without views.
const VIEWS: [&str; 3] = ["html", "svg", "pftrace"];

/// Has recordings written in a further form. The first writer for an ending stays. [`Writer`] has an example.
pub fn register_writer(writer: Writer) {
    for place in &REGISTERED {
        if place.get_or_init(|| writer).ending == writer.ending {
            return;
        }
    }
}

fn text(recording: &Recording, title: &str) -> Vec<u8> {
    let mut text = format!("{title}\n");
    for segment in &recording.segments {
        let ProcessInfo { pid, role, .. } = segment.process;
        if role == Role::Remote {
            text.push_str(&format!(
                "the events of the worker process {pid} are missing: it shares no memory\n"
            ));
        } else if recording.segments.len() > 1 {
            text.push_str(&format!("process {pid}\n"));
        }
        text.push_str(&segment.trace.to_string());
    }
    recording.problems.iter().for_each(|problem| text.push_str(&format!("{problem}\n")));
    text.into_bytes()
}

/// A file that a recording is to be written to, and in which form.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) path: PathBuf,
    writer: Writer,
    /// The path that was asked for, if this program has no writer for its ending.
    instead_of: Option<PathBuf>,
    /// The title, if it is another one than the name of the file.
    pub(super) title: Option<String>,
}

impl Destination {
    /// Chooses the writer, or says why there is none. A view that this program does not have can be made of
    /// the events later.
    pub(super) fn of(path: &Path) -> Result<Self, String> {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let registered = || REGISTERED.iter().map_while(OnceLock::get).copied();
        let find = |ending: &str| registered().chain(OWN).find(|writer| writer.ending == ending);
        if let Some(writer) = find(ending) {
            return Ok(Self { path: path.to_owned(), writer, instead_of: None, title: None });
        }
        if VIEWS.contains(&ending) {
            let (beside, writer) = (path.with_extension("brigade"), OWN[0]);
            return Ok(Self { path: beside, writer, instead_of: Some(path.to_owned()), title: None });
        }
        let mut endings: Vec<_> = registered().map(|writer| writer.ending).chain(VIEWS).collect();
        endings.extend(OWN.map(|writer| writer.ending));
        endings.sort_unstable();
        endings.dedup();
        let last = endings.pop().unwrap_or_default();
        Err(format!("the name of a recording ends with .{} or .{last}", endings.join(", .")))
    }

    /// The file with this number beside it.
    pub(super) fn numbered(&self, number: u64) -> Self {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}-{number}.{}", self.writer.ending);
        let (path, title) = (self.path.with_file_name(name), self.title.clone());
        Self { path, writer: self.writer, instead_of: None, title }
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self, recording: &Recording) -> Vec<u8> {
        let name = || self.path.file_stem().unwrap_or_default().to_string_lossy();
        let title = self.title.as_deref().map_or_else(name, Into::into);
        (self.writer.write)(recording, &title)
    }

    /// A line for the user, if the file is another one than was asked for.
    pub(super) fn advice(&self) -> Option<String> {
        let asked = self.instead_of.as_ref()?;
        let (path, ending) = (self.path.display(), asked.extension().unwrap_or_default().display());
        let page =
            if ending.to_string() == "html" { format!(" --html {}", asked.display()) } else { String::new() };
        Some(format!(
            "this program has no writer for .{ending}, so the recording is in {path}: `brigade view {path}{page}` shows it"
        ))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_chooses_the_writer() {
        let path =
            |name: &str| Destination::of(Path::new(name)).map(|found| (found.path.clone(), found.advice()));
        assert_eq!(path("a/soup.brigade"), Ok(("a/soup.brigade".into(), None)));
        let (beside, advice) = path("a/soup.svg").unwrap();
        assert_eq!(beside, Path::new("a/soup.brigade"));
        assert!(advice.unwrap().contains("no writer for .svg"));
        for name in ["soup", "soup.exe", ".html", ""] {
            assert!(path(name).unwrap_err().contains(".brigade, .html"), "{name}");
        }
        register_writer(Writer { ending: "menu", write: |_, title| title.as_bytes().to_vec() });
        let menu = Destination::of(Path::new("a/soup.menu")).unwrap().numbered(3);
        assert_eq!(
            (menu.path.as_path(), menu.bytes(&Recording::default())),
            (Path::new("a/soup-3.menu"), b"soup-3".to_vec())
        );
    }
}
