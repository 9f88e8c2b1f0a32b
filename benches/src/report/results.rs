//! `RESULTS.md`: the latest outcomes of each group, and of workers on a cluster, with the machine on which
//! they were measured.

use super::table::{figures, ratio, verdict};
use crate::{group::Group, run::Outcome};
use std::{fmt::Write, fs, io, process::Command};

const RESULTS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

const HEAD: &str = "# Results\n\n\
    The latest output of `compare`, written by its flag `--write-results` and never by hand: ours and the peer by turns\n\
    in one process, medians of the pairs, `±` half the distance between the quartiles of the ratio. A ratio below 1 means\n\
    that Brigade takes less. Ratios travel between machines; times do not.\n";

/// Replaces the section of a group, and leaves the other sections alone.
///
/// # Errors
///
/// Fails if the file cannot be read or written.
pub fn write(group: Group, outcomes: &[Outcome], skipped: &[String], pairs: usize) -> io::Result<()> {
    let old = match fs::read_to_string(RESULTS_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let fresh = section(group, outcomes, skipped, pairs);
    fs::write(RESULTS_FILE, replaced(&old, group.name(), &fresh))
}

/// The section that `cluster` writes. It stands behind the groups.
const CLUSTER: &str = "cluster";

/// The columns of the section of clusters.
const CLUSTER_HEAD: &str = "| way | start | a call and its answer | of 10,000 calls at once, each | of 10,000 items of a map, each |\n\
    |---|--:|--:|--:|--:|\n";

/// Replaces rows of the section of clusters, each of which is a line with a name in its first cell, and
/// leaves everything else alone.
///
/// # Errors
///
/// Fails if the file cannot be read or written.
pub fn write_cluster(rows: &[String]) -> io::Result<()> {
    let old = fs::read_to_string(RESULTS_FILE)?;
    fs::write(RESULTS_FILE, replaced(&old, CLUSTER, &cluster_section(&old, rows, &machine())))
}

fn cluster_section(old: &str, rows: &[String], machine: &str) -> String {
    let name = |row: &str| row.split(" | ").next().unwrap_or(row).to_owned();
    let before = old.split_once("\n## cluster\n").map_or("", |(_, section)| section);
    // The first two lines of the table are its head.
    let kept = before.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned);
    let kept = kept.filter(|line| rows.iter().all(|row| name(row) != name(line)));
    let all: Vec<String> = kept.chain(rows.iter().cloned()).collect();
    format!(
        "## {CLUSTER}\n\n{machine}; by `cluster`, with four workers on a Slurm whose four nodes are this machine, so none of\n\
         it is network.\n\n{CLUSTER_HEAD}{}\n",
        all.join("\n")
    )
}

/// Puts a fresh section into the text of the file.
fn replaced(old: &str, name: &str, fresh: &str) -> String {
    let mut file = HEAD.to_owned();
    for other in Group::ALL.map(Group::name).into_iter().chain([CLUSTER]) {
        let kept = old.split("\n## ").skip(1).find(|section| section.lines().next() == Some(other));
        let section = match kept {
            _ if other == name => fresh.to_owned(),
            Some(section) => format!("## {}\n", section.trim_end()),
            None => continue,
        };
        file.push('\n');
        file.push_str(&section);
    }
    file
}

fn section(group: Group, outcomes: &[Outcome], skipped: &[String], pairs: usize) -> String {
    let mut text = format!("## {}\n\n{}; {pairs} pairs.\n\n", group.name(), machine());
    let met = outcomes.iter().filter(|outcome| outcome.met() == Some(true)).count();
    let goals = outcomes.iter().filter(|outcome| outcome.row.goal.is_some()).count();
    let _ = writeln!(text, "{met} of {goals} goals met.\n");
    text.push_str("| bench | peer | ours | peer's | ratio | ± | CPU ratio | goal | |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|---|\n");
    for outcome in outcomes {
        let (ours, theirs) = figures(outcome);
        let spread = outcome.ratio;
        let _ = writeln!(
            text,
            "| {} | {} | {ours} | {theirs} | {} | {} | {} | {} | {} |",
            outcome.row.name,
            outcome.peer,
            ratio(spread.median),
            ratio((spread.high - spread.low) / 2.0),
            outcome.cpu_ratio.map_or_else(String::new, ratio),
            outcome.row.goal.map_or_else(String::new, |goal| format!("≤ {}", ratio(goal))),
            verdict(outcome),
        );
    }
    for line in skipped {
        let _ = write!(text, "\n{line}\n");
    }
    text
}

/// Names the machine, the compiler, the commit and the day, in one line.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        text.map_or_else(|| "?".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
    };
    let system = said("uname", &["-sr"]);
    let rustc = said("rustc", &["-V"]);
    let day = said("date", &["-u", "+%F"]);
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    format!("{model}, {cores} cores; {system}; {rustc}; {day}, at commit {commit}", system = plain(&system))
}

/// Leaves only the version of a kernel's name, because the rest may tell who owns the machine.
fn plain(system: &str) -> String {
    let Some((name, release)) = system.split_once(' ') else { return system.to_owned() };
    let version: String = release.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    format!("{name} {version}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Outcome, Spread};
    use crate::{bench::Metric, bench::Row};

    fn outcome(goal: f64) -> Outcome {
        Outcome {
            row: Row { name: "some_bench", metric: Metric::Wall, goal: Some(goal) },
            peer: "peer",
            ours: Some(1.0),
            theirs: Some(2.0),
            ratio: Spread { low: 0.5, median: 0.5, high: 0.5 },
            cpu_ratio: None,
        }
    }

    #[test]
    fn a_missed_goal_is_written_as_missed() {
        let text = section(Group::Pool, &[outcome(0.4), outcome(0.6)], &[], 15);
        assert!(text.contains("1 of 2 goals met"), "{text}");
        assert!(text.contains("| ≤ 0.40 | missed |") && text.contains("| ≤ 0.60 | met |"), "{text}");
    }

    #[test]
    fn a_section_is_replaced_and_not_added_again() {
        let first = replaced("", "pool", "## pool\n\nold\n");
        let second = replaced(&first, "pool", "## pool\n\nnew\n");
        assert!(second.ends_with("## pool\n\nnew\n") && !second.contains("old"), "{second}");
    }

    #[test]
    fn rows_of_clusters_are_kept_until_they_are_measured_anew() {
        let row = |name: &str, start: &str| format!("| {name} | {start} | – | – | – |");
        let first = cluster_section("", &[row("srun", "1 s"), row("Dask", "9 s")], "some machine");
        let file = replaced("", CLUSTER, &first);
        let file = replaced(&file, "pool", "## pool\n\n| bench | peer |\n");
        assert!(file.contains("9 s") && file.contains("## pool"), "the groups leave it alone: {file}");
        let second = cluster_section(&file, &[row("srun", "2 s")], "some machine");
        let file = replaced(&file, CLUSTER, &second);
        assert!(file.contains("| srun | 2 s |") && !file.contains("1 s"), "{file}");
        assert!(file.contains("| Dask | 9 s |") && file.matches("| way |").count() == 1, "{file}");
    }
}
