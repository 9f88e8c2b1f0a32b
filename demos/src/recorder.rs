//! `--trace FILE`: a command's run is recorded, and written as a page, a recording or text. Ctrl-C writes
//! what there is.

use crate::{
    interrupt::{self, Hook},
    scenario::{CommandError, Exit},
    show::{self, LiveLanes, Output, Settings},
};
use brigade_timeline::{Timeline, page, perfetto, svg, text};
use brigade_trace::{Recording, Session, Trace, clock};
use clap::{Arg, ArgAction, ArgMatches};
use std::{
    env,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many events each thread has room for: 4 MiB.
const THREAD_EVENTS: usize = 1 << 17;
/// How wide a text in a file is.
const FILE_COLUMNS: usize = 120;

/// The recording for `--trace`, while it goes on. It is taken out and written under one lock, so that the
/// process does not exit in the middle.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// A recording that goes on, and where it is to be written.
struct Running {
    session: Session,
    /// None if the run is only drawn as lanes.
    destination: Option<Destination>,
    title: String,
}

impl Running {
    fn write(self) -> Result<(), CommandError> {
        let mut recording = self.session.finish();
        recording.segments.iter_mut().take(1).for_each(|segment| segment.process.command = command());
        self.destination.map_or(Ok(()), |destination| destination.write(&recording, &self.title))
    }
}

/// The words of this command, without the program and without `--trace`.
fn command() -> Vec<String> {
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
    let trace = running().as_ref()?.session.snapshot();
    Some(Timeline::of(&Recording::from(trace)))
}

/// Runs a command, records it, and writes the recording to the destination, or draws its lanes. A command
/// that fails is recorded as well.
pub(crate) fn record(
    asked: &Asked,
    title: &str,
    run: impl FnOnce() -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    let Asked { destination, lanes } = asked;
    // A file that cannot be written is told before the run, not after it. An earlier recording stays until
    // then.
    let is_new = destination.as_ref().is_some_and(|destination| !destination.path.exists());
    if let Some(Destination { path, .. }) = destination {
        let writable = OpenOptions::new().create(true).append(true).open(path);
        writable.map_err(|error| cannot("write", path, error))?;
    }
    let session = Session::start(THREAD_EVENTS).map_err(crate::scenario::failed("cannot trace"))?;
    *running() = Some(Running { session, destination: destination.clone(), title: title.to_owned() });
    interrupt::on_exit(Hook::Recording, write_before_exit);
    let live = lanes.then(|| LiveLanes::begin(so_far)).transpose();
    let live = live.map_err(crate::scenario::failed("cannot start a thread"))?;
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
        Some(_) if is_refused => {
            remove_if_made(destination.as_ref().filter(|_| is_new));
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

/// Removes the empty file that the check before the run has made.
fn remove_if_made(destination: Option<&Destination>) {
    if let Some(Destination { path, .. }) = destination {
        // The error of the run is told, not this one.
        let _ = fs::remove_file(path);
    }
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

/// The recording of a scenario that shows its own events.
pub(crate) enum OwnRecording {
    Session(Session),
    /// A part of the one for `--trace`, from this time on.
    Part(u64),
}

impl OwnRecording {
    /// Begins to record, with room for so many events on each thread.
    pub(crate) fn begin(capacity: usize) -> Result<Self, CommandError> {
        if running().is_some() {
            return Ok(Self::Part(clock::nanos()));
        }
        Session::start(capacity).map(Self::Session).map_err(crate::scenario::failed("cannot trace"))
    }

    /// Returns the events since the begin.
    pub(crate) fn end(self) -> Trace {
        match self {
            Self::Session(session) => session.stop(),
            Self::Part(begin) => {
                let mut trace =
                    running().as_ref().map(|running| running.session.snapshot()).unwrap_or_default();
                trace.threads.iter_mut().for_each(|thread| thread.events.retain(|event| event.at >= begin));
                trace
            }
        }
    }
}
