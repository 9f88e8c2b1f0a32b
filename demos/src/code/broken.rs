//! Lines that are too wide, broken so that a compiler still takes them.
//!
//! A comment behind code moves to a line of its own, above the code. Code is broken between two tokens: at
//! the last space that fits, or else at a bracket or a point. Python ends a statement at the end of its line,
//! so outside of brackets a backslash goes before the break. A string stays whole, also where it is too wide:
//! then the terminal breaks it, and what is copied from there is still one line.

use super::paint::{COMMENT, Language, Line, STRING};
use crate::show::Style;

/// How far the rest of a broken line of code is indented.
const CONTINUED: usize = 4;

/// The end of a line of Python that goes on in the next one.
const BACKSLASH: &str = " \\";

/// Breaks the lines of a text, so that they fit `width` if their tokens do.
pub(super) fn broken(lines: &[Line], language: Language, width: usize) -> Vec<Line> {
    let (mut pieces, mut depth) = (Vec::new(), 0);
    for line in lines {
        let code = line.iter().position(|&(_, style)| style == COMMENT).unwrap_or(line.len());
        let (code, comment) = line.split_at(code);
        if line.len() <= width || is_blank(code) {
            pieces.extend(if line.len() <= width { vec![line.clone()] } else { broken_comment(line, width) });
        } else {
            if !comment.is_empty() {
                pieces.extend(broken_comment(&[&code[..indent(code)], comment].concat(), width));
            }
            pieces.extend(broken_code(trimmed(code), depth, language, width));
        }
        depth = code.iter().fold(depth, depth_after);
    }
    pieces
}

/// Breaks a line of comment at spaces. Each piece begins with the mark of a comment.
fn broken_comment(line: &[(char, Style)], width: usize) -> Vec<Line> {
    let indent = indent(line);
    let mark = line[indent..].iter().take_while(|character| !is_space(character)).count();
    let start = line[..line.len().min(indent + mark + 1)].to_vec();
    let (mut pieces, mut rest) = (Vec::new(), line.to_vec());
    while rest.len() > width {
        let spaces = (start.len()..rest.len()).filter(|&place| is_space(&rest[place]));
        let Some(end) = best(spaces, |place| place <= width) else { break };
        let after = rest.split_off(end);
        pieces.push(rest);
        rest = [&start, &after[1..]].concat();
    }
    pieces.push(rest);
    pieces
}

/// Breaks a line of code that begins inside so many brackets.
fn broken_code(line: &[(char, Style)], mut depth: usize, language: Language, width: usize) -> Vec<Line> {
    let start = vec![(' ', Style::Plain); (indent(line) + CONTINUED).min(width / 2)];
    let (mut pieces, mut rest, mut first) = (Vec::new(), line.to_vec(), indent(line) + 1);
    while rest.len() > width {
        let depths: Vec<_> = rest
            .iter()
            .scan(depth, |depth, character| Some(std::mem::replace(depth, depth_after(*depth, character))))
            .collect();
        let needs_backslash = |place: usize| language == Language::Python && depths[place] == 0;
        let fits = |place| place + if needs_backslash(place) { BACKSLASH.len() } else { 0 } <= width;
        let spaces = (first..rest.len()).filter(|&place| is_space(&rest[place]) && is_code(&rest[place]));
        let joints = (first..rest.len()).filter(|&place| is_joint(&rest, place));
        let space = best(spaces, fits);
        let Some(end) = space.filter(|&space| fits(space)).or(best(joints, fits)).or(space) else { break };
        let backslash = if needs_backslash(end) { BACKSLASH } else { "" };
        depth = depths[end];
        let after = rest.split_off(end);
        rest.extend(backslash.chars().map(|character| (character, Style::Plain)));
        pieces.push(rest);
        rest =
            start.iter().chain(after.iter().skip_while(|character| is_space(character))).copied().collect();
        first = start.len() + 1;
    }
    pieces.push(rest);
    pieces
}

/// The last of some places that fits, or else the first one of all.
fn best(places: impl Iterator<Item = usize> + Clone, fits: impl Fn(usize) -> bool) -> Option<usize> {
    places.clone().filter(|&place| fits(place)).last().or(places.clone().next())
}

/// Whether two tokens that no space parts meet before this place: behind an opening bracket, or before the
/// point of a call.
fn is_joint(line: &[(char, Style)], place: usize) -> bool {
    let [before, at] = [line[place - 1], line[place]];
    let is_bracket = is_code(&before) && matches!(before.0, '(' | '[' | '{');
    let is_point = is_code(&at) && at.0 == '.' && before.0 != '.';
    is_bracket || is_point && line.get(place + 1).is_some_and(|next| next.0.is_alphabetic())
}

/// How many brackets are open behind a character, if so many were open before it.
fn depth_after(depth: usize, character: &(char, Style)) -> usize {
    match character.0 {
        _ if !is_code(character) => depth,
        '(' | '[' | '{' => depth + 1,
        ')' | ']' | '}' => depth.saturating_sub(1),
        _ => depth,
    }
}

fn is_code(&(_, style): &(char, Style)) -> bool {
    style != STRING && style != COMMENT
}

fn is_space(&(character, _): &(char, Style)) -> bool {
    character == ' '
}

fn is_blank(line: &[(char, Style)]) -> bool {
    line.iter().all(is_space)
}

fn indent(line: &[(char, Style)]) -> usize {
    line.iter().take_while(|character| is_space(character)).count()
}

/// The line without spaces at its end.
fn trimmed(line: &[(char, Style)]) -> &[(char, Style)] {
    &line[..line.iter().rposition(|character| !is_space(character)).map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::{
        super::{listings, paint::paint},
        *,
    };
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    fn plain(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.into_iter().map(|(character, _)| character).collect()).collect()
    }

    fn lines(text: &str, language: Language, width: usize) -> Vec<String> {
        plain(broken(&paint(text, language), language, width))
    }

    #[test]
    fn a_line_that_fits_stays_whole() {
        assert_eq!(lines("    let a = b;", Language::Rust, 14), ["    let a = b;"]);
        assert_eq!(lines("", Language::Rust, 14), [""]);
    }

    #[test]
    fn a_long_line_goes_on_further_to_the_right() {
        assert_eq!(
            lines("  one two three four", Language::Rust, 12),
            ["  one two", "      three", "      four"]
        );
    }

    #[test]
    fn a_long_comment_goes_on_as_a_comment() {
        assert_eq!(lines("  // one two three", Language::Rust, 11), ["  // one", "  // two", "  // three"]);
    }

    #[test]
    fn a_comment_behind_code_moves_above_it() {
        assert_eq!(lines("  go(1)  # at once", Language::Python, 14), ["  # at once", "  go(1)"]);
        assert_eq!(lines("  go(1); // at once", Language::Rust, 14), ["  // at once", "  go(1);"]);
    }

    #[test]
    fn python_needs_a_backslash_outside_of_brackets_only() {
        assert_eq!(lines("number = loaded + 1", Language::Python, 14), ["number = \\", "    loaded + 1"]);
        let cooks = ["cooks = [cook(knife,", "    board)", "    for cook in cooks]"];
        assert_eq!(lines("cooks = [cook(knife, board)\n    for cook in cooks]", Language::Python, 22), cooks);
    }

    #[test]
    fn a_call_without_spaces_breaks_at_a_bracket_or_a_point() {
        assert_eq!(lines("go.far(away).now()", Language::Rust, 12), ["go.far(away)", "    .now()"]);
        assert_eq!(lines("go.far(away)", Language::Rust, 9), ["go.far(", "    away)"]);
    }

    #[test]
    fn a_string_stays_whole() {
        assert_eq!(lines("say(\"one two\")", Language::Python, 10), ["say(", "    \"one two\")"]);
    }

    /// The tokens of a text: it without the spaces, the backslashes at the ends of lines, and the comments.
    fn tokens(lines: &[Line]) -> String {
        let code = lines.iter().map(|line| {
            let code: String =
                line.iter().take_while(|&&(_, style)| style != COMMENT).map(|&(letter, _)| letter).collect();
            code.trim_end().trim_end_matches(BACKSLASH).to_owned()
        });
        code.collect::<String>().split_whitespace().collect()
    }

    #[test]
    fn every_listing_keeps_its_tokens_at_every_width() {
        for listing in listings::ALL {
            let python = listing.python.iter().map(|source| (source, Language::Python));
            for (source, language) in python.chain([(&listing.rust, Language::Rust)]) {
                let painted = paint(&source.text(), language);
                for width in 36..=80 {
                    let broken = broken(&painted, language, width);
                    assert_eq!(tokens(&broken), tokens(&painted), "{} at {width}", source.path);
                    let again = paint(&plain(broken.clone()).join("\n"), language);
                    assert_eq!(tokens(&again), tokens(&painted), "{} at {width}", source.path);
                    for line in broken.iter().filter(|line| line.len() > width) {
                        // A string stays whole, and so does a name.
                        let code = &line[indent(line)..];
                        let is_whole =
                            code.iter().any(|letter| !is_code(letter)) || !code.iter().any(is_space);
                        assert!(is_whole, "{} at {width}: {:?}", source.path, plain(vec![line.clone()]));
                    }
                }
            }
        }
    }

    #[test]
    fn python_takes_every_sample_at_every_width() {
        let check = "import json, sys\nfor text in json.load(sys.stdin): compile(text, text, 'exec')";
        let mut python = Command::new("python3");
        let Ok(mut python) = python.args(["-c", check]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
        else {
            println!("skipped: there is no python3 here");
            return;
        };
        let samples = listings::ALL.iter().filter_map(|listing| listing.python.as_ref());
        let widths =
            |text: String| (36..=80).map(move |width| lines(&text, Language::Python, width).join("\n"));
        let texts: Vec<_> = samples.flat_map(|source| widths(source.text())).collect();
        let json = serde_json::to_vec(&texts).unwrap();
        python.stdin.take().unwrap().write_all(&json).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
