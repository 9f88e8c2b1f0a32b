//! The lessons: a name for each of the planted bugs of `brigade-explore`, and its source.

use crate::scenario::CommandError;
use brigade_explore::bugs::{self, Bug, Program};

/// A broken program and its cured version, small enough to be explored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
    /// The word of the command line. The name of its bug is another one.
    pub(super) name: &'static str,
    pub(super) bug: &'static Bug,
    /// The file, from the top of the repository.
    pub(super) path: &'static str,
    pub(super) code: &'static str,
}

/// The two versions of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Broken,
    Cured,
}

impl Version {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Cured => "cured",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Broken => Self::Cured,
            Self::Cured => Self::Broken,
        }
    }
}

/// The names, each with the file of its bug.
const NAMES: [(&str, &str, &str); 20] = {
    macro_rules! lesson {
        ($name:literal, $file:literal) => {
            (
                $name,
                concat!("explore/src/bugs/", $file, ".rs"),
                include_str!(concat!("../../../explore/src/bugs/", $file, ".rs")),
            )
        };
    }
    [
        lesson!("race", "lost_update"),
        lesson!("lock", "double_unlock"),
        lesson!("deadlock", "two_locks"),
        lesson!("philosophers", "three_locks"),
        lesson!("queue", "missed_shutdown"),
        lesson!("producer-consumer", "missed_close"),
        lesson!("condition", "condition_if"),
        lesson!("semaphore", "permit_leak"),
        lesson!("notify", "notify_before_wait"),
        lesson!("event", "merged_notify"),
        lesson!("park", "lost_wake_up"),
        lesson!("select", "select_loses_item"),
        lesson!("cancel", "cancelled_transfer"),
        lesson!("timeout", "double_completion"),
        lesson!("timer", "timer_against_cancel"),
        lesson!("futurelock", "futurelock"),
        lesson!("try-lock", "starvation"),
        lesson!("joins", "job_behind"),
        lesson!("flag", "flag_order"),
        lesson!("stack", "aba"),
    ]
};

/// All lessons, in the order of the list.
pub(super) fn all() -> impl Iterator<Item = Lesson> {
    NAMES.iter().filter_map(|&(name, path, code)| {
        let bug = bugs::ALL.iter().find(|bug| is_file_of(bug, path))?;
        Some(Lesson { name, bug, path, code })
    })
}

/// Whether this is the file of a bug: `two-locks` lies in `two_locks.rs`.
fn is_file_of(bug: &Bug, path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|file| file == format!("{}.rs", bug.name.replace('-', "_")))
}

impl Lesson {
    /// Finds a lesson by its name, or by that of its bug.
    pub(super) fn find(name: &str) -> Result<Self, CommandError> {
        all().find(|lesson| lesson.name == name || lesson.bug.name == name).ok_or_else(|| {
            let names = all().map(|lesson| lesson.name).collect::<Vec<_>>().join(", ");
            let name = name.escape_debug();
            CommandError::usage(format!("there is no lesson {name}; the lessons are {names}"))
        })
    }

    /// The program of a version. Tasks run on so many workers, if a number is given.
    pub(super) fn program(self, version: Version, workers: Option<usize>) -> Result<Program, CommandError> {
        let program = match version {
            Version::Broken => self.bug.bad,
            Version::Cured => self.bug.right,
        };
        match (program, workers) {
            (Program::Tasks { root, .. }, Some(workers)) => Ok(Program::Tasks { workers, root }),
            (Program::Threads(_), Some(_)) => {
                let why = "which starts its own threads";
                Err(CommandError::usage(format!(
                    "--workers changes nothing in {}, {why}: leave it out",
                    self.name
                )))
            }
            (program, None) => Ok(program),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_bug_is_a_lesson_with_a_name_of_its_own() {
        let names: HashSet<_> = all().map(|lesson| lesson.name).collect();
        let bugs: HashSet<_> = all().map(|lesson| lesson.bug.name).collect();
        assert_eq!((names.len(), bugs.len()), (NAMES.len(), bugs::ALL.len()));
        for lesson in all() {
            assert_eq!(Lesson::find(lesson.name).unwrap().bug.name, lesson.bug.name);
            let same = Lesson::find(lesson.bug.name).unwrap();
            assert_eq!(same.bug.name, lesson.bug.name, "a name means one lesson");
            assert!(lesson.code.contains("// Wrong"), "{} marks its wrong line", lesson.path);
        }
    }
}
