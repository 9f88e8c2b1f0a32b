//! Listings on the screen: side by side where both fit, one above the other elsewhere.

use super::{
    Source,
    paint::{COMMENT, Language, Line, paint},
};
use crate::show::{Output, Style};

/// The fewest columns for Rust beside Python.
const BESIDE_COLUMNS_MIN: usize = 70;

/// How far the rest of a line is indented that had to be broken.
const CONTINUED: usize = 4;

const MARGIN: &str = "  ";
const BETWEEN: &str = " │ ";

/// A source as it is shown: its title, and its painted lines.
struct Block {
    title: String,
    lines: Vec<Line>,
}

impl Block {
    fn of(source: &Source, language: Language) -> Self {
        let title = match language {
            Language::Python => format!("Python: {}", source.path),
            Language::Rust => format!("Rust: {}", source.path),
        };
        Self { title, lines: paint(&source.text(), language) }
    }

    /// How many columns the block takes if no line is broken.
    fn width(&self) -> usize {
        self.lines.iter().map(Vec::len).max().unwrap_or(0).max(self.title.chars().count())
    }

    /// The lines of the block, none wider than `width`.
    fn wrapped(&self, width: usize) -> Vec<Line> {
        self.lines.iter().flat_map(|line| wrapped(line, width)).collect()
    }
}

/// Prints the two sources, within so many columns.
pub(super) fn show(output: &Output, python: Option<&Source>, rust: &Source, columns: usize) {
    let rust = Block::of(rust, Language::Rust);
    let Some(python) = python.map(|source| Block::of(source, Language::Python)) else {
        return above(output, &rust, columns);
    };
    let beside = MARGIN.len() + python.width() + BETWEEN.chars().count();
    if columns >= beside + rust.width().min(BESIDE_COLUMNS_MIN) {
        side_by_side(output, &python, &rust, columns - beside);
    } else {
        above(output, &python, columns);
        output.line("");
        above(output, &rust, columns);
    }
}

fn above(output: &Output, block: &Block, columns: usize) {
    output.line(output.paint(Style::Strong, &block.title));
    for line in block.wrapped(columns - MARGIN.len()) {
        output.line(format_args!("{MARGIN}{}", painted(output, &line)).to_string().trim_end());
    }
}

fn side_by_side(output: &Output, python: &Block, rust: &Block, rust_columns: usize) {
    let width = python.width();
    let titles = format!("{MARGIN}{:<width$}{BETWEEN}{}", python.title, rust.title);
    output.line(output.paint(Style::Strong, titles));
    let (left, right) = (python.wrapped(width), rust.wrapped(rust_columns));
    for place in 0..left.len().max(right.len()) {
        let part = |lines: &[Line]| lines.get(place).cloned().unwrap_or_default();
        let (left, right) = (part(&left), part(&right));
        let (space, bar) = (" ".repeat(width - left.len()), output.paint(Style::Faint, BETWEEN));
        let line = format!("{MARGIN}{}{space}{bar}{}", painted(output, &left), painted(output, &right));
        output.line(line.trim_end());
    }
}

/// A line in colours, if the terminal has them. Neighbours of one style share an escape sequence.
fn painted(output: &Output, line: &Line) -> String {
    let run = |run: &[(char, Style)]| {
        let text: String = run.iter().map(|&(character, _)| character).collect();
        output.paint(run[0].1, text)
    };
    line.chunk_by(|one, next| one.1 == next.1).map(run).collect()
}

/// Breaks a line at a space, so that no piece is wider than `width`. A word that is wider is cut. The rest of
/// a line of code stands further to the right; the rest of a comment is a comment.
fn wrapped(line: &Line, width: usize) -> Vec<Line> {
    let is_space = |&(character, _): &(char, Style)| character == ' ';
    let indent = line.iter().take_while(|character| is_space(character)).count();
    let start = if line.get(indent).is_some_and(|&(_, style)| style == COMMENT) {
        let mark = line[indent..].iter().take_while(|character| !is_space(character)).count();
        line[..line.len().min(indent + mark + 1)].to_vec()
    } else {
        vec![(' ', Style::Plain); (indent + CONTINUED).min(width / 2)]
    };
    let (mut pieces, mut rest) = (Vec::new(), line.clone());
    while rest.len() > width {
        let space = rest[..=width].iter().rposition(is_space);
        let end = space.filter(|&space| space >= start.len().max(indent + 1)).unwrap_or(width);
        let after = rest.split_off(end);
        pieces.push(rest);
        let words = after.into_iter().skip_while(|character| is_space(character));
        rest = start.iter().copied().chain(words).collect();
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(text: &str, width: usize) -> Vec<String> {
        let line = &paint(text, Language::Rust)[0];
        let plain = |line: Line| line.into_iter().map(|(character, _)| character).collect();
        wrapped(line, width).into_iter().map(plain).collect()
    }

    #[test]
    fn a_line_that_fits_stays_whole() {
        assert_eq!(wrap("    let a = b;", 14), ["    let a = b;"]);
        assert_eq!(wrap("", 14), [""]);
    }

    #[test]
    fn a_long_line_goes_on_further_to_the_right() {
        assert_eq!(wrap("  one two three four", 12), ["  one two", "      three", "      four"]);
    }

    #[test]
    fn a_long_comment_goes_on_as_a_comment() {
        assert_eq!(wrap("  // one two three", 11), ["  // one", "  // two", "  // three"]);
    }

    #[test]
    fn a_word_that_is_too_long_is_cut() {
        assert_eq!(wrap("abcdefghijkl", 8), ["abcdefgh", "    ijkl"]);
    }
}
