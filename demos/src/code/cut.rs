//! Cutting the marked parts out of a source file, while the program is compiled.
//!
//! A part stands between two marker lines:
//!
//! ```text
//! // --code from here
//! …
//! // --code to here
//! ```
//!
//! A marker that is missing, or one too many, is an error of the compiler.

const BEGIN: &str = "// --code from here\n";
const END: &str = "// --code to here";

/// Cuts out the marked parts. There must be `N` of them.
pub(super) const fn cut<const N: usize>(source: &'static str) -> [&'static str; N] {
    let mut parts = [""; N];
    let (mut rest, mut count) = (source, 0);
    while let Some(begin) = find(rest, BEGIN) {
        assert!(count < N, "a source file has more parts for --code than its listing says");
        let (_, part) = rest.split_at(begin + BEGIN.len());
        let Some(end) = find(part, END) else { panic!("a part for --code has no end") };
        (parts[count], rest) = part.split_at(end);
        count += 1;
    }
    assert!(count == N, "a source file has fewer parts for --code than its listing says");
    parts
}

/// The place of `needle` in `text`.
const fn find(text: &str, needle: &str) -> Option<usize> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let mut at = 0;
    while at + needle.len() <= text.len() {
        let mut same = 0;
        while same < needle.len() && text[at + same] == needle[same] {
            same += 1;
        }
        if same == needle.len() {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "a\n// --code from here\nb\n// --code to here\nc\n    // --code from here\n    d\n    // --code to here\n";

    #[test]
    fn the_marked_parts_are_cut_out_in_order() {
        const PARTS: [&str; 2] = cut(TWO);
        assert_eq!(PARTS.map(str::trim), ["b", "d"]);
    }

    #[test]
    #[should_panic(expected = "more parts")]
    fn a_part_too_many_is_an_error() {
        let _: [&str; 1] = cut(TWO);
    }

    #[test]
    #[should_panic(expected = "fewer parts")]
    fn a_part_too_few_is_an_error() {
        let _: [&str; 3] = cut(TWO);
    }

    #[test]
    #[should_panic(expected = "no end")]
    fn a_part_without_an_end_is_an_error() {
        let _: [&str; 1] = cut("// --code from here\nx");
    }
}
