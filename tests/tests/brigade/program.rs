//! Running the program and reading what it says.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

/// The program with these arguments, with nothing of the caller's terminal.
pub(crate) fn brigade(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
    command
}

/// What came of a run.
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

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::read(brigade(arguments).output().unwrap())
}

/// A running `brigade serve`, killed at the end.
pub(crate) struct Serving {
    child: Child,
    /// Kept open: the program has more to say than its address.
    _stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start() -> Self {
        let mut child = brigade(&["serve", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).expect("it says where it listens");
        let start = line.find("http://").unwrap();
        let address = line[start..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, _stdout: stdout, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes whose parent is `pid`.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // The parent is the second word after the name, which is in parentheses and may hold anything.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        found.extend((parent == Some(pid)).then_some(child));
    }
    found
}

/// Sends a signal, such as `INT`.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Whether there is such a process, be it a zombie.
pub(crate) fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}
