//! The file that keeps the progress: one small file in the user's state folder, replaced as a whole.
//!
//! A new version is written beside the file and renamed, so that a reader finds the old version or the new
//! one, and never a half. A file that cannot be parsed is renamed, not overwritten, so that nothing of it is
//! lost.

use super::schedule::StudyProgress;
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

/// The user's store as [`Store::open`] has found it.
#[derive(Debug)]
pub(super) struct Opened {
    /// The place to keep the progress, if there is one.
    pub(super) store: Option<Store>,
    pub(super) progress: StudyProgress,
    /// A message for the user.
    pub(super) note: Option<String>,
}

/// The message that the progress is not kept.
pub(super) fn not_kept(why: &str) -> String {
    format!("What you know is not kept this time: {why}.")
}

impl Store {
    /// Opens the user's store: `$XDG_STATE_HOME/brigade`, or `~/.local/state/brigade`. If it cannot be read
    /// and written, there is none, and the note says why.
    pub(super) fn open() -> Opened {
        // The XDG base directory specification says that a relative path is to be ignored.
        let path = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = path("XDG_STATE_HOME").or_else(|| Some(path("HOME")?.join(".local/state")));
        let opened = state.ok_or("neither XDG_STATE_HOME nor HOME names a folder".into()).and_then(|state| {
            let store = Self { folder: state.join("brigade") };
            let (progress, note) = store.load()?;
            store.try_to_write()?;
            Ok(Opened { store: Some(store), progress, note })
        });
        opened.unwrap_or_else(|why: String| Opened {
            store: None,
            progress: StudyProgress::default(),
            note: Some(not_kept(&why)),
        })
    }

    /// Checks that the progress can be saved, and leaves the file as it is.
    fn try_to_write(&self) -> Result<(), String> {
        let beside = self.beside();
        let written = fs::create_dir_all(&self.folder).and_then(|()| File::create(&beside));
        written.and_then(|_| fs::remove_file(&beside)).map_err(|error| self.failed("write", &error))
    }

    /// A file of this process, in the same folder.
    fn beside(&self) -> PathBuf {
        self.folder.join(format!(".{FILE}.{}", process::id()))
    }

    fn failed(&self, what: &str, error: &io::Error) -> String {
        format!("cannot {what} {}: {error}", self.file().display())
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Loads the progress. If the file cannot be parsed, also returns a message that says why, and where the
    /// file lies now.
    fn load(&self) -> Result<(StudyProgress, Option<String>), String> {
        let file = self.file();
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(self.failed("read", &error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(progress) => Ok((progress, None)),
            Err(error) => {
                let aside = set_aside(&file).map_err(|error| self.failed("set aside", &error))?;
                let note = format!(
                    "{} is not a valid file of cards ({error}). It was set aside as {}; you begin anew.",
                    file.display(),
                    aside.display()
                );
                Ok((StudyProgress::default(), Some(note)))
            }
        }
    }

    /// Saves the progress. The error is a message.
    pub(super) fn save(&self, progress: &StudyProgress) -> Result<(), String> {
        let file = self.file();
        let text = serde_json::to_string_pretty(progress).expect("progress has text keys and whole numbers");
        let beside = self.beside();
        let written = fs::create_dir_all(&self.folder).and_then(|()| replace(&beside, &file, &text));
        written.map_err(|error| {
            // An error here is ignored, because the first error matters.
            let _ = fs::remove_file(&beside);
            self.failed("write", &error)
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
    fn a_folder_that_cannot_be_written_is_noticed_before_the_first_answer() {
        let temporary = Temporary::new();
        temporary.0.try_to_write().unwrap();
        assert_eq!(temporary.names(), Vec::<String>::new());
        fs::write(temporary.0.file(), "in the way").unwrap();
        let below = Store { folder: temporary.0.file().join("brigade") };
        assert!(below.try_to_write().unwrap_err().contains("cannot write"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_with_its_name() {
        let temporary = Temporary::new();
        fs::create_dir_all(temporary.0.file().join("in the way")).unwrap();
        let error = temporary.0.save(&some()).unwrap_err();
        assert!(error.contains(FILE), "{error}");
        assert_eq!(temporary.names(), [FILE]);
    }
}
