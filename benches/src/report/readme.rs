//! The table of benches in `README.md`: a few telling rows of `RESULTS.md`. A program copies them, so that
//! they stay true.
//!
//! ```text
//! cargo run -p brigade-benches --bin readme-table
//! ```
//!
//! The table lies between two markers, `<!-- benchmarks: begin -->` and `<!-- benchmarks: end -->`. A test
//! fails when it differs from `RESULTS.md`.

use crate::group::Group;
use std::{fmt::Write, fs, io};

/// The file that the rows come from.
const RESULTS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

/// The file that shows them.
const README_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

const BEGIN: &str = "<!-- benchmarks: begin -->\n";
const END: &str = "<!-- benchmarks: end -->\n";

/// A row of `RESULTS.md` that `README.md` shows.
struct Telling {
    group: Group,
    bench: &'static str,
    peer: &'static str,
    /// Describes one operation of the bench.
    operation: &'static str,
}

const fn row(group: Group, bench: &'static str, peer: &'static str, operation: &'static str) -> Telling {
    Telling { group, bench, peer, operation }
}

/// The rows, some of which Brigade loses.
const TELLING: [Telling; 12] = [
    row(Group::Pool, "fib30_join", "rayon", "`join` two calls that do nothing"),
    row(Group::Pool, "spawn_scope", "rayon", "spawn an empty job in a scope"),
    row(Group::Pool, "classic_mean", "rayon", "nine classic programs, their mean"),
    row(Group::Pool, "tree_16m", "chili", "sum a tree of 16 million nodes"),
    row(Group::Runtime, "spawn_join", "tokio", "spawn a task and await it"),
    row(Group::Runtime, "ping_pong", "tokio", "two tasks exchange a message"),
    row(Group::Runtime, "mpsc", "tokio", "send a message to another task"),
    row(Group::Runtime, "echo_64", "tokio ct", "echo 64 bytes, on 64 connections"),
    row(Group::Runtime, "million_tasks_memory", "tokio", "a task that waits: its memory"),
    row(Group::Process, "start", "fork", "start a pool of processes"),
    row(Group::Process, "calls", "Pool", "call a function in a child"),
    row(Group::Process, "argument_64mib", "Pool", "send 64 MiB to a child"),
];

/// The ratios of a row, as `RESULTS.md` writes them.
#[derive(Debug, PartialEq, Eq)]
struct Ratios<'a> {
    wall: &'a str,
    cpu: &'a str,
}

/// Finds a row in the section of its group.
fn ratios<'a>(results: &'a str, telling: &Telling) -> Option<Ratios<'a>> {
    let sections = results.split("\n## ");
    let section = sections.skip(1).find(|section| section.lines().next() == Some(telling.group.name()))?;
    section.lines().find_map(|line| {
        // | bench | peer | ours | peer's | ratio | ± | CPU ratio | goal | |
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, bench, peer, _, _, wall, _, cpu, ..] = cells[..] else { return None };
        (bench == telling.bench && peer == telling.peer).then_some(Ratios { wall, cpu })
    })
}

/// Makes the table from the text of `RESULTS.md`.
///
/// # Errors
///
/// Names the first row that `RESULTS.md` does not have.
pub fn table(results: &str) -> Result<String, String> {
    let mut text = String::from(
        "| group | one operation | bench | peer | ratio | CPU ratio |\n|---|---|---|---|--:|--:|\n",
    );
    for telling in &TELLING {
        let Telling { group, bench, peer, operation } = telling;
        let group = group.name();
        let missing = || format!("RESULTS.md has no row `{bench}` against `{peer}` in {group}");
        let Ratios { wall, cpu } = ratios(results, telling).ok_or_else(missing)?;
        let _ = writeln!(text, "| {group} | {operation} | `{bench}` | {peer} | {wall} | {cpu} |");
    }
    Ok(text)
}

/// Puts the table between the markers in the text of `README.md`.
///
/// # Errors
///
/// Says which marker is missing.
pub fn replaced(readme: &str, table: &str) -> Result<String, String> {
    let missing = |marker: &str| format!("README.md has no line `{}`", marker.trim_end());
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// Puts the table into `README.md`.
///
/// # Errors
///
/// Fails if a file cannot be read or written, or if it lacks a marker or a row.
pub fn write() -> io::Result<()> {
    let table = table(&fs::read_to_string(RESULTS_FILE)?).map_err(io::Error::other)?;
    let readme = replaced(&fs::read_to_string(README_FILE)?, &table).map_err(io::Error::other)?;
    fs::write(README_FILE, readme)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &str = "run `cargo run -p brigade-benches --bin readme-table`";

    #[test]
    fn the_readme_shows_what_the_results_say() {
        let table = table(&fs::read_to_string(RESULTS_FILE).unwrap()).unwrap();
        let readme = fs::read_to_string(README_FILE).unwrap();
        let fresh = replaced(&readme, &table).unwrap_or_else(|why| panic!("{why}: the table has no place"));
        assert!(readme == fresh, "README.md and RESULTS.md differ: {COMMAND}");
    }

    #[test]
    fn a_row_is_found_by_its_group_its_name_and_its_peer() {
        let results = "\n## pool\n\n| a | rayon | 1 | 2 | 0.50 | 0.1 | 0.60 |  |  |\n\
                       \n## runtime\n\n| a | rayon | 1 | 2 | 0.70 | 0.1 | 0.80 |  |  |\n";
        let found = |group, peer| ratios(results, &row(group, "a", peer, ""));
        assert_eq!(found(Group::Pool, "rayon"), Some(Ratios { wall: "0.50", cpu: "0.60" }));
        assert_eq!(found(Group::Runtime, "rayon"), Some(Ratios { wall: "0.70", cpu: "0.80" }));
        assert_eq!(found(Group::Pool, "chili"), None);
    }

    #[test]
    fn a_missing_row_and_a_missing_marker_are_named() {
        assert!(table("").unwrap_err().contains("fib30_join"));
        assert!(replaced("# Brigade\n", "").unwrap_err().contains("benchmarks: begin"));
        assert!(replaced(BEGIN, "").unwrap_err().contains("benchmarks: end"));
    }

    #[test]
    fn the_table_replaces_what_stands_between_the_markers_and_nothing_else() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        let fresh = replaced(&readme, "new\n").unwrap();
        assert_eq!(fresh, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert_eq!(replaced(&fresh, "new\n").unwrap(), fresh);
    }
}
