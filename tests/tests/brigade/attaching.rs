//! `brigade tree PID` and `brigade top PID`: the state of a running program, and what they say otherwise.

use crate::{
    common::program::{brigade, run},
    program::{Serving, signal},
};
use std::{
    io::{Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
};

fn attachable() -> Serving {
    Serving::of(brigade(&["serve", "--port", "0"]).env("BRIGADE_ATTACH", "1"))
}

fn connect(process: u32) -> std::io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(format!("brigade-attach-{process}"))?)
}

#[test]
fn the_tree_of_a_running_program_has_its_waits_with_file_and_line() {
    let serving = attachable();
    let ran = run(&["tree", &serving.process().to_string()]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    assert!(ran.stdout.starts_with(&format!("brigade (process {}): ", serving.process())), "{}", ran.stdout);
    assert!(ran.stdout.contains("└─ waits for ") && ran.stdout.contains(".rs:"), "{}", ran.stdout);
}

#[test]
fn top_prints_once_into_a_pipe() {
    let serving = attachable();
    let ran = run(&["top", &serving.process().to_string()]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    assert!(ran.stdout.contains(" running, ") && !ran.stdout.contains('\x1b'), "{}", ran.stdout);
}

#[test]
fn a_program_that_cannot_be_attached_to_is_told_in_one_line() {
    let serving = Serving::start();
    let own = std::process::id().to_string();
    for process in [&*own, &serving.process().to_string()] {
        let ran = run(&["tree", process]);
        assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
        assert!(
            ran.stderr.contains("has not opted in") && ran.stderr.contains("BRIGADE_ATTACH=1"),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    let ran = run(&["top", "4294967295"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("there is no such process"), "{}", ran.stderr);
    let ran = run(&["tree", "soup"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn peers_that_misbehave_do_not_keep_others_out() {
    let serving = attachable();
    // One says nothing and goes, one talks nonsense, one asks and does not read.
    drop(connect(serving.process()).unwrap());
    connect(serving.process()).unwrap().write_all(&[0xFF; 4096]).ok();
    let mut deaf = connect(serving.process()).unwrap();
    deaf.write_all(b"brigade 1\n").unwrap();
    let ran = run(&["tree", &serving.process().to_string()]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
}

#[test]
fn another_version_gets_the_version_and_no_more() {
    let serving = attachable();
    let mut peer = connect(serving.process()).unwrap();
    peer.write_all(b"brigade 2\n").unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "brigade 1\n");
}

#[test]
fn nothing_is_left_of_a_program_that_was_killed() {
    let serving = attachable();
    let name = format!("brigade-attach-{}", serving.process());
    let is_there = || std::fs::read_to_string("/proc/net/unix").unwrap().contains(&name);
    assert!(is_there());
    signal(serving.process(), "KILL");
    drop(serving);
    assert!(!is_there());
}
