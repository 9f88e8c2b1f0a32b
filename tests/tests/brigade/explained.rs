//! `brigade why`, `what-if` and `diff`: every scenario's time is explained, and bad requests are refused.

use crate::{
    common::{
        folder::Folder,
        program::{brigade, run},
    },
    program::signal,
};
use brigade_demos::scenarios::ALL;
use brigade_timeline::{Bucket, why};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, Segment, ThreadTrace, Trace};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// Runs a scenario, fast if it waits, and returns its recording.
fn recorded(folder: &Path, words: &[&str]) -> Recording {
    let path = folder.join(format!("{}.brigade", words.join("-"))).display().to_string();
    let takes_speed = ALL.iter().any(|scenario| scenario.name == words[0] && scenario.takes_speed);
    let mut arguments = words.to_vec();
    arguments.extend(takes_speed.then_some(["--speed", "20"]).into_iter().flatten());
    arguments.extend(["--trace", &path]);
    let ran = run(&arguments);
    let is_expected = ran.code == Some(if words[0] == "deadlock" { 3 } else { 0 });
    assert!(is_expected, "{words:?}: {:?} {}", ran.code, ran.stderr);
    Recording::read_from(File::open(path).unwrap()).unwrap()
}

#[test]
fn the_time_of_every_scenario_is_explained() {
    let folder = Folder::new();
    let cpu = ["--n", "100000"];
    let modes = |scenario: &'static str, more: &[&'static str]| -> Vec<Vec<&'static str>> {
        let modes: &[&str] = match scenario {
            "io" => &["sync", "threads", "async", "processes"],
            _ => &["sync", "threads", "processes"],
        };
        modes.iter().map(|mode| [&[scenario, *mode], more].concat()).collect()
    };
    let plain =
        ["hello", "chain", "queue", "generator", "run", "thread", "daemon", "executor", "race", "lock"];
    let more = ["deadlock", "producer-consumer", "kitchen", "gil", "joins", "decide"];
    let mut runs: Vec<Vec<&str>> = plain.into_iter().chain(more).map(|name| vec![name]).collect();
    runs.extend(modes("io", &[]).into_iter().chain(modes("cpu", &cpu)));
    for words in runs {
        let recording = recorded(folder.path(), &words);
        let explanation = why(&recording, None).unwrap();
        assert_eq!(explanation.parts.iter().sum::<u64>(), explanation.wall(), "{words:?}: the parts add up");
        let unexplained = explanation.part(Bucket::Unexplained) as f64 / explanation.wall() as f64;
        assert!(unexplained <= 0.02, "{words:?}: {}", explanation.text(100));
        assert_eq!(recording.dropped(), 0, "{words:?}: events are missing");
    }
}

#[test]
fn hello_waits_for_its_timer_and_says_so() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    run(&["hello", "--trace", &path("slow.brigade")]);
    run(&["hello", "--speed", "10", "--trace", &path("fast.brigade")]);
    // A recording that was made on an idle machine: on a busy one the times and the advice are others.
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/timelines/hello.brigade");
    let ran = run(&["why", recorded]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for words in ["main, 1.0", "waiting for a timer", "More workers would not help.", "sum: the wall time"] {
        // A sentence may be broken anywhere.
        let said = ran.stdout.replace('\n', " ");
        assert!(said.contains(words), "{words} is not in\n{}", ran.stdout);
    }
    let ran = run(&["why", recorded, "say_hello"]);
    assert!(ran.code == Some(0) && ran.stdout.starts_with("say_hello, 1.0"), "{}{}", ran.stdout, ran.stderr);
    let ran = run(&["diff", &path("fast.brigade"), &path("slow.brigade")]);
    assert!(ran.code == Some(0) && ran.stdout.contains("slower.\n"), "{}{}", ran.stdout, ran.stderr);
    let both = "different commands: `hello --speed 10` and `hello`.";
    assert!(ran.stdout.replace('\n', " ").contains(both), "{}", ran.stdout);
    let same = run(&["diff", &path("slow.brigade"), &path("slow.brigade")]);
    assert!(!same.stdout.contains("different commands"), "{}", same.stdout);
    assert!(ran.stdout.contains("say_hello: timer, at demos/src/scenarios/hello.rs:"), "{}", ran.stdout);
    let source = include_str!("../../../demos/src/scenarios/hello.rs");
    let line = 1 + source.lines().position(|line| line.contains("sleep(output")).unwrap();
    let faster = ["--faster", &format!("hello.rs:{line}×2"), "--faster", "nowhere.rs:1x2", "--no-rerun"];
    let ran = run(&[&["what-if", &path("slow.brigade")], &faster[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for words in ["parallelism", &format!("hello.rs:{line} ×2"), "nothing waits at nowhere.rs:1"] {
        assert!(ran.stdout.contains(words), "{words} is not in\n{}", ran.stdout);
    }
}

#[test]
fn no_escape_sequence_of_a_file_reaches_the_terminal() {
    let folder = Folder::new();
    let path = folder.path().join("evil.brigade");
    let task = Id::new(Domain::Task, 1);
    let event = |at, kind| Event { at, kind, subject: task, by: Id::NONE, cause: Cause::Unknown, detail: 0 };
    let events = vec![event(0, Kind::Spawn), event(1000, Kind::RunBegin), event(5000, Kind::RunEnd)];
    let threads = vec![ThreadTrace { name: "ma\x1b[2Jin".into(), events, ..ThreadTrace::default() }];
    let mut trace = Trace { threads, ..Trace::default() };
    trace.labels.insert(task, "so\x1b]0;up\x07\u{202E}".into());
    let mut bytes = Vec::new();
    Segment { trace, ..Segment::default() }.write_to(&mut bytes).unwrap();
    fs::write(&path, &bytes).unwrap();
    let path = path.display().to_string();
    for arguments in [
        &["view", &path][..],
        &["why", &path],
        &["why", &path, "salad"],
        &["what-if", &path, "--workers", "2", "--without-lock", "x", "--no-rerun"],
        &["diff", &path, &path],
    ] {
        let ran = run(arguments);
        let said = ran.stdout + &ran.stderr;
        let is_raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202E}';
        assert!(!said.is_empty() && !said.contains(is_raw), "{arguments:?}: {said:?}");
    }
    let said = run(&["why", &path, "salad"]).stderr;
    assert!(said.contains("has no task salad; it has so\u{FFFD}"), "{said}");
}

#[test]
fn the_help_of_an_explanation_offers_only_what_it_takes() {
    for name in ["why", "what-if", "diff"] {
        let help = run(&[name, "--help"]).stdout;
        assert!(help.contains("FILE") || help.contains("<A>"), "{help}");
        assert!(!help.contains("--json"), "{help}");
    }
}

#[test]
fn a_rerun_that_is_interrupted_leaves_nothing_behind() {
    let (folder, temporary) = (Folder::new(), Folder::new());
    let mut recording = recorded(folder.path(), &["executor"]);
    // Again, it takes minutes.
    recording.segments[0].process.command = ["executor", "--speed", "0.01"].map(String::from).into();
    let mut bytes = Vec::new();
    recording.segments[0].write_to(&mut bytes).unwrap();
    let path = folder.path().join("slow.brigade");
    fs::write(&path, &bytes).unwrap();
    let arguments = ["what-if", &path.display().to_string(), "--workers", "1"];
    for name in ["INT", "TERM"] {
        let mut command = brigade(&arguments);
        command.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let begin = Instant::now();
        let is_running = || {
            let mut made = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
            made.any(|made| {
                let mode = fs::metadata(&made).map_or(0, |data| data.permissions().mode());
                mode & 0o7777 == 0o700 && made.join("rerun.brigade").exists()
            })
        };
        while !is_running() {
            assert!(begin.elapsed() < Duration::from_secs(60), "no rerun in a folder of its own");
            thread::yield_now();
        }
        signal(child.id(), name);
        child.wait_with_output().unwrap();
        let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn requests_that_cannot_be_are_refused_in_one_line() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("soup.brigade"), "soup").unwrap();
    run(&["run", "--trace", &path("run.brigade")]);
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ran = run(arguments);
        let is_told = ran.stderr.lines().count() == 1 && ran.stderr.contains(words);
        assert!(ran.code == Some(code) && is_told, "{arguments:?}: {:?} {}", ran.code, ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    };
    for name in ["why", "what-if", "diff"] {
        let more: &[&str] = match name {
            "what-if" => &["--workers", "2"],
            "diff" => &["soup"],
            _ => &[],
        };
        let with = |file: &str| -> Vec<String> {
            [&[name, file], more].concat().iter().map(|word| (*word).to_owned()).collect()
        };
        for (file, words) in
            [(path("soup.brigade"), "not a recording of Brigade"), (path("none"), "cannot read")]
        {
            let arguments = with(&file);
            refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), 1, words);
        }
    }
    refused(&["why", &path("run.brigade"), "salad"], 1, "has no task salad; it has");
    refused(&["what-if", &path("run.brigade")], 2, "say what would change");
    refused(&["what-if", &path("run.brigade"), "--workers", "0"], 2, "from 1 to 1024");
    refused(&["what-if", &path("run.brigade"), "--faster", "soup"], 2, "not a place and a factor");
    refused(&["why", &path("run.brigade"), "--json"], 2, "--json changes nothing in `why`");
    refused(&["why", &path("run.brigade"), "--workers", "2"], 2, "--workers changes nothing in `why`");
}
