//! `--trace FILE`: a command's run is recorded, and written as a page, a recording or text. Ctrl-C writes
//! what there is, and SIGUSR1 writes a dump beside.

use crate::{
    interrupt::{self, Hook},
    scenario::{CommandError, Exit, failed},
    show::{self, LiveLanes, Output, Settings},
};
use brigade_timeline::{Timeline, page, perfetto, svg, text};
use brigade_trace::{Recording, RecordingFile, Session};
use clap::{Arg, ArgAction, ArgMatches};
use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many events each thread has room for: 4 MiB.
const THREAD_EVENTS: usize = 1 << 17;
/// How wide a text in a file is.
const FILE_COLUMNS: usize = 120;

/// The recording, while it goes on. It is taken out and written under one lock, so that the process does not
/// exit in the middle.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A recording that goes on.
struct Running {
    /// Present with `--trace`.
    file: Option<RecordingFile>,
    /// Present with `--lanes`.
    drawn: Option<Session>,
}

impl Running {
    fn begin(asked: &Asked, title: &str) -> Result<Self, CommandError> {
        let session = || Session::builder().capacity(THREAD_EVENTS);
        let record = |destination: &Destination| session().title(title).record_to(&destination.path);
        let file = asked.destination.as_ref().map(record).transpose().map_err(told)?;
        let drawn = asked.lanes.then(|| session().shared().start()).transpose();
        Ok(Self { file, drawn: drawn.map_err(failed("cannot trace"))? })
    }

    fn write(self) -> Result<(), CommandError> {
        self.file.map_or(Ok(()), |file| file.finish().map(drop).map_err(told))
    }
}

/// The error of a recording, which says what could not be done.
fn told(error: io::Error) -> CommandError {
    CommandError { exit: Exit::FAILURE, message: error.to_string() }
}

/// The words of this command, without the program and without `--trace`.
pub(crate) fn command() -> Vec<String> {
    let mut words = Vec::new();
    let mut arguments = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = arguments.next() {
        if word == "--trace" {
            arguments.next();
        } else if !word.starts_with("--trace=") {
            words.push(word);
        }
    }
    words
}

fn running() -> MutexGuard<'static, Option<Running>> {
    // A panic leaves no change in here half done.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The form in which a recording is written. The ending of the file's name says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A page for a browser.
    Page,
    /// The events themselves.
    Events,
    /// Lines of text.
    Text,
    /// A static picture.
    Picture,
    /// A trace for Perfetto's viewer.
    Perfetto,
}

/// The endings of a file's name, and the form that each stands for.
const ENDINGS: [(&str, Form); 5] = [
    ("html", Form::Page),
    ("brigade", Form::Events),
    ("svg", Form::Picture),
    ("pftrace", Form::Perfetto),
    ("txt", Form::Text),
];

/// A file that a recording is to be written to.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    path: PathBuf,
    form: Form,
}

/// The option `--trace`.
pub(crate) fn argument() -> Arg {
    let trace = Arg::new("trace").long("trace").value_name("FILE").value_parser(Destination::parse);
    trace.help("Record the run: .html .brigade .svg .pftrace .txt")
}

/// The wishes of the command line.
pub(crate) struct Asked {
    destination: Option<Destination>,
    lanes: bool,
}

impl Asked {
    /// The file and the lanes, if one of them is asked for.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Option<Self>, CommandError> {
        let destination = matches.get_one::<Destination>("trace").cloned();
        let lanes = matches.get_flag("lanes");
        if lanes && matches.get_flag("json") {
            return Err(CommandError::usage(
                "--lanes draws for people, and --json is for programs: leave one out",
            ));
        }
        Ok((lanes || destination.is_some()).then_some(Self { destination, lanes }))
    }
}

/// The option `--lanes`.
pub(crate) fn lanes_argument() -> Arg {
    Arg::new("lanes").long("lanes").action(ArgAction::SetTrue).help("Draw the run as lanes of text, live")
}

impl Destination {
    fn parse(path: &str) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let ending = path.extension().and_then(OsStr::to_str);
        let form = ENDINGS.iter().find(|(name, _)| ending == Some(name)).map(|(_, form)| *form);
        let form = form.ok_or("a file's name ends with .html, .brigade, .svg, .pftrace or .txt here")?;
        Ok(Self { path, form })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file at this path, in the form that this ending stands for, whatever its own ending.
    pub(crate) fn in_form(path: PathBuf, ending: &str) -> Self {
        let form = ENDINGS.iter().find(|(name, _)| *name == ending).expect("the ending is one of the list").1;
        Self { path, form }
    }

    /// Writes the recording.
    pub(crate) fn write(&self, recording: &Recording, title: &str) -> Result<(), CommandError> {
        let timeline = || Timeline::of(recording);
        let bytes = match self.form {
            Form::Page => page(recording, title).into_bytes(),
            Form::Picture => svg(&timeline(), title).into_bytes(),
            Form::Perfetto => perfetto(&timeline()),
            Form::Text => text(&timeline(), FILE_COLUMNS).into_bytes(),
            Form::Events => {
                let mut bytes = Vec::new();
                let written = recording.segments.iter().try_for_each(|segment| segment.write_to(&mut bytes));
                written.expect("a vector takes all bytes");
                bytes
            }
        };
        let written = File::create(&self.path).and_then(|mut file| file.write_all(&bytes));
        written.map_err(|error| cannot("write", &self.path, error))
    }
}

/// The error of a file.
pub(crate) fn cannot(what: &str, path: &Path, error: std::io::Error) -> CommandError {
    CommandError::failed(&format!("cannot {what} {}", path.display()), error)
}

/// The run so far.
fn so_far() -> Option<Timeline> {
    let recording = running().as_ref()?.drawn.as_ref()?.recording();
    Some(Timeline::of(&recording))
}

/// Runs a command, records it, and writes the recording to the destination, or draws its lanes. A command
/// that fails is recorded as well.
pub(crate) fn record(
    asked: &Asked,
    title: &str,
    run: impl FnOnce() -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    // A file that cannot be written is told before the run, not after it. An earlier recording stays until
    // then.
    let begun = Running::begin(asked, title)?;
    *running() = Some(begun);
    interrupt::on_exit(Hook::Recording, write_before_exit);
    let live = asked.lanes.then(|| LiveLanes::begin(so_far)).transpose();
    let live = live.map_err(failed("cannot start a thread"))?;
    let exit = run();
    if let Some(live) = live {
        let timeline = so_far();
        live.end();
        let output = Output::new("lanes", settings_for_people());
        let picture = timeline.map_or(String::new(), |timeline| text(&timeline, output.columns()));
        output.line("");
        picture.lines().for_each(|line| output.line(line));
    }
    let mut recording = running();
    // A command that was refused has run nothing: an earlier recording stays.
    let is_refused = matches!(&exit, Err(error) if error.exit == Exit::USAGE);
    let written = match recording.take() {
        Some(refused) if is_refused => {
            refused.file.into_iter().for_each(RecordingFile::discard);
            Ok(())
        }
        Some(recording) => recording.write(),
        // Ctrl-C has written it, and is about to exit.
        None => {
            interrupt::park_if_exiting();
            Ok(())
        }
    };
    drop(recording);
    // If both fail, the error of the run is told.
    exit.and_then(|exit| written.map(|()| exit))
}

fn settings_for_people() -> Settings {
    Settings { json: false, workers: None, speed: 1.0 }
}

fn write_before_exit() {
    // The terminal has been given back.
    show::release_output();
    let mut recording = running();
    if let Some(Err(error)) = recording.take().map(Running::write) {
        show::complain(format_args!("brigade: {}\n", error.message));
    }
}
