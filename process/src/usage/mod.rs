//! The consumption of processes: CPU time, memory, waits, descriptors.

// Unsafe: system calls.
#[allow(unsafe_code)]
pub(crate) mod sys;

use self::sys::Whose;
use std::{fs, io, time::Duration};

/// The consumption of a process so far.
///
/// ```
/// use brigade_process::usage::{self, Usage};
///
/// let Usage { cpu, peak_bytes, .. } = usage::this_process();
/// println!("{cpu:?} of CPU time, {} MiB", peak_bytes >> 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time together.
    pub cpu: Duration,
    /// The most memory that was resident at once, in bytes.
    pub peak_bytes: u64,
}

impl From<sys::ProcessUsage> for Usage {
    fn from(usage: sys::ProcessUsage) -> Self {
        Self { cpu: usage.cpu, peak_bytes: usage.peak_bytes }
    }
}

/// How processes have waited, as `getrusage(2)` counts it.
///
/// ```
/// use brigade_process::usage::{self, Waits};
///
/// let Waits { times, .. } = usage::waits_of_reaped_children();
/// println!("the children have waited {times} times");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How often they gave up their core because there was something to wait for: voluntary context switches.
    pub times: u64,
    /// How much came from a disk and not from the system's cache, in blocks of 512 bytes.
    pub blocks_read: u64,
    /// How much was to go to a disk, in blocks of 512 bytes. It may be written later, with nobody waiting.
    pub blocks_written: u64,
}

impl From<sys::ProcessUsage> for Waits {
    fn from(usage: sys::ProcessUsage) -> Self {
        let sys::ProcessUsage { waits, blocks_read, blocks_written, .. } = usage;
        Self { times: waits, blocks_read, blocks_written }
    }
}

/// Returns the consumption of this process, of all its threads together.
///
/// ```
/// assert!(brigade_process::usage::this_process().peak_bytes > 0);
/// ```
pub fn this_process() -> Usage {
    sys::usage(Whose::Mine).into()
}

/// Returns the consumption of the children that this process has reaped: the CPU time of all of them, and
/// the memory of the largest. Workers of a pool that is still open are not in it: see [`of`].
///
/// ```
/// let spent = brigade_process::usage::reaped_children();
/// println!("{:?} of CPU time", spent.cpu);
/// ```
pub fn reaped_children() -> Usage {
    sys::usage(Whose::Children).into()
}

/// Returns how the children that this process has reaped have waited, all of them together.
///
/// ```
/// use brigade_process::usage;
///
/// let before = usage::waits_of_reaped_children();
/// std::process::Command::new("sleep").arg("0.01").status()?;
/// assert!(usage::waits_of_reaped_children().times > before.times);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn waits_of_reaped_children() -> Waits {
    sys::usage(Whose::Children).into()
}

/// The fields of `/proc/PID/stat` from the third one on.
fn stat(pid: u32) -> io::Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name is in parentheses and may hold anything, so fields are counted from the last one.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(unknown_format)?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn unknown_format() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the format of /proc/PID/stat is unknown")
}

/// Whether a process was started by another one, or by one of its descendants. False where the system does
/// not tell.
pub(crate) fn is_descendant(mut pid: u32, ancestor: u32) -> bool {
    // Loops are impossible in a tree; the bound is for a table that changes while it is read.
    for _ in 0..64 {
        let parent = stat(pid).ok().and_then(|fields| fields.get(1)?.parse().ok());
        match parent {
            Some(parent) if parent == ancestor => return true,
            Some(parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    }
    false
}

/// Returns the consumption so far of the process with this id. CPU time mostly counts in steps of 10 ms.
///
/// ```no_run
/// use brigade_process::{ProcessPool, usage};
///
/// brigade_process::init();
/// let procs = ProcessPool::new(1).unwrap();
/// let spent = usage::of(procs.worker_ids()[0]).unwrap();
/// println!("the worker has used {:?} of CPU time", spent.cpu);
/// ```
///
/// # Errors
///
/// Returns `NotFound` if there is no such process, or if the system has no `/proc`.
pub fn of(pid: u32) -> io::Result<Usage> {
    // User and system time are the fields 14 and 15.
    let fields = stat(pid)?;
    let ticks = fields.iter().skip(11).take(2).map(|field| field.parse::<u64>());
    let ticks: u64 = ticks.sum::<Result<_, _>>().map_err(|_| unknown_format())?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / sys::ticks_a_second() as f64),
        peak_bytes: kib.unwrap_or(0) * 1024,
    })
}

/// Returns how much memory of the process with this id is resident now, in bytes.
///
/// # Errors
///
/// Returns `NotFound` if there is no such process, or if the system has no `/proc`.
pub fn resident(pid: u32) -> io::Result<u64> {
    resident_of(&pid.to_string())
}

/// How much memory of this process is resident now, in bytes. Its own process id may be another process's
/// number in `/proc`.
pub(crate) fn own_resident() -> io::Result<u64> {
    resident_of("self")
}

fn resident_of(process: &str) -> io::Result<u64> {
    let pages = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "the format of /proc/PID/statm is unknown");
    Ok(pages.ok_or_else(unknown)? * sys::page_size())
}

/// The stack for a thread that decodes what the main thread could decode, in bytes: as large as the main
/// thread's may be, within reason.
pub(crate) fn stack_size() -> usize {
    const USUAL: u64 = 8 << 20;
    let limit = sys::stack_limit().unwrap_or(Some(USUAL)).unwrap_or(64 << 20);
    usize::try_from(limit.clamp(USUAL, 1 << 30)).unwrap_or(USUAL as usize)
}

/// Raises this process's limit of open descriptors to `wanted`, as far as the hard limit allows, and
/// returns the limit that is then in force. It never lowers the limit.
///
/// # Errors
///
/// Returns the operating system's error if it refuses to read or to change the limit.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let (now, most) = sys::descriptor_limit()?;
    let next = wanted.min(most);
    if next <= now {
        return Ok(now);
    }
    sys::set_descriptor_limit(next, most)?;
    Ok(next)
}
