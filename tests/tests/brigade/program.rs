//! The program as a process: a running server, signals, and the processes that belong to it.

use crate::common::program::brigade;
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A running `brigade serve`. Dropping it kills the program.
pub(crate) struct Serving {
    child: Child,
    /// Kept open, because the program prints more than its address.
    _stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start() -> Self {
        Self::of(&mut brigade(&["serve", "--port", "0"]))
    }

    /// Starts this command, which serves.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).expect("it says where it listens");
        let start = line.find("http://").unwrap();
        let address = line[start..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, _stdout: stdout, address }
    }
}

impl Serving {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
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

/// Whether there is such a process. A zombie counts.
pub(crate) fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}
