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

/// Breaks a text into lines of at most `width` characters, at spaces. A longer word stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line from the beginning");
        if line.is_empty() {
            line.push_str(word);
        } else if console::measure_text_width(line) + 1 + console::measure_text_width(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
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
    fn thousands_stand_apart() {
        assert_eq!(
            [thousands(0), thousands(999), thousands(10_000), thousands(1_234_567)],
            ["0", "999", "10,000", "1,234,567"]
        );
    }
}
