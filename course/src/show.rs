//! A grade for a terminal.

use crate::{Grade, Marked};
use brigade_course_kit::{Finding, Lab, Test, Verdict};
use console::style;
use std::fmt;

/// Shows a grade: a line for each test, and the first broken rule in full.
#[derive(Clone, Copy, Debug)]
pub struct Show<'a> {
    /// The grade.
    pub grade: &'a Grade,
    /// The level of the hint, from 1 to 3.
    pub hint: usize,
    /// How many broken rules are shown in full.
    pub details: usize,
    /// The columns of the terminal.
    pub columns: usize,
}

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Grade { lab, marks } = self.grade;
        let title = format!("Lab {}: {}", lab.number, lab.title);
        writeln!(f, "{}", style(&title).bold())?;
        for mark in marks {
            write_mark(f, mark)?;
        }
        writeln!(f, "{} of 100 points", self.grade.points())?;
        let found = marks.iter().filter_map(|mark| Some((mark.test, mark.finding()?)));
        for (test, finding) in found.take(self.details) {
            writeln!(f)?;
            write_finding(f, lab, test, finding, self.hint)?;
        }
        let lost = marks.iter().filter(|mark| mark.finding().is_some()).count();
        if lost > self.details {
            writeln!(f, "\nThe other lost tests may have the same cause. `--all` shows each in full.")?;
        }
        Ok(())
    }
}

fn write_mark(f: &mut fmt::Formatter<'_>, mark: &Marked) -> fmt::Result {
    let Test { name, about, points, .. } = mark.test;
    match &mark.verdict {
        Verdict::Passed { .. } => writeln!(f, "  {} {points:>2}     {name}: {about}", style("✓").green()),
        Verdict::Failed(_) => writeln!(f, "  {}  0/{points:<2}  {name}: {about}", style("✗").red()),
    }
}

/// Writes a broken rule: what was expected, what happened, the lanes, one hint, and how to replay it.
fn write_finding(
    f: &mut fmt::Formatter<'_>,
    lab: &Lab,
    test: &Test,
    finding: &Finding,
    level: usize,
) -> fmt::Result {
    writeln!(f, "{}", style(test.name).bold())?;
    writeln!(f, "  expected  {}", finding.expected)?;
    writeln!(f, "  happened  {}", finding.happened)?;
    if !finding.lanes.is_empty() {
        writeln!(f, "\n{}", finding.lanes)?;
    }
    let hint = lab.hint(&finding.rule, level);
    if !hint.is_empty() {
        let more = if level < 3 { format!("  (more: --hint {})", level + 1) } else { String::new() };
        writeln!(f, "  hint      {hint}{}", style(more).dim())?;
    }
    writeln!(f, "  replay    {}", replay_line(lab, test, finding))
}

/// The command that shows the run again.
pub(crate) fn replay_line(lab: &Lab, test: &Test, finding: &Finding) -> String {
    let seed = if finding.seed == 0 { String::new() } else { format!(" --seed {}", finding.seed) };
    let space = if finding.schedule.is_empty() { "" } else { " " };
    format!(
        "cargo run -p brigade-course -- replay {} {}{space}{}{seed}",
        lab.number, test.name, finding.schedule
    )
}
