//! Grades for other programs. Nothing in them depends on the time or on the machine, so that the same
//! submission gives the same bytes.

use crate::{Grade, Marked, show::replay_line};
use brigade_course_kit::{Finding, Lab, Test, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;

/// The form of a grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `results.json` of Gradescope.
    Gradescope,
    /// `results.json` of Exercism's test runners, version 2.
    Exercism,
    /// All that is known, as an object of JSON.
    Json,
    /// JUnit's XML, which most servers of continuous integration read.
    Junit,
}

/// Writes a grade.
#[must_use]
pub fn write(grade: &Grade, format: Format) -> String {
    match format {
        Format::Gradescope => pretty(&gradescope(grade)),
        Format::Exercism => pretty(&exercism(grade)),
        Format::Json => pretty(&all(grade)),
        Format::Junit => junit(grade),
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The text for a student: what a terminal would show, without colours.
fn told(lab: &Lab, test: &Test, finding: &Finding) -> String {
    let Finding { rule, expected, happened, lanes, .. } = finding;
    let mut text = format!("expected  {expected}\nhappened  {happened}\n");
    if !lanes.is_empty() {
        let _ = write!(text, "\n{lanes}\n");
    }
    let hint = lab.hint(rule, 1);
    if !hint.is_empty() {
        let _ = writeln!(text, "hint      {hint}");
    }
    let _ = writeln!(text, "replay    {}", replay_line(lab, test, finding));
    text
}

fn gradescope(grade: &Grade) -> Value {
    let test = |mark: &Marked| {
        let output = mark.finding().map_or_else(String::new, |finding| told(grade.lab, mark.test, finding));
        json!({
            "name": format!("{}: {}", mark.test.name, mark.test.about),
            "score": mark.points(),
            "max_score": mark.test.points,
            "status": if mark.finding().is_none() { "passed" } else { "failed" },
            "visibility": "visible",
            "output_format": "text",
            "output": output,
        })
    };
    json!({
        "score": grade.points(),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": grade.marks.iter().map(test).collect::<Vec<_>>(),
    })
}

fn exercism(grade: &Grade) -> Value {
    let test = |mark: &Marked| match mark.finding() {
        None => json!({ "name": mark.test.name, "status": "pass" }),
        Some(finding) => json!({
            "name": mark.test.name,
            "status": "fail",
            "message": told(grade.lab, mark.test, finding),
        }),
    };
    // The whole submission is in error only if it was not run.
    let broken = grade.marks.iter().filter_map(Marked::finding).find(|finding| finding.rule == "compile");
    match broken {
        Some(finding) => json!({ "version": 2, "status": "error", "message": finding.happened }),
        None => json!({
            "version": 2,
            "status": if grade.points() == 100 { "pass" } else { "fail" },
            "tests": grade.marks.iter().map(test).collect::<Vec<_>>(),
        }),
    }
}

fn all(grade: &Grade) -> Value {
    let test = |mark: &Marked| {
        let Test { name, about, points, .. } = mark.test;
        let mut value = json!({ "name": name, "about": about, "points": mark.points(), "of": points });
        match &mark.verdict {
            Verdict::Passed { schedules, all_deviations, is_complete } => {
                value["schedules"] = json!(schedules);
                value["all_deviations"] = json!(all_deviations);
                value["is_complete"] = json!(is_complete);
            }
            Verdict::Failed(finding) => {
                value["finding"] = json!(finding);
                value["hints"] = json!([1, 2, 3].map(|level| grade.lab.hint(&finding.rule, level)));
                value["replay"] = json!(replay_line(grade.lab, mark.test, finding));
            }
        }
        value
    };
    json!({
        "lab": grade.lab.number,
        "title": grade.lab.title,
        "points": grade.points(),
        "of": 100,
        "tests": grade.marks.iter().map(test).collect::<Vec<_>>(),
    })
}

fn junit(grade: &Grade) -> String {
    let Grade { lab, marks } = grade;
    let failures = marks.iter().filter(|mark| mark.finding().is_some()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lab {}: {}\" tests=\"{}\" failures=\"{failures}\">\n",
        lab.number,
        escaped(lab.title),
        marks.len(),
    );
    for mark in marks {
        let name = format!("{}: {}", mark.test.name, mark.test.about);
        let head = format!("  <testcase classname=\"lab{:02}\" name=\"{}\"", lab.number, escaped(&name));
        let _ = match mark.finding() {
            None => writeln!(text, "{head}/>"),
            Some(finding) => writeln!(
                text,
                "{head}>\n    <failure message=\"{}\">{}</failure>\n  </testcase>",
                escaped(&finding.happened),
                escaped(&told(lab, mark.test, finding)),
            ),
        };
    }
    text.push_str("</testsuite>\n");
    text
}

/// Escapes a text for XML, and leaves out what XML cannot hold.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
