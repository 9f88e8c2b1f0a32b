//! Running the program and reading what it prints.

use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// The program with these arguments, with nothing of the caller's terminal.
pub(crate) fn brigade(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
    command
}

/// How a run ended, and what it printed.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn read(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        let ran =
            Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        for page in [&ran.stdout, &ran.stderr] {
            assert!(
                !page.contains("stack backtrace") && !page.contains("panicked at"),
                "a backtrace:\n{page}"
            );
        }
        ran
    }

    /// Standard output as one JSON object a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::read(brigade(arguments).output().unwrap())
}

/// The texts that objects have under this key, in order.
pub(crate) fn texts(objects: &[Value], key: &str) -> Vec<String> {
    objects.iter().filter_map(|object| object[key].as_str().map(str::to_owned)).collect()
}
