//! The child: makes the runs that its parent asks for.
//!
//! A run that fails leaves its threads parked, so the child ends after its answer. The parent forks another
//! one. All children inherit the checked code with the memory of the parent.

use crate::{
    oracle::{Chooser, Log, Noting, SharedLog, lock},
    outcome::{Class, Failure, Outcome, Request},
    schedule::Schedule,
    step::Moment,
    story, stuck,
};
use brigade_handle::{
    clock::thread_number,
    explore::{End, Limits, Ran, UnseenPanic, begin_stamps, run},
};
use brigade_trace::live;
use std::{
    fs::File,
    io::{self, Read, Write},
    mem,
    panic::{self, PanicHookInfo},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// The code that is checked.
pub(crate) type Checked = Arc<dyn Fn() + Send + Sync>;

/// The message of a panic whose payload is not a text.
const NO_TEXT: &str = "(a payload that is not a text)";

/// The panics of a run.
static PANICS: Mutex<Vec<NotedPanic>> = Mutex::new(Vec::new());

struct NotedPanic {
    /// The number that the operating system gave the thread.
    tid: u64,
    message: String,
    place: String,
    /// Whether it is a rule that was broken.
    is_rule: bool,
}

/// Takes the panics of a run.
fn take_panics() -> Vec<NotedPanic> {
    mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Answers requests until the parent closes its end, or until a run has failed.
pub(crate) fn serve(checked: &Checked, mut requests: File, mut answers: File) {
    // Relaxed: only this thread exists yet.
    IS_CHILD.store(true, Relaxed);
    begin_stamps();
    // The recording of the parent, if it makes one, is not about these runs.
    brigade_trace::recorded_by_parent();
    while let Ok(Some(frame)) = read_frame(&mut requests) {
        let Ok(request) = postcard::from_bytes::<Request>(&frame) else { return };
        let outcome = make_run(checked, &request);
        let Ok(bytes) = postcard::to_stdvec(&outcome) else { return };
        if write_frame(&mut answers, &bytes).is_err() || outcome.ends_child() {
            return;
        }
    }
}

/// Whether this process is a child, whose panics are noted and not shown.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Has children note their panics. The hook is set before a child is forked: if another thread panics at
/// that moment, the lock of the hook stays taken in the child.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(
            move |info| {
                if IS_CHILD.load(Relaxed) { note_panic(info) } else { shown(info) }
            },
        ));
    });
}

/// Notes that the calling thread has broken a rule, as if it had panicked there.
pub(crate) fn note_failure(rule: &str, message: &str) {
    let (message, place) = (message.to_owned(), rule.to_owned());
    let panic = NotedPanic { tid: thread_number(), message, place, is_rule: true };
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic);
}

fn note_panic(info: &PanicHookInfo<'_>) {
    let message = brigade_handle::panic_message(info.payload()).unwrap_or(NO_TEXT);
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let panic = NotedPanic { tid: thread_number(), message: message.to_owned(), place, is_rule: false };
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic);
}

fn make_run(checked: &Checked, request: &Request) -> Outcome {
    let log = SharedLog::default();
    let chooser = Chooser::new(&request.strategy);
    let oracle = Noting {
        chooser,
        log: log.clone(),
        notes_all: request.wants_choices,
        stamps: request.wants_story,
        stop_at: request.stop_at,
    };
    drop(take_panics());
    let limits = Limits { steps: request.steps, atomics: request.atomics, tells: request.wants_story };
    let root = checked.clone();
    let watched = request.wants_waits.then(live::keep);
    let recorder = request.wants_story.then(story::Recorder::start);
    let ran = run(Box::new(oracle), limits, move || root());
    let Log { choices, hash, length, deviations, notes, stamps, .. } = mem::take(&mut *lock(&log));
    let failure = failure_of(&ran);
    let moment = request.stop_at.map(|_| Moment::of(&ran, length));
    drop(watched);
    let story = recorder.map(|recorder| recorder.finish(&ran.threads, notes, &stamps));
    Outcome { failure, schedule: Schedule::new(deviations), choices, length, hash, story, moment }
}

fn failure_of(ran: &Ran) -> Option<Failure> {
    match ran.end.clone() {
        End::Finished | End::Stopped(_) => None,
        End::Panicked(message) => {
            let mut panics = take_panics();
            let last = panics.pop();
            let is_rule = last.as_ref().is_some_and(|panic| panic.is_rule);
            // The root may have panicked because of it, by an `unwrap` of a thread's result for example.
            let first = panics.first().filter(|_| !is_rule).map(|NotedPanic { message, place, .. }| {
                format!("\nthe first panic of the run, at {place}: {message}")
            });
            let sites = last.into_iter().map(|panic| panic.place).collect();
            Some(Failure { class: Class::Panic, message: message + &first.unwrap_or_default(), sites })
        }
        End::UnseenPanic(index) => {
            let thread = &ran.threads[index as usize];
            let panic = take_panics().into_iter().rfind(|panic| panic.tid == thread.tid);
            let (told, sites) = match panic {
                Some(panic) => (panic.message, vec![panic.place]),
                // It was resumed, which no hook sees.
                None => (String::new(), vec![thread.name.clone()]),
            };
            let message = format!("{} has panicked, and nobody has joined it: {told}", thread.name);
            Some(Failure { class: Class::UnseenPanic, message, sites })
        }
        End::UnseenPanicOfWork(UnseenPanic { work, message }) => {
            let panics = take_panics();
            let noted =
                panics.iter().rfind(|panic| message.as_ref().is_none_or(|told| *told == panic.message));
            let sites = noted.into_iter().map(|panic| panic.place.clone()).collect();
            let work = if work.is_empty() { "a task or a job".to_owned() } else { work };
            let told = message.unwrap_or_else(|| NO_TEXT.to_owned());
            let message = format!("{work} has panicked, and nobody has taken its result: {told}");
            Some(Failure { class: Class::UnseenPanic, message, sites })
        }
        End::Stuck(waiting) => Some(stuck::failure_of(&waiting, &ran.threads)),
        End::BlockedOutside(thread) => {
            let message = format!(
                "{thread} waits in the operating system, where a run sees nothing: use the locks, channels and \
                 sleeps of Brigade, or `brigade_explore::sync` and `thread` in place of std's"
            );
            Some(Failure { class: Class::BlockedOutside, message, sites: vec![thread] })
        }
        End::NoChoicePoint(thread) => {
            let message = format!("{thread} runs for long without a choice point: a loop that waits awake?");
            Some(Failure { class: Class::NoChoicePoint, message, sites: vec![thread] })
        }
        End::StepLimit => {
            let message = "the run has not ended within its limit of steps".to_owned();
            Some(Failure { class: Class::StepLimit, message, sites: Vec::new() })
        }
    }
}

/// Writes a frame: its length in four bytes, and the bytes.
pub(crate) fn write_frame(to: &mut File, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut frame = len.to_le_bytes().to_vec();
    frame.extend_from_slice(bytes);
    to.write_all(&frame)
}

/// Reads a frame. Returns `None` if the other side has closed its end.
pub(crate) fn read_frame(from: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
    match from.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
