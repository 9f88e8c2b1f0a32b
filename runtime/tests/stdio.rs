//! The standard output and the standard error, in a process of their own: this test program, which runs one of its tests once more.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    io::{stderr, stdout},
    run,
};
use futures_util::AsyncWriteExt;
use std::{
    env,
    io::{BufRead, BufReader, ErrorKind},
    process::{self, Command, Stdio},
};

/// Says to this program that it is the process of its own.
const INSIDE: &str = "BRIGADE_TEST_STDIO";

/// This program, which is to run this test once more.
fn inside(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").stdin(Stdio::null());
    command
}

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Many small writes and a large one.
fn text() -> String {
    let lines: String = (0..2000).map(|number| format!("line {number}\n")).collect();
    lines + &"long ".repeat(200_000)
}

async fn write_text(out: &mut (impl futures_util::AsyncWrite + Unpin)) {
    let text = text();
    let (lines, long) = text.split_at(text.find("long").unwrap());
    for line in lines.split_inclusive('\n') {
        out.write_all(line.as_bytes()).await.unwrap();
    }
    out.write_all(long.as_bytes()).await.unwrap();
    out.close().await.unwrap();
    // It belongs to the process, and stays open.
    out.write_all(b"and more\n").await.unwrap();
    out.flush().await.unwrap();
}

#[test]
fn what_is_written_arrives_whole_and_in_order() {
    if is_inside() {
        run(async {
            write_text(&mut stdout()).await;
            write_text(&mut stderr()).await;
        });
        println!("and the last");
        return;
    }
    let output = inside("what_is_written_arrives_whole_and_in_order").output().unwrap();
    assert!(output.status.success());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(
        out.contains(&(text() + "and more\nand the last\n")),
        "it ends with what `println` wrote after it"
    );
    assert!(err.contains(&(text() + "and more\n")));
}

#[test]
fn who_writes_to_nobody_hears_of_it() {
    if is_inside() {
        let error = run(async {
            let mut out = stdout();
            eprintln!("begins to write");
            loop {
                if let Err(error) = out.write_all(&[b'x'; 4096]).await {
                    return error;
                }
            }
        });
        // At once: the test harness would write to nobody, too.
        process::exit(if error.kind() == ErrorKind::BrokenPipe { 7 } else { 8 });
    }
    let mut command = inside("who_writes_to_nobody_hears_of_it");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("begins to write")));
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
}
