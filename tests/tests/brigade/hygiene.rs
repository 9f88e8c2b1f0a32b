//! The program leaves nothing behind when it is ended.

use crate::{
    common::program::{Ran, brigade},
    program::{children_of, exists, signal},
    server::Server,
};
use std::{os::unix::process::ExitStatusExt, process::Stdio};

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

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = brigade(&["list"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
}
