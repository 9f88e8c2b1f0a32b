//! The standard streams. Each test runs once more in a process of its own, this test program.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    io::{stderr, stdin, stdout},
    run,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{
    env,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, Command, Stdio},
    thread,
};

/// Tells this program that it is the process of its own.
const INSIDE: &str = "BRIGADE_TEST_STDIO";

/// A command that runs this test of this file once more.
fn inside(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&format!("stdio::{test}"), "--exact", "--nocapture"]).env(INSIDE, "1").stdin(Stdio::null());
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
    // The stream belongs to the process, and stays open.
    out.write_all(b"and more\n").await.unwrap();
    out.flush().await.unwrap();
}

#[test]
fn written_bytes_arrive_whole_and_in_order() {
    if is_inside() {
        run(async {
            write_text(&mut stdout()).await;
            write_text(&mut stderr()).await;
        });
        println!("and the last");
        return;
    }
    let output = inside("written_bytes_arrive_whole_and_in_order").output().unwrap();
    assert!(output.status.success());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(
        out.contains(&(text() + "and more\nand the last\n")),
        "it ends with what `println` wrote after it"
    );
    assert!(err.contains(&(text() + "and more\n")));
}

#[test]
fn a_writer_without_a_reader_gets_an_error() {
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
        // Exits at once, since the test harness would write to the closed stream, too.
        process::exit(if error.kind() == ErrorKind::BrokenPipe { 7 } else { 8 });
    }
    let mut command = inside("a_writer_without_a_reader_gets_an_error");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("begins to write")));
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

/// A stream whose other end is this process's, and which was made non-blocking, as a parent may have done.
fn non_blocking() -> (UnixStream, Stdio) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, OwnedFd::from(theirs).into())
}

/// More bytes than any buffer holds, so that the writer finds it full many times.
const MUCH: usize = 8 << 20;

#[test]
fn a_standard_output_that_does_not_block_is_waited_for() {
    if is_inside() {
        let result = run(async {
            let bytes = vec![b'x'; MUCH];
            for _ in 0..2 {
                stdout().write_all(&bytes).await?;
            }
            let mut err = stderr();
            err.write_all(&bytes).await?;
            // There is no flush: the end of the runtime writes the rest.
            std::io::Result::Ok(())
        });
        // Exits at once, since the test harness would write there, too, and does not wait.
        process::exit(if result.is_ok() { 7 } else { 8 });
    }
    let mut command = inside("a_standard_output_that_does_not_block_is_waited_for");
    let ((out, stdout), (err, stderr)) = (non_blocking(), non_blocking());
    let mut child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    // The command holds the child's ends as well.
    drop(command);
    let count = |mut stream: UnixStream| {
        thread::spawn(move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all.into_iter().filter(|&byte| byte == b'x').count()
        })
    };
    let (out, err) = (count(out), count(err));
    // The harness prints an `x` or two of its own.
    assert!(out.join().unwrap() >= 2 * MUCH);
    assert!(err.join().unwrap() >= MUCH);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_standard_input_that_does_not_block_is_waited_for() {
    if is_inside() {
        let mut text = String::new();
        run(async {
            let mut input = stdin().unwrap();
            let mut bytes = [0; 5];
            input.read_exact(&mut bytes).await.unwrap();
            eprintln!("has read {}", std::str::from_utf8(&bytes).unwrap());
            input.read_to_string(&mut text).await.unwrap();
        });
        process::exit(if text == " and more" { 7 } else { 8 });
    }
    let mut command = inside("a_standard_input_that_does_not_block_is_waited_for");
    let (mut input, stdin) = non_blocking();
    let mut child = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    input.write_all(b"hello").unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Now the read waits for bytes that do not come.
    assert!(lines.any(|line| line.unwrap().contains("has read hello")));
    input.write_all(b" and more").unwrap();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(7));
}
