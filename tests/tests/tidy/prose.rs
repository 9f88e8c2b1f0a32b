//! Rules on documents: every link, and every `file.rs::name`, leads somewhere.

use crate::{demand, source};
use std::{iter, path::Path};

/// The parts of `text` between `open` and `close`, with their line numbers.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().flat_map(move |(number, line)| {
        let mut rest = line;
        iter::from_fn(move || {
            let (inner, after) = rest.split_once(open)?.1.split_once(close)?;
            rest = after;
            Some((number + 1, inner))
        })
    })
}

#[test]
fn what_stands_between_two_equal_marks_is_found() {
    let found: Vec<_> = between("a `b` c `d`\n[e](f) `g", "`", '`').collect();
    assert_eq!(found, [(1, "b"), (1, "d")]);
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut breaches = Vec::new();
    for document in source::files(".md") {
        let root = source::root();
        let folder = root.join(&document.path);
        let folder = folder.parent().unwrap_or(Path::new("."));
        for (line, target) in between(&document.text, "](", ')') {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.starts_with("http") || target.starts_with('#');
            if !outside && !folder.join(file).exists() {
                breaches.push(format!("{} links to {target}", document.at(line)));
            }
        }
    }
    demand("a link leads to a file that exists", breaches);
}

/// A poster names a function as `file::function`, in a link to the file.
#[test]
fn every_link_of_a_poster_leads_to_its_function() {
    let sources = source::files(".rs");
    let (mut breaches, mut links) = (Vec::new(), 0);
    for poster in source::files(".svg") {
        let folder = source::root().join(&poster.path).with_file_name("");
        for (number, line) in (1..).zip(poster.text.lines()) {
            let Some((target, named)) = line.strip_prefix("<a href=\"").and_then(|rest| rest.split_once('"'))
            else {
                continue;
            };
            links += 1;
            let named = named.trim_end_matches("</text></a>").rsplit('>').next().unwrap_or_default();
            let (path, function) = named.split_once("::").unwrap_or((named, ""));
            let file = sources.iter().find(|file| file.path == path);
            let is_right = folder.join(target).exists()
                && target.ends_with(path)
                && file.is_some_and(|file| defines(&file.text, function));
            breaches.extend((!is_right).then(|| format!("{} links to {named}", poster.at(number))));
        }
    }
    assert!(links > 5, "the poster of the life of a future has links");
    demand("a poster's link leads to a function that exists", breaches);
}

/// Whether `text` defines something called `name`.
fn defines(text: &str, name: &str) -> bool {
    ["fn ", "struct ", "enum ", "trait ", "type ", "mod ", "const ", "static ", "macro_rules! "].iter().any(
        |keyword| {
            text.match_indices(&format!("{keyword}{name}")).any(|(at, found)| {
                let after = text[at + found.len()..].chars().next();
                !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        },
    )
}

#[test]
fn every_file_and_function_that_is_named_exists() {
    let sources = source::files(".rs");
    let mut breaches = Vec::new();
    for document in source::files(".md").iter().chain(&sources) {
        let is_code = document.path.ends_with(".rs");
        let krate = document.path.split('/').next().unwrap_or_default();
        for (line, quoted) in between(&document.text, "`", '`') {
            let Some((path, rest)) = quoted.split_once(".rs") else { continue };
            let in_folder =
                path.contains('/') && path.chars().all(|c| c.is_alphanumeric() || "_/-".contains(c));
            let ours = path.split('/').next().is_some_and(|top| source::root().join(top).is_dir());
            if !in_folder || !ours {
                continue;
            }
            // Comments name files from the root of the workspace or of their crate.
            let paths = [format!("{path}.rs"), format!("{krate}/{path}.rs")];
            let Some(target) = sources.iter().find(|file| paths.contains(&file.path)) else {
                breaches.push(format!("{} names {path}.rs", document.at(line)));
                continue;
            };
            let Some(name) = rest.strip_prefix("::") else { continue };
            let name = name.rsplit("::").next().unwrap_or(name).trim_end_matches("()");
            if !is_code || !name.contains(' ') {
                let known = defines(&target.text, name);
                breaches.extend((!known).then(|| format!("{} names {quoted}", document.at(line))));
            }
        }
    }
    demand("what a document names exists", breaches);
}

/// Whether a file is the program of an example. A folder of an example is named by its `main.rs`.
fn is_example(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts[..], ["examples", _] | [_, "examples", _] | [_, "examples", _, "main.rs"])
}

#[test]
fn every_example_is_in_the_table() {
    let table = std::fs::read_to_string(source::root().join("docs/examples.md")).unwrap();
    let sources = source::files(".rs");
    let examples: Vec<_> = sources.iter().map(|file| &file.path).filter(|path| is_example(path)).collect();
    assert!(examples.len() > 10, "{examples:?}");
    let is_missing = |path: &&&String| !table.contains(&format!("](../{path})"));
    demand(
        "docs/examples.md names every example",
        examples.iter().filter(is_missing).map(|path| path.to_string()).collect(),
    );
}

#[test]
fn the_map_stays_a_map() {
    let map = std::fs::read_to_string(source::root().join("ARCHITECTURE.md")).unwrap();
    assert!(map.lines().count() <= 200, "ARCHITECTURE.md has {} lines, 200 at most", map.lines().count());
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = std::fs::read_to_string(source::root().join("README.md")).unwrap();
    for command in ["cargo run --release", "cargo test --workspace"] {
        assert!(readme.contains(command), "README.md does not name `{command}`");
    }
}
