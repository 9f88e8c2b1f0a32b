//! The document's own code, `demos/python/document`: each sample runs, and as it is printed in the document
//! it fares as its first line says.

use super::common::{folder::Folder, program::run};
use brigade_demos::server::Server;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Longer than any sample takes, also on a busy machine.
const LIMIT_SECONDS: &str = "120";

/// How many Pythons run at once, so that other tests get their turn.
pub(crate) const AT_ONCE: usize = 4;

/// The oldest Python that the samples are written for.
const OLDEST: (u32, u32) = (3, 11);

/// Whether there is a Python that is new enough. Says so if there is none.
pub(crate) fn has_python() -> bool {
    let version = Command::new("python3").args(["-c", "import sys; print(*sys.version_info[:2])"]).output();
    let version = version.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let mut numbers = version.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
    let is_new =
        matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= OLDEST);
    if !is_new {
        println!("skipped: there is no python3 of version {}.{} or later here", OLDEST.0, OLDEST.1);
    }
    is_new
}

/// Whether Python has this library. Says so if it has not.
fn has_library(name: &str) -> bool {
    let has = Command::new("python3").args(["-c", &format!("import {name}")]).output();
    let has = has.is_ok_and(|output| output.status.success());
    if !has {
        println!("skipped: python3 has no {name} here");
    }
    has
}

/// The text of a sample.
fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/document");
    fs::read_to_string(folder.join(format!("{name}.py"))).unwrap()
}

/// A piece of text, and the piece that replaces it.
type Change<'a> = (&'a str, &'a str);

/// The text with each of these replaced, which must be there.
fn changed(mut text: String, changes: &[Change<'_>]) -> String {
    for (from, to) in changes {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text = text.replace(from, to);
    }
    text
}

/// Starts a program under a limit of so many seconds. `timeout` ends it with code 124.
pub(crate) fn start(folder: &Folder, name: &str, text: &str, seconds: &str) -> Child {
    let file = folder.path().join(format!("{name}.py"));
    fs::write(&file, text).unwrap();
    let mut command = Command::new("timeout");
    command.args(["-k", "5", seconds, "python3", "-B"]).arg(file).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a program. Returns its exit code, its output, and its errors.
pub(crate) fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_sample_that_needs_no_library_runs_to_its_end() {
    if !has_python() {
        return;
    }
    let sum = "[332833500, 332833500, 332833500, 332833500, 332833500]";
    let n: &[_] = &[("10_000_000", "1_000")];
    let slow: &[_] = &[("sleep(1)", "sleep(0.01)")];
    let items = |kind: &str| (0..5).map(|n| format!("{kind} {n}")).collect::<Vec<_>>();
    let both = [items("Produced"), items("Consumed")].concat();
    let produced_and_consumed: Vec<_> = both.iter().map(String::as_str).collect();
    let queued = [&produced_and_consumed[..], &["The time is up"]].concat();
    let samples: [(&str, &[Change<'_>], &[&str]); 15] = [
        ("cpu_sync", n, &[sum]),
        ("cpu_threads", n, &["332833500"; 5]),
        ("cpu_processes", n, &[sum]),
        ("hello", slow, &["Hello", "World"]),
        ("chain", slow, &["42"]),
        ("async_queue", &[("sleep(0.5)", "sleep(0.01)")], &queued),
        ("generator", slow, &["3", "2", "1"]),
        ("run", &[], &["Hello Async"]),
        ("thread", &[], &["Running in a thread"]),
        ("daemon", &[], &["Running in a thread"]),
        ("executor", &[], &["['Data received', 'Data received', 'Data received', 'Data received']"]),
        ("race", &[], &["1 + 1 = 1"]),
        ("lock", &[], &[]),
        ("deadlock", &[], &["waited in vain"; 2]),
        ("producer_consumer", slow, &produced_and_consumed),
    ];
    let folder = Folder::new();
    for some in samples.chunks(AT_ONCE) {
        let start = |&(name, changes, shown): &(_, _, _)| {
            (name, start(&folder, name, &changed(sample(name), changes), LIMIT_SECONDS), shown)
        };
        let children: Vec<_> = some.iter().map(start).collect();
        children.into_iter().for_each(|(name, child, shown)| assert_shows(name, child, shown));
    }
}

/// Checks that a sample ends well, and shows each of these lines as often as it stands here.
fn assert_shows(name: &str, child: Child, shown: &[&str]) {
    let (code, output, errors) = ended(child);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{name}: {output}");
    // Lines of two threads may run together, as they may in the document.
    for line in shown {
        let wanted = shown.iter().filter(|other| *other == line).count();
        assert_eq!(output.matches(line).count(), wanted, "{name}: {line} in {output}");
    }
    assert_eq!(output.is_empty(), shown.is_empty(), "{name}");
}

/// The document's code, as it is printed: the name and the text of each sample.
fn printed() -> Vec<(&'static str, String)> {
    let samples = include_str!("printed.md").split("\n## ").skip(1).map(|section| {
        let (name, rest) = section.split_once('\n').unwrap();
        let code = rest.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
        (name, code.to_owned())
    });
    samples.collect()
}

/// The sample of this name as the document prints it.
fn as_printed(name: &str) -> String {
    printed().into_iter().find(|sample| sample.0 == name).unwrap().1
}

const MARK: &str = "# ours: ";

#[test]
fn without_the_lines_that_are_marked_as_ours_each_sample_is_the_documents() {
    let printed = printed();
    assert_eq!(printed.len(), 17);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (name, text) in &printed {
        let ours = sample(name);
        let (first, rest) = ours.split_once('\n').unwrap();
        assert!(first.starts_with("# Runs as printed") || first.starts_with("# As printed: "), "{name}");
        let theirs: Vec<_> = rest.lines().filter(|line| !line.contains(MARK)).collect();
        assert_eq!(words(&theirs.join("\n")), words(text), "{name}");
        for line in rest.lines().filter(|line| line.contains(MARK)) {
            let why = line.split_once(MARK).unwrap().1;
            assert!(words(why).len() > 1, "{name} does not say why: {line}");
        }
    }
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/document")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let name = file.trim_end_matches(".py");
        let is_ours = sample(name).starts_with("# Ours: the document");
        assert_eq!(is_ours, printed.iter().all(|(printed, _)| *printed != name), "{name}");
    }
}

#[test]
fn as_printed_four_samples_lack_a_name_and_one_ends_in_a_traceback() {
    if !has_python() {
        return;
    }
    let samples = [
        ("chain", "NameError"),
        ("generator", "NameError"),
        ("run", "NameError"),
        ("daemon", "NameError"),
        ("async_queue", "TimeoutError"),
    ];
    let folder = Folder::new();
    let children =
        samples.map(|(name, wrong)| (name, start(&folder, name, &as_printed(name), LIMIT_SECONDS), wrong));
    for (name, child, wrong) in children {
        let (code, output, errors) = ended(child);
        assert_eq!(code, Some(1), "{name}: {output}");
        assert!(errors.contains("Traceback") && errors.contains(wrong), "{name}: {errors}");
        assert!(sample(name).lines().next().unwrap().contains(wrong), "{name} does not say it");
    }
}

#[test]
fn as_printed_the_consumer_never_ends() {
    if !has_python() {
        return;
    }
    let text = changed(as_printed("producer_consumer"), &[("sleep(1)", "sleep(0)")]);
    let (code, output, _) = ended(start(&Folder::new(), "endless", &text, "3"));
    assert_eq!(code, Some(124), "{output}");
    assert!(sample("producer_consumer").starts_with("# As printed: it never ends"));
}

/// Without the guard a child that is not forked imports the program, and fails. The pool starts another one,
/// and so on: the program prints errors and never ends. This starts children as Python does since 3.14.
#[test]
fn as_printed_a_pool_of_processes_fails_for_ever_where_children_are_not_forked() {
    if !has_python() {
        return;
    }
    let text = changed(as_printed("cpu_processes"), &[("10_000_000", "10")]);
    let folder = Folder::with(&[("printed.py", &text)]);
    let launcher = "import multiprocessing, runpy, sys\nmultiprocessing.set_start_method('forkserver')\n\
                    sys.path[0] = ''\nrunpy.run_path(FILE, run_name='__main__')\n";
    let file = folder.path().join("printed.py");
    let launcher = launcher.replace("FILE", &format!("{:?}", file.to_str().unwrap()));
    let mut child = start(&folder, "launcher", &launcher, LIMIT_SECONDS);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let failed = lines.any(|line| line.is_ok_and(|line| line.starts_with("RuntimeError")));
    // `timeout` passes the signal on.
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let rest = lines.map_while(Result::ok).count();
    child.wait().unwrap();
    assert!(failed && rest > 0, "no RuntimeError");
}

#[test]
fn the_samples_that_fetch_run_against_our_server() {
    let names = [
        ("io_sync", "requests"),
        ("io_threads", "requests"),
        ("io_async", "aiohttp"),
        ("io_processes", "requests"),
    ];
    if !has_python() {
        return;
    }
    let server = Server::start(0).unwrap();
    let folder = Folder::new();
    for (name, _) in names.into_iter().filter(|(_, library)| has_library(library)) {
        let text = changed(sample(name), &[("https://httpbin.org/delay/1", &server.url("/status/200"))]);
        let (code, output, errors) = ended(start(&folder, name, &text, LIMIT_SECONDS));
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{name}");
        assert_eq!(output.matches("200").count(), 5, "{name}: {output}");
    }
}

#[test]
fn the_code_of_a_scenario_is_pythons_and_ours_and_fits() {
    for scenario in brigade_demos::scenarios::ALL {
        let ran = run(&[scenario.name, "--code"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", scenario.name);
        let wide = ran.stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!((wide, ran.stdout.contains('\x1b')), (None, false), "{}", scenario.name);
        let objects = run(&[scenario.name, "--code", "--json"]).objects();
        let page = ran.stdout.replace("\n  ", "\n");
        for text in objects.iter().flat_map(|object| [&object["python"]["text"], &object["rust"]["text"]]) {
            // 80 columns break no line, so what is copied from there is the program.
            assert!(page.contains(text.as_str().unwrap_or("")), "{}: {text}", scenario.name);
        }
        for object in &objects {
            let place =
                |path: &Value| Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path.as_str().unwrap());
            let rust = object["rust"]["text"].as_str().unwrap();
            let source = fs::read_to_string(place(&object["rust"]["path"])).unwrap();
            assert!(source.contains(rust.lines().next().unwrap()), "{}: {rust}", scenario.name);
            if let Some(python) = object["python"]["text"].as_str() {
                let sample = fs::read_to_string(place(&object["python"]["path"])).unwrap();
                assert_eq!(python, sample.trim_end(), "{}", scenario.name);
            }
        }
        assert!(!objects.is_empty(), "{}", scenario.name);
        let says_so = ran.stdout.contains("have no code for this.");
        assert_eq!(says_so, objects.iter().all(|object| object["python"].is_null()), "{}", scenario.name);
    }
}
