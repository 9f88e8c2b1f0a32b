//! Words and numbers in the form that people read.

use std::thread;

/// The style of a piece of text. A terminal with colours shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Ordinary text.
    Plain,
    /// A heading.
    Strong,
    /// Less important text.
    Faint,
    /// A success.
    Good,
    /// A failure.
    Bad,
    /// One of several things that are shown side by side; the number chooses the colour.
    Series(usize),
}

impl Style {
    /// Puts the text between the escape sequences of this style.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            // Yellow, blue, green, magenta: legible on light and dark.
            Self::Series(number) => ["33", "34", "32", "35"][number % 4],
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Breaks a text into lines of at most `width` columns, at spaces. A longer word is broken as a path
/// or an address is: after a slash, a colon, a number sign or a question mark. Without one it stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for (number, piece) in pieces(word, width).into_iter().enumerate() {
            let line = lines.last_mut().expect("there is a line from the beginning");
            let gap = if line.is_empty() || number > 0 { "" } else { " " };
            if line.is_empty() || columns(line) + gap.len() + columns(piece) <= width {
                line.push_str(gap);
                line.push_str(piece);
            } else {
                lines.push(piece.to_owned());
            }
        }
    }
    lines
}

/// Breaks a line that is wider than `width` at spaces. The lines that follow are indented by two columns more
/// than the first one. A line that fits stays as it is.
pub(super) fn fold(line: &str, width: usize) -> Vec<String> {
    if columns(line) <= width {
        return vec![line.to_owned()];
    }
    let plain = console::strip_ansi_codes(line);
    let indent = plain.chars().take_while(|&character| character == ' ').count();
    let longest = plain.split_whitespace().map(columns).max().unwrap_or(0);
    let hanging = (indent + 2).min(width.saturating_sub(longest));
    let mut words = wrap(line.trim_start(), width.saturating_sub(hanging)).into_iter();
    let first = words.next().map(|words| format!("{:1$}{words}", "", indent.min(hanging)));
    first.into_iter().chain(words.map(|words| format!("{:hanging$}{words}", ""))).collect()
}

/// How many columns of a terminal a text takes. Escape sequences take none.
pub(super) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The pieces of a word that may stand on lines of their own.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    if columns(word) <= width {
        return vec![word];
    }
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(end) =
        rest.find(['/', ':', '#', '?']).map(|place| place + 1).filter(|&end| end < rest.len())
    {
        let end = if rest[end..].starts_with(':') { end + 1 } else { end };
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// Writes a whole number with its thousands apart: `10,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes how many there are of something: `1 thread`, `1,000 threads`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number as u64), if number == 1 { one } else { many })
}

/// The name of this thread.
pub fn worker_name() -> String {
    thread::current().name().unwrap_or("a thread").to_owned()
}

/// Writes an amount of memory in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_spaces_and_nowhere_else() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("immeasurable", 3), ["immeasurable"]);
        assert_eq!(wrap("äöü äöü", 7), ["äöü äöü"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn a_path_that_is_too_long_breaks_after_a_slash() {
        assert_eq!(
            wrap("see demos/src/show/text.rs::wrap now", 12),
            ["see demos/", "src/show/", "text.rs::", "wrap now"]
        );
        assert_eq!(wrap("a/b c/d", 3), ["a/b", "c/d"]);
        assert_eq!(wrap("https://a.example/b", 9), ["https://", "a.example/", "b"]);
    }

    #[test]
    fn a_wide_line_folds_under_itself() {
        assert_eq!(fold("  worker-0 waits for the board", 20), ["  worker-0 waits", "    for the board"]);
        assert_eq!(fold("  a  b", 6), ["  a  b"]);
        // A long word is not pushed out by the indent.
        assert_eq!(fold("      abc defghijkl", 10), [" abc", " defghijkl"]);
        let painted = Style::Faint.paint("one two three");
        assert_eq!(fold(&painted, 9), ["\x1b[2mone two", "  three\x1b[0m"]);
    }

    #[test]
    fn no_width_loses_a_word() {
        let text = "The timer woke the task, and its poll (runtime/src/task/cell/waker.rs::wake) went down the chain.";
        for width in 1..100 {
            let dense = |text: &str| text.split_whitespace().collect::<String>();
            for lines in [wrap(text, width), fold(&format!("    {text}"), width)] {
                assert_eq!(dense(&lines.join(" ")), dense(text), "{width}");
                // The longest piece that cannot be broken has 10 columns.
                assert!(lines.iter().all(|line| columns(line) <= width.max(10)), "{width}: {lines:?}");
            }
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [thousands(0), thousands(999), thousands(10_000), thousands(1_234_567)],
            ["0", "999", "10,000", "1,234,567"]
        );
    }
}
