//! The cost of a mode's work: its CPU time and peak memory, and nothing else's.
//!
//! * *CPU time* is that of the work: from the moment at which the workers are there until the last result is.
//!   It is the time of this process, without the thread of the embedded server, and the time that each child
//!   reports. The start of the workers has a column of its own.
//! * *Peak memory* is that of this process (server included) while the mode ran. Linux can forget an earlier
//!   peak. Where the system cannot, the number is the peak so far, and [`Peak::is_own`] is false. A child
//!   reports its own peak.

use crate::{server::ThreadClock, show::CpuClock};
use brigade_process::usage;
use serde::{Deserialize, Serialize};
use std::{fs, time::Duration};

/// The cost of a mode's work.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The CPU time of all threads and children.
    pub cpu: Duration,
    /// The most memory that this process held.
    pub peak: Peak,
}

/// The most memory that a process held.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    /// The peak in bytes.
    pub bytes: u64,
    /// Whether an earlier, higher peak was forgotten first, so that the number is of this work alone.
    pub is_own: bool,
}

/// The cost of one call in a child.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct CallCost {
    /// The CPU time of the call.
    pub cpu: Duration,
    /// The most memory that the child has held, in bytes.
    pub peak_bytes: u64,
}

impl CallCost {
    /// Adds the cost of another call, perhaps of another child.
    pub fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

/// Runs a call in this process, which is a child, and measures it.
pub fn measure_call<R>(call: impl FnOnce() -> R) -> (R, CallCost) {
    let before = usage::this_process().cpu;
    let result = call();
    let cpu = usage::this_process().cpu.saturating_sub(before);
    (result, CallCost { cpu, peak_bytes: peak_bytes() })
}

/// A clock of the CPU time of this process, without the thread of `server`.
pub(super) fn cpu_clock(server: Option<&ThreadClock>) -> CpuClock {
    let server = server.cloned();
    Box::new(move || {
        let server = server.as_ref().and_then(ThreadClock::cpu_time).unwrap_or_default();
        usage::this_process().cpu.saturating_sub(server)
    })
}

/// Runs `work` and measures how much memory this process holds meanwhile.
pub(super) fn measure_peak<R>(work: impl FnOnce() -> R) -> (R, Peak) {
    let is_own = forget_peak();
    let result = work();
    (result, Peak { bytes: peak_bytes(), is_own })
}

/// Resets the peak of this process. Returns false if the system cannot do that.
fn forget_peak() -> bool {
    // 5 resets the peak resident set size: see proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory that this process has held, in bytes.
pub fn peak_bytes() -> u64 {
    // getrusage comes second, because its peak survives exec: it could be the peak of the program that
    // started us.
    let status = fs::read_to_string("/proc/self/status").ok();
    let kib = status.as_deref().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or_else(|| usage::this_process().peak_bytes, |kib| kib * 1024)
}
