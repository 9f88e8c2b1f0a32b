//! `transcripts`: runs every scenario and writes what it prints to `docs/scenarios.md`.
//!
//! ```text
//! cargo run --release -p brigade-demos --bin transcripts
//! ```
//!
//! The program runs itself for each example of each scenario: with arguments it is `brigade`. A test checks
//! that each scenario has its section; it does not compare the numbers.

use brigade_demos::{
    cli,
    scenario::{Exit, Scenario},
    scenarios::ALL,
};
use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
};

/// The page.
const PAGE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios.md");

const HEAD: &str = "\
# The scenarios

The scenarios follow a set of notes, *Python Concurrency: Easy Notes with Examples*, which we call the document.

This page shows what each scenario prints, from one run on one machine. `brigade` stands for `cargo run --release --`, and
`…` for lines that are left out. A program writes the page: `cargo run --release -p brigade-demos --bin transcripts`.
";

/// The last line of a server that then goes on until it is ended.
const SERVING: &str = "Serving on";

/// A transcript of this many lines or fewer stands on the page as a whole.
const WHOLE_LINES_MAX: usize = 56;

/// The most lines of a block in a transcript that is shortened, and how many stay at its begin and at its
/// end.
const BLOCK_LINES_MAX: usize = 10;
const BLOCK_HEAD_LINES: usize = 5;
const BLOCK_TAIL_LINES: usize = 3;

/// The most blocks of a transcript that is shortened, and how many stay at its begin. The last one stays,
/// too.
const BLOCKS_MAX: usize = 20;
const HEAD_BLOCKS: usize = 3;

fn main() -> ExitCode {
    cli::report_panics_briefly();
    // Nothing else comes first: a child of a process pool is this program too, and becomes a worker here.
    brigade_process::init();
    if env::args_os().len() > 1 {
        return cli::main();
    }
    match page().and_then(|page| Ok(fs::write(PAGE_FILE, page)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docs/scenarios.md is as it was: {error}");
            ExitCode::FAILURE
        }
    }
}

fn page() -> Result<String, Box<dyn Error>> {
    let mut page = HEAD.to_owned();
    // A speed is an argument, and 1 is the default: so this is the tour.
    let tour = transcript("", &["--speed", "1"])?;
    writeln!(page, "\n## The tour\n\nBoth experiments of the document, in every mode.\n\n{tour}")?;
    for Scenario { name, about, idea, examples, .. } in ALL {
        writeln!(page, "## {name}\n\n{about}.\n\n{}\n", wrapped(idea))?;
        for example in *examples {
            eprintln!("brigade {example}");
            let arguments: Vec<_> = example.split(' ').collect();
            writeln!(page, "{}", transcript(example, &arguments)?)?;
        }
    }
    Ok(format!("{}\n", page.trim_end()))
}

/// Runs `brigade` with these arguments. Returns a fenced block with the command line and what it printed.
fn transcript(command_line: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut brigade = Command::new(env::current_exe()?);
    let mut child = brigade.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the output is no pipe")?;
    let mut lines = Vec::new();
    for line in BufReader::new(stdout).lines() {
        lines.push(line?.trim_end().to_owned());
        if lines.last().is_some_and(|line| line.starts_with(SERVING)) {
            child.kill()?;
        }
    }
    let status = child.wait()?;
    let is_serving = lines.last().is_some_and(|line| line.starts_with(SERVING));
    if !is_serving && !status.success() && status.code() != Some(Exit::DEADLOCK.0.into()) {
        return Err(format!("brigade {command_line} ended with {status}").into());
    }
    let text = shortened(&lines).join("\n");
    Ok(format!(
        "```text\n{}\n{}\n```\n",
        format!("$ brigade {command_line}").trim_end(),
        text.trim_matches('\n')
    ))
}

/// Leaves lines out of a long transcript: from long blocks, and from a long row of blocks.
fn shortened(lines: &[String]) -> Vec<String> {
    if lines.len() <= WHOLE_LINES_MAX {
        return lines.to_vec();
    }
    let blocks: Vec<_> = lines.split(|line| line.is_empty()).map(shortened_block).collect();
    let more = || vec!["…".to_owned()];
    let blocks = match blocks.as_slice() {
        [head @ .., last] if blocks.len() > BLOCKS_MAX => {
            [&head[..HEAD_BLOCKS], &[more(), last.clone()]].concat()
        }
        _ => blocks,
    };
    blocks.join(&String::new())
}

fn shortened_block(lines: &[String]) -> Vec<String> {
    if lines.len() <= BLOCK_LINES_MAX {
        return lines.to_vec();
    }
    let (head, tail) = (&lines[..BLOCK_HEAD_LINES], &lines[lines.len() - BLOCK_TAIL_LINES..]);
    [head, &["…".to_owned()], tail].concat()
}

/// Breaks a text into lines of the page.
fn wrapped(text: &str) -> String {
    brigade_demos::show::wrap(text, 120).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| number.to_string()).collect()
    }

    #[test]
    fn a_short_transcript_stays_as_it_is() {
        assert_eq!(shortened(&lines(WHOLE_LINES_MAX)), lines(WHOLE_LINES_MAX));
    }

    #[test]
    fn a_long_block_keeps_its_begin_and_its_end() {
        let short = shortened(&lines(WHOLE_LINES_MAX + 1));
        assert_eq!(short, ["0", "1", "2", "3", "4", "…", "54", "55", "56"]);
    }

    #[test]
    fn a_long_row_of_blocks_keeps_its_first_ones_and_its_last_one() {
        let row: Vec<_> = lines(40).into_iter().flat_map(|line| [line, String::new()]).collect();
        let short = shortened(&row[..row.len() - 1]);
        assert_eq!(short, ["0", "", "1", "", "2", "", "…", "", "39"]);
    }
}
