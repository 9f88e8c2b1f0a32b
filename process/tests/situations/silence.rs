//! This program prints the panics that nobody means, and no others.

use std::{env, process::Command};

const ASKED: &str = "BRIGADE_TEST_PANIC";

/// In a process that was asked to: a panic with this message.
pub(crate) fn panic_if_asked() {
    if let Ok(message) = env::var(ASKED) {
        panic!("{message}");
    }
}

fn printed_by(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stderr).unwrap()
}

pub(crate) fn only_a_panic_that_nobody_means_is_printed() {
    let this = || Command::new(env::current_exe().unwrap());
    assert_eq!(printed_by(this().env(ASKED, "no flour")), "");
    let unmeant = printed_by(this().env(ASKED, "not what the test means: no flour"));
    assert!(unmeant.contains("not what the test means"), "{unmeant}");
    // A worker's panics are no different.
    let test = "ring::calls::a_panic_crosses_with_its_message_and_place";
    assert_eq!(printed_by(this().args([test, "--exact"])), "");
}
