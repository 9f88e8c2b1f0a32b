//! The file that keeps the progress: one small file in the user's state folder, replaced as a whole.
//!
//! A new version is written beside the file and renamed, so that a reader finds the old version or the new
//! one, and never a half. A file that cannot be parsed is renamed, not overwritten, so that nothing of it is
//! lost.

use super::schedule::StudyProgress;
use crate::scenario::CommandError;
use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process,
};

const FILE: &str = "cards.json";

/// The file.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The user's store: `$XDG_STATE_HOME/brigade`, or `~/.local/state/brigade`.
    pub(super) fn of_user() -> Result<Self, CommandError> {
        // The XDG base directory specification says that a relative path is to be ignored.
        let path = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = path("XDG_STATE_HOME").or_else(|| Some(path("HOME")?.join(".local/state")));
        let state = state.ok_or_else(|| {
            CommandError::usage(
                "there is no place to keep what you know: XDG_STATE_HOME and HOME are not set",
            )
        })?;
        Ok(Self { folder: state.join("brigade") })
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Loads the progress. If the file cannot be parsed, also returns a message that says why, and where the
    /// file lies now.
    pub(super) fn load(&self) -> Result<(StudyProgress, Option<String>), CommandError> {
        let file = self.file();
        let failed =
            |what: &str, error| CommandError::failed(&format!("cannot {what} {}", file.display()), error);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(failed("read", error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(progress) => Ok((progress, None)),
            Err(error) => {
                let aside = set_aside(&file).map_err(|error| failed("set aside", error))?;
                let note = format!(
                    "{} is not a valid file of cards ({error}). It was set aside as {}; you begin anew.",
                    file.display(),
                    aside.display()
                );
                Ok((StudyProgress::default(), Some(note)))
            }
        }
    }

    /// Saves the progress.
    pub(super) fn save(&self, progress: &StudyProgress) -> Result<(), CommandError> {
        let file = self.file();
        let text = serde_json::to_string_pretty(progress).expect("progress has text keys and whole numbers");
        let beside = self.folder.join(format!(".{FILE}.{}", process::id()));
        let written = fs::create_dir_all(&self.folder).and_then(|()| replace(&beside, &file, &text));
        written.map_err(|error| {
            // An error here is ignored, because the first error matters.
            let _ = fs::remove_file(&beside);
            CommandError::failed(&format!("cannot write {}", file.display()), error)
        })
    }
}

fn replace(beside: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut new = File::create(beside)?;
    new.write_all(text.as_bytes())?;
    new.write_all(b"\n")?;
    new.sync_all()?;
    fs::rename(beside, file)
}

/// Renames the file to a name that is still free.
fn set_aside(file: &Path) -> io::Result<PathBuf> {
    for number in 1_u64.. {
        let aside = file.with_extension(format!("json.unreadable-{number}"));
        // A link fails if the name is taken; a rename would replace the file that has it.
        match fs::hard_link(file, &aside) {
            Ok(()) => return fs::remove_file(file).map(|()| aside),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("a folder has fewer files than there are numbers")
}

#[cfg(test)]
mod tests {
    use super::{super::schedule::CardState, *};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A folder of its own, which is removed with it.
    struct Temporary(Store);

    impl Temporary {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("brigade-cards-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            Self(Store { folder: env::temp_dir().join(name).join("brigade") })
        }

        fn names(&self) -> Vec<String> {
            let files = fs::read_dir(&self.0.folder).unwrap();
            let mut names: Vec<_> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.folder.parent().unwrap());
        }
    }

    fn some() -> StudyProgress {
        StudyProgress {
            sessions: 3,
            cards: [("gone-from-the-deck".into(), CardState { level: 2, due: 5 })].into(),
        }
    }

    #[test]
    fn a_saved_state_is_loaded_and_no_other_file_is_left() {
        let temporary = Temporary::new();
        assert_eq!(temporary.0.load().unwrap(), (StudyProgress::default(), None));
        temporary.0.save(&StudyProgress::default()).unwrap();
        temporary.0.save(&some()).unwrap();
        assert_eq!(temporary.0.load().unwrap(), (some(), None));
        assert_eq!(temporary.names(), [FILE]);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_set_aside_each_time() {
        let temporary = Temporary::new();
        fs::create_dir_all(&temporary.0.folder).unwrap();
        for broken in ["{\"sessions\": 1", "what?"] {
            fs::write(temporary.0.file(), broken).unwrap();
            let (progress, note) = temporary.0.load().unwrap();
            assert_eq!(progress, StudyProgress::default());
            assert!(note.unwrap().contains("set aside"));
        }
        assert_eq!(temporary.names(), ["cards.json.unreadable-1", "cards.json.unreadable-2"]);
        let kept = fs::read_to_string(temporary.0.folder.join("cards.json.unreadable-2")).unwrap();
        assert_eq!(kept, "what?");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_with_its_name() {
        let temporary = Temporary::new();
        fs::create_dir_all(temporary.0.file().join("in the way")).unwrap();
        let error = temporary.0.save(&some()).unwrap_err();
        assert!(error.message.contains(FILE), "{error:?}");
        assert_eq!(temporary.names(), [FILE]);
    }
}
