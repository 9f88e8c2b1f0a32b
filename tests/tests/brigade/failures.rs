//! The main job when something goes wrong: each failure is reported for its request, and the other requests
//! still finish.

use crate::{
    common::program::{Ran, brigade, run},
    program::signal,
    server::Server,
};
use std::{process::Stdio, thread};

const MODES: [&str; 4] = ["sync", "threads", "async", "processes"];

#[test]
fn bad_usage_exits_with_two_and_says_what_to_do() {
    let cases: [&[&str]; 8] = [
        &["io", "sideways"],
        &["cpu", "async"],
        &["io", "--requests", "0"],
        &["io", "--requests", "many"],
        &["io", "--delay", "-1"],
        &["cpu", "--tasks", "0"],
        &["--workers", "0"],
        &["boil"],
    ];
    for arguments in cases {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        let says = ran.stderr.contains("--help`") || ran.stderr.contains("`brigade list`");
        assert!(says && ran.stderr.lines().count() == 1, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_refused_connection_fails_each_request_in_every_mode() {
    let url = Server::refusing();
    for mode in MODES {
        let ran = run(&["io", mode, "--requests", "2", "--url", &url]);
        assert_eq!(ran.code, Some(1), "{mode}: {}", ran.stderr);
        let page = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
        assert!(page.contains("refused"), "{mode}:\n{page}");
    }
}

/// Runs `mode` against a server that treats the first request with `first` and answers the others.
fn with_first(mode: &str, more: &[&str], first: impl FnOnce(crate::server::Request) + Send) -> Ran {
    let server = Server::new();
    let url = server.url();
    let mut arguments = vec!["io", mode, "--requests", "3", "--url", &url];
    arguments.extend(more);
    let child = brigade(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::scope(|scope| {
        let odd = server.request();
        scope.spawn(move || first(odd));
        for _ in 0..2 {
            let request = server.request();
            scope.spawn(move || request.answer("200 OK"));
        }
        Ran::read(child.wait_with_output().unwrap())
    })
}

fn count(ran: &Ran, status: u16) -> usize {
    let objects = ran.objects();
    objects[0]["results"].as_array().unwrap().iter().filter(|result| **result == status).count()
}

#[test]
fn one_connection_that_closes_fails_alone() {
    for mode in MODES {
        let ran = with_first(mode, &["--json"], drop);
        assert_eq!((ran.code, count(&ran, 200)), (Some(1), 2), "{mode}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn one_status_that_is_no_success_fails_alone() {
    for mode in MODES {
        let ran = with_first(mode, &["--json"], |request| request.answer("503 Service Unavailable"));
        assert_eq!((ran.code, count(&ran, 200)), (Some(1), 2), "{mode}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("503"), "{mode}: {}", ran.stdout);
    }
}

#[test]
fn each_status_of_success_is_one() {
    for mode in MODES {
        let ran = with_first(mode, &["--json"], |request| request.answer("201 Created"));
        assert_eq!((ran.code, count(&ran, 201)), (Some(0), 1), "{mode}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_run_that_failed_has_no_bar_and_no_speed_up() {
    let ran = run(&["io", "--requests", "2", "--url", &Server::refusing()]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let rows = ran.stdout.lines().filter(|line| MODES.iter().any(|mode| line.trim_start().starts_with(mode)));
    assert_eq!(rows.count(), 8, "a row and a reason for each mode:\n{}", ran.stdout);
    assert!(!ran.stdout.contains('×') || !ran.stdout.contains("1.00 ×"), "a speed-up:\n{}", ran.stdout);
    assert!(!ran.stdout.contains(['█', '▏', '▎']), "a bar:\n{}", ran.stdout);
    let ran = run(&["io", "--requests", "2", "--url", &Server::refusing(), "--json"]);
    assert!(ran.objects().iter().all(|row| row["speedup"].is_null()), "{}", ran.stdout);
}

#[test]
fn a_name_without_an_address_is_told() {
    for mode in MODES {
        let ran = run(&["io", mode, "--requests", "1", "--url", "http://brigade.invalid/"]);
        assert_eq!(ran.code, Some(1), "{mode}: {}", ran.stderr);
        assert!(ran.stdout.contains("resolve:"), "{mode}: {}", ran.stdout);
    }
}

#[test]
fn trusted_certificates_that_cannot_be_read_are_told_with_what_to_do() {
    let port = Server::new();
    for mode in MODES {
        let url = port.url().replace("http:", "https:");
        let mut command = brigade(&["io", mode, "--requests", "1", "--url", &url]);
        let command = command.env("SSL_CERT_FILE", "/nonexistent").env_remove("SSL_CERT_DIR");
        let ran = Ran::read(command.output().unwrap());
        assert_eq!(ran.code, Some(1), "{mode}: {}", ran.stderr);
        let page = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            page.contains("tls: no trusted certificates") && page.contains("SSL_CERT_FILE"),
            "{mode}: {page}"
        );
    }
}

#[test]
fn one_answer_that_does_not_come_fails_alone_after_the_timeout() {
    for mode in MODES {
        let ran = with_first(mode, &["--json", "--timeout", "0.3"], |request| request.wait_for_the_end());
        assert_eq!((ran.code, count(&ran, 200)), (Some(1), 2), "{mode}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_child_that_is_killed_in_mid_fetch_fails_its_own_request() {
    let ran = with_first("processes", &["--json"], |request| signal(request.client(), "KILL"));
    assert_eq!((ran.code, count(&ran, 200)), (Some(1), 2), "{}{}", ran.stdout, ran.stderr);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("signal 9"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let taken = Server::new();
    let port = taken.url().trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let ran = run(&["serve", "--port", &port]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{}", ran.stderr);
    assert!(ran.stderr.contains(&port) && ran.stderr.contains("choose another port"), "{}", ran.stderr);
}

#[test]
fn children_behind_a_command_do_the_work_or_say_why_not() {
    let run_by = |launcher: &str, more: &[&str]| {
        run(&[&["cpu", "processes", "--n", "1000", "--tasks", "1", "--launcher", launcher], more].concat())
    };
    let ran = run_by("sh -c 'exec \"$@\"' sh", &["--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("332833500"), "{}", ran.stdout);
    let ran = run_by("sh -c 'echo no oven is free >&2; exit 1'", &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`sh` said: no oven is free"), "{}", ran.stderr);
    // The error comes first and alone, also where other modes could run before.
    for mode in ["processes", "all"] {
        let ran = run(&["cpu", mode, "--n", "1000", "--tasks", "1", "--launcher", "no-such-command"]);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.lines().count()),
            (Some(1), "", 1),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("no-such-command"), "{}", ran.stderr);
    }
    let ran = run(&["cpu", "threads", "--launcher", "env"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("cpu processes"), "{}", ran.stderr);
}
