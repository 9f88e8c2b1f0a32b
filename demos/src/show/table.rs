//! A table whose rows appear one by one, as soon as each is known. The widths of its columns are fixed from
//! the beginning. Where the table is too wide, each row is a block with a line for each cell.

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
    /// Whether each row is a block of lines.
    narrow: bool,
}

/// The space left of a table and between its columns.
const MARGIN: &str = "  ";

impl<'a> Table<'a> {
    /// Prints the titles.
    pub fn begin(output: &'a Output, columns: &'a [Column]) -> Self {
        let narrow = wanted_width(columns) > output.width();
        let table = Self { output, columns, narrow };
        let titles: Vec<_> = columns.iter().map(|column| column.title.to_owned()).collect();
        if !narrow {
            output.line(output.paint(Style::Faint, table.align(&titles)));
        }
        table
    }

    /// Prints a row, with its first cell in this style.
    pub fn row(&self, style: Style, cells: &[String]) {
        if self.narrow {
            self.output.line(self.output.paint(style, format!("{MARGIN}{}", cells[0])));
            return block(&cells[1..], &self.columns[1..])
                .into_iter()
                .for_each(|line| self.output.line(line));
        }
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

/// How many columns of the terminal the table takes.
fn wanted_width(columns: &[Column]) -> usize {
    columns.iter().map(|column| MARGIN.len() + column.width).sum()
}

/// Writes the cells of a row one below the other, each with its title. An empty cell has no line.
fn block(cells: &[String], columns: &[Column]) -> Vec<String> {
    let title = columns.iter().map(|column| column.title.chars().count()).max().unwrap_or(0);
    let lines = cells.iter().zip(columns).filter(|(cell, _)| !cell.trim().is_empty());
    lines.map(|(cell, column)| format!("{MARGIN}{MARGIN}{:<title$}  {}", column.title, cell.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::new("mode", 9), Column::new("seconds", 8), Column::new("memory", 20)];

    #[test]
    fn a_row_that_is_too_wide_becomes_a_block() {
        assert_eq!(wanted_width(&COLUMNS), 43);
        let cells = ["  5.014".to_owned(), "6.3 MiB".to_owned()];
        assert_eq!(block(&cells, &COLUMNS[1..]), ["    seconds  5.014", "    memory   6.3 MiB"]);
        assert_eq!(block(&[String::new(), "1".into()], &COLUMNS[1..]), ["    memory   1"]);
    }
}
