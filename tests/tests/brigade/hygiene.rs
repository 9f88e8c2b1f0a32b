//! The program leaves nothing behind when it is ended.

use crate::{
    common::program::{Ran, brigade},
    program::{children_of, exists, signal},
    server::Server,
};
use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::Stdio,
};

#[test]
fn ctrl_c_ends_it_with_its_children_reaped() {
    for mode in ["sync", "threads", "async", "processes"] {
        let server = Server::new();
        let url = server.url();
        let arguments = ["io", mode, "--requests", "2", "--url", &url];
        let child = brigade(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A request has arrived, so the program is in the middle of its work.
        let request = server.request();
        let children = children_of(child.id());
        assert_eq!(children.is_empty(), mode != "processes", "{mode}");
        signal(child.id(), "INT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{mode}: {output:?}");
        drop(Ran::read(output));
        assert!(
            children.iter().all(|pid| !exists(*pid)),
            "{mode}: the parent reaped its children before it ended"
        );
        drop(request);
    }
}

#[test]
fn children_end_when_their_parent_is_killed() {
    let server = Server::new();
    let url = server.url();
    let arguments = ["io", "processes", "--requests", "2", "--workers", "2", "--url", &url];
    let mut child = brigade(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let requests = [server.request(), server.request()];
    assert!(requests.iter().all(|request| request.client() != child.id()), "the children fetch");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // Each child holds its end of a connection until it is gone.
    requests.into_iter().for_each(crate::server::Request::wait_for_the_end);
}

/// A command that leaves a descendant running in the background, and one that waits. Both say so if they
/// live on.
const LEAVES_OTHERS: &str = "(sleep 60; echo survived) & (setsid sh -c 'sleep 60; echo survived') & echo started; \
                             sleep 60; echo survived";

#[test]
fn a_command_that_is_judged_ends_with_the_program_and_so_do_its_descendants() {
    for (name, code) in [("KILL", None), ("INT", Some(130)), ("TERM", Some(143))] {
        let mut command = brigade(&["decide", "--", "sh", "-c", LEAVES_OTHERS]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "started\n", "{name}");
        signal(child.id(), name);
        // Each descendant holds the other end of the pipe until it is gone.
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "{name}");
        assert_eq!(child.wait().unwrap().code(), code, "{name}");
    }
}

#[test]
fn a_command_whose_keeper_is_killed_ends_with_it_and_that_is_told() {
    let mut command = brigade(&["decide", "--", "sh", "-c", "echo started; exec sleep 60"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let keeper = children_of(child.id());
    assert_eq!(keeper.len(), 1);
    let kept = children_of(keeper[0]);
    signal(keeper[0], "KILL");
    stdout.read_to_string(&mut line).unwrap();
    let ran = Ran::read(child.wait_with_output().unwrap());
    assert_eq!((ran.code, kept.len()), (Some(126), 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("was killed"), "{}", ran.stderr);
}
