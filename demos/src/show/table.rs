//! A table whose rows appear one by one, as soon as each is known. The widths of its columns are fixed from
//! the beginning.

use super::{Output, Style};

/// A column. The first is aligned left, all others right.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    /// The width in characters.
    width: usize,
}

impl Column {
    /// A column with this title and width.
    pub const fn new(title: &'static str, width: usize) -> Self {
        Self { title, width }
    }
}

/// A table that is being printed.
#[derive(Debug)]
pub struct Table<'a> {
    output: &'a Output,
    columns: &'a [Column],
}

/// The space left of a table and between its columns.
const MARGIN: &str = "  ";

impl<'a> Table<'a> {
    /// Prints the titles.
    pub fn begin(output: &'a Output, columns: &'a [Column]) -> Self {
        let table = Self { output, columns };
        let titles: Vec<_> = columns.iter().map(|column| column.title.to_owned()).collect();
        output.line(output.paint(Style::Faint, table.align(&titles)));
        table
    }

    /// Prints a row, with its first cell in this style.
    pub fn row(&self, style: Style, cells: &[String]) {
        let text = self.align(cells);
        let first = text.len().min(MARGIN.len() + cells[0].len());
        let (head, rest) = text.split_at(first);
        self.output.line(format_args!("{}{rest}", self.output.paint(style, head)));
    }

    fn align(&self, cells: &[String]) -> String {
        let mut text = String::new();
        for (place, (cell, &Column { width, .. })) in cells.iter().zip(self.columns).enumerate() {
            text.push_str(MARGIN);
            text.push_str(&if place == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        }
        text.trim_end().to_owned()
    }
}
