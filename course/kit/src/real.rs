//! A run on the operating system itself: real system calls, real threads, and no scheduler.
//!
//! Labs 9 and 12 have one part of this kind. Such a run is made once, in a process of its own, which has the
//! limits of all runs but for what its lab needs ([`permits`]). No schedule can be replayed there, so these
//! tests ask for little, and what they ask for holds under every schedule.
//!
//! Nothing here depends on how fast the machine is. A run that computes without end uses up its processor
//! time. A run that hangs is *idle*: none of its threads can run, and none has used the processor since the
//! last looks ([`Watch`]). On a busy machine a thread that could go on waits for the processor, and is not
//! idle. At the end nothing is left: the processes of a run are one group, which is killed, and whatever lost
//! its parent becomes a child of the runner, which reaps it.

use crate::{
    Case, Finding, Lab, Test, Verdict,
    outcome::{COMPUTES, busy, end_of_process, short},
    runner::Code,
    sys::{self, Permits, Waited},
    thread::is_harness,
};
use brigade_explore::mio::net::UnixStream;
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream as OsStream,
    panic::{self, PanicHookInfo},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// The rights of a lab's real part, beyond those of its other parts.
fn permits(lab: &Lab) -> Permits {
    match lab.number {
        12 => Permits::Processes,
        _ => Permits::Nothing,
    }
}

/// Whether this process is that of a real run.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);
/// Where the verdict goes. It is taken by whoever tells it.
static VERDICTS: Mutex<Option<File>> = Mutex::new(None);

/// Whether this process was forked by a real run. Its panics are its own matter, and end it.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

pub(crate) fn become_child() {
    // Relaxed: a child has one thread.
    IS_CHILD.store(true, Relaxed);
}

pub(crate) fn is_running() -> bool {
    // Relaxed: it is set before the run has threads.
    IS_RUNNING.load(Relaxed)
}

/// Ends the run: it has passed, or this was found.
pub(crate) fn end_with(finding: Option<Finding>) -> ! {
    if IS_CHILD.load(Relaxed) {
        sys::exit_now(1);
    }
    let file = VERDICTS.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut file) = file else {
        // Another thread tells its finding, and ends the process.
        loop {
            thread::park();
        }
    };
    let mut line = serde_json::to_string(&finding).expect("a finding is plain data");
    line.push('\n');
    let _ = file.write_all(line.as_bytes());
    sys::exit_now(0)
}

/// Makes a stream of the operating system that never blocks, and its other end, which does.
pub(crate) fn stream_pair() -> (UnixStream, OsStream) {
    let (ours, theirs) = OsStream::pair().expect("the system gives sockets");
    ours.set_nonblocking(true).expect("a socket can be so");
    (UnixStream::from_std(ours), theirs)
}

/// Makes the one run of a test.
///
/// # Errors
///
/// Returns the operating system's error if it refuses a process or a pipe.
pub(crate) fn run(lab: &Lab, test: &Test, code: Code, seed: u64) -> io::Result<Verdict> {
    sys::adopt_orphans();
    let (read, write) = sys::pipe()?;
    let leader = sys::fork(move || make_run(permits(lab), code, seed, write))?;
    let told = watch(read, leader);
    let passed = Verdict::Passed { schedules: 1, all_deviations: 0, is_complete: false };
    let verdict = match told {
        Told::Line(line) => {
            // Its process ends by itself.
            sys::wait(leader, true);
            match serde_json::from_str::<Option<Finding>>(&line) {
                Ok(None) if sys::wait(-1, false) == Waited::NoChild => passed,
                Ok(None) => failed(Finding::new("zombie", "no process outlives the run", "one is left")),
                Ok(Some(finding)) => failed(finding),
                Err(_) => {
                    failed(Finding::new("limits", "the run tells its verdict", "it tells something else"))
                }
            }
        }
        Told::End => failed(finding_of(sys::wait(leader, true))),
        Told::Idle => {
            let happened = "nothing goes on: all threads wait";
            failed(Finding::new(test.stuck.rule, test.stuck.expected, happened))
        }
    };
    sys::kill_group(leader);
    while sys::wait(-1, true) != Waited::NoChild {}
    Ok(match verdict {
        Verdict::Failed(finding) => Verdict::Failed(Box::new(Finding { seed, ..*finding })),
        passed @ Verdict::Passed { .. } => passed,
    })
}

fn failed(finding: Finding) -> Verdict {
    Verdict::Failed(Box::new(finding))
}

fn finding_of(end: Waited) -> Finding {
    let message = match end {
        Waited::Signal(27 | 24) => return busy(COMPUTES),
        Waited::Signal(number) => format!("the process of the run was ended by signal {number}"),
        Waited::Code(code) => format!("the checked code has ended its process with the exit code {code}"),
        Waited::Running | Waited::NoChild => "the process of the run is gone".to_owned(),
    };
    Finding::new("limits", "the run ends by itself", &end_of_process(&message))
}

/// The child: runs the code, and tells the verdict.
fn make_run(permits: Permits, code: Code, seed: u64, verdicts: File) {
    sys::end_with_parent();
    sys::limit_real_run(permits);
    *VERDICTS.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdicts);
    IS_RUNNING.store(true, Relaxed);
    panic::set_hook(Box::new(|info| end_with(Some(panic_of(info)))));
    code(&mut Case::new(seed));
    end_with(None)
}

fn panic_of(info: &PanicHookInfo<'_>) -> Finding {
    let message = brigade_explore::handle::panic_message(info.payload()).unwrap_or("");
    let place = info.location().map(ToString::to_string).filter(|place| !is_harness(place));
    let at = place.as_ref().map_or_else(String::new, |place| format!(" at {}", short(place)));
    let finding = Finding::new("panic", "no panic", &format!("a panic{at}: {message}"));
    Finding { places: place.iter().map(|place| short(place)).collect(), ..finding }
}

/// The news of a run.
enum Told {
    /// It has told its verdict.
    Line(String),
    /// It has ended without one.
    End,
    /// It is idle.
    Idle,
}

/// How often an idle run is looked at before it is given up, and the time between two looks.
const IDLE_LOOKS: u32 = 10;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Waits for the verdict of a run, as long as the run is not idle.
fn watch(verdicts: File, leader: i32) -> Told {
    let (sender, receiver) = mpsc::channel();
    // It ends with the run's processes, which the caller sees to.
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(verdicts).read_line(&mut line);
        let is_whole = read.is_ok() && line.ends_with('\n');
        let _ = sender.send(if is_whole { Told::Line(line) } else { Told::End });
    });
    let (mut last, mut idle_looks) = (Watch::default(), 0);
    while idle_looks < IDLE_LOOKS {
        match receiver.recv_timeout(LOOK_INTERVAL) {
            Ok(told) => return told,
            Err(RecvTimeoutError::Disconnected) => return Told::End,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Watch::look(leader);
        idle_looks = if !now.can_run && now.ticks == last.ticks { idle_looks + 1 } else { 0 };
        last = now;
    }
    Told::Idle
}

/// The threads of all processes of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    /// Whether one of them runs, or would if it had a processor.
    can_run: bool,
    /// The processor time that they have used, in ticks of the kernel.
    ticks: u64,
}

impl Watch {
    fn look(group: i32) -> Self {
        let mut watch = Self::default();
        for process in entries("/proc") {
            let is_ours =
                Stat::read(&format!("/proc/{process}/stat")).is_some_and(|stat| stat.group == group);
            let threads = if is_ours { entries(&format!("/proc/{process}/task")) } else { Vec::new() };
            for thread in threads {
                let Some(stat) = Stat::read(&format!("/proc/{process}/task/{thread}/stat")) else { continue };
                watch.can_run |= !matches!(stat.state, 'S' | 'Z' | 'X' | 'T');
                watch.ticks += stat.ticks;
            }
        }
        watch
    }
}

/// The numbers among the names of a folder.
fn entries(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A thread's line in `/proc`.
struct Stat {
    state: char,
    group: i32,
    ticks: u64,
}

impl Stat {
    fn read(path: &str) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        // The name before it may hold anything, also a parenthesis.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let group = fields.get(2)?.parse().ok()?;
        Some(Self { state: fields.first()?.chars().next()?, group, ticks: number(11)? + number(12)? })
    }
}
