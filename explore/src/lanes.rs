//! Lanes: the lines of a run side by side, a lane for each thread.

use crate::{outcome::Line, schedule::ThreadName};
use std::fmt::Write;

/// A lane with fewer columns cannot be read. Then each line begins with the name of its thread.
const MIN_LANE_WIDTH: usize = 15;
/// A lane takes no more columns than its lines need.
const MAX_LANE_WIDTH: usize = 49;
/// The most lines of a story that are drawn, from its end.
const MAX_LINES: usize = 60;
/// The columns of the names before lines that do not stand in lanes.
const NAME_WIDTH: usize = 5;

/// Draws the lines of a story in lanes side by side.
pub(crate) fn draw(threads: &[String], lines: &[Line], columns: usize) -> String {
    let used: Vec<u32> =
        (0..threads.len() as u32).filter(|&thread| lines.iter().any(|line| line.thread == thread)).collect();
    let spaces = used.len().saturating_sub(1);
    let width = columns.saturating_sub(spaces) / used.len().max(1);
    if width < MIN_LANE_WIDTH {
        return list(lines, columns);
    }
    let width = width.min(MAX_LANE_WIDTH);
    let mut text = String::new();
    let mut row = |cells: &dyn Fn(usize) -> String| {
        let cells: Vec<Vec<String>> = (0..used.len()).map(|index| wrap(&cells(index), width)).collect();
        for part in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let cells = cells.iter().map(|cell| cell.get(part).map_or("", String::as_str));
            let cells: Vec<String> = cells.map(|cell| format!("{cell:width$}")).collect();
            let _ = writeln!(text, "{}", cells.join(" ").trim_end());
        }
    };
    row(&|index| format!("{} {}", ThreadName(used[index]), threads[used[index] as usize]));
    row(&|_| "─".repeat(width));
    let skipped = lines.len().saturating_sub(MAX_LINES);
    if skipped > 0 {
        row(&|index| if index == 0 { format!("({skipped} lines before)") } else { String::new() });
    }
    for line in &lines[skipped..] {
        row(&|index| if used[index] == line.thread { line.text.clone() } else { String::new() });
    }
    text
}

/// Writes the lines below each other.
fn list(lines: &[Line], columns: usize) -> String {
    let mut text = String::new();
    let skipped = lines.len().saturating_sub(MAX_LINES);
    if skipped > 0 {
        let _ = writeln!(text, "({skipped} lines before)");
    }
    for line in &lines[skipped..] {
        let parts = wrap(&line.text, columns.saturating_sub(NAME_WIDTH).max(1));
        for (number, part) in parts.into_iter().enumerate() {
            let name = if number == 0 { ThreadName(line.thread).to_string() } else { String::new() };
            let _ = writeln!(text, "{}", format!("{name:NAME_WIDTH$}{part}").trim_end());
        }
    }
    text
}

/// Divides a text into lines of at most `width` columns, between words where that is possible.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() || last.chars().count() + 1 + word.chars().count() <= width {
            let space = if last.is_empty() { "" } else { " " };
            last.push_str(space);
            last.push_str(word);
        } else {
            // The indent is left out where it would break the word.
            let indent = if word.chars().count() + 2 <= width { "  " } else { "" };
            lines.push(format!("{indent}{word}"));
        }
        while let Some((at, _)) = lines.last().and_then(|last| last.char_indices().nth(width)) {
            let rest = lines.last_mut().expect("there is a line").split_off(at);
            lines.push(rest);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(thread: u32, text: &str) -> Line {
        Line { thread, text: text.to_owned(), choices: 0 }
    }

    #[test]
    fn lanes_stand_side_by_side_where_there_is_room() {
        let threads = ["root", "worker-0"].map(str::to_owned);
        let lines = [line(0, "spawn task#1  pool.rs:7"), line(1, "run task#1")];
        let drawn = draw(&threads, &lines, 60);
        let rows: Vec<_> = drawn.lines().collect();
        assert_eq!(rows[0].split_whitespace().collect::<Vec<_>>(), ["root", "root", "w1", "worker-0"]);
        assert_eq!(rows[3], format!("{:29} run task#1", ""));
        assert!(rows.iter().all(|row| row.chars().count() <= 60));
        assert_eq!(draw(&threads, &lines, 30), "root spawn task#1  pool.rs:7\nw1   run task#1\n");
    }

    #[test]
    fn no_width_is_exceeded() {
        let threads = ["root", "worker-0", "worker-1"].map(str::to_owned);
        let lines = [line(0, "spawn task#1  explore/src/bugs/a_long_name.rs:7"), line(2, "run")];
        for columns in 8..120 {
            let drawn = draw(&threads, &lines, columns);
            assert!(drawn.lines().all(|row| row.chars().count() <= columns), "{columns}: {drawn}");
        }
    }
}
