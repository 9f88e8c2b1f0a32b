//! Rules on three pages for readers: a day of the reading path is as long as it says, the glossary explains
//! words that are in use, and README is short.

use crate::{demand, source};
use std::{fs, ops::RangeInclusive};

/// The lines of code of a day of the reading path, without comments, blank lines and unit tests.
const DAY_LINES: RangeInclusive<usize> = 500..=950;
const DAYS: usize = 7;

/// README has fewer lines than this.
const README_LINES: usize = 150;

fn page(name: &str) -> String {
    fs::read_to_string(source::root().join("docs").join(name)).unwrap()
}

fn lines_of_code(text: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    text.lines().filter(is_code).count()
}

/// The first cell of each row of the tables in `text` that names a file: `| [name](../path) | …`.
fn files_in_tables(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let cell = line.strip_prefix("| [")?.split(" |").next()?;
        Some(cell.split_once("](../")?.1.trim_end_matches(')'))
    })
}

#[test]
fn the_readme_is_read_in_one_go() {
    let text = fs::read_to_string(source::root().join("README.md")).unwrap();
    let lines = text.lines().count();
    assert!(
        lines < README_LINES,
        "README.md has {lines} lines: move what not everybody needs to a page of docs"
    );
}

#[test]
fn each_day_of_reading_is_a_day_long() {
    let text = page("reading.md");
    let days: Vec<_> = text.split("\n## Day ").skip(1).collect();
    assert_eq!(days.len(), DAYS, "docs/reading.md has seven days, each under a heading `## Day N`");
    let sources = source::files(".rs");
    let mut breaches = Vec::new();
    for (number, day) in (1..).zip(days) {
        let day = day.split("\n## ").next().unwrap_or(day);
        let mut lines = 0;
        for path in files_in_tables(day) {
            match sources.iter().find(|file| file.path == path) {
                Some(file) => lines += lines_of_code(file.without_unit_tests()),
                None => breaches.push(format!("day {number} names {path}, which is no file")),
            }
        }
        if !DAY_LINES.contains(&lines) {
            breaches.push(format!("day {number} has {lines} lines of code, not {DAY_LINES:?}"));
        }
    }
    demand("each day of the week of reading is a day long", breaches);
}

#[test]
fn the_glossary_explains_words_that_are_in_use() {
    let text = page("glossary.md");
    let sources = source::files(".rs");
    let mut breaches = Vec::new();
    // | term | what it is | standard name elsewhere | [file](../path) |
    for row in text.lines().filter(|line| line.starts_with("| ") && line.contains("](../")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [term, _, _, file] = cells[..] else {
            breaches.push(format!("a row has four cells: {row}"));
            continue;
        };
        let path = file.split_once("](../").map_or("", |(_, path)| path.trim_end_matches([')', '|', ' ']));
        let Some(file) = sources.iter().find(|file| file.path == path) else {
            breaches.push(format!("{term}: {path} is no file"));
            continue;
        };
        // A term is written in code as one word, in prose as several.
        let flat = |text: &str| text.to_lowercase().replace([' ', '_', '-', '\n'], "");
        if !flat(&file.text).contains(&flat(term.trim_matches('`'))) {
            breaches.push(format!("{term} does not occur in {path}"));
        }
    }
    demand("the glossary explains words that are in use, and says where", breaches);
}
