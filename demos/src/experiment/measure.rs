//! The cost of a mode: its CPU time and peak memory, and nothing else's.
//!
//! * *CPU time* is that of this process and of the children that it has waited for, from before the executor
//!   is made until its last worker is gone, without the thread of the embedded server.
//! * *Peak memory* is that of this process (server included) while the mode ran. Linux can forget an earlier
//!   peak. Where the system cannot, the number is the peak so far, and [`Peak::is_own`] is false. A child
//!   reports its own peak.

use crate::server::ThreadClock;
use brigade_process::usage;
use std::{fs, time::Duration};

/// The cost of a mode.
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

/// Runs `work` and measures its cost, without the CPU time of the thread of `server`.
pub(super) fn measure<R>(server: Option<&ThreadClock>, work: impl FnOnce() -> R) -> (R, Cost) {
    let is_own = forget_peak();
    let cpu = || {
        let all = usage::this_process().cpu + usage::reaped_children().cpu;
        all.saturating_sub(server.and_then(ThreadClock::cpu_time).unwrap_or_default())
    };
    let before = cpu();
    let result = work();
    let cost = Cost { cpu: cpu().saturating_sub(before), peak: Peak { bytes: peak_bytes(), is_own } };
    (result, cost)
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
