//! `--trace FILE` and `brigade view`: what is recorded, in which form, and which files are refused.

use crate::{
    common::{
        folder::Folder,
        program::{brigade, run},
    },
    program::signal,
    server::Server,
};
use brigade_trace::Recording;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::Stdio,
};

#[test]
fn a_run_is_written_in_the_form_that_the_ending_says() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["run.html", "run.brigade", "run.txt"] {
        let ran = run(&["hello", "--speed", "20", "--trace", &path(name)]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        // The scenario shows its own part of the recording all the same.
        assert!(ran.stdout.contains("say_hello"), "{}", ran.stdout);
    }
    let page = fs::read_to_string(path("run.html")).unwrap();
    assert!(page.contains("<title>brigade hello</title>") && page.ends_with("</html>\n"));
    assert!(fs::read(path("run.brigade")).unwrap().starts_with(b"BRIGADE\x01"));
    let text = fs::read_to_string(path("run.txt")).unwrap();
    for words in ["threads (1)", "say_hello", "longest waits", "until timer"] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let ran = run(&["view", &path("run.brigade")]);
    assert!(ran.code == Some(0) && ran.stdout.contains("say_hello"), "{}{}", ran.stdout, ran.stderr);
    let ran = run(&["view", &path("run.brigade"), "--html", &path("again.html")]);
    assert!(ran.code == Some(0) && ran.stdout.contains("again.html"), "{}{}", ran.stdout, ran.stderr);
    assert!(fs::read_to_string(path("again.html")).unwrap().contains("<title>run</title>"));
    for form in ["--html", "--svg", "--pftrace"] {
        let ran = run(&["view", &path("run.brigade"), form, &path("run.brigade")]);
        assert!(ran.code == Some(2) && ran.stderr.contains("would be lost"), "{}{}", ran.stdout, ran.stderr);
    }
    assert!(fs::read(path("run.brigade")).unwrap().starts_with(b"BRIGADE\x01"), "the recording stays");
}

#[test]
fn a_command_that_is_refused_leaves_an_earlier_recording() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("run.html"), "an earlier one").unwrap();
    for name in ["run.html", "new.html"] {
        let ran = run(&["race", "--speed", "2", "--trace", &path(name)]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    }
    assert_eq!(fs::read_to_string(path("run.html")).unwrap(), "an earlier one");
    assert!(!folder.path().join("new.html").exists(), "nothing ran, so there is no recording");
}

#[test]
fn the_environment_and_the_option_each_get_their_file() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for scenario in ["hello", "io"] {
        let with = |asked: &str, option: Option<&str>| {
            let mut arguments = vec![scenario.to_owned(), "--speed".into(), "50".into()];
            arguments.extend(option.into_iter().flat_map(|name| ["--trace".into(), path(name)]));
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            brigade(&arguments).env("BRIGADE_TRACE", path(asked)).output().unwrap()
        };
        let (alone, both) = (with("alone.txt", None), with("asked.txt", Some("option.txt")));
        for ran in [alone, both] {
            assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
        }
        for name in ["alone.txt", "asked.txt", "option.txt"] {
            let text = fs::read_to_string(path(name)).unwrap();
            assert!(text.contains("until timer") || text.contains("until readiness"), "{name}: {text}");
            fs::remove_file(path(name)).unwrap();
        }
        let twice = with("same.txt", Some("same.txt"));
        let said = String::from_utf8_lossy(&twice.stderr);
        let is_told = said.lines().count() == 1 && said.contains("is being recorded to already");
        assert!(twice.status.code() == Some(1) && is_told, "{said}");
        fs::remove_file(path("same.txt")).unwrap();
    }
}

#[test]
fn a_run_that_is_recorded_dumps_on_sigusr1_and_goes_on() {
    let folder = Folder::new();
    let server = Server::new();
    let (url, to) = (server.url(), folder.path().join("run.brigade").display().to_string());
    let arguments = ["io", "async", "--requests", "1", "--url", &url, "--trace", &to];
    let mut child = brigade(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _request = server.request();
    signal(child.id(), "USR1");
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(
        said.contains("SIGUSR1 came: the last events are in") && said.contains("run-1.brigade"),
        "{said}"
    );
    let dump = Recording::read_from(File::open(folder.path().join("run-1.brigade")).unwrap()).unwrap();
    assert_eq!(dump.segments[0].process.command[..2], ["io", "async"]);
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(fs::metadata(&to).unwrap().len() > 0);
}

#[test]
fn lanes_stand_below_the_scenario_in_a_pipe() {
    for (arguments, name) in [
        (vec!["hello", "--speed", "20"], "say_hello"),
        (vec!["deadlock", "--speed", "20"], "lock knife"),
        (vec!["io", "sync", "--speed", "50"], "main"),
    ] {
        let ran = run(&[arguments.clone(), vec!["--lanes"]].concat());
        let (_, lanes) = ran.stdout.split_once("threads (").expect("the lanes have a heading");
        assert!(lanes.contains(name) && lanes.contains("█ runs"), "{arguments:?}: {}", ran.stdout);
        let wide = ran.stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{arguments:?}");
        assert!(!ran.stdout.contains('\x1b'), "{arguments:?}: escape sequences in a pipe");
    }
}

#[test]
fn ctrl_c_writes_the_recording_so_far() {
    let folder = Folder::new();
    let path = folder.path().join("run.txt");
    fs::write(&path, "an earlier one").unwrap();
    let server = Server::new();
    let (url, to) = (server.url(), path.display().to_string());
    let arguments = ["io", "async", "--requests", "2", "--url", &url, "--trace", &to];
    let child = brigade(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // A request has arrived, so the program is in the middle of its work.
    let _request = server.request();
    assert_eq!(fs::read_to_string(&path).unwrap(), "an earlier one", "it stays until there is another");
    signal(child.id(), "INT");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("threads (") && text.contains("waits"), "{text}");
}

#[test]
fn a_damaged_recording_shows_what_is_there_and_says_so() {
    let folder = Folder::new();
    let path = folder.path().join("run.brigade").display().to_string();
    run(&["hello", "--speed", "20", "--trace", &path]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let ran = run(&["view", &path]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("say_hello") && ran.stdout.contains("cut off"), "{}", ran.stdout);
}

#[test]
fn files_that_cannot_be_are_refused_in_one_line() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("soup.brigade"), "soup").unwrap();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ran = run(arguments);
        let is_told = ran.stderr.lines().count() == 1 && ran.stderr.contains(words);
        assert!(ran.code == Some(code) && is_told, "{arguments:?}: {:?} {}", ran.code, ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    };
    refused(&["hello", "--trace", "run.gif"], 2, ".html, .brigade, .svg, .pftrace or .txt");
    refused(&["hello", "--trace", &path("no/folder.html")], 1, "cannot write");
    refused(&["hello", "--lanes", "--json"], 2, "--lanes draws for people");
    refused(&["list", "--lanes"], 2, "--lanes draws nothing in `list`");
    refused(&["list", "--trace", &path("run.html")], 2, "--trace records nothing in `list`");
    refused(&["view", &path("soup.brigade")], 1, "not a recording of Brigade");
    refused(&["view", &path("nothing.brigade")], 1, "cannot read");
    refused(&["view", &path("soup.brigade"), "--json"], 2, "--json changes nothing in `view`");
    refused(&["view", &path("soup.brigade"), "--trace", &path("run.html")], 2, "--trace records nothing");
}
