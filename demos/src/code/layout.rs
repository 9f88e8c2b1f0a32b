//! Listings on the screen: side by side where both fit, one above the other elsewhere.

use super::{
    Source,
    broken::broken,
    paint::{Language, Line, paint},
};
use crate::show::{Output, Style};

/// The fewest columns for Rust beside Python.
const BESIDE_COLUMNS_MIN: usize = 70;

const MARGIN: &str = "  ";
const BETWEEN: &str = " │ ";

/// A source as it is shown: its title, and its painted lines.
struct Block {
    title: String,
    language: Language,
    lines: Vec<Line>,
}

impl Block {
    fn of(source: &Source, language: Language) -> Self {
        let title = match language {
            Language::Python => format!("Python: {}", source.path),
            Language::Rust => format!("Rust: {}", source.path),
        };
        Self { title, language, lines: paint(&source.text(), language) }
    }

    /// How many columns the block takes if no line is broken.
    fn width(&self) -> usize {
        self.lines.iter().map(Vec::len).max().unwrap_or(0).max(self.title.chars().count())
    }

    /// The lines of the block, broken to fit `width`.
    fn broken(&self, width: usize) -> Vec<Line> {
        broken(&self.lines, self.language, width)
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
    for line in block.broken(columns - MARGIN.len()) {
        // A break in the midst of a string would change it.
        output.line_as_it_is(format!("{MARGIN}{}", painted(output, &line)).trim_end());
    }
}

fn side_by_side(output: &Output, python: &Block, rust: &Block, rust_columns: usize) {
    let width = python.width();
    let titles = format!("{MARGIN}{:<width$}{BETWEEN}{}", python.title, rust.title);
    output.line(output.paint(Style::Strong, titles));
    let (left, right) = (python.broken(width), rust.broken(rust_columns));
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
