//! Whether the times of modes that compute can be compared: whether the machine was quiet meanwhile, and
//! whether the work took long enough. If not, the times say more about other things than about the modes.
//!
//! The measure is the *work of how many cores* a mode got done: the CPU time that sync needed for the same
//! work, by the time that the mode took. Two cores that have nothing else to do give about 2.

use super::{mode::Mode, row::Row};
use brigade_process::usage;
use brigade_trace::clock;
use std::{fs, num::NonZero, thread::available_parallelism};

/// A mode that got less than this share of its cores' work was disturbed.
const QUIET_SHARE_MIN: f64 = 0.8;

/// The times of modes that are shorter than this, in seconds, are noise: a time slice of the scheduler, or
/// waking a worker, counts for too much then.
const COMPARED_SECONDS_MIN: f64 = 0.1;

/// The least load that is worth a word, in cores.
const LOAD_MIN: f64 = 0.05;

/// How many cores others had while a mode ran.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OtherLoad {
    /// Other programs of this system.
    pub(super) programs: f64,
    /// The host of a virtual machine, for others of its guests.
    pub(super) host: f64,
}

/// The verdict on a mode that was disturbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Disturbed {
    /// How many cores it could have had.
    cores: usize,
    /// The work of how many cores it got done.
    got: f64,
    /// For how many cores' time it ran.
    ran: f64,
    load: Option<OtherLoad>,
}

/// Judges a row of computing. `sync` is the row of sync in the same language, if that has run. Returns `None`
/// if the row was not disturbed, or if that cannot be told.
pub(super) fn judge(row: &Row, sync: Option<&Row>) -> Option<Disturbed> {
    let wall = row.wall.as_secs_f64();
    let has_gil = row.completed.python.as_ref().is_some_and(|python| python.gil);
    if is_too_short(row) || has_gil && row.mode == Mode::Threads {
        return None;
    }
    let ran = row.cost.cpu.as_secs_f64() / wall;
    // Interpreters pay for working side by side, which is not the machine's doing.
    let sync = sync.filter(|_| row.completed.python.is_none());
    let got = sync.map_or(ran, |sync| sync.cost.cpu.as_secs_f64() / wall);
    let cores = row.completed.workers.count().min(cores());
    let disturbed = got < QUIET_SHARE_MIN * cores as f64;
    disturbed.then_some(Disturbed { cores, got, ran, load: row.load })
}

/// Returns whether the work of a row was too short to be compared.
pub(super) fn is_too_short(row: &Row) -> bool {
    row.wall.as_secs_f64() < COMPARED_SECONDS_MIN
}

/// Runs `work`, and watches how many cores others have meanwhile.
pub(super) fn watch<R>(work: impl FnOnce() -> R) -> (R, Option<OtherLoad>) {
    let cpu = || usage::this_process().cpu + usage::reaped_children().cpu;
    let (cpu_before, before) = (cpu(), ProcessorTimes::now());
    let (result, wall) = clock::timed(work);
    let own = cpu().saturating_sub(cpu_before).as_secs_f64() / wall.as_secs_f64();
    let load = ProcessorTimes::now().zip(before).and_then(|(now, before)| now.others_since(before, own));
    (result, load)
}

/// How many cores this process may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

impl Disturbed {
    /// Says it in a sentence or two.
    pub(super) fn explain(&self) -> String {
        let Self { cores, got, ran, load } = *self;
        let plural = if cores == 1 { "" } else { "s" };
        let verdict = format!("{cores} core{plural} gave {got:.1} cores' worth of work. ");
        verdict
            + &match load.map(OtherLoad::explain) {
                _ if ran >= QUIET_SHARE_MIN * cores as f64 => {
                    "It had the cores, but each computed slower than in sync: they share a real core or a busy host.".into()
                }
                Some(others) if !others.is_empty() => others,
                _ => "It did not run all the time: something else had the cores.".into(),
            }
    }
}

impl OtherLoad {
    fn explain(self) -> String {
        let told = |cores: f64, who: &str| (cores >= LOAD_MIN).then(|| format!("{who} had {cores:.1}"));
        let [programs, host] =
            [told(self.programs, "Other programs"), told(self.host, "the host's other guests")];
        match (programs, host) {
            (Some(programs), Some(host)) => format!("{programs}, and {host}."),
            (Some(programs), None) => format!("{programs}."),
            (None, Some(host)) => format!("Of the cores {host}."),
            (None, None) => String::new(),
        }
    }
}

/// The time that the processors of this system have spent since it was started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProcessorTimes {
    busy: u64,
    stolen: u64,
    all: u64,
    processors: usize,
}

impl ProcessorTimes {
    /// Reads them. Returns `None` where the system does not tell.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Reads the format of proc_stat(5).
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let ticks = lines.next()?.strip_prefix("cpu ")?.split_whitespace().map(str::parse);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
        // The times of guests, which come last, are a part of the user time.
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = *ticks.first_chunk()?;
        let busy = user + nice + system + irq + softirq;
        let processors = lines.take_while(|line| line.starts_with("cpu")).count();
        Some(Self { busy, stolen, all: busy + idle + iowait + stolen, processors })
    }

    /// How many cores others have had since `before`, while this program had `own` cores.
    pub(super) fn others_since(self, before: Self, own: f64) -> Option<OtherLoad> {
        let all = self.all.checked_sub(before.all).filter(|&all| all > 0)? as f64;
        let cores = |ticks: u64| ticks as f64 / all * self.processors as f64;
        let busy = cores(self.busy.saturating_sub(before.busy));
        let host = cores(self.stolen.saturating_sub(before.stolen));
        Some(OtherLoad { programs: (busy - own).max(0.0), host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Completed, Cost, Peak, Workers};
    use std::time::Duration;

    const BEFORE: &str = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n";
    const AFTER: &str = "cpu  250 0 60 815 50 0 0 25 7 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n";

    #[test]
    fn the_load_of_others_is_what_was_busy_without_us() {
        let [before, after] = [BEFORE, AFTER].map(|text| ProcessorTimes::parse(text).unwrap());
        // Of 200 ticks on two processors 160 were busy, which is 1.6 cores, and 25 were stolen.
        let load = after.others_since(before, 1.2).unwrap();
        assert!((load.programs - 0.4).abs() < 1e-9 && (load.host - 0.25).abs() < 1e-9, "{load:?}");
        assert_eq!(before.others_since(before, 0.0), None, "no time has passed");
        assert_eq!(ProcessorTimes::parse("cpu  1 2 3\n"), None);
    }

    /// A row of two threads that took one second of time and this much CPU time.
    fn row(mode: Mode, wall: f64, cpu: f64) -> Row {
        let [wall, cpu] = [wall, cpu].map(Duration::from_secs_f64);
        let workers = Workers::Threads(if mode == Mode::Sync { 1 } else { 2 });
        let cost = Cost { cpu, peak: Peak { bytes: 0, is_own: true } };
        let completed = Completed { workers, outcomes: Vec::new(), python: None };
        Row { mode, start: Duration::ZERO, wall, cost, load: None, quiet: true, completed, speedup: None }
    }

    #[test]
    fn a_mode_is_disturbed_if_it_got_less_than_its_cores() {
        let sync = row(Mode::Sync, 1.3, 1.3);
        assert_eq!(judge(&sync, Some(&sync)), None);
        let got = |row: &Row, sync| judge(row, sync).map(|disturbed| disturbed.got);
        let starved = row(Mode::Sync, 2.6, 1.3);
        assert_eq!(got(&starved, Some(&starved)), Some(0.5));
        let slow = row(Mode::Threads, 1.3, 1.3);
        let quick = row(Mode::Threads, 1.3 / cores().min(2) as f64, 1.3);
        assert_eq!(judge(&quick, Some(&sync)), None);
        // With one core there is nothing to lose.
        let expected = (cores() > 1).then_some(1.0);
        assert_eq!((got(&slow, Some(&sync)), got(&slow, None)), (expected, expected));
        assert_eq!(judge(&row(Mode::Threads, 0.05, 0.01), Some(&sync)), None, "too short to be judged");
    }

    #[test]
    fn a_disturbed_mode_is_told_with_its_reason() {
        let disturbed = |ran, load| Disturbed { cores: 2, got: 1.24, ran, load }.explain();
        let load = |programs, host| Some(OtherLoad { programs, host });
        for (text, end) in [
            (disturbed(1.2, load(0.71, 0.1)), "Other programs had 0.7, and the host's other guests had 0.1."),
            (disturbed(1.2, load(0.71, 0.0)), "Other programs had 0.7."),
            (disturbed(1.2, load(0.0, 0.4)), "Of the cores the host's other guests had 0.4."),
            (disturbed(1.2, None), "something else had the cores."),
            (disturbed(1.9, load(0.0, 0.0)), "they share a real core or a busy host."),
        ] {
            assert!(text.starts_with("2 cores gave 1.2 cores' worth of work. "), "{text}");
            assert!(text.ends_with(end), "{text}");
        }
    }
}
