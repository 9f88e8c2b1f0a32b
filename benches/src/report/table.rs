//! Outcomes as a table of 80 columns for people, and as one JSON object a line for programs.

use crate::{
    bench::{Bench, Metric},
    run::Outcome,
};
use std::io::IsTerminal;

/// The table. Its rows are printed one by one, as they come.
pub struct Table {
    name: usize,
    peer: usize,
    colour: bool,
}

impl Table {
    /// Makes a table that is wide enough for these benches.
    pub fn new(benches: &[&Bench]) -> Self {
        let rows = benches.iter().flat_map(|bench| {
            let mean = bench.family.into_iter().flat_map(|family| [&family.wall, &family.cpu]);
            bench.rows.iter().chain(mean)
        });
        let colour =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self {
            name: rows.map(|row| row.name.len()).max().unwrap_or(0).max("bench".len()),
            peer: benches.iter().map(|bench| bench.peer.len()).max().unwrap_or(0).max("peer".len()),
            colour,
        }
    }

    /// The line above the rows.
    pub fn head(&self) -> String {
        let cells = ["bench", "peer", "ours", "peer's", "ratio", "±", "cpu", "goal", ""];
        self.line(cells.map(str::to_owned))
    }

    /// The row of one outcome.
    pub fn row(&self, outcome: &Outcome) -> String {
        let (ours, theirs) = figures(outcome);
        let spread = outcome.ratio;
        let width = (spread.high - spread.low) / 2.0 / spread.median * 100.0;
        let cells = [
            outcome.row.name.to_owned(),
            outcome.peer.to_owned(),
            ours,
            theirs,
            ratio(spread.median),
            if width.is_finite() { format!("{width:.0}%") } else { String::new() },
            outcome.cpu_ratio.map_or_else(|| "-".to_owned(), ratio),
            outcome.row.goal.map_or_else(|| "-".to_owned(), ratio),
            verdict(outcome).to_owned(),
        ];
        let line = self.line(cells);
        match outcome.met() {
            Some(true) if self.colour => line.replace("met", "\x1b[32mmet\x1b[0m"),
            Some(false) if self.colour => line.replace("missed", "\x1b[31mmissed\x1b[0m"),
            _ => line,
        }
    }

    /// The row of a bench that could not run, with the reason.
    pub fn skipped(&self, bench: &Bench, why: &str) -> String {
        format!(
            "{:name$} {:peer$} skipped: {why}",
            bench.name(),
            bench.peer,
            name = self.name,
            peer = self.peer
        )
    }

    fn line(&self, [bench, peer, ours, theirs, ratio, spread, cpu, goal, verdict]: [String; 9]) -> String {
        let (n, p) = (self.name, self.peer);
        let line = format!(
            "{bench:n$} {peer:p$} {ours:>8} {theirs:>8} {ratio:>5} {spread:>4} {cpu:>5} {goal:>5} {verdict}"
        );
        line.trim_end().to_owned()
    }
}

/// Says in a word whether the goal is met.
pub fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.met() {
        None => "",
        Some(true) => "met",
        Some(false) => "missed",
    }
}

/// The figures of both sides, with their units.
pub fn figures(outcome: &Outcome) -> (String, String) {
    let show = |figure: Option<f64>| match (figure, outcome.row.metric) {
        (None, _) => "-".to_owned(),
        (Some(figure), Metric::Rate) => scaled(1e9 / figure, &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
        (Some(figure), Metric::ExtraBytes(_)) => {
            scaled(figure, &[(1048576.0 * 1024.0, "GiB"), (1048576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")])
        }
        (Some(figure), Metric::ExtraCount(_)) => {
            scaled(figure, &[(1e6, "M"), (1e3, "k"), (1.0, "")]).trim().to_owned()
        }
        (Some(figure), _) => scaled(figure, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")]),
    };
    (show(outcome.ours), show(outcome.theirs))
}

/// Writes a value in the largest unit that leaves at least one, with three digits.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let (size, unit) = units.iter().find(|(size, _)| value >= *size).unwrap_or(&units[units.len() - 1]);
    let value = value / size;
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// Writes a ratio in at most five columns, with as many digits as mean something.
pub fn ratio(ratio: f64) -> String {
    let digits = if ratio < 0.1 { 3 } else { 2 };
    if ratio < 100.0 { format!("{ratio:.digits$}") } else { format!("{ratio:.0}") }
}

/// Writes one JSON object, with figures in nanoseconds per operation, in bytes, or counts.
pub fn json(group: &str, outcome: &Outcome) -> String {
    let Outcome { row, peer, .. } = outcome;
    let bench = row.name;
    let unit = match row.metric {
        Metric::ExtraBytes(_) => "bytes",
        Metric::ExtraCount(_) => "count",
        _ => "ns",
    };
    let [ours, theirs] = [outcome.ours, outcome.theirs].map(number);
    let [ratio, cpu, goal] = [Some(outcome.ratio.median), outcome.cpu_ratio, row.goal].map(number);
    // Names are plain words, so that nothing needs to be escaped.
    format!(
        r#"{{"group":"{group}","bench":"{bench}","peer":"{peer}","ours_{unit}":{ours},"peer_{unit}":{theirs},"ratio":{ratio},"cpu_ratio":{cpu},"goal":{goal}}}"#
    )
}

/// Writes a number in JSON; null if there is none.
fn number(value: Option<f64>) -> String {
    let finite = value.filter(|value| value.is_finite());
    finite.map_or_else(|| "null".to_owned(), |value| rounded(value).to_string())
}

/// Rounds to four significant digits, because more would claim too much.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench::Row, run::Spread};

    fn outcome() -> Outcome {
        Outcome {
            row: Row { name: "fib30_join", metric: Metric::Wall, goal: Some(0.3) },
            peer: "rayon",
            ours: Some(1.9),
            theirs: Some(5.2),
            ratio: Spread { low: 0.36, median: 0.37, high: 0.38 },
            cpu_ratio: Some(0.41),
        }
    }

    #[test]
    fn a_line_of_json_has_the_agreed_keys_in_the_agreed_order() {
        let line = r#"{"group":"pool","bench":"fib30_join","peer":"rayon","ours_ns":1.9,"peer_ns":5.2,"ratio":0.37,"cpu_ratio":0.41,"goal":0.3}"#;
        assert_eq!(json("pool", &outcome()), line);
    }

    #[test]
    fn a_missed_goal_is_shown_as_missed() {
        let table = Table { name: 10, peer: 5, colour: false };
        assert_eq!(table.row(&outcome()), "fib30_join rayon  1.90 ns  5.20 ns  0.37   3%  0.41  0.30 missed");
    }

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(scaled(1234.0, &[(1e3, "µs"), (1.0, "ns")]), "1.23 µs");
        assert_eq!(scaled(0.5, &[(1e3, "µs"), (1.0, "ns")]), "0.50 ns");
    }
}
