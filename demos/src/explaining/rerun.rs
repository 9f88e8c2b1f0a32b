//! A real run with a change, to compare with the prediction.
//!
//! The words of the command come from a file that anyone may have written. So only our own scenarios are run,
//! with the options that say how much they do, and none that names an address or a program.

use crate::{
    interrupt::{self, Interruptible},
    scenarios::ALL,
};
use brigade_timeline::{Bucket, Edit, why};
use brigade_trace::{Recording, clock};
use std::{
    env,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The options of a scenario that may come from a file. Each has a number for a value.
const HARMLESS: [&str; 7] = ["--n", "--tasks", "--requests", "--delay", "--timeout", "--workers", "--speed"];
/// The scenarios that do something to the world, or do not end by themselves.
const NEVER: [&str; 3] = ["decide", "cards", "serve"];
/// How much longer than the recorded run, and how much longer than this, a rerun may take.
const LONGEST: (u32, Duration) = (20, Duration::from_secs(30));
/// A speed changes all waits of a scenario, so this share of them must be at the place that is faster.
const SHARE_MIN: f64 = 0.9;
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A command of ours that can be run again.
#[derive(Debug)]
pub(crate) struct Rerun(Vec<String>);

impl Rerun {
    /// The recorded command with a change, or why it cannot be run here.
    pub(crate) fn with(recording: &Recording, edit: &Edit) -> Result<Self, String> {
        let words =
            recording.segments.first().map(|segment| segment.process.command.clone()).unwrap_or_default();
        let name = words.first().cloned().ok_or("the file does not say which command made it")?;
        let scenario = ALL.iter().find(|scenario| scenario.name == name && !NEVER.contains(&scenario.name));
        let scenario = scenario.filter(|_| are_harmless(&words[1..]));
        let scenario = scenario.ok_or("its command is none that is run again")?;
        match edit {
            Edit::Workers(workers) if scenario.takes_workers => {
                Ok(Self(with_option(words, "--workers", &workers.to_string())))
            }
            Edit::Workers(_) => Err(format!("`{name}` takes no --workers")),
            Edit::Faster { site, times } if scenario.takes_speed && waits_only_at(recording, site) => {
                let place = words.iter().position(|word| word == "--speed");
                let speed = place.and_then(|place| words.get(place + 1)?.parse().ok()).unwrap_or(1.0);
                Ok(Self(with_option(words, "--speed", &(speed * times).to_string())))
            }
            Edit::Faster { .. } => Err(format!("`{name}` has no option for this place alone")),
            Edit::WithoutLock(_) => Err(format!("`{name}` has no option to leave out a lock")),
        }
    }

    /// The words of the command.
    pub(crate) fn into_words(self) -> Vec<String> {
        self.0
    }

    /// Runs it, and returns how long its recording is, in nanoseconds.
    pub(super) fn measure(&self, recorded: u64) -> Result<u64, String> {
        let folder = Folder::new().map_err(|error| format!("cannot make a folder for it: {error}"))?;
        let file = folder.0.join("rerun.brigade");
        let program = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut command = Command::new(program);
        command.args(&self.0).arg("--trace").arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A signal ends the child and removes the folder, so both are registered before the child runs.
        let trial = Interruptible::new(Trial { child: None, _folder: folder });
        let spawned =
            trial.with_mut(|trial| command.spawn().map(|child| trial.child = Some(EndedAtDrop(child))));
        spawned.map_err(|error| format!("cannot run it again: {error}"))?;
        let limit = Duration::from_nanos(recorded) * LONGEST.0 + LONGEST.1;
        let begin = clock::now();
        while !trial.with_mut(Trial::has_ended).map_err(|error| error.to_string())? {
            if begin.elapsed() > limit {
                return Err(format!("it had not ended after {} s", limit.as_secs()));
            }
            thread::sleep(POLL_INTERVAL);
        }
        let read = File::open(&file).and_then(Recording::read_from);
        interrupt::park_if_exiting();
        let recording = read.map_err(|error| format!("it left no recording: {error}"))?;
        why(&recording, None).map(|explanation| explanation.wall()).map_err(|error| error.to_string())
    }
}

/// A folder for this user alone, which goes when this does.
struct Folder(PathBuf);

impl Folder {
    /// A name that exists, even as a link, is not taken.
    fn new() -> io::Result<Self> {
        loop {
            let name = format!("brigade-rerun-{}-{:x}", process::id(), clock::nanos());
            let path = env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path)),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A rerun that goes on. The child ends before its folder goes.
struct Trial {
    child: Option<EndedAtDrop>,
    _folder: Folder,
}

impl Trial {
    fn has_ended(&mut self) -> io::Result<bool> {
        self.child.as_mut().map_or(Ok(true), |child| Ok(child.0.try_wait()?.is_some()))
    }
}

/// A process that is killed if it has not ended.
struct EndedAtDrop(Child);

impl Drop for EndedAtDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether these are a mode, and options with numbers.
fn are_harmless(words: &[String]) -> bool {
    let is_number = |word: &String| word.parse::<f64>().is_ok();
    let is_mode = |word: &String| word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.iter().all(|word| is_number(word) || is_mode(word) || HARMLESS.contains(&word.as_str()))
}

/// The words with this option, in place of the one they had.
fn with_option(mut words: Vec<String>, option: &str, value: &str) -> Vec<String> {
    if let Some(place) = words.iter().position(|word| word == option) {
        words.drain(place..words.len().min(place + 2));
    }
    words.extend([option.to_owned(), value.to_owned()]);
    words
}

/// Whether nearly all of the program's waits are at this place.
fn waits_only_at(recording: &Recording, site: &str) -> bool {
    let Ok(explanation) = why(recording, None) else { return false };
    let is_wait = |bucket| matches!(bucket, Bucket::Timer | Bucket::Io | Bucket::Blocked | Bucket::Child);
    let waits = || explanation.reasons.iter().filter(|reason| is_wait(reason.bucket));
    let all: u64 = waits().map(|reason| reason.nanos).sum();
    let here: u64 = waits().filter(|reason| reason.is_at(site)).map(|reason| reason.nanos).sum();
    here as f64 >= SHARE_MIN * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_trace::{ProcessInfo, Segment};

    fn made_by(words: &[&str]) -> Recording {
        let command = words.iter().map(|&word| word.to_owned()).collect();
        let process = ProcessInfo { command, ..ProcessInfo::default() };
        Recording { segments: vec![Segment { process, ..Segment::default() }], problems: Vec::new() }
    }

    #[test]
    fn a_file_names_no_command_but_our_scenarios() {
        let rerun =
            |words: &[&str]| Rerun::with(&made_by(words), &Edit::Workers(3)).map(|rerun| rerun.0.join(" "));
        assert_eq!(
            rerun(&["cpu", "threads", "--workers", "2", "--n", "9"]),
            Ok("cpu threads --n 9 --workers 3".into())
        );
        for words in [
            &["decide", "rm"][..],
            &["cpu", "threads", "--launcher", "rm"],
            &["io", "--url", "http://example.org"],
            &["rm", "-r"],
            &["cpu", "--trace=/etc/passwd"],
        ] {
            assert_eq!(rerun(words), Err("its command is none that is run again".into()), "{words:?}");
        }
        assert_eq!(rerun(&["hello"]), Err("`hello` takes no --workers".into()));
        assert!(rerun(&[]).is_err());
    }
}
