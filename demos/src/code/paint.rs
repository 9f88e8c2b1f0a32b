//! Which colour each character of a listing has.

use crate::show::Style;

/// The languages of the listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Rust,
}

pub(super) const STRING: Style = Style::Good;
pub(super) const COMMENT: Style = Style::Faint;
const KEYWORD: Style = Style::Series(3);
const NUMBER: Style = Style::Series(1);

const PYTHON_KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "async", "await", "break", "class", "def", "else", "except", "for",
    "from", "global", "if", "import", "in", "is", "lambda", "not", "or", "pass", "return", "try", "while",
    "with", "yield",
];

const RUST_KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "else", "enum", "false", "fn", "for",
    "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self",
    "static", "struct", "super", "true", "use", "where", "while",
];

impl Language {
    fn comment(self) -> &'static str {
        match self {
            Self::Python => "#",
            Self::Rust => "//",
        }
    }

    fn is_keyword(self, word: &str) -> bool {
        match self {
            Self::Python => PYTHON_KEYWORDS.contains(&word),
            Self::Rust => RUST_KEYWORDS.contains(&word),
        }
    }
}

/// A line of a listing: its characters, each with its style.
pub(super) type Line = Vec<(char, Style)>;

/// Breaks a text into lines and gives each character its style.
pub(super) fn paint(text: &str, language: Language) -> Vec<Line> {
    let mut rest = text;
    let mut painted: Line = Vec::with_capacity(text.len());
    while !rest.is_empty() {
        let (length, style) = token(rest, language);
        let (token, after) = rest.split_at(length);
        painted.extend(token.chars().map(|character| (character, style)));
        rest = after;
    }
    painted.split(|&(character, _)| character == '\n').map(<[_]>::to_vec).collect()
}

/// The first token of `text`: its length in bytes, and its style.
fn token(text: &str, language: Language) -> (usize, Style) {
    let first = text.chars().next().expect("the caller has checked that there is text");
    if text.starts_with(language.comment()) {
        return (text.find('\n').unwrap_or(text.len()), COMMENT);
    }
    match first {
        '"' => (quoted(text, '"'), STRING),
        '\'' if language == Language::Python || is_char_literal(text) => (quoted(text, '\''), STRING),
        _ if first.is_ascii_digit() => (number(text), NUMBER),
        _ if first.is_alphabetic() || first == '_' => {
            let length = while_in(text, |c| c.is_alphanumeric() || c == '_');
            (length, if language.is_keyword(&text[..length]) { KEYWORD } else { Style::Plain })
        }
        _ => (first.len_utf8(), Style::Plain),
    }
}

/// Whether a quotation mark begins a character, and not a lifetime.
fn is_char_literal(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    after.next().is_some_and(|c| c == '\\') || after.next().is_some_and(|c| c == '\'')
}

/// The length of a literal that ends at the next `mark` without a backslash before it.
fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        if character == mark && !escaped {
            return place + character.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

/// The length of a number. A point belongs to it if a digit follows, so that `0..2` has two numbers.
fn number(text: &str) -> usize {
    let whole = while_in(text, |c| c.is_alphanumeric() || c == '_');
    let has_fraction =
        text[whole..].strip_prefix('.').is_some_and(|after| after.starts_with(char::is_numeric));
    if has_fraction { whole + 1 + while_in(&text[whole + 1..], char::is_alphanumeric) } else { whole }
}

fn while_in(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a text that have a style.
    fn styled(text: &str, language: Language, style: Style) -> Vec<String> {
        let mut found = vec![String::new()];
        for (character, its) in paint(text, language).into_iter().flatten() {
            if its == style {
                found.last_mut().unwrap().push(character);
            } else if !found.last().unwrap().is_empty() {
                found.push(String::new());
            }
        }
        found.retain(|part| !part.is_empty());
        found
    }

    #[test]
    fn each_token_has_its_colour() {
        let python = "async def f():  # \"no\" string\n    return f\"{n}: 'x'\" + 'def', 10_000\n";
        assert_eq!(styled(python, Language::Python, KEYWORD), ["async", "def", "return"]);
        assert_eq!(
            styled(python, Language::Python, STRING),
            ["f\"{n}: 'x'\""[1..].to_owned(), "'def'".into()]
        );
        assert_eq!(styled(python, Language::Python, COMMENT), ["# \"no\" string"]);
        assert_eq!(styled(python, Language::Python, NUMBER), ["10_000"]);
        assert_eq!(styled("f(0.5, 0..2)", Language::Rust, NUMBER), ["0.5", "0", "2"]);
    }

    #[test]
    fn a_lifetime_is_no_character() {
        let rust = "fn f<'a>(c: &'a str) -> bool { c.ends_with(['\\'', 'x']) } // it's";
        assert_eq!(styled(rust, Language::Rust, STRING), ["'\\''", "'x'"]);
        assert_eq!(styled(rust, Language::Rust, KEYWORD), ["fn"]);
        assert_eq!(styled(rust, Language::Rust, COMMENT), ["// it's"]);
    }

    #[test]
    fn nothing_is_lost() {
        let text = "let s = \"a\\\n  b\";\n\nλ → 'c'\n";
        let lines = paint(text, Language::Rust);
        let plain = |line: Line| line.into_iter().map(|(character, _)| character).collect::<String>();
        assert_eq!(lines.into_iter().map(plain).collect::<Vec<_>>().join("\n"), text);
    }
}
