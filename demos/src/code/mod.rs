//! `brigade SCENARIO --code`: the document's Python, and the Rust that does the same here.
//!
//! The Rust is not a copy: it is cut out of the scenario's source, between two marker lines (`cut`). The
//! Python is a file of `demos/python/document`, whose first line says how the document's sample fares as it
//! is printed. Each line that the document does not have says so: `# ours: why`.

mod broken;
mod cut;
mod layout;
mod listings;
mod paint;

use crate::{
    scenario::{Exit, Scenario},
    show::{Output, Style},
};
use console::Term;
use serde_json::json;
use std::io::{self, IsTerminal};

/// How many columns a listing takes in a pipe, and at least.
const COLUMNS: usize = 80;
const COLUMNS_MIN: usize = 40;

/// Said where there is no Python to show.
const NO_PYTHON: &str = "The notes \"Python Concurrency: Easy Notes with Examples\" have no code for this.";

/// A source file, or some parts of one.
#[derive(Debug)]
struct Source {
    /// The path from the top of the repository.
    path: &'static str,
    parts: &'static [&'static str],
}

impl Source {
    /// The parts, each without the indentation that all its lines share.
    fn text(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| dedented(part)).collect();
        parts.join("\n\n")
    }
}

/// The code of a scenario, or of one of its modes.
#[derive(Debug)]
struct Listing {
    scenario: &'static str,
    /// The mode, if the scenario has several.
    mode: Option<&'static str>,
    python: Option<Source>,
    rust: Source,
}

/// Shows the code of a scenario.
pub fn show(output: &Output, scenario: &Scenario) -> Exit {
    let columns = columns();
    let listings = || listings::ALL.iter().filter(|listing| listing.scenario == scenario.name);
    for (number, Listing { mode, python, rust, .. }) in listings().enumerate() {
        if number > 0 {
            output.line("");
        }
        if let Some(mode) = mode {
            output.line(output.paint(Style::Strong, format!("── {mode} ──")));
        }
        let place = |source: &Source| json!({ "path": source.path, "text": source.text() });
        output.record(
            "code",
            &json!({ "mode": mode, "python": python.as_ref().map(place), "rust": place(rust) }),
        );
        layout::show(output, python.as_ref(), rust, columns);
    }
    if listings().all(|listing| listing.python.is_none()) {
        output.line("");
        output.paragraph(NO_PYTHON);
    }
    Exit::SUCCESS
}

/// How many columns there are. Code uses the whole width, other than text.
fn columns() -> usize {
    let columns = if io::stdout().is_terminal() { Term::stdout().size().1.into() } else { COLUMNS };
    columns.max(COLUMNS_MIN)
}

/// Takes away empty lines around a text, and the indentation that all its lines share.
fn dedented(text: &str) -> String {
    let text = text.trim_end().trim_start_matches('\n');
    let indent = |line: &str| line.len() - line.trim_start().len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines: Vec<_> = text.lines().map(|line| line.get(shared..).unwrap_or("")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;
    use std::{fs, path::Path};

    #[test]
    fn every_scenario_has_code_and_every_listing_a_scenario() {
        for scenario in ALL {
            let has_code = listings::ALL.iter().any(|listing| listing.scenario == scenario.name);
            assert!(has_code, "{} has no listing", scenario.name);
        }
        for listing in listings::ALL {
            assert!(ALL.iter().any(|scenario| scenario.name == listing.scenario), "{}", listing.scenario);
        }
    }

    #[test]
    fn every_part_is_in_the_file_that_it_names() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for listing in listings::ALL {
            for source in listing.python.iter().chain([&listing.rust]) {
                let file = fs::read_to_string(root.join(source.path)).unwrap();
                for part in source.parts {
                    assert!(!part.trim().is_empty() && file.contains(part), "{}", source.path);
                    assert!(part.lines().count() <= 60, "{} is more than a screen", source.path);
                }
                // So 80 columns show every line as it is, with a margin.
                for line in source.text().lines() {
                    assert!(line.chars().count() <= 76, "{}: {line}", source.path);
                }
            }
        }
    }

    #[test]
    fn every_sample_of_the_document_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/document");
        for file in fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let listed = listings::ALL.iter().filter_map(|listing| listing.python.as_ref());
            assert!(listed.map(|python| python.path).any(|path| path.ends_with(&name)), "{name}");
        }
    }

    #[test]
    fn a_text_loses_the_indentation_that_its_lines_share() {
        assert_eq!(dedented("\n    a\n\n      b\n    "), "a\n\n  b");
        assert_eq!(dedented("a\n  b"), "a\n  b");
    }
}
