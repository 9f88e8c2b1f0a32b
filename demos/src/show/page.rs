//! Pages of help, and complaints: text that is broken at spaces if a terminal shows it.

use super::{
    output::{beside, exit_unless_written, terminal_size, write_patiently},
    text::{columns, fold},
};
use console::Term;
use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

/// Prints a page of help on the standard output.
pub(crate) fn print_page(page: &str) {
    exit_unless_written(write_patiently(&mut io::stdout(), fold_page(page, &Term::stdout()).as_bytes()));
}

/// Prints a complaint on standard error. If that is gone or full, nobody is left to tell.
pub(crate) fn complain(page: impl fmt::Display) {
    let mut stderr = io::stderr();
    // Without a terminal this allocates nothing, since memory may be what is missing.
    let _ = if stderr.is_terminal() {
        stderr.write_all(fold_page(&page.to_string(), &Term::stderr()).as_bytes())
    } else {
        write!(stderr, "{page}")
    };
}

/// Breaks the lines of a page at spaces, if it is for a terminal.
fn fold_page(page: &str, stream: &Term) -> String {
    let Some((_, width)) = terminal_size(stream).filter(|_| stream.is_term()) else { return page.to_owned() };
    page.lines().map(|line| fold_entry(line, width) + "\n").collect()
}

/// Breaks a line of a page. A word that stands apart from its explanation is a label.
fn fold_entry(line: &str, width: usize) -> String {
    let indent = line.len() - line.trim_start().len();
    match line[indent..].find("  ") {
        Some(gap) if columns(line) > width => {
            let text = line[indent + gap..].trim_start();
            beside(&line[..line.len() - text.len()], text, width)
        }
        _ => fold(line, width).join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_help_breaks_beside_its_option() {
        let line = "      --json  One JSON object a line";
        assert_eq!(fold_entry(line, 80), line);
        assert_eq!(fold_entry(line, 32), "      --json  One JSON object a\n              line");
        assert_eq!(fold_entry(line, 26), "      --json\n    One JSON object a line");
        assert_eq!(fold_entry("Usage: brigade [OPTIONS]", 20), "Usage: brigade\n  [OPTIONS]");
    }
}
