//! Programs that are recorded without a line of code. This file is also those programs: it starts itself.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade::{
    pool::{self, Pool},
    process,
    runtime::{self, Runtime},
    trace::{Domain, Recording, Role, record_to},
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// The variable that says which program this is.
const PROGRAM: &str = "RECORDED_PROGRAM";

fn main() {
    process::init();
    match env::var(PROGRAM) {
        Ok(program) => run(&program),
        Err(_) => test_all(),
    }
}

fn run(program: &str) {
    let soup = || async { runtime::yield_now().await };
    match program {
        "returns" => runtime::run(async { runtime::spawn(soup()).await.unwrap() }),
        "returns with executors alive" => {
            let runtime = Runtime::builder().workers(2).build().unwrap();
            runtime.block_on(async { runtime::spawn(soup()).await.unwrap() });
            std::mem::forget(runtime);
            pool::spawn(|| ()).join().unwrap();
        }
        "exits" => {
            runtime::run(async { runtime::spawn(soup()).await.unwrap() });
            std::process::exit(3)
        }
        "panics" => {
            runtime::run(async { runtime::spawn(soup()).await.unwrap() });
            panic!("the soup is burnt")
        }
        "waits" => {
            let pool = Pool::builder().threads(1).build().unwrap();
            pool.spawn(|| ()).join().unwrap();
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        "has children" => {
            let procs = process::ProcessPool::new(1).unwrap();
            let runs = |_: ()| runtime::run(async { runtime::spawn(async {}).await.unwrap() });
            procs.spawn(runs, ()).join().unwrap();
        }
        "handles SIGINT" => runtime::run(async {
            let mut interrupts = runtime::signal::signal(runtime::signal::SignalKind::INTERRUPT).unwrap();
            println!("ready");
            interrupts.recv().await.unwrap();
        }),
        "records itself" => {
            let path = env::args_os().nth(1).unwrap();
            let _recording = record_to(&path).unwrap();
            assert!(record_to(&path).unwrap_err().to_string().contains("already"));
            runtime::run(async { runtime::spawn(soup()).await.unwrap() });
            panic!("the guard is dropped")
        }
        other => panic!("there is no program {other}"),
    }
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("recorded-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(program: &str, variable: &Path) -> Command {
    // A shell that starts this test in the background has SIGINT ignored, and programs inherit that.
    let mut command = Command::new("env");
    command.args(cfg!(target_os = "linux").then_some("--default-signal")).arg(env::current_exe().unwrap());
    command.env(PROGRAM, program).env("BRIGADE_TRACE", variable).stdin(Stdio::null());
    command
}

fn output(program: &str, variable: &Path) -> (Output, String) {
    let output = command(program, variable).output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said)
}

/// Reads the recording, and checks that it has an event.
fn read(path: &Path) -> Recording {
    let recording = Recording::read_from(fs::File::open(path).unwrap()).unwrap();
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    assert!(recording.segments[0].trace.events().count() > 0);
    recording
}

fn every_way_to_end_writes_the_file(folder: &Folder) {
    for (program, code) in
        [("returns", 0), ("returns with executors alive", 0), ("exits", 3), ("panics", 101)]
    {
        let path = folder.file("soup-%p.brigade");
        let (output, said) = output(program, &path);
        assert_eq!(output.status.code(), Some(code), "{program}: {said}");
        let written: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(written.len(), 1, "{program}: {written:?}");
        read(&written[0]);
        fs::remove_file(&written[0]).unwrap();
    }
}

/// The feature `timeline` is a default one, and no line of this file mentions it.
fn the_ending_chooses_the_form(folder: &Folder) {
    let (page, text) = (folder.file("soup.html"), folder.file("soup.txt"));
    assert_eq!(output("returns", &page).1, "");
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(output("returns", &text).1, "");
    assert!(fs::read_to_string(&text).unwrap().contains("longest runs"));
}

fn a_file_that_cannot_be_is_told_in_one_line_and_the_program_goes_on(folder: &Folder) {
    for (path, why) in [
        (folder.file("none/soup.html"), "No such file"),
        (folder.file("soup.exe"), "ends with .brigade, .html"),
        (folder.0.clone(), "ends with"),
    ] {
        let (output, said) = output("returns", &path);
        assert!(output.status.success());
        assert!(said.starts_with("brigade: BRIGADE_TRACE: ") && said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let (output, said) = output("returns", Path::new(""));
    assert!(output.status.success() && said.is_empty(), "an empty variable is none: {said}");
}

fn workers_leave_the_file_to_the_program(folder: &Folder) {
    let path = folder.file("parent.brigade");
    let (ended, said) = output("has children", &path);
    assert!(ended.status.success() && said.is_empty(), "{said}");
    let recording = read(&path);
    let roles: Vec<_> = recording.segments.iter().map(|segment| segment.process.role).collect();
    assert_eq!(roles, [Role::Parent, Role::Child]);
    let tasks = recording.segments[1].trace.events().filter(|event| event.subject.domain() == Domain::Task);
    assert!(tasks.count() > 0, "the task that a call has spawned");
    let text = folder.file("parent.txt");
    assert_eq!(output("has children", &text).1, "");
    let text = fs::read_to_string(&text).unwrap();
    assert!(
        text.contains("child processes (1)") && text.matches("threads of worker process").count() == 1,
        "{text}"
    );
}

/// Starts a program and waits until it says that it is ready.
fn started(program: &str, path: &Path) -> (Child, impl Read) {
    let mut child = command(program, path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let stderr = child.stderr.take().unwrap();
    (child, stderr)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn a_signal_that_ends_the_program_comes_after_the_file(folder: &Folder) {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let path = folder.file("killed.brigade");
        let (mut child, _) = started("waits", &path);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().signal(), Some(number), "the signal's own action is kept");
        read(&path);
        fs::remove_file(path).unwrap();
    }
    let path = folder.file("handled.brigade");
    let (mut child, _) = started("handles SIGINT", &path);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0), "the program handles it");
    read(&path);
}

fn sigusr1_writes_what_there_is(folder: &Folder) {
    let path = folder.file("live.brigade");
    let (mut child, stderr) = started("waits", &path);
    let mut lines = BufReader::new(stderr).lines();
    for number in 1..=2 {
        signal(&child, "USR1");
        let said = lines.next().unwrap().unwrap();
        let dump = folder.file(&format!("live-{number}.brigade"));
        assert_eq!(said, format!("brigade: SIGUSR1 came: the last events are in {}", dump.display()));
        read(&dump);
    }
    signal(&child, "TERM");
    child.wait().unwrap();
}

fn a_file_has_one_program_at_a_time(folder: &Folder) {
    let path = folder.file("shared.brigade");
    let (mut child, _) = started("waits", &path);
    let (second, said) = output("returns", &path);
    assert!(second.status.success() && said.contains("being recorded to already"), "{said}");
    signal(&child, "TERM");
    child.wait().unwrap();
    read(&path);
}

fn a_guard_writes_when_it_unwinds(folder: &Folder) {
    let path = folder.file("guarded.html");
    let mut command = command("records itself", Path::new(""));
    let output = command.arg(&path).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(101), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
}

fn test_all() {
    type Test = (&'static str, fn(&Folder));
    let tests: [Test; 8] = [
        ("every way to end writes the file", every_way_to_end_writes_the_file),
        ("the ending chooses the form", the_ending_chooses_the_form),
        (
            "a file that cannot be is told in one line, and the program goes on",
            a_file_that_cannot_be_is_told_in_one_line_and_the_program_goes_on,
        ),
        ("workers leave the file to the program", workers_leave_the_file_to_the_program),
        (
            "a signal that ends the program comes after the file",
            a_signal_that_ends_the_program_comes_after_the_file,
        ),
        ("SIGUSR1 writes what there is", sigusr1_writes_what_there_is),
        ("a file has one program at a time", a_file_has_one_program_at_a_time),
        ("a guard writes when it unwinds", a_guard_writes_when_it_unwinds),
    ];
    for (name, test) in tests {
        let folder = Folder::new();
        test(&folder);
        println!("{name}: ok");
    }
}
