//! Rules on the voice of comments and documents: a sentence starts with its subject, and a line fits any
//! screen.

use crate::{
    demand,
    source::{self, File},
};

/// The most columns that a line of a comment takes.
const COMMENT_COLUMNS: usize = 110;

/// Words that open a question, or a clause that takes the place of a subject. Only questions may open so.
const HEADLESS: [&str; 12] = [
    "Who ",
    "Whoever ",
    "Whom ",
    "Whose ",
    "What ",
    "Whatever ",
    "So many ",
    "So much ",
    "One that ",
    "Those that ",
    "That which ",
    "Nothing that ",
];

/// A paragraph of prose: where it begins, and its words on one line.
struct Paragraph {
    line: usize,
    text: String,
}

/// The prose of a line of Rust code, if it is a whole-line comment: its marker, and what follows that.
fn comment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let marker = ["//!", "///", "//"].into_iter().find(|marker| line.starts_with(marker))?;
    Some((marker, line[marker.len()..].trim()))
}

/// Whether a line stands for itself: a heading, a picture's frame, a row of a table, or the start of an item
/// in a list.
fn stands_alone(prose: &str) -> bool {
    ["#", "|", "```", "* ", "- ", "> "].iter().any(|start| prose.starts_with(start))
        || prose.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

/// Joins lines of prose to paragraphs. Lines between fences are pictures or code, and are left out.
fn paragraphs<'a>(lines: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Vec<Paragraph> {
    let mut found: Vec<Paragraph> = Vec::new();
    let (mut open, mut fenced, mut last) = (false, false, "");
    for (number, line) in lines.enumerate() {
        let Some((marker, prose)) = line else {
            (open, fenced) = (false, false);
            continue;
        };
        if prose.starts_with("```") {
            (open, fenced) = (false, !fenced);
            continue;
        }
        if fenced || prose.is_empty() {
            open = false;
            continue;
        }
        if open && marker == last && !stands_alone(prose) {
            let paragraph = found.last_mut().expect("an open paragraph was begun");
            paragraph.text.push(' ');
            paragraph.text.push_str(prose);
        } else {
            let words = prose.trim_start_matches(['#', '*', '-', '>', '|', ' ']);
            found.push(Paragraph { line: number + 1, text: words.to_owned() });
        }
        (open, last) = (true, marker);
    }
    found
}

fn prose_of(file: &File) -> Vec<Paragraph> {
    if file.path.ends_with(".rs") {
        paragraphs(file.text.lines().map(comment))
    } else {
        paragraphs(file.text.lines().map(|line| Some(("", line.trim()))))
    }
}

/// The sentences of a paragraph, each with the mark that ends it.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices([' ']) {
        let ends = text[..at].ends_with(['.', '?', '!', ':']);
        let next_is_capital = text[at + 1..].chars().next().is_some_and(char::is_uppercase);
        if ends && next_is_capital {
            found.push(&text[start..at]);
            start = at + 1;
        }
    }
    found.push(&text[start..]);
    found
}

fn is_headless(sentence: &str) -> bool {
    let opens = HEADLESS.iter().any(|word| {
        sentence
            .strip_prefix(word)
            .is_some_and(|rest| rest.chars().next().is_some_and(|c| c.is_lowercase() || c == '`' || c == '['))
    });
    opens && !sentence.ends_with('?')
}

fn documents() -> Vec<File> {
    source::files(".rs").into_iter().chain(source::files(".md")).filter(is_in_house).collect()
}

fn is_in_house(file: &File) -> bool {
    file.path.contains('/') && !file.path.starts_with("docs/")
}

#[test]
fn a_sentence_starts_with_its_subject() {
    let mut breaches = Vec::new();
    for file in documents() {
        for paragraph in prose_of(&file) {
            let headless = sentences(&paragraph.text).into_iter().filter(|sentence| is_headless(sentence));
            breaches.extend(headless.map(|sentence| format!("{} {sentence}", file.at(paragraph.line))));
        }
    }
    demand("a sentence starts with its subject; only a question opens with who or what", breaches);
}

#[test]
fn a_line_of_a_comment_fits_a_screen() {
    let mut breaches = Vec::new();
    for file in documents().iter().filter(|file| file.path.ends_with(".rs")) {
        for (number, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            // An address cannot be broken.
            if comment(line).is_some_and(|(_, prose)| prose.contains(' ')) && columns > COMMENT_COLUMNS {
                breaches.push(format!("{} has {columns} columns", file.at(number + 1)));
            }
        }
    }
    demand("a line of a comment has 110 columns at most", breaches);
}

#[test]
fn the_rule_knows_a_headless_sentence_from_a_question() {
    let text = "Parks the worker. Who waits here is woken: What is lost? The rest. So many calls end. Whose turn is it?";
    let headless: Vec<_> = sentences(text).into_iter().filter(|sentence| is_headless(sentence)).collect();
    assert_eq!(headless, ["Who waits here is woken:", "So many calls end."]);
}
